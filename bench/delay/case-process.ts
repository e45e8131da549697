/** One part of the delay suite in a process of its own: prints one JSON line. */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openBuiltQueue, type Queue } from '../harness/built.ts'
import { quantile } from '../harness/measure.ts'

const TOPIC = 'delayed'
const GROUP = 'bench'
const BATCH_MESSAGES = 500
const BATCHES_UNDER_WAY = 8
const WARM_UP_SECONDS = 1
const DAY_MS = 86_400_000
const SETTLE_SECONDS = 20
const MIB = 1024 * 1024

const { values } = parseArgs({
  options: {
    part: { type: 'string', default: 'lateness' },
    folder: { type: 'string' },
    rate: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '3' },
    pending: { type: 'string', default: '1000000' },
    durability: { type: 'string', default: 'disk' }
  }
})
const [rate, seconds, pending] = [values.rate, values.seconds, values.pending].map(Number) as [number, number, number]

function open (): Promise<Queue> {
  return openBuiltQueue(values.folder!, { durability: values.durability as 'disk' | 'memory', topics: { [TOPIC]: { codec: 'bytes' } }, limits: { maxPendingProposals: 65_536 } })
}

/** Messages whose bodies say when they are due. */
async function fill (queue: Queue, count: number, dueMsOf: (i: number) => number): Promise<void> {
  let next = 0
  async function lane (): Promise<void> {
    while (next < count) {
      const from = next
      const to = next = Math.min(count, from + BATCH_MESSAGES)
      await queue.sendBatch(TOPIC, Array.from({ length: to - from }, (_, i) => {
        const deliverAt = Math.round(dueMsOf(from + i))
        const body = Buffer.alloc(64)
        body.writeDoubleBE(deliverAt)
        return { body, deliverAt }
      }))
    }
  }
  await Promise.all(Array.from({ length: BATCHES_UNDER_WAY }, lane))
}

/** Milliseconds from when a message is due until a handler is called with it. Those of the first second, when code is new to the process, do not count. */
async function lateness (): Promise<object> {
  const queue = await open()
  const count = rate * (WARM_UP_SECONDS + seconds)
  const latenessMs: number[] = []
  let handled = 0
  let countedFromMs = Infinity
  let done!: () => void
  const all = new Promise<void>((resolve) => { done = resolve })
  const worker = queue.process(TOPIC, (message) => {
    const dueMs = Buffer.from(message.bytes.buffer, message.bytes.byteOffset, 8).readDoubleBE()
    if (dueMs >= countedFromMs) latenessMs.push(Date.now() - dueMs)
    if (++handled === count) done()
  }, { group: GROUP, concurrency: 4000 })
  const fillMs = 4000 + count / 50
  const firstDueMs = Date.now() + fillMs
  countedFromMs = firstDueMs + WARM_UP_SECONDS * 1000
  await fill(queue, count, (i) => firstDueMs + (i * 7919) % count / rate * 1000)
  const spareMs = firstDueMs - Date.now()
  if (spareMs < 500) throw new Error(`storing the messages took too long: ${spareMs} ms were left until the first was due`)
  const cpuBefore = process.cpuUsage()
  await all
  const { user, system } = process.cpuUsage(cpuBefore)
  await worker.close()
  await queue.close()
  const sorted = Float64Array.from(latenessMs).sort()
  return {
    earlyCount: sorted.filter((ms) => ms < 0).length,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    maxMs: sorted.at(-1),
    coreShare: (user + system) / 1e6 / (spareMs / 1000 + WARM_UP_SECONDS + seconds)
  }
}

/** How much memory a process takes more for so many that wait. It ends as if it were killed. */
async function filled (): Promise<object> {
  const queue = await open()
  await fill(queue, 20_000, () => Date.now() + 40 * DAY_MS)
  const residentMiB = (): number => {
    globalThis.gc?.()
    return process.memoryUsage().rss / MIB
  }
  const beforeMiB = residentMiB()
  let mostMiB = 0
  const sampling = setInterval(() => { mostMiB = Math.max(mostMiB, process.memoryUsage().rss / MIB) }, 100)
  const startMs = performance.now()
  const nowMs = Date.now()
  await fill(queue, pending, (i) => nowMs + 60_000 + (i * 7919) % pending / pending * 30 * DAY_MS)
  const tookMs = performance.now() - startMs
  clearInterval(sampling)
  return { sentPerSec: pending / tookMs * 1000, beforeMiB, whileSendingMiB: mostMiB, afterMiB: await settled(residentMiB) }
}

/** What it comes to when nothing is sent any more: V8 gives back what the sends needed over some collections. */
async function settled (measure: () => number): Promise<number> {
  for (let second = 0; second < SETTLE_SECONDS; second++) {
    measure()
    await sleep(1000)
  }
  return measure()
}

async function reopened (): Promise<object> {
  const startMs = performance.now()
  const queue = await open()
  const openMs = performance.now() - startMs
  // it delivers, and what is sent now is there
  const { recallHandle } = await queue.send(TOPIC, Buffer.alloc(8), { delay: '1h' })
  const readyMs = performance.now() - startMs
  const recallStartMs = performance.now()
  const wasRecalled = await queue.recall(recallHandle!)
  const recallMs = performance.now() - recallStartMs
  await sleep(1000)
  const residentMiB = process.memoryUsage().rss / MIB
  await queue.close()
  return { openMs, readyMs, recallMs, wasRecalled, residentMiB }
}

const parts: Readonly<Record<string, () => Promise<object>>> = { lateness, filled, reopened }
console.log(JSON.stringify(await parts[values.part]!()))
process.exit(0)
