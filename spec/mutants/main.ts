import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { compileBelow, compiled, compiledPath } from './compiled.ts'
import { editedFiles } from './edits.ts'
import { mutants, type Mutant } from './mutants.ts'

const USAGE = `npm run sim:mutants -- [--only TEXT] [--seeds N] [--first N] [--workers W] [--with JSON] [--json]

Plants each bug of spec/mutants/mutants.ts in a copy of lib/ and lets the simulator look for it in up to N seeds (5000).
--only: those of a rule, or whose name holds the text. --with sets parameters of all worlds. With --json the last line is
{"mutants","missed","median","worst","found"}. Exit status 1 when one was not found, or its text is gone.
`
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** What the simulator is made of. */
const PARTS = ['lib', 'spec/sim', 'spec/support', 'spec/replica', 'spec/store', 'spec/engine']
/** A mutant that runs into a loop was not found by the simulator. */
const LIMIT_MS = 20 * 60_000

interface Wanted { readonly first: string, readonly seeds: string, readonly parameters: string }

interface Outcome { readonly mutant: Mutant, readonly seeds: number | undefined, readonly by: string }

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
  const wanted = mutants.filter(({ rule, name }) => rule === values.only || name.includes(values.only))
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
      console.log(`${mutant.rule.padStart(15)}  ${outcome.seeds === undefined ? 'NOT FOUND' : `seed ${String(outcome.seeds).padStart(4)}`}  ${mutant.name}: ${outcome.by}`)
    }
  }))
  await rm(sound, { recursive: true })
  const needed = outcomes.flatMap(({ seeds }) => seeds ?? []).sort((a, b) => a - b)
  const missed = outcomes.filter(({ seeds }) => seeds === undefined).map(({ mutant: { name } }) => name)
  const [median, worst] = [needed[needed.length >> 1], needed.at(-1)]
  console.log(`${outcomes.length} mutants, ${missed.length} not found; seeds needed: median ${median}, worst ${worst}`)
  const found = outcomes.flatMap(({ mutant: { rule, name }, seeds }) => seeds === undefined ? [] : [{ rule, name, seeds }])
  if (values.json) console.log(JSON.stringify({ mutants: outcomes.length, missed, median, worst, found }))
  return missed.length === 0 ? 0 : 1
}

/** Runs seeds on a copy of what is compiled in the folder `sound`, with the bug in it. */
async function look (mutant: Mutant, sound: string, { first, seeds, parameters }: Wanted): Promise<Outcome> {
  const directory = await mkdtemp(`${ROOT}build/mutant-`)
  await cp(sound, directory, { recursive: true })
  for (const [file, text] of await editedFiles(ROOT, mutant)) await writeFile(`${directory}/lib/${compiledPath(file)}`, compiled(text))
  const { output, code } = await run([`${directory}/spec/sim/main.js`, '--seed', first, '--seeds', seeds, '--with', parameters, '--workers', '1', '--json'])
  await rm(directory, { recursive: true, force: true })
  const lines = output.trimEnd().split('\n')
  const found = lines.find((line) => /^seed \d+: (?!ok)/.test(line))
  if (code !== 1 || found === undefined) return { mutant, seeds: undefined, by: code === 0 ? `nothing in ${seeds} seeds` : `status ${code}: ${lines.slice(-3).join(' | ')}` }
  return { mutant, seeds: (JSON.parse(lines.at(-1)!) as { readonly seeds: number }).seeds, by: found.replace(/^seed \d+: /, '').slice(0, 120) }
}

function run (args: readonly string[]): Promise<{ readonly output: string, readonly code: number | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT_MS, killSignal: 'SIGKILL' })
    let output = ''
    const collect = (bytes: Buffer): void => { output += bytes.toString() }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', reject)
    child.on('close', (code) => { resolve({ output, code }) })
  })
}

process.exitCode = await main()
