// A handler with retries, order per key, and dead letters for what cannot be helped.
import { once } from 'node:events'
import { openQueue } from '../lib/index.ts'

const queue = await openQueue<{ orders: { id: number, amount: number } }>(process.argv[2] ?? './worker-data')
for (let id = 1; id <= 6; id++) await queue.send('orders', { id, amount: id === 4 ? -1 : 10 * id }, { key: `customer-${id % 2}` })

let failures = 0
const worker = queue.process('orders', async (message) => {
  if (message.body.id === 3 && failures++ === 0) throw new Error('the till is stuck')
  if (message.body.amount < 0) return await message.deadLetter()
  console.log(`order ${message.body.id} of ${message.key}, attempt ${message.attempts}`)
}, { group: 'billing', concurrency: 4, order: 'key', attempts: 3, backoff: ['10ms', '100ms'] })

worker.on('failed', (message, error, retryDelayMs) => console.log(`order ${message.body.id} failed (${(error as Error).message}), again in ${retryDelayMs} ms`))
while (worker.metrics.completed < 5) await once(worker, 'completed')
if (worker.metrics.deadLettered < 1) await once(worker, 'deadLettered')

const [dead] = await queue.pull('%DLQ%billing', { group: 'inspectors', waitMs: 1000 })
console.log(`dead letter: order ${dead!.body.id}`)
await dead!.ack()
await queue.close()
