import t from 'tap'
import { openQueue, VirtualClock } from '../../lib/index.ts'

t.test('global order: all messages in one queue', async (t) => {
  const queue = await openQueue(':memory:', { clock: new VirtualClock() })
  t.teardown(() => queue.close())
  for (let i = 0; i < 50; i++) await queue.send('steps', i, { queueId: 0 })
  const batch = await queue.pull('steps', { group: 'g', max: 100, order: 'key' })
  t.same(batch.messages.map(({ body }) => body), [...Array(50).keys()])
})

t.test('order by order id: the queue is chosen as the article does, orders go on side by side', async (t) => {
  const queue = await openQueue(':memory:', { clock: new VirtualClock() })
  t.teardown(() => queue.close())
  const javaHash = (text: string): number => [...text].reduce((hash, character) => (Math.imul(hash, 31) + character.charCodeAt(0)) | 0, 0)
  for (let step = 0; step < 5; step++) {
    for (const order of ['order-1', 'order-2', 'order-3']) {
      const { queueId } = await queue.send('orders', { order, step }, { key: order })
      t.equal(queueId, Math.abs(javaHash(order) % 8))
    }
  }
  const steps = new Map<string, number[]>()
  for (const { body } of (await queue.pull('orders', { group: 'g', max: 100, order: 'key' })).messages) steps.set(body.order, [...steps.get(body.order) ?? [], body.step])
  t.same([...steps.values()], [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]])
})
