import t from 'tap'
import { openQueue } from '../../lib/index.ts'

const MIB = 1024 * 1024

t.test('a message that a consumer keeps does not change when the memory of old entries is used again', async (t) => {
  const directory = t.testdir()
  const queue = await openQueue(directory, { topics: { blobs: { codec: 'bytes', queues: 1 } } })
  const kept = []
  // several times what the log keeps in memory, so that every slab comes round
  for (let round = 0; round < 24; round++) {
    const body = new Uint8Array(4 * MIB / 16).fill(round)
    await Promise.all(Array.from({ length: 16 }, async () => await queue.send('blobs', body)))
    const [message] = await queue.pull('blobs', { group: 'keepers', max: 1 })
    kept.push(message!)
    await message!.ack()
  }
  for (const [i, message] of kept.entries()) {
    const body = message.body as Uint8Array
    const expected = Math.floor(i / 16)
    t.ok(body.length === MIB / 4 && body.every((byte) => byte === expected), `message ${i} still holds ${expected}`)
  }
  const read = await queue.read('blobs', { queueId: 0, fromOffset: 0, max: 1000 })
  t.equal(read.length, 24 * 16)
  t.ok(read.every(({ body, queueOffset }) => (body as Uint8Array)[MIB / 8] === Math.floor(queueOffset / 16)), 'what is read back is what was sent')
  await queue.close()
})
