/**
 * The process that gets killed: opens the queue, sends the lines that are not stored yet, and consumes at the same time.
 * Called by main.ts with the job as JSON; talks back over file descriptor 3.
 */
import { Socket } from 'node:net'
import type { openQueue as OpenQueue } from '../../lib/index.ts'
import { FrameWriter, type DeliveredLine } from './frames.ts'
import { MAX_LINE_BYTES } from './input.ts'
import { linesOf } from './lines.ts'
import { SendWindow } from './send-window.ts'

export interface Job {
  readonly directory: string
  readonly files: ReadonlyArray<{ readonly name: string, readonly path: string }>
  readonly lines: number
  /** Wait to be killed instead of ending. */
  readonly stay: boolean
}

const TOPIC = 'lines'
const GROUP = 'readers'
const QUEUES = 8
/** Short, so that what a killed process held is soon delivered again. */
const LEASE = '2s'

type Queue = Awaited<ReturnType<typeof OpenQueue<{ lines: Uint8Array }>>>

/** A small job goes in small steps, so that its middle can be met. */
const share = (part: number, most: number): number => Math.max(1, Math.min(most, Math.floor(job.lines / part)))

const parent = new FrameWriter(new Socket({ fd: 3, readable: false, writable: true }))
const job = JSON.parse(process.argv[2]!) as Job

run().catch(async (error: unknown) => {
  await parent.fact({ fact: 'error', message: error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : String(error) })
  process.exit(1)
})

async function run (): Promise<void> {
  const self: string = 'ledgermq' // the built package, as users get it
  const { openQueue } = await import(self) as { openQueue: typeof OpenQueue }
  const startMs = performance.now()
  const queue: Queue = await openQueue<{ lines: Uint8Array }>(job.directory, {
    topics: { [TOPIC]: { codec: 'bytes', queues: QUEUES } },
    limits: { maxMessageBytes: MAX_LINE_BYTES }
  })
  const tookMs = performance.now() - startMs
  const stored = await storedLines(queue)
  await parent.fact({ fact: 'opened', tookMs, stored })
  const sender = { isDone: false }
  await Promise.all([
    send(queue, stored).then(() => { sender.isDone = true }),
    ...Array.from({ length: QUEUES }, () => consume(queue, sender))
  ])
  if (job.stay) await new Promise((resolve) => setTimeout(resolve, 600_000))
  await queue.close()
  await parent.fact({ fact: 'done' })
  process.exit(0)
}

/**
 * How many lines the queue holds. All messages lie in one log in the order of their sends, so whatever survived is the
 * beginning of the job. The last message of all is compared with the line that must be there.
 */
async function storedLines (queue: Queue): Promise<number> {
  const topic = queue.topics().find(({ name }) => name === TOPIC)
  let count = 0
  let last: { readonly physicalOffset: number, readonly key: string | undefined, readonly bytes: Uint8Array } | undefined
  for (const { queueId, maxOffset } of topic?.queues ?? []) {
    count += maxOffset
    if (maxOffset === 0) continue
    const [message] = await queue.read(TOPIC, { queueId, fromOffset: maxOffset - 1, max: 1 })
    if (message !== undefined && (last === undefined || message.physicalOffset > last.physicalOffset)) last = message
  }
  if (last === undefined) return 0
  const { value: expected } = await linesFrom(count - 1).next()
  if (expected === undefined || expected.name !== last.key || Buffer.compare(expected.lines[0]!, last.bytes) !== 0) throw new Error(`the last of ${count} stored messages is not line ${count} of the job`)
  return count
}

/** The job's lines from number `from` (0 is the first of the first file) on, in groups of one file each. */
async function * linesFrom (from: number): AsyncGenerator<{ readonly name: string, readonly lines: readonly Uint8Array[] }, undefined> {
  let at = 0
  for (const { name, path } of job.files) {
    for await (const group of linesOf(path)) {
      const skip = Math.min(group.length, Math.max(0, from - at))
      if (skip < group.length) yield { name, lines: skip === 0 ? group : group.slice(skip) }
      at += group.length
    }
  }
}

/** Sends everything from line `stored` on, up to a thousand lines ahead of their confirmations. */
async function send (queue: Queue, stored: number): Promise<void> {
  const window = new SendWindow(share(20, 1000), share(50, 512), () => { parent.count('sent', window.confirmed, window.takeLatencies()).catch(window.fail) })
  for await (const { name, lines } of linesFrom(stored)) {
    for (const line of lines) {
      if (window.isFull) await window.room()
      queue.send(TOPIC, line, { key: name }).then(window.opened(), window.fail)
    }
  }
  await window.emptied()
  await parent.count('sent', window.confirmed, window.takeLatencies())
}

/** One of several consumers of the group: a queue's messages come to one of them at a time, in order. */
async function consume (queue: Queue, sender: { readonly isDone: boolean }): Promise<void> {
  const fileOf = new Map(job.files.map(({ name }, i) => [name, i]))
  let acknowledged = 0
  for (;;) {
    const batch = await queue.pull(TOPIC, { group: GROUP, order: 'key', max: share(50, 256), waitMs: 100, lease: LEASE })
    if (batch.length === 0) {
      if (sender.isDone && queue.group(GROUP).lag(TOPIC) === 0) return
      continue
    }
    const startMs = performance.now()
    const lines: DeliveredLine[] = batch.messages.map(({ queueId, queueOffset, key, bytes }) => ({ queueId, queueOffset, file: fileOf.get(key!)!, bytes }))
    await parent.lines(lines)
    await batch.ackAll()
    acknowledged += batch.length
    await parent.count('acknowledged', acknowledged, [performance.now() - startMs])
  }
}
