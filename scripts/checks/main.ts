import { parseArgs } from 'node:util'
import { buildJava, hasJava, javaVersions } from '../../spec/interop/java-build.ts'
import { compileSources } from './compiled-sources.ts'
import { runSpecs, specLanes, type Lane } from './run-specs.ts'
import { runStep, type StepResult } from './run-step.ts'

const usage = `scripts/test [--seeds N] [--first-seed N] [--only build,lint,types,specs,interop,sim]

Runs, in this order: build, lint, types, specs, Apache's Java clients and servers against ours (where Maven and a JDK are
there), simulation (2100 seeds, or as many as --seeds says, from a random one or the one that --first-seed says).
The last line is "N passed, N failed": every assertion of the specs, every seed of the simulation and every other
step counts one. Exit status 0 when nothing failed, else 1.
`

const MINUTE_MS = 60_000
const stepNames = ['build', 'lint', 'types', 'specs', 'interop', 'sim']
/**
 * Run by hand as `node --import tsx FILE`; not specs of the ordinary run, as they need what not every machine has.
 * The first takes as long as the others together; servers and clients have ports of their own.
 */
const interopLanes: readonly Lane[] = [
  { files: ['spec/interop/java-clients.ts'], jobs: 1 },
  { files: ['spec/interop/group-failover.ts', 'spec/interop/joined-cluster.ts', 'spec/interop/killed-server.ts'], jobs: 1 }
]
const node = process.execPath
const bin = (name: string): string => `node_modules/.bin/${name}`

const { values } = parseArgs({ options: { seeds: { type: 'string', default: '2100' }, 'first-seed': { type: 'string' }, only: { type: 'string' }, help: { type: 'boolean', short: 'h' } } })
if (values.help === true) {
  console.log(usage)
  process.exit(0)
}
const seeds = Number(values.seeds)
const firstSeed = values['first-seed']
const wanted = new Set(values.only?.split(',') ?? stepNames)
for (const name of wanted) if (!stepNames.includes(name)) fail(`no step is called ${name}; there are ${stepNames.join(', ')}`)
if (!Number.isSafeInteger(seeds) || seeds < 1) fail('--seeds takes a whole number above 0')
if (firstSeed !== undefined && !/^[1-9][0-9]*$/.test(firstSeed)) fail('--first-seed takes a whole number above 0')

let passed = 0
let failed = 0

const hasBuilt = await simpleStep('build', 'build: compiling lib/ to dist/', () => runStep({ command: ['bash', '-c', '. scripts/prepare.sh; build'], limitMs: 5 * MINUTE_MS }))
await simpleStep('lint', 'lint: style, purity of the core, import rules', () => runStep({ command: [bin('eslint'), '.'], limitMs: 5 * MINUTE_MS }))
await simpleStep('types', 'types: checking lib, spec, bench, examples and scripts', compileAll)
await specs()
await interop()
await simulation()

console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

/** Returns whether it was run, and went well. */
async function simpleStep (name: string, title: string, step: () => Promise<StepResult>): Promise<boolean> {
  if (!wanted.has(name)) return false
  say(title)
  const { exitCode, timedOut, tookMs } = await step()
  count(exitCode === 0 ? 1 : 0, exitCode === 0 ? 0 : 1)
  tell(`${name}: ${exitCode === 0 ? 'ok' : timedOut ? 'ended for taking too long' : 'failed'} (${seconds(tookMs)})`)
  return exitCode === 0
}

/** What `types` compiles is what the specs run: 160 files would each spend as long on it as on all they check. */
async function specs (): Promise<void> {
  if (!wanted.has('specs')) return
  say('specs: two files at a time, and one of those that mostly wait')
  await compileUnlessDone()
  await specStep('specs', specLanes(), 5 * MINUTE_MS)
}

/** Needs what `build` made. The first run fetches Apache's packages, later ones find them. */
async function interop (): Promise<void> {
  if (!wanted.has('interop')) return
  say(`interop: Java clients ${javaVersions.join(' and ')} and servers`)
  if (!hasJava()) {
    tell('interop: skipped, there is no mvn or no JDK')
    return
  }
  try {
    for (const version of javaVersions) buildJava(version)
  } catch (error) {
    count(0, 1)
    tell(`interop: ${(error as Error).message}`)
    return
  }
  await compileUnlessDone()
  await specStep('interop', interopLanes, 9 * MINUTE_MS)
}

function compileAll (): Promise<StepResult> {
  return compileSources(5 * MINUTE_MS)
}

async function compileUnlessDone (): Promise<void> {
  if (!wanted.has('types')) await compileAll()
}

async function specStep (name: string, lanes: readonly Lane[], limitMs: number): Promise<void> {
  const startedMs = performance.now()
  const totals = await runSpecs(lanes, { limitMs, hasBuilt, onLine: (line) => tell(`  ${line}`) })
  count(totals.passed, totals.failed)
  tell(`${name}: ${totals.passed} passed, ${totals.failed} failed (${seconds(performance.now() - startedMs)})`)
}

async function simulation (): Promise<void> {
  if (!wanted.has('sim')) return
  say(`simulation: ${seeds} seeds from ${firstSeed ?? 'a random one'}`)
  let lastLine = ''
  const { exitCode, timedOut, tookMs } = await runStep({
    command: [node, '--import', 'tsx', 'spec/sim/main.ts', '--seeds', String(seeds), ...(firstSeed === undefined ? [] : ['--seed', firstSeed])],
    limitMs: 15 * MINUTE_MS,
    onLine: (line) => { if (line !== '') tell(`  ${lastLine = line}`) }
  })
  count(exitCode === 0 ? seeds : 0, exitCode === 0 ? 0 : 1)
  tell(`simulation: ${exitCode === 0 ? 'ok' : timedOut ? 'ended for taking too long' : `failed: ${lastLine}`} (${seconds(tookMs)})`)
}

function count (more: number, moreFailed: number): void {
  passed += more
  failed += moreFailed
}

function seconds (ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** Progress goes to standard error, so that standard output is the result alone. */
function tell (line: string): void {
  console.error(line)
}

function say (title: string): void {
  tell(`\n== ${title}`)
}

function fail (message: string): never {
  tell(`error: ${message}`)
  process.exit(2)
}
