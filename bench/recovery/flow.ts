/**
 * Builds a backlog, then lets messages flow through while it stays as large, and reports the most memory the process
 * ever held. Command line: DIRECTORY BACKLOG MESSAGES SIZE.
 */
import type { openQueue as OpenQueue } from '../../lib/index.ts'

const BATCH_MESSAGES = 100
const PULL_MESSAGES = 32
const SEND_LANES = 10
const PULL_LANES = 31

const [directory, backlogText, messagesText, size] = process.argv.slice(2)
const backlog = Number(backlogText)
const messages = Number(messagesText)
const self: string = 'ledgermq'
const { openQueue } = await import(self) as { openQueue: typeof OpenQueue }
const queue = await openQueue(directory!, { topics: { bench: { codec: 'bytes' } }, retention: { maxAgeMs: Infinity } })
const body = new Uint8Array(Number(size)).fill(65)
const batch = Array.from({ length: BATCH_MESSAGES }, (_, i) => ({ body, key: `key-${i}`, tag: 'bench' }))
const startMs = performance.now()
let sent = 0
let received = 0
let toldMs = startMs

function tell (): void {
  if (performance.now() - toldMs < 2000) return
  toldMs = performance.now()
  console.log(JSON.stringify({ sent, received, rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 20) }))
}

async function sendUntil (goal: number): Promise<void> {
  await Promise.all(Array.from({ length: SEND_LANES }, async () => {
    while (sent < goal) {
      sent += BATCH_MESSAGES
      await queue.sendBatch('bench', batch)
      tell()
    }
  }))
}

async function receiveUntil (goal: number): Promise<void> {
  await Promise.all(Array.from({ length: PULL_LANES }, async () => {
    while (received < goal) {
      const pulled = await queue.pull('bench', { group: 'flow', max: PULL_MESSAGES, waitMs: 1000 })
      received += pulled.length
      await pulled.ackAll()
      tell()
    }
  }))
}

await sendUntil(backlog)
const filledMs = performance.now()
await Promise.all([sendUntil(backlog + messages), receiveUntil(messages)])
const doneMs = performance.now()
const lag = queue.group('flow').lag('bench')
await queue.close()
console.log(JSON.stringify({
  peakRssMiB: process.resourceUsage().maxRSS / 1024,
  fillPerSec: backlog / (filledMs - startMs) * 1000,
  flowPerSec: messages / (doneMs - filledMs) * 1000,
  lag
}))
