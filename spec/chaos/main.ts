import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { waitLimit } from '../cluster/cluster.ts'
import { chaos } from './chaos.ts'
import { whyNoLoopDisk } from './loop-disk.ts'
import { kinds } from './rounds.ts'
import type { Figures } from './scene.ts'

/** A machine that has other work is no violation. */
const WAIT_LIMIT_MS = 600_000

const usage = `npm run chaos -- KIND [options]

A group of brokers as processes, under load: a producer of numbered messages, consumers at all nodes, clients that change and read
settings and consumer offsets. Faults come round after round; at the end all that was answered is compared with what every node holds.

${Object.entries(kinds).map(([name, { text }]) => `  ${name.padEnd(14)}${text}`).join('\n')}

  --rounds N     (20)
  --per-group N  rounds after which a new group is made (20)
  --nodes N      3 or 5 (3)
  --rate N       messages a second that are not exceeded (500)
  --batch N      messages of one request (1)
  --seed N       of what is chosen (the time)
  --dir DIR      where the data lies while it runs (the system's temporary folder)
  --json FILE    writes the figures
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '20' },
    'per-group': { type: 'string', default: '20' },
    nodes: { type: 'string', default: '3' },
    rate: { type: 'string', default: '500' },
    batch: { type: 'string', default: '1' },
    seed: { type: 'string' },
    dir: { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false }
  }
})
const [name = ''] = positionals
waitLimit.ms = WAIT_LIMIT_MS
const kind = kinds[name]
const [rounds, perGroup, nodes, rate, batch, seed] = [values.rounds, values['per-group'], values.nodes, values.rate, values.batch, values.seed ?? String(Date.now() % 1e9)].map(Number) as [number, number, number, number, number, number]

const whyNot = kind?.diskMiB === undefined ? undefined : await whyNoLoopDisk({ slow: kind.slowsDisks })

// an exit, unlike a signal, ends the processes
process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143))

if (values.help || kind === undefined || [rounds, perGroup, nodes, rate, batch, seed].some((value) => !Number.isSafeInteger(value) || value < 0)) {
  console.log(usage)
  process.exitCode = values.help ? 0 : 2
} else if (kind.diskMiB !== undefined && whyNot !== undefined) {
  console.log(`${name} is skipped: ${whyNot}`)
} else {
  const folder = await mkdtemp(join(values.dir ?? tmpdir(), 'ledgermq-chaos-'))
  try {
    const started = performance.now()
    const resultOf = (figures: Figures, problems: readonly string[]): object => ({ kind: name, seed, nodes, seconds: Math.round((performance.now() - started) / 1000), problems: problems.length, figures })
    const save = async (result: object): Promise<void> => { if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result, null, 1)}\n`) }
    const { figures, problems } = await chaos(kind, {
      folder, rounds, perGroup, nodes, rate, batch, seed, tell: (text) => console.error(text), onGroup: async (figures) => { await save(resultOf(figures, [])) }
    })
    const result = resultOf(figures, problems)
    for (const problem of problems.slice(0, 20)) console.error(problem)
    await save(result)
    console.log(JSON.stringify(result))
    process.exitCode = problems.length > 0 ? 1 : 0
  } finally {
    if (process.exitCode === 0) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    else console.error(`the data is kept in ${folder}`)
  }
}
