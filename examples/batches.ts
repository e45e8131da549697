// Throughput: sends in flight together, an atomic batch, pulls whose acknowledgements overlap with the next pull.
import { openQueue } from '../lib/index.ts'

const count = 20_000
const queue = await openQueue(process.argv[2] ?? './batches-data', { topics: { lines: { codec: 'string' } } })

await Promise.all(Array.from({ length: count - 3 }, (_, i) => queue.send('lines', `line ${i}`)))
await queue.sendBatch('lines', [{ body: 'all' }, { body: 'or' }, { body: 'nothing' }])

let received = 0
const acknowledged: Array<Promise<void>> = []
while (received < count) {
  const batch = await queue.pull('lines', { group: 'counters', max: 500, waitMs: 1000 })
  received += batch.length
  acknowledged.push(batch.ackAll())
}
await Promise.all(acknowledged)
console.log(`received ${received}, lag ${queue.group('counters').lag('lines')}`)

await queue.group('counters').seek('lines', 'first')
console.log(`after seek: lag ${queue.group('counters').lag('lines')}`)
await queue.close()
