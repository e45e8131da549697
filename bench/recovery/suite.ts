import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { repositoryRoot } from '../harness/child.ts'
import { describeMachine, printMachine } from '../harness/machine.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { standalone } from '../harness/standalone.ts'
import { endProgress, progress } from '../harness/table.ts'

const usage = `npm run bench -- recovery [options]

reopen: fills a directory, kills the process with SIGKILL while it sends, opens the directory again, and times the way
        to the first durable send and the first message received.
memory: builds a backlog, then lets messages flow through while the backlog stays; the peak resident memory of the
        process is what the operating system noted.

  --gb N           GiB of message bodies to fill before the kill (10), and to let flow (half of it)
  --size BYTES     of a message body (1024)
  --backlog N      messages that wait while others flow (5,000,000)
  --only PART      reopen or memory
  --dir DIR        where the data lies while it runs (the system's temporary folder)
`

type Line = Readonly<Record<string, number | boolean>>

const program = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

export async function recoverySuite (args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      gb: { type: 'string', default: '10' },
      size: { type: 'string', default: '1024' },
      backlog: { type: 'string', default: '5000000' },
      only: { type: 'string' },
      dir: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) { console.log(usage); return }
  const size = Number(values.size)
  const messages = Math.round(Number(values.gb) * 2 ** 30 / size)
  const backlog = Number(values.backlog)
  if (!(messages >= 1) || !(backlog >= 0)) throw new RangeError('--gb, --size and --backlog take numbers above 0')
  printMachine(describeMachine())
  await mkdir(values.dir ?? repositoryRoot, { recursive: true })
  if (values.only !== 'memory') await inScratchFolder(values.dir, (folder) => reopen(join(folder, 'data'), messages, size))
  if (values.only !== 'reopen') await inScratchFolder(values.dir, (folder) => memory(join(folder, 'data'), backlog, Math.ceil(messages / 2), size))
}

async function reopen (directory: string, messages: number, size: number): Promise<void> {
  console.log(`\nreopen: ${messages.toLocaleString('en-US')} messages of ${size} B`)
  await follow(await standalone(program('fill.ts')), [directory, messages, size], (line, kill) => {
    progress(`filling: ${Math.floor(Number(line.sent) / messages * 100)} %`)
    if (line.full === true) setTimeout(kill, 200)
  })
  endProgress()
  console.log('  killed with SIGKILL while sending')
  const { openMs, firstSendMs, firstReceiveMs, messages: found, peakRssMiB } = await follow(await standalone(program('reopen.ts')), [directory], () => {})
  console.log(`  open ${round(openMs)} ms, first send after ${round(firstSendMs)} ms, first receive after ${round(firstReceiveMs)} ms; ${Number(found).toLocaleString('en-US')} messages there; peak memory ${round(peakRssMiB)} MiB`)
  if (Number(found) < messages) throw new Error(`${messages - Number(found)} confirmed messages are missing`)
}

async function memory (directory: string, backlog: number, messages: number, size: number): Promise<void> {
  console.log(`\nmemory: ${(messages * size / 2 ** 30).toFixed(1)} GiB flow past a backlog of ${backlog.toLocaleString('en-US')} messages of ${size} B`)
  let peak = 0
  const last = await follow(await standalone(program('flow.ts')), [directory, backlog, messages, size], (line) => {
    if (line.rssMiB === undefined) return
    peak = Math.max(peak, Number(line.rssMiB))
    progress(`sent ${line.sent}, received ${line.received}, memory ${line.rssMiB} MiB (most so far ${peak})`)
  })
  endProgress()
  console.log(`  peak memory ${round(last.peakRssMiB)} MiB; fill ${round(last.fillPerSec)}/s, flow ${round(last.flowPerSec)}/s both ways; ${last.lag} wait`)
}

function round (value: number | boolean | undefined): string {
  return Math.round(Number(value)).toLocaleString('en-US')
}

/** Runs a process that prints JSON lines; returns the last one once it is gone. @throws Error it failed on its own */
async function follow (path: string, args: ReadonlyArray<string | number>, onLine: (line: Line, kill: () => void) => void): Promise<Line> {
  const child = spawn(process.execPath, [path, ...args.map(String)], { cwd: repositoryRoot, stdio: ['ignore', 'pipe', 'inherit'] })
  let isKilled = false
  const kill = (): void => {
    isKilled = true
    child.kill('SIGKILL')
  }
  process.prependOnceListener('exit', kill)
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  let last: Line = {}
  for await (const text of createInterface(child.stdout)) {
    last = JSON.parse(text) as Line
    onLine(last, kill)
  }
  const status = await ended
  process.off('exit', kill)
  if (!isKilled && status !== 0) throw new Error(`${path} ended with status ${status}`)
  return last
}
