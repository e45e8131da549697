import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { kinds } from './rounds.ts'
import { chaos } from './chaos.ts'

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
const [rounds, perGroup, nodes, rate, batch, seed] = [values.rounds, values['per-group'], values.nodes, values.rate, values.batch, values.seed ?? String(Date.now() % 1e9)].map(Number) as [number, number, number, number, number, number]

// an exit, unlike a signal, ends the processes
process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143))

if (values.help || kinds[name] === undefined || [rounds, perGroup, nodes, rate, batch, seed].some((value) => !Number.isSafeInteger(value) || value < 0)) {
  console.log(usage)
  process.exitCode = values.help ? 0 : 2
} else {
  const folder = await mkdtemp(join(values.dir ?? tmpdir(), 'ledgermq-chaos-'))
  try {
    const started = performance.now()
    const { figures, problems } = await chaos(kinds[name], { folder, rounds, perGroup, nodes, rate, batch, seed, tell: (text) => console.error(text) })
    const result = { kind: name, seed, rounds, nodes, seconds: Math.round((performance.now() - started) / 1000), problems: problems.length, figures }
    for (const problem of problems.slice(0, 20)) console.error(problem)
    if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result, null, 1)}\n`)
    console.log(JSON.stringify(result))
    if (problems.length > 0) process.exitCode = 1
  } finally {
    if (process.exitCode !== 1) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    else console.error(`the data is kept in ${folder}`)
  }
}
