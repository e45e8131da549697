import t, { type Test } from 'tap'
import { openQueue, VirtualClock, type EmbeddedQueue } from '../../lib/index.ts'

async function open (t: Test): Promise<{ readonly queue: EmbeddedQueue, readonly clock: VirtualClock }> {
  const clock = new VirtualClock({ wallMs: 1_700_000_000_000 })
  const queue = await openQueue(':memory:', { clock })
  t.teardown(() => queue.close())
  return { queue, clock }
}

async function pulled (queue: EmbeddedQueue, topic = 'mail'): Promise<unknown[]> {
  const batch = await queue.pull(topic, { group: 'g', max: 100 })
  await batch.ackAll()
  return batch.messages.map(({ body }) => body)
}

t.test('a message with a delay, or a time, comes then and not before', async (t) => {
  const { queue, clock } = await open(t)
  const startMs = clock.wallMs()
  const sent = await queue.send('mail', 'in a second', { delay: '1s', key: 'k', tag: 'T', properties: { a: '1' } })
  t.match(sent, { topic: 'mail', queueOffset: -1 })
  t.ok(sent.deliverAtMs! >= startMs + 1000)
  t.match(sent.toJSON(), { deliverAtMs: sent.deliverAtMs, recallHandle: sent.recallHandle })
  await queue.send('mail', 'at two', { deliverAt: new Date(startMs + 2000) })
  const far = await queue.send('mail', 'in two years', { delay: '730d' })
  t.ok(far.deliverAtMs! >= startMs + 730 * 86_400_000)
  const now = await queue.send('mail', 'yesterday', { deliverAt: startMs - 1 })
  t.same([now.deliverAtMs, now.recallHandle, now.queueOffset >= 0], [undefined, undefined, true])
  t.same(await pulled(queue), ['yesterday'])
  await clock.advance(990)
  t.same(await pulled(queue), [])
  await clock.advance(20)
  const batch = await queue.pull('mail', { group: 'g' })
  const [message] = batch.messages
  t.match(message, { body: 'in a second', key: 'k', tag: 'T' })
  t.equal(message!.properties.a, '1')
  await batch.ackAll()
  await clock.advance(1000)
  t.same(await pulled(queue), ['at two'])
})

t.test('taken back, or moved to another time, by its handle', async (t) => {
  const { queue, clock } = await open(t)
  const [a, b] = await queue.sendBatch('mail', [{ body: 'a', delay: '10s' }, { body: 'b', delay: '10s' }, { body: 'now' }])
  t.equal(await queue.recall(a!.recallHandle!), true)
  t.equal(await queue.recall(a!.recallHandle!), false)
  const moved = await queue.reschedule(b!.recallHandle!, { delay: '20s' })
  t.ok(moved!.deliverAtMs >= clock.wallMs() + 20_000)
  t.equal(await queue.reschedule(b!.recallHandle!, { delay: 5 }), undefined)
  await clock.advance(15_000)
  t.same(await pulled(queue), ['now'])
  await clock.advance(6000)
  t.same(await pulled(queue), ['b'])
  t.equal(await queue.recall(moved!.recallHandle), false)
})

t.test('what cannot be meant', async (t) => {
  const { queue } = await open(t)
  await t.rejects(queue.send('mail', 'x', { delay: '1s', deliverAt: 5 }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.send('mail', 'x', { delay: -1 }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.send('mail', 'x', { delay: 'soon' as never }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.send('mail', 'x', { deliverAt: 'never' }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.send('mail', 'x', { deliverAt: 1e15 }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.recall('nonsense'), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.recall(5 as never), TypeError)
  const { recallHandle } = await queue.send('mail', 'x', { delay: 5 })
  await t.rejects(queue.reschedule(recallHandle!, {}), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.reschedule(recallHandle!, { delay: 5, at: 3 } as never), TypeError)
})
