import { parseArgs } from 'node:util'
import { runStep, type Step } from './run-step.ts'
import { TapTotals } from './tap-totals.ts'

const usage = `scripts/test [--seeds N] [--only build,lint,types,specs,sim]

Runs, in this order: build, lint, types, specs, simulation (--seeds, 300 unless told otherwise).
The last line is "N passed, N failed": every assertion of the specs, every seed of the simulation and every other
step counts one. Exit status 0 when nothing failed, else 1.
`

const MINUTE_MS = 60_000
const stepNames = ['build', 'lint', 'types', 'specs', 'sim']
const node = process.execPath
const bin = (name: string): string => `node_modules/.bin/${name}`

const { values } = parseArgs({ options: { seeds: { type: 'string', default: '300' }, only: { type: 'string' }, help: { type: 'boolean', short: 'h' } } })
if (values.help === true) {
  console.log(usage)
  process.exit(0)
}
const seeds = Number(values.seeds)
const wanted = new Set(values.only?.split(',') ?? stepNames)
for (const name of wanted) if (!stepNames.includes(name)) fail(`no step is called ${name}; there are ${stepNames.join(', ')}`)
if (!Number.isSafeInteger(seeds) || seeds < 1) fail('--seeds takes a whole number above 0')

let passed = 0
let failed = 0

await simpleStep('build', 'build: compiling lib/ to dist/', { command: [bin('tsc'), '-p', 'tsconfig.build.json'], limitMs: 5 * MINUTE_MS })
await simpleStep('lint', 'lint: style, purity of the core, import rules', { command: [bin('eslint'), '.'], limitMs: 5 * MINUTE_MS })
await simpleStep('types', 'types: checking lib, spec, bench, examples and scripts', { command: [bin('tsc'), '-p', 'tsconfig.json', '--noEmit'], limitMs: 5 * MINUTE_MS })
await specs()
await simulation()

console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

async function simpleStep (name: string, title: string, step: Step): Promise<void> {
  if (!wanted.has(name)) return
  say(title)
  const { exitCode, timedOut, tookMs } = await runStep(step)
  count(exitCode === 0 ? 1 : 0, exitCode === 0 ? 0 : 1)
  tell(`${name}: ${exitCode === 0 ? 'ok' : timedOut ? 'ended for taking too long' : 'failed'} (${seconds(tookMs)})`)
}

async function specs (): Promise<void> {
  if (!wanted.has('specs')) return
  say('specs: two files at a time')
  const totals = new TapTotals((line) => tell(`  ${line}`))
  const { exitCode, timedOut, tookMs } = await runStep({
    command: [node, bin('tap'), '--reporter=tap', '--jobs=2'],
    limitMs: 20 * MINUTE_MS,
    onLine: (line) => totals.line(line)
  })
  const silentFailure = exitCode !== 0 && totals.failed === 0
  count(totals.passed, totals.failed + (silentFailure ? 1 : 0))
  if (timedOut) tell('specs: ended for taking too long')
  else if (silentFailure) tell(`specs: tap ended with status ${exitCode}`)
  tell(`specs: ${totals.passed} passed, ${totals.failed} failed (${seconds(tookMs)})`)
}

async function simulation (): Promise<void> {
  if (!wanted.has('sim')) return
  say(`simulation: ${seeds} seeds`)
  let lastLine = ''
  const { exitCode, timedOut, tookMs } = await runStep({
    command: [node, '--import', 'tsx', 'spec/sim/main.ts', '--seeds', String(seeds)],
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
