import { randomInt } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { parametersOf, type Parameters } from './parameters.ts'
import { clockWorlds } from './clocks.ts'
import { FaultCounts } from './fault-counts.ts'
import { regressions } from './regressions.ts'
import { simulate, type SimResult } from './simulation.ts'
import type { Job } from './worker.ts'
import { runJobs } from './workers.ts'

const USAGE = `npm run sim -- [--seed N] [--seeds M] [--minutes K] [--workers W] [--all] [--json] [--trace] [--with JSON] [--matrix | --clocks]

Runs the worlds of seeds N, N+1, ... (a random N unless given, printed first) after those that were wrong once, and stops at
the first violation (--all: goes on). M: 1 where only N is given, else 2000; with --minutes as many as there is time for.
--trace prints every event; --with sets parameters of all worlds (null: never). With --json the last line is
{"firstSeed","seeds","steps","violations","faults"}. Exit status 1 on a violation.

--matrix: each kind of partition in groups of three and five nodes, M times each (50): how long nobody leads who reaches a majority,
and how often the term changes. --clocks: M worlds (200) in which only clocks are wrong: elections and stale reads.
`
const DEFAULT_SEEDS = 2_000
const LAST_SEED = 2 ** 32

/** Runs seeds in as many processes as there are processors, and reports. */
async function main (): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', ...(process.env['SEED'] === undefined ? {} : { default: process.env['SEED'] }) },
      seeds: { type: 'string' },
      minutes: { type: 'string' },
      workers: { type: 'string', default: String(availableParallelism()) },
      with: { type: 'string', default: '{}' },
      all: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      matrix: { type: 'boolean', default: false },
      clocks: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const firstSeed = Number(values.seed ?? randomInt(1, 2 ** 31))
  const minutes = Number(values.minutes ?? Infinity)
  const seeds = Number(values.seeds ?? (values.minutes !== undefined ? LAST_SEED - firstSeed : values.seed !== undefined ? 1 : DEFAULT_SEEDS))
  const workers = Math.min(Number(values.workers), seeds)
  for (const number of [firstSeed, seeds, workers]) if (!Number.isSafeInteger(number) || number < 1) throw new TypeError(`--seed, --seeds and --workers take whole numbers\n${USAGE}`)
  if (!(minutes > 0)) throw new TypeError(`--minutes takes a number above 0\n${USAGE}`)
  const parameters = parametersOf(values.with)
  if (values.trace) return await trace(firstSeed, parameters)
  if (values.matrix) return await matrix(firstSeed, Number(values.seeds ?? 50), values.json)
  if (values.clocks) return await clocks(firstSeed, Number(values.seeds ?? 200), Number(values.workers), values.json)

  const report = new Report(firstSeed, values.all)
  const replayed = values.seed === undefined ? regressions : []
  console.log(`seeds ${firstSeed} to ${firstSeed + seeds - 1}${replayed.length === 0 ? '' : `, after ${replayed.length} that were wrong once`}`)
  const endMs = performance.now() + minutes * 60_000
  function * jobs (): Generator<Job> {
    for (const { seed, parameters = {} } of replayed) yield { seed, parameters }
    for (let seed = firstSeed; seed < firstSeed + seeds && performance.now() < endMs; seed++) yield { seed, parameters }
  }
  await runJobs(jobs(), workers, (result) => report.add(result))
  report.print(values.json)
  return report.violations === 0 ? 0 : 1
}

async function trace (seed: number, parameters: Partial<Parameters>): Promise<number> {
  const { violation, steps, traceHash } = await simulate({ seed, parameters, print: (line) => { console.log(line) } })
  console.log(violation === undefined ? `seed ${seed}: ok, ${steps} steps, trace ${traceHash}` : `seed ${seed}: ${violation.message}`)
  return violation === undefined ? 0 : 1
}

async function matrix (firstSeed: number, rounds: number, asJson: boolean): Promise<number> {
  // what it needs is not part of what the simulation itself is made of
  const { ELECTION_TIMEOUT_MS, partitionMatrix, summaryOf } = await import('./matrix.ts')
  console.log(`seeds ${firstSeed} to ${firstSeed + rounds - 1}; an election time-out is ${ELECTION_TIMEOUT_MS} ms, and up to twice that`)
  const cells = await partitionMatrix({ rounds, firstSeed, onCell: (cell) => { console.log(summaryOf(cell).text) } })
  const problems = cells.flatMap((cell) => summaryOf(cell).problems)
  for (const problem of problems) console.log(problem)
  if (asJson) console.log(JSON.stringify({ firstSeed, electionTimeoutMs: ELECTION_TIMEOUT_MS, problems: problems.length, cells: cells.map((cell) => summaryOf(cell).figures) }))
  return problems.length === 0 ? 0 : 1
}

async function clocks (firstSeed: number, seeds: number, workers: number, asJson: boolean): Promise<number> {
  console.log(`seeds ${firstSeed} to ${firstSeed + seeds - 1}: only clocks are wrong`)
  let [done, elections, reads, jumps, violations] = [0, 0, 0, 0, 0]
  await runJobs(clockWorlds(firstSeed, seeds), Math.min(workers, seeds), (result) => {
    done++
    elections += result.elections
    reads += result.reads
    for (const [fault, count] of Object.entries(result.faults)) if (fault.startsWith('clock step/')) jumps += count
    if (result.violation === undefined) return true
    violations++
    console.log(`seed ${result.seed}: ${result.violation.message}`)
    return true
  })
  console.log(`${done} worlds, ${jumps} jumps of wall clocks: ${elections} elections that they caused, ${reads} linearizable reads, ${violations} violations`)
  if (asJson) console.log(JSON.stringify({ firstSeed, seeds: done, jumps, elections, reads, violations }))
  return violations === 0 && elections === 0 ? 0 : 1
}

class Report {
  readonly #firstSeed: number
  readonly #goesOn: boolean
  readonly #startedMs = performance.now()
  readonly #faults = new FaultCounts()
  violations = 0
  #seeds = 0
  #steps = 0
  #decided = 0
  #installs = 0

  constructor (firstSeed: number, goesOn: boolean) {
    this.#firstSeed = firstSeed
    this.#goesOn = goesOn
  }

  /** Returns whether to go on. */
  add ({ seed, steps, decided, installs, faults, violation, traceHash }: SimResult): boolean {
    this.#seeds++
    this.#steps += steps
    this.#decided += decided
    this.#installs += installs
    this.#faults.merge(faults)
    if (violation !== undefined) {
      this.violations++
      console.log(`seed ${seed}: ${violation.message}`)
      console.log(`replay: npm run sim -- --seed ${seed} --trace`)
    } else if (this.#seeds % 100 === 0) {
      console.log(`seed ${seed}: ok, trace ${traceHash}; ${this.#totals()}`)
    }
    return violation === undefined || this.#goesOn
  }

  print (asJson: boolean): void {
    console.log(`${this.#totals()}, ${this.violations} violations`)
    if (asJson) console.log(JSON.stringify({ firstSeed: this.#firstSeed, seeds: this.#seeds, steps: this.#steps, violations: this.violations, faults: this.#faults.toObject() }))
    else for (const line of this.#faults.lines()) console.log(line)
  }

  #totals (): string {
    return `${this.#seeds} seeds, ${this.#steps} steps, ${this.#decided} entries, ${this.#installs} catch-ups in ${((performance.now() - this.#startedMs) / 1000).toFixed(1)} s`
  }
}

process.exitCode = await main()
