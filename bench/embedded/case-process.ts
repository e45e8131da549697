/** One case of the embedded suite in a process of its own: prints one JSON line, as the yardsticks do. */
import { Driver, workloadFromArgs, type Workload } from '../harness/measure.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { openBuiltQueue, type Queue } from '../harness/built.ts'
import { RING_BYTES } from '../harness/ring.ts'

const TOPIC = 'bench'
const GROUP = 'bench'
/** Kept by a log at its retention: as much as the ring of the yardstick. */
const KEPT_BYTES = RING_BYTES
/** So much is written before that is measured: by then files were dropped, for which a second base dump is needed. */
const AT_RETENTION_BYTES = 3 * RING_BYTES
/** Messages of one atomic batch, and of one pull: as many, but never more than are in flight. */
const BATCH_MESSAGES = 32

type Measure = (queue: Queue, workload: Workload, driver: Driver) => Promise<void>

const cases: Readonly<Record<string, Measure>> = {
  async send (queue, { size, inflight, messages }, driver) {
    const body = new Uint8Array(size).fill(65)
    let sequence = 0
    await driver.round(messages, inflight, 1, () => queue.send(TOPIC, body, { key: `key-${sequence++ & 1023}`, tag: 'bench' }))
  },

  async 'send at retention' (queue, { size, inflight, messages }, driver) {
    if (driver.lastRate === 0) await fill(queue, size, Math.ceil(AT_RETENTION_BYTES / (size + 200)))
    const { minPosition } = queue.stats().log
    if (minPosition === 0) throw new Error('nothing was dropped yet')
    const body = new Uint8Array(size).fill(65)
    let sequence = 0
    await driver.round(messages, inflight, 1, () => queue.send(TOPIC, body, { key: `key-${sequence++ & 1023}`, tag: 'bench' }))
  },

  async 'send batch' (queue, { size, inflight, messages }, driver) {
    const batchMessages = Math.min(BATCH_MESSAGES, inflight)
    const body = new Uint8Array(size).fill(65)
    const batch = Array.from({ length: batchMessages }, (_, i) => ({ body, key: `key-${i}`, tag: 'bench' }))
    await driver.round(Math.ceil(messages / batchMessages), Math.ceil(inflight / batchMessages), batchMessages, () => queue.sendBatch(TOPIC, batch))
  },

  async consume (queue, { size, inflight, messages }, driver) {
    await fill(queue, size, messages)
    const max = Math.min(BATCH_MESSAGES, inflight)
    let left = messages
    async function lane (): Promise<void> {
      while (left > 0) {
        const startMs = performance.now()
        const batch = await queue.pull(TOPIC, { group: GROUP, max, waitMs: 0 })
        if (batch.messages.length === 0) return
        left -= batch.messages.length
        for (const message of batch.messages) if (message.bytes.length !== size) throw new Error('a message came back with another size')
        await batch.ackAll()
        driver.addLatency(performance.now() - startMs)
      }
    }
    const startMs = performance.now()
    await Promise.all(Array.from({ length: Math.ceil(inflight / max) }, lane))
    driver.addRate(messages, performance.now() - startMs)
    if (left !== 0) throw new Error(`${left} of ${messages} messages did not come back`)
  }
}

async function fill (queue: Queue, size: number, messages: number): Promise<void> {
  const body = new Uint8Array(size).fill(65)
  let left = messages
  async function lane (): Promise<void> {
    while (left > 0) {
      const count = Math.min(BATCH_MESSAGES, left)
      left -= count
      await queue.sendBatch(TOPIC, Array.from({ length: count }, (_, i) => ({ body, key: `key-${i}`, tag: 'bench' })))
    }
  }
  await Promise.all(Array.from({ length: 16 }, lane))
}

const workload = workloadFromArgs(['case'])
const name = workload.more.case ?? 'send'
const measure = cases[name]
if (measure === undefined) throw new RangeError(`--case is one of ${Object.keys(cases).join(', ')}`)
await inScratchFolder(workload.dir, async (folder) => {
  const queue = await openBuiltQueue(folder, { durability: workload.sync ? 'disk' : 'memory', topics: { [TOPIC]: { codec: 'bytes' } }, ...(name === 'send at retention' && { retention: { maxBytes: KEPT_BYTES } }) })
  const driver = new Driver()
  for (let round = 0; round < workload.rounds; round++) await measure(queue, workload, driver)
  await queue.close()
  console.log(JSON.stringify(driver.result(name, workload)))
})
