import { parseArgs } from 'node:util'
import { runJson } from './child.ts'
import { describeMachine, printMachine } from './machine.ts'
import { median, type Measured } from './measure.ts'
import { writeResults, type CaseResult } from './results.ts'
import { inScratchFolder } from './scratch.ts'
import { endProgress, formatTable, progress } from './table.ts'

/** A suite whose cases are each measured right beside a yardstick. */
export interface PairedSuite {
  readonly name: string
  readonly caseNames: readonly string[]
  /** Those that are run unless others are asked for; all unless given. */
  readonly defaultCases?: readonly string[]
  /** Processes that keep a message before it is answered; 1 unless given. Both sides are told. */
  readonly nodes?: number
  /** The program that measures one case: prints one JSON line, as the yardstick does. */
  readonly caseProcess: string
  /** The yardstick unless another is given. */
  readonly limit: string
  /** What precedes the options in the help text. */
  readonly description: string
  /** Further columns of the table, from what the case's process printed. */
  readonly columns?: ReadonlyArray<{ readonly head: string, readonly of: (run: any) => number }>
  /** For `--cpu-prof`: arguments of Node.js for the case's process itself, or of that process. */
  readonly profile: { readonly node?: readonly string[], readonly program?: readonly string[] }
}

const optionsText = (caseNames: readonly string[]): string => `
  --quick             3 pairs of 3 short rounds instead of 7 pairs of 5
  --json FILE         also write the results there
  --limit FILE        another yardstick with the same command line and output
  --cases LIST        of ${caseNames.join(',')}
  --sizes LIST        message bytes (128,1024,4096)
  --inflight LIST     messages in flight (1,16,128,1000)
  --pairs N           pairs per case
  --rounds N          rounds in each process
  --messages N        messages of a round
  --dir DIR           where the data lies while it runs (the system's temporary folder)
  --cpu-prof          write a CPU profile of each process of ours to bench/results/
`

interface Plan {
  readonly suite: PairedSuite
  readonly cases: readonly string[]
  readonly sizes: readonly number[]
  readonly inflights: readonly number[]
  readonly pairs: number
  readonly limit: string
  readonly dir: string | undefined
  readonly passOn: readonly string[]
  readonly profile: boolean
  readonly json: string | undefined
}

/** Figures of one case, pair by pair. */
interface Samples {
  readonly name: string
  readonly ours: Measured[]
  readonly limits: Measured[]
}

export async function runPairedSuite (suite: PairedSuite, args: string[]): Promise<void> {
  const plan = makePlan(suite, args)
  if (plan === undefined) { console.log(suite.description + optionsText(suite.caseNames)); return }
  const machine = describeMachine()
  printMachine(machine)
  const results = await inScratchFolder(plan.dir, (folder) => measureAll(plan, folder))
  const further = suite.columns ?? []
  console.log('\n' + formatTable(
    ['case', 'bytes', 'in flight', 'msg/s', 'limit msg/s', 'ratio', 'p50 us', 'p99 us', ...further.map(({ head }) => head)],
    results.map((r) => [r.name, r.size, r.inflight, r.msgsPerSec, r.limitMsgsPerSec, r.ratio.toFixed(2), r.p50us, r.p99us, ...further.map(({ head }) => r.more?.[head])])))
  if (plan.json !== undefined) {
    await writeResults(plan.json, machine, results)
    console.log(`\nwritten to ${plan.json}`)
  }
}

/** All sizes and numbers in flight; the data lie in `folder`. */
async function measureAll (plan: Plan, folder: string): Promise<CaseResult[]> {
  const results: CaseResult[] = []
  const total = plan.sizes.length * plan.inflights.length
  let done = 0
  for (const size of plan.sizes) {
    for (const inflight of plan.inflights) {
      done++
      const samples = plan.cases.map((name): Samples => ({ name, ours: [], limits: [] }))
      for (let pair = 0; pair < plan.pairs; pair++) {
        await runPair(plan, folder, samples, size, inflight, pair, `${done}/${total}`)
      }
      results.push(...samples.map((sample) => resultOf(plan.suite, sample, size, inflight)))
      endProgress()
      for (const result of results.slice(-samples.length)) console.log(oneLine(result))
    }
  }
  return results
}

/** One run of the yardstick and one of each case right beside it; every other pair in the opposite order. */
async function runPair (plan: Plan, folder: string, samples: readonly Samples[], size: number, inflight: number, pair: number, place: string): Promise<void> {
  const { nodes } = plan.suite
  const args = ['--size', String(size), '--inflight', String(inflight), '--dir', folder, ...nodes === undefined ? [] : ['--nodes', String(nodes)], ...plan.passOn]
  let limit: Measured | undefined
  const fresh: Array<[Samples, Measured]> = []
  const runs: Array<() => Promise<void>> = [
    async () => { limit = await runJson(plan.limit, args) },
    ...samples.map((sample) => async () => {
      const { node = [], program = [] } = plan.profile ? plan.suite.profile : {}
      fresh.push([sample, await runJson(plan.suite.caseProcess, ['--case', sample.name, ...args, ...program], node)])
    })
  ]
  if (pair % 2 === 1) runs.reverse()
  for (const run of runs) {
    progress(`${place}  ${size} B, ${inflight} in flight, pair ${pair + 1} of ${plan.pairs}, ${fresh.length} of ${samples.length} cases`)
    await run()
  }
  for (const [sample, ours] of fresh) {
    sample.ours.push(ours)
    sample.limits.push(limit!)
  }
}

function resultOf ({ name: suite, columns, nodes = 1 }: PairedSuite, { name, ours, limits }: Samples, size: number, inflight: number): CaseResult {
  return {
    suite,
    name,
    size,
    inflight,
    nodes,
    msgsPerSec: Math.round(median(ours.map((run) => run.msgsPerSec))),
    limitMsgsPerSec: Math.round(median(limits.map((run) => run.msgsPerSec))),
    ratio: Math.round(median(ours.map((run, pair) => run.msgsPerSec / limits[pair]!.msgsPerSec)) * 1000) / 1000,
    p50us: Math.round(median(ours.map((run) => run.p50us))),
    p99us: Math.round(median(ours.map((run) => run.p99us))),
    ...(columns !== undefined && { more: Object.fromEntries(columns.map(({ head, of }) => [head, median(ours.map(of))])) })
  }
}

function oneLine (r: CaseResult): string {
  return `${r.name}, ${r.size} B, ${r.inflight} in flight: ${r.msgsPerSec.toLocaleString('en-US')} msg/s, limit ${r.limitMsgsPerSec.toLocaleString('en-US')}, ratio ${r.ratio.toFixed(2)}`
}

/** Undefined: help was asked for. */
function makePlan (suite: PairedSuite, args: string[]): Plan | undefined {
  const { caseNames, defaultCases = caseNames } = suite
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      limit: { type: 'string', default: suite.limit },
      cases: { type: 'string', default: defaultCases.join(',') },
      sizes: { type: 'string', default: '128,1024,4096' },
      inflight: { type: 'string', default: '1,16,128,1000' },
      pairs: { type: 'string' },
      rounds: { type: 'string' },
      messages: { type: 'string' },
      dir: { type: 'string' },
      'cpu-prof': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) return undefined
  const cases = values.cases.split(',')
  for (const name of cases) if (!caseNames.includes(name)) throw new RangeError(`--cases takes ${caseNames.join(', ')}; not '${name}'`)
  const rounds = values.rounds ?? (values.quick ? '3' : undefined)
  const passOn = Object.entries({ rounds, messages: values.messages })
    .flatMap(([name, value]) => value === undefined ? [] : [`--${name}`, value])
  return {
    suite,
    cases,
    sizes: wholeNumbers('--sizes', values.sizes),
    inflights: wholeNumbers('--inflight', values.inflight),
    pairs: wholeNumbers('--pairs', values.pairs ?? (values.quick ? '3' : '7'))[0]!,
    limit: values.limit,
    dir: values.dir,
    passOn,
    profile: values['cpu-prof'],
    json: values.json
  }
}

function wholeNumbers (option: string, list: string): number[] {
  return list.split(',').map((text) => {
    const value = Number(text)
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${option} takes whole numbers above 0; not '${text}'`)
    return value
  })
}
