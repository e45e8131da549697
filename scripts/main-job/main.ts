import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Frame } from './frames.ts'
import { defaultPaths, examine, keepStandardInput, type InputFile } from './input.ts'
import { startLife } from './life.ts'
import { Proof } from './proof.ts'
import { percentiles, tell, Ticker } from './report.ts'

const usage = `scripts/quickstart [options] [FILE... | -]

Sends every line of the files (- is standard input; without files: the .d.ts and .js files of the installed TypeScript
package) as a durable message, its file being the key. At the same time a consumer group takes the lines out again, in
order per file, and acknowledges them. At a random moment half way the process that does both is killed with SIGKILL; a
new one opens the directory, asks the queue how far the sending got, and goes on. At the end the digest of every file is
compared with the digest of the lines that came out.

  --seed N     chooses the moment of the kill (random; printed)
  --dir DIR    where the data directory is made (the system's temporary folder)
  --keep       leave the data directory there

The last line of standard output is JSON. Exit status: 0 nothing lost, 1 something was, 2 wrong use.
`

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '')
const callersFolder = process.env.LEDGERMQ_QUICKSTART_FROM ?? process.cwd()

interface Options {
  readonly files: readonly string[]
  readonly seed: number
  readonly dir: string
  readonly keep: boolean
}

try {
  const options = readOptions()
  if (options === undefined) console.log(usage)
  else process.exitCode = await run(options)
} catch (error) {
  console.error(`error: ${(error as Error).message}`)
  process.exitCode = 2
}

/** Undefined: help was asked for. */
function readOptions (): Options | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seed: { type: 'string' }, dir: { type: 'string' }, keep: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' } }
  })
  if (values.help === true) return undefined
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError('--seed takes a whole number')
  return { files: positionals, seed, dir: values.dir === undefined ? tmpdir() : resolve(callersFolder, values.dir), keep: values.keep }
}

async function run ({ files: given, seed, dir, keep }: Options): Promise<number> {
  const folder = await mkdtemp(join(dir, 'ledgermq-quickstart-'))
  const tidy = async (): Promise<void> => {
    if (keep) tell(`the data directory stays: ${folder}`)
    else await rm(folder, { recursive: true, force: true })
  }
  const interrupted = (): void => { tidy().finally(() => process.exit(130)) }
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    tell('\n== input: reading for lines and digests')
    const files = await readInput(given, folder)
    return await runJob(files, seed, join(folder, 'data'))
  } finally {
    await tidy()
  }
}

async function readInput (given: readonly string[], folder: string): Promise<InputFile[]> {
  if (given.length === 0) return await examine((await defaultPaths(root)).map((path) => ({ name: path, path })), root)
  const named = []
  for (const name of given) named.push({ name, path: name === '-' ? await keepStandardInput(folder) : name })
  return await examine(named, callersFolder)
}

async function runJob (files: readonly InputFile[], seed: number, directory: string): Promise<number> {
  const lines = files.reduce((sum, file) => sum + file.lines, 0)
  tell(`${files.length} files, ${lines.toLocaleString('en-US')} lines`)
  const proof = new Proof(files)
  const next = randomNumbers(seed)
  const killAtLine = Math.max(1, Math.floor(lines * (0.35 + 0.3 * next())))
  const killDelayMs = next() * Math.min(10, lines / 1000)
  const sendLatencies: number[] = []
  const acknowledgeLatencies: number[] = []
  const ticker = new Ticker(lines)
  const opened: Array<{ tookMs: number, stored: number }> = []
  let sentBefore = 0
  let workerError: string | undefined

  const take = (frame: Frame): void => {
    switch (frame.kind) {
      case 'sent':
        ticker.sent(sentBefore + frame.count)
        sendLatencies.push(...frame.latenciesMs)
        break
      case 'acknowledged':
        acknowledgeLatencies.push(...frame.latenciesMs)
        break
      case 'lines':
        for (const line of frame.lines) proof.take(line)
        ticker.delivered(proof.delivered)
        break
      case 'fact':
        if (frame.fact.fact === 'opened') opened.push(frame.fact)
        if (frame.fact.fact === 'error') workerError = frame.fact.message
    }
  }

  const job = { directory, files: files.map(({ name, path }) => ({ name, path })), lines }
  let killedAtLine = 0
  if (lines > 0) {
    tell(`\n== first process: sends and consumes; it is killed around line ${killAtLine.toLocaleString('en-US')} (--seed ${seed})`)
    ticker.start()
    let isDoomed = false
    const life = startLife({ ...job, stay: true }, (frame) => {
      take(frame)
      if (frame.kind !== 'sent' || frame.count < killAtLine || isDoomed) return
      isDoomed = true
      setTimeout(() => life.kill(), killDelayMs)
    })
    const { signal } = await life.ended
    ticker.stop()
    if (signal !== 'SIGKILL' || !isDoomed) throw new Error(`the first process ended by itself: ${workerError ?? 'no reason was given'}`)
    killedAtLine = ticker.sentLines
    tell(`killed: ${killedAtLine.toLocaleString('en-US')} lines were confirmed, ${proof.delivered.toLocaleString('en-US')} had come out`)
  }

  tell('\n== second process: opens what is there and goes on')
  ticker.start()
  const life = startLife({ ...job, stay: false }, (frame) => {
    if (frame.kind === 'fact' && frame.fact.fact === 'opened') {
      sentBefore = frame.fact.stored
      tell(`opened in ${frame.fact.tookMs.toFixed(0)} ms; the queue holds ${sentBefore.toLocaleString('en-US')} lines, sending goes on from there`)
    }
    take(frame)
  })
  const { exitCode } = await life.ended
  ticker.stop()
  if (exitCode !== 0) proof.complain(`the second process failed: ${workerError ?? `exit status ${exitCode}`}`)
  const stored = opened.at(-1)?.stored ?? 0
  if (stored < killedAtLine) proof.complain(`${killedAtLine - stored} lines were confirmed before the kill and are not in the queue after it`)

  tell('\n== proof: digests of every file')
  const lost = proof.finish() + Math.max(0, killedAtLine - stored)
  for (const complaint of proof.complaints) tell(`  ${complaint}`)
  tell(lost === 0 && proof.complaints.length === 0
    ? `all ${files.length} files came back line by line, in order; ${proof.redelivered} lines were delivered more than once`
    : `NOT all lines came back in order: ${lost} lost`)
  const bytes = files.length === 0 ? 0 : await sizeOf(directory)
  const reopenMs = Math.round(opened.at(-1)?.tookMs ?? 0)
  tell('')
  tell(`send         ${ticker.sendPerSec.toLocaleString('en-US')} lines/s, ${percentiles(sendLatencies)}`)
  tell(`consume      ${ticker.consumePerSec.toLocaleString('en-US')} lines/s, ${percentiles(acknowledgeLatencies)} from delivery to durable acknowledgement of a batch`)
  tell(`reopen       ${reopenMs} ms`)
  tell(`disk         ${(bytes / 2 ** 20).toFixed(1)} MiB in ${directory}`)
  console.log(JSON.stringify({
    lines,
    sent: Math.max(ticker.sentLines, stored),
    consumed: proof.delivered,
    lost,
    redelivered: proof.redelivered,
    killedAtLine,
    reopenMs,
    sendPerSec: ticker.sendPerSec,
    consumePerSec: ticker.consumePerSec
  }))
  return lost === 0 && proof.complaints.length === 0 ? 0 : 1
}

async function sizeOf (folder: string): Promise<number> {
  let bytes = 0
  for (const item of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (item.isFile()) bytes += (await stat(join(item.parentPath, item.name))).size
  }
  return bytes
}

/** Mulberry32: the same numbers in [0, 1) for the same seed. */
function randomNumbers (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6D2B79F5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
