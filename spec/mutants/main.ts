import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { judge, type SpecVerdict } from './by-spec.ts'
import { compileBelow } from './compiled.ts'
import { editedFiles, plant } from './edits.ts'
import { mutants, type Mutant } from './mutants.ts'
import { run } from './run.ts'

const USAGE = `npm run sim:mutants -- [--only TEXT] [--seeds N] [--first N] [--workers W] [--with JSON] [--json]

Plants each bug of spec/mutants/mutants.ts in a copy of lib/ and lets the simulator look for it in up to N seeds (5000), or,
where what it needs is too rare there, its spec: an assertion of it must fail, and all of it hold without the bug.
--only: those of a rule, or whose name, or path of its spec, holds the text. --with sets parameters of all worlds. With --json the last line is
{"mutants","missed","median","worst","found","foundBySpec"}; median and worst are of the seeds that those in "found" needed.
Exit status 1 when one was not found, or its text is gone.
`
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PARTS = ['lib', 'spec']
/** What specs say without a bug. */
const soundly = new Map<string, Promise<SpecVerdict>>()

interface Wanted { readonly first: string, readonly seeds: string, readonly parameters: string }

interface Outcome {
  readonly mutant: Mutant
  readonly isFound: boolean
  /** So many the simulator needed. */
  readonly seeds?: number
  readonly by: string
}

async function main (): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      seeds: { type: 'string', default: '5000' },
      first: { type: 'string', default: '1' },
      workers: { type: 'string', default: String(availableParallelism()) },
      with: { type: 'string', default: '{}' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const wanted = mutants.filter(({ rule, name, foundBy }) => rule === values.only || name.includes(values.only) || foundBy?.includes(values.only))
  for (const mutant of wanted) await editedFiles(ROOT, mutant)
  await mkdir(`${ROOT}build`, { recursive: true })
  const sound = await mkdtemp(`${ROOT}build/sound-`)
  await compileBelow(ROOT, PARTS, sound)
  const waiting = wanted[Symbol.iterator]()
  const outcomes: Outcome[] = []
  await Promise.all(Array.from({ length: Number(values.workers) }, async () => {
    for (const mutant of waiting) {
      const outcome = await look(mutant, sound, { first: values.first, seeds: values.seeds, parameters: values.with })
      outcomes.push(outcome)
      const { isFound, seeds, by } = outcome
      console.log(`${mutant.rule.padStart(15)}  ${isFound ? seeds === undefined ? 'by spec  ' : `seed ${String(seeds).padStart(4)}` : 'NOT FOUND'}  ${mutant.name}: ${by}`)
    }
  }))
  await rm(sound, { recursive: true })
  report(outcomes, values.json)
  return outcomes.every(({ isFound }) => isFound) ? 0 : 1
}

function report (outcomes: readonly Outcome[], asJson: boolean): void {
  const missed = outcomes.filter(({ isFound }) => !isFound).map(({ mutant: { name } }) => name)
  const found = outcomes.flatMap(({ mutant: { rule, name }, seeds }) => seeds === undefined ? [] : [{ rule, name, seeds }])
  const foundBySpec = outcomes.flatMap(({ mutant: { rule, name, foundBy }, isFound }) => foundBy === undefined || !isFound ? [] : [{ rule, name, spec: foundBy }])
  const needed = found.map(({ seeds }) => seeds).sort((a, b) => a - b)
  const [median, worst] = [needed[needed.length >> 1], needed.at(-1)]
  const seeds = needed.length === 0 ? '' : `; seeds needed by ${needed.length}: median ${median}, worst ${worst}`
  console.log(`${outcomes.length} mutants, ${missed.length} not found${seeds}; ${foundBySpec.length} found by their specs`)
  if (asJson) console.log(JSON.stringify({ mutants: outcomes.length, missed, median, worst, found, foundBySpec }))
}

/** Looks for the bug in a copy of what is compiled in the folder `sound`. */
async function look (mutant: Mutant, sound: string, wanted: Wanted): Promise<Outcome> {
  const directory = await mkdtemp(`${ROOT}build/mutant-`)
  await cp(sound, directory, { recursive: true })
  await plant(ROOT, mutant, directory)
  const outcome = mutant.foundBy === undefined ? await simulated(mutant, directory, wanted) : await judged(mutant, mutant.foundBy, directory, sound)
  await rm(directory, { recursive: true, force: true })
  return outcome
}

async function simulated (mutant: Mutant, directory: string, { first, seeds, parameters }: Wanted): Promise<Outcome> {
  const { output, code } = await run([`${directory}/spec/sim/main.js`, '--seed', first, '--seeds', seeds, '--with', parameters, '--workers', '1', '--json'])
  const lines = output.trimEnd().split('\n')
  const found = lines.find((line) => /^seed \d+: (?!ok)/.test(line))
  if (code !== 1 || found === undefined) return { mutant, isFound: false, by: code === 0 ? `nothing in ${seeds} seeds` : `status ${code}: ${lines.slice(-3).join(' | ')}` }
  return { mutant, isFound: true, seeds: (JSON.parse(lines.at(-1)!) as { readonly seeds: number }).seeds, by: found.replace(/^seed \d+: /, '').slice(0, 120) }
}

async function judged (mutant: Mutant, spec: string, directory: string, sound: string): Promise<Outcome> {
  const { passed, failedAssertion } = await judge(directory, spec)
  soundly.set(spec, soundly.get(spec) ?? judge(sound, spec))
  const isSound = (await soundly.get(spec)!).passed
  const isFound = isSound && failedAssertion !== undefined
  return { mutant, isFound, by: !isSound ? `${spec} fails without it` : isFound ? `${spec}: ${failedAssertion}` : `${spec} ${passed ? 'passes' : 'fails, but no assertion of it'}` }
}

process.exitCode = await main()
