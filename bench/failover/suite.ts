import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { Cluster } from '../../spec/cluster/cluster.ts'
import { bringBack, loseLeader, moveLeader, type UnderLoad } from '../../spec/cluster/leader-changes.ts'
import { NumberedProducer } from '../../spec/cluster/numbered-producer.ts'
import { readBack } from '../../spec/cluster/read-back.ts'
import { describeMachine, printMachine } from '../harness/machine.ts'
import { quantile } from '../harness/measure.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { endProgress, formatTable, progress } from '../harness/table.ts'

const usage = `npm run bench -- failover [options]

A group of three brokers and a name server, each a process of its own, under load. Again and again the leader is killed (SIGKILL):
how long until sends are confirmed again. It is started again and comes up to the others before the next kill. At the end every
message is read back from each node: none that was confirmed is missing, none is there that was not sent or twice, each is where
its answer said.

  --runs N         (100)
  --planned        leadership is moved (preferredLeaderId) instead: no send may fail
  --stop           the leader is told to end (SIGTERM) instead
  --hang           the leader is suspended (SIGSTOP) instead, and goes on when another one leads
  --rate N         messages a second (1000)
  --lanes N        under way at the same time (16)
  --size BYTES     of a body (1024)
  --dir DIR        where the data lies while it runs (the system's temporary folder)
  --json FILE      writes the results
`

const QUEUES = 8
const TOPIC = 'failover'

/** Longest time without an ack, ms. */
const LIMITS = { kill: { p50: 600, p99: 1500 }, planned: { p50: 200, p99: 200 } }

export async function failoverSuite (args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      runs: { type: 'string', default: '100' },
      planned: { type: 'boolean', default: false },
      stop: { type: 'boolean', default: false },
      hang: { type: 'boolean', default: false },
      rate: { type: 'string', default: '1000' },
      lanes: { type: 'string', default: '16' },
      size: { type: 'string', default: '1024' },
      dir: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) { console.log(usage); return }
  const [runs, maxRate, lanes, bodyBytes] = [values.runs, values.rate, values.lanes, values.size].map(Number) as [number, number, number, number]
  const kind = values.planned ? 'planned' : values.stop ? 'stop' : values.hang ? 'hang' : 'kill'
  const machine = describeMachine()
  printMachine(machine)
  await inScratchFolder(values.dir, async (folder) => {
    await using cluster = await Cluster.start({ folder, program: 'built', groups: [{ name: 'bench-group', settings: { slaveReadEnable: true } }] })
    const [group] = cluster.groups
    await cluster.makeTopic(TOPIC, QUEUES)
    const producer = new NumberedProducer({ cluster, group: group!, topic: TOPIC, queues: QUEUES, lanes, bodyBytes, maxRate })
    const load = { cluster, group: group!, producer }
    const gapsMs: number[] = []
    for (let run = 0; run < runs; run++) {
      gapsMs.push(Math.round(await changes[kind](load)))
      progress(`${kind} ${run + 1} of ${runs}: ${gapsMs.at(-1)} ms`)
    }
    await producer.stop()
    progress('reading back')
    await group!.inSync()
    for (const { address } of group!.nodes) producer.history.check(await readBack(cluster, address, TOPIC, QUEUES))
    endProgress()
    const ascending = Float64Array.from(gapsMs).sort()
    const figures = { kind, runs, p50Ms: quantile(ascending, 0.5), p99Ms: ascending[Math.max(0, Math.ceil(runs * 0.99) - 1)] ?? 0, maxMs: ascending.at(-1) ?? 0 }
    const { storedCount: confirmed, notStoredCount: refused, unknownCount: unknown, problems } = producer.history
    const limits = kind === 'planned' || kind === 'kill' ? LIMITS[kind] : undefined
    console.log(formatTable([`${runs} times ${kind}`, 'measured', 'at most'], [
      ['no ack for, median, ms', figures.p50Ms, limits?.p50],
      ['99 of 100, ms', figures.p99Ms, limits?.p99],
      ['longest, ms', figures.maxMs, undefined],
      ['confirmed sends', confirmed, undefined],
      ['answered as not stored', refused, kind === 'planned' ? 0 : undefined],
      ['of unknown outcome', unknown, kind === 'planned' ? 0 : undefined],
      ['lost, doubled, invented, out of place', problems.length, 0]
    ]))
    for (const problem of problems.slice(0, 20)) console.error(problem)
    for (const [answer, count] of producer.answers) console.log(`${count} times: ${answer}`)
    const isTooSlow = limits !== undefined && (figures.p50Ms > limits.p50 || figures.p99Ms > limits.p99)
    if (problems.length > 0 || isTooSlow || (kind === 'planned' && refused + unknown > 0)) process.exitCode = 1
    if (values.json !== undefined) await writeFile(values.json, JSON.stringify({ machine, figures: { ...figures, confirmed, refused, unknown, problems: problems.length, gapsMs } }, null, 1) + '\n')
  })
}

const changes: Readonly<Record<'kill' | 'stop' | 'hang' | 'planned', (load: UnderLoad) => Promise<number>>> = {
  async kill (load) {
    const { gapMs, leader } = await loseLeader(load, (leader) => leader.kill())
    await bringBack(load, leader)
    return gapMs
  },
  async stop (load) {
    const { gapMs, leader } = await loseLeader(load, (leader) => leader.stop())
    await bringBack(load, leader)
    return gapMs
  },
  async hang (load) {
    const { gapMs, leader } = await loseLeader(load, (leader) => leader.suspend())
    leader.resume()
    await load.group.inSync(1024 * 1024)
    return gapMs
  },
  planned: moveLeader
}
