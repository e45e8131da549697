import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { runJson } from '../harness/child.ts'
import { describeMachine, printMachine } from '../harness/machine.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { endProgress, formatTable, progress } from '../harness/table.ts'

const usage = `npm run bench -- delay [options]

An embedded queue with messages that wait. How late they come: handler entry minus due time, while so many are due in each second.
What many of them cost: memory (20 s after the last of them, garbage collected), the time to open after the process has ended without closing, and a recall.

  --quick          1 s of lateness, 500,000 that wait
  --rate N         messages that are due in a second (100000)
  --seconds N      for so long, after one that does not count (3)
  --pending N      messages that wait (10000000)
  --only PART      lateness or pending
  --durability D   of the lateness: memory leaves the disk's own pauses out (disk)
  --dir DIR        where the data lies while it runs (the system's temporary folder)
  --json FILE      writes the results
`

const LIMITS = { p99Ms: 20, grownMiB: 100, reopenMs: 3000 }
const caseProcess = fileURLToPath(new URL('case-process.ts', import.meta.url))

interface Lateness { readonly earlyCount: number, readonly p50Ms: number, readonly p99Ms: number, readonly maxMs: number, readonly coreShare: number }
interface Filled { readonly sentPerSec: number, readonly beforeMiB: number, readonly whileSendingMiB: number, readonly afterMiB: number }
interface Reopened { readonly openMs: number, readonly readyMs: number, readonly recallMs: number, readonly wasRecalled: boolean, readonly residentMiB: number }

export async function delaySuite (args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      rate: { type: 'string', default: '100000' },
      seconds: { type: 'string' },
      pending: { type: 'string' },
      only: { type: 'string' },
      durability: { type: 'string', default: 'disk' },
      dir: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) { console.log(usage); return }
  const seconds = values.seconds ?? (values.quick ? '1' : '3')
  const pending = values.pending ?? (values.quick ? '500000' : '10000000')
  const machine = describeMachine()
  printMachine(machine)
  const figures: { lateness?: Lateness, filled?: Filled, reopened?: Reopened } = {}
  const faults: string[] = []
  await inScratchFolder(values.dir, async (folder) => {
    const run = async <Answer>(part: string, more: readonly string[] = [], node: readonly string[] = []): Promise<Answer> => {
      progress(part)
      return await runJson<Answer>(caseProcess, ['--part', part, ...more], node)
    }
    if (values.only !== 'pending') {
      const own = join(folder, 'lateness')
      await mkdir(own)
      const { earlyCount, p99Ms } = figures.lateness = await run<Lateness>('lateness', ['--folder', own, '--rate', values.rate, '--seconds', seconds, '--durability', values.durability])
      if (earlyCount > 0) faults.push(`${earlyCount} messages came early`)
      if (p99Ms > LIMITS.p99Ms) faults.push(`p99 of the lateness is ${p99Ms} ms, more than ${LIMITS.p99Ms}`)
    }
    if (values.only !== 'lateness') {
      const own = join(folder, 'pending')
      await mkdir(own)
      const { beforeMiB, afterMiB } = figures.filled = await run<Filled>('filled', ['--folder', own, '--pending', pending], ['--expose-gc'])
      const { readyMs, wasRecalled } = figures.reopened = await run<Reopened>('reopened', ['--folder', own])
      if (afterMiB - beforeMiB > LIMITS.grownMiB) faults.push(`the process has grown by ${Math.round(afterMiB - beforeMiB)} MiB, more than ${LIMITS.grownMiB}`)
      if (readyMs > LIMITS.reopenMs) faults.push(`it took ${Math.round(readyMs)} ms to open, more than ${LIMITS.reopenMs}`)
      if (!wasRecalled) faults.push('a message that waits could not be recalled')
    }
  })
  endProgress()
  const { lateness, filled, reopened } = figures
  if (lateness !== undefined) {
    console.log(formatTable(['due a second', 'seconds', 'early', 'p50 ms', 'p99 ms', 'most ms'], [[values.rate, seconds, String(lateness.earlyCount), lateness.p50Ms.toFixed(1), lateness.p99Ms.toFixed(1), lateness.maxMs.toFixed(1)]]))
  }
  if (filled !== undefined && reopened !== undefined) {
    console.log(formatTable(['waiting', 'sent/s', 'grown by MiB', 'while sending', 'open ms', 'open, and a send ms', 'recall ms', 'then MiB'], [[
      pending, Math.round(filled.sentPerSec).toLocaleString('en'), (filled.afterMiB - filled.beforeMiB).toFixed(0), (filled.whileSendingMiB - filled.beforeMiB).toFixed(0),
      reopened.openMs.toFixed(0), reopened.readyMs.toFixed(0), reopened.recallMs.toFixed(1), reopened.residentMiB.toFixed(0)
    ]]))
  }
  if (values.json !== undefined) await writeFile(values.json, JSON.stringify({ machine, rate: Number(values.rate), seconds: Number(seconds), pending: Number(pending), figures }, null, 1) + '\n')
  for (const fault of faults) console.error(`error: ${fault}`)
  if (faults.length > 0) process.exitCode = 1
}
