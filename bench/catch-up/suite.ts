import { parseArgs } from 'node:util'
import { describeMachine, printMachine } from '../harness/machine.ts'
import { writeResults, type CaseResult } from '../harness/results.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { endProgress, formatTable } from '../harness/table.ts'
import { caseNames, GIB, runCatchUp, type CaseName, type CatchUpResult } from './catch-up-run.ts'

const usage = `npm run bench -- catch-up [options]

A group of three brokers, each a process of its own with SYNC_FLUSH. One follower is stopped, much is written without it, then it comes
back while messages are sent at half of the rate that the group takes at most: how long until it is up to the leader again, and what of
the live rate is left meanwhile. Cases:

  behind        the logs of the others still have all that it lacks
  below-head    they do not any more: it fetches log and state as files are fetched
  wiped         so it is, and its disk is empty: it joins as a new member, and takes the place of the old one

  --gb N           GiB of message bodies that it falls behind (5)
  --cases LIST     of ${caseNames.join(',')}
  --rate N         messages a second that the group takes at most (measured)
  --size BYTES     of a message body (1024)
  --before N       seconds for which the live rate is measured before it is back (15)
  --kills N        it is killed (SIGKILL) so often on its way, after equal parts of what it lacks (0)
  --kill           it is killed in the beginning too, not stopped
  --dir DIR        where the data lies while it runs (the system's temporary folder); three times what is written, and the live load
  --json FILE      writes the results
`

const LIMITS = { caughtUpS: 300, ratio: 0.8 }
const GIVE_UP_S = 600

export async function catchUpSuite (args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      gb: { type: 'string', default: '5' },
      cases: { type: 'string', default: caseNames.join(',') },
      rate: { type: 'string' },
      size: { type: 'string', default: '1024' },
      before: { type: 'string', default: '15' },
      kills: { type: 'string', default: '0' },
      kill: { type: 'boolean', default: false },
      dir: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) { console.log(usage); return }
  const cases = values.cases.split(',') as CaseName[]
  for (const name of cases) if (!caseNames.includes(name)) throw new RangeError(`--cases takes ${caseNames.join(', ')}; not '${name}'`)
  const [gb, bodyBytes, beforeS, kills] = [values.gb, values.size, values.before, values.kills].map(Number) as [number, number, number, number]
  if (!(gb > 0) || !(bodyBytes >= 1) || !(beforeS > 0) || !(kills >= 0)) throw new RangeError('--gb, --size, --before and --kills take numbers')
  let maxRate = values.rate === undefined ? undefined : Number(values.rate)
  const machine = describeMachine()
  printMachine(machine)
  const results: CatchUpResult[] = []
  for (const name of cases) {
    const result = await inScratchFolder(values.dir, (folder) => runCatchUp({ name, folder, bytesBehind: gb * GIB, bodyBytes, maxRate, beforeS, kills, limitS: GIVE_UP_S, isKilled: values.kill }))
    endProgress()
    console.log(oneLine(result))
    results.push(result)
    maxRate = result.maxRate
  }
  console.log('\n' + formatTable(
    ['case', 'GiB behind', 'up after s', 'at most', 'most msg/s', 'live before', 'meanwhile', 'ratio', 'at least', 'lowest second', 'p99 ms before', 'meanwhile', 'refused'],
    results.map((r) => [r.name, (r.behindBytes / GIB).toFixed(1), r.caughtUpS.toFixed(1), LIMITS.caughtUpS, r.maxRate, r.beforeRate, r.duringRate, ratioOf(r).toFixed(2), LIMITS.ratio, r.lowestRate, r.beforeP99Ms.toFixed(1), r.duringP99Ms.toFixed(1), r.refused])))
  if (results.some((r) => r.caughtUpS > LIMITS.caughtUpS || ratioOf(r) < LIMITS.ratio)) process.exitCode = 1
  if (values.json !== undefined) await writeResults(values.json, machine, results.map((r) => caseResultOf(r, bodyBytes)))
}

const ratioOf = ({ duringRate, beforeRate }: CatchUpResult): number => duringRate / beforeRate

function oneLine (r: CatchUpResult): string {
  return `${r.name}: ${(r.behindBytes / GIB).toFixed(1)} GiB behind, up after ${r.caughtUpS.toFixed(1)} s; ${r.beforeRate.toLocaleString('en-US')} messages a second before, ${r.duringRate.toLocaleString('en-US')} meanwhile; of a core: leader ${r.cores[0]}, other follower ${r.cores[1]}, the node ${r.cores[2]}, load ${r.cores[3]}`
}

/** The limit of the live rate is what it was before. */
function caseResultOf (r: CatchUpResult, size: number): CaseResult {
  return {
    suite: 'catch-up',
    name: r.name,
    size,
    inflight: 1000,
    nodes: 3,
    msgsPerSec: r.duringRate,
    limitMsgsPerSec: r.beforeRate,
    ratio: Math.round(ratioOf(r) * 1000) / 1000,
    p50us: 0,
    p99us: Math.round(r.duringP99Ms * 1000),
    more: { caughtUpS: r.caughtUpS, behindBytes: r.behindBytes, maxMsgsPerSec: r.maxRate, lowestMsgsPerSec: r.lowestRate, refused: r.refused, kills: r.kills }
  }
}
