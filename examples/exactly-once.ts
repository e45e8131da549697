// Consume, keep a result and send on in one step: whatever happens in between, each order is booked once.
import { openQueue } from '../lib/index.ts'

type Topics = { orders: { customer: string, amount: number }, receipts: { customer: string, total: number } }
const queue = await openQueue<Topics>(process.argv[2] ?? './exactly-once-data', { topics: { orders: { queues: 1 } } })
for (const amount of [10, 20, 30]) await queue.send('orders', { customer: 'ann', amount })

let crashes = 1
const worker = queue.process('orders', async (message) => {
  const { customer, amount } = message.body
  const total = (await queue.get<number>(['total', customer]) ?? 0) + amount
  if (amount === 20 && crashes-- > 0) throw new Error('the process could as well have ended here')
  await queue.tx((t) => {
    t.ack(message)
    t.put(['total', customer], total)
    t.send('receipts', { customer, total }, { key: customer })
  })
  // from here on the message is done: nothing that happens now brings it back
}, { group: 'booking', order: 'key', backoff: ['10ms'] })
worker.on('failed', (message, error) => console.log(`order of ${message.body.amount} is tried again: ${(error as Error).message}`))

for await (const receipt of queue.receive('receipts', { group: 'printer' })) {
  console.log(`receipt: ${receipt.body.total}`)
  await receipt.ack()
  if (receipt.body.total === 60) break
}
console.log(`ann has ordered for ${await queue.get(['total', 'ann'])}, after ${worker.metrics.failed} failure`)
await queue.close()
