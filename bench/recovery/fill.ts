/** Fills a directory, says so, and goes on sending until it is killed. Command line: DIRECTORY MESSAGES SIZE. */
import type { openQueue as OpenQueue } from '../../lib/index.ts'

const BATCH_MESSAGES = 100
const LANES = 10

const [directory, messages, size] = process.argv.slice(2)
const goal = Number(messages)
const self: string = 'ledgermq'
const { openQueue } = await import(self) as { openQueue: typeof OpenQueue }
const queue = await openQueue(directory!, { topics: { bench: { codec: 'bytes' } }, retention: { maxAgeMs: Infinity } })
const body = new Uint8Array(Number(size)).fill(65)
const batch = Array.from({ length: BATCH_MESSAGES }, (_, i) => ({ body, key: `key-${i}`, tag: 'bench' }))
let sent = 0
let saidFull = false

await Promise.all(Array.from({ length: LANES }, async () => {
  for (;;) {
    await queue.sendBatch('bench', batch)
    sent += BATCH_MESSAGES
    if (sent % 500_000 < BATCH_MESSAGES) console.log(JSON.stringify({ sent }))
    if (sent >= goal && !saidFull) {
      saidFull = true
      console.log(JSON.stringify({ sent, full: true }))
    }
  }
}))
