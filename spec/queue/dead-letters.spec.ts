import t from 'tap'
import { openQueue, VirtualClock, type EmbeddedQueue } from '../../lib/index.ts'
import { deadLetterTopicOf } from '../../lib/store/index.ts'

interface Order { readonly id: number }

/** All orders become dead letters of group g. */
async function giveUp (queue: EmbeddedQueue, topic: string, ids: readonly number[]): Promise<void> {
  for (const id of ids) await queue.send(topic, { id }, { key: `order-${id}`, tag: id % 2 === 0 ? 'even' : 'odd', properties: { shop: 'x' } })
  const batch = await queue.pull(topic, { group: 'g', max: 100 })
  await Promise.all(batch.messages.map(async (message) => { await message.deadLetter() }))
}

/** What group g gets now, and is done with. */
async function handled (queue: EmbeddedQueue, topic: string): Promise<number[]> {
  const batch = await queue.pull(topic, { group: 'g', max: 1000 })
  await batch.ackAll()
  return batch.messages.map(({ body }) => (body as Order).id).sort((a, b) => a - b)
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

t.test('dead letters go back to their topics, as the messages that they were', async (t) => {
  const queue = await openQueue(':memory:', { clock: new VirtualClock() })
  t.teardown(() => queue.close())
  t.same(await queue.group('g').resendDeadLetters(), { resent: 0, kept: 0, withoutTopic: 0 }, 'there are none')
  await giveUp(queue, 'orders', [1, 2])
  await giveUp(queue, 'returns', [3])
  const sent = (await queue.read(deadLetterTopicOf('g'), { queueId: 0, fromOffset: 0 })).find(({ key }) => key === 'order-1')!
  t.same(await queue.group('g').resendDeadLetters(), { resent: 3, kept: 0, withoutTopic: 0 })
  t.same(await queue.group('g').resendDeadLetters(), { resent: 0, kept: 0, withoutTopic: 0 })
  const batch = await queue.pull('orders', { group: 'g', max: 10 })
  const [message] = batch.messages.filter(({ key }) => key === 'order-1')
  t.match(message, { body: { id: 1 }, key: 'order-1', tag: 'odd', attempts: 1, queueId: queue.queueOf('orders', 'order-1') })
  t.same({ ...message!.properties }, { shop: 'x', ORIGIN_MESSAGE_ID: sent.properties.ORIGIN_MESSAGE_ID })
  await batch.ackAll()
  t.equal(batch.length, 2)
  t.same(await handled(queue, 'returns'), [3])

  await giveUp(queue, 'orders', [4])
  t.same(await queue.group('g').resendDeadLetters(), { resent: 1, kept: 0, withoutTopic: 0 }, 'those that came later')
  t.same(queue.stats().groups.map(({ name }) => name), ['g'], 'what notes them is no group of the user\'s')
})

t.test('a selection, some of them, and the rest later', async (t) => {
  const queue = await openQueue(':memory:', { clock: new VirtualClock() })
  t.teardown(() => queue.close())
  await giveUp(queue, 'orders', range(50))
  await giveUp(queue, 'gone', [100])
  await queue.deleteTopic('gone')
  const group = queue.group('g')
  t.same(await group.resendDeadLetters({ select: ({ tag, body }, origin) => origin === 'orders' && tag === 'even' && (body as Order).id < 20 }), { resent: 10, kept: 41, withoutTopic: 0 })
  t.same(await handled(queue, 'orders'), [0, 2, 4, 6, 8, 10, 12, 14, 16, 18])
  t.same(await group.resendDeadLetters({ max: 3 }), { resent: 3, kept: 38, withoutTopic: 0 })
  t.equal((await handled(queue, 'orders')).length, 3)
  t.same(await group.resendDeadLetters(), { resent: 37, kept: 0, withoutTopic: 1 })
  t.equal((await handled(queue, 'orders')).length, 37)
  t.same(await group.resendDeadLetters(), { resent: 0, kept: 0, withoutTopic: 1 })
  await queue.createTopic('gone')
  t.same(await group.resendDeadLetters(), { resent: 1, kept: 0, withoutTopic: 0 })
  t.same(await handled(queue, 'gone'), [100])
})

t.test('many, by several at the same time: each comes once', async (t) => {
  const queue = await openQueue(':memory:', { clock: new VirtualClock() })
  t.teardown(() => queue.close())
  const ids = range(1500)
  for (let i = 0; i < ids.length; i += 100) await giveUp(queue, 'orders', ids.slice(i, i + 100))
  const group = queue.group('g')
  const runs = await Promise.all([group.resendDeadLetters(), group.resendDeadLetters({ select: ({ tag }) => tag === 'odd' }), group.resendDeadLetters({ max: 7 })])
  t.equal(runs.reduce((sum, { resent }) => sum + resent, 0), 1500)
  const got: number[] = []
  for (let batch = await handled(queue, 'orders'); batch.length > 0; batch = await handled(queue, 'orders')) got.push(...batch)
  t.same(got.sort((a, b) => a - b), ids)
})

t.test('what cannot be meant', async (t) => {
  const queue = await openQueue(':memory:', { clock: new VirtualClock() })
  await t.rejects(queue.group('g').resendDeadLetters({ max: 0 }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.group('g').resendDeadLetters({ select: 7 as never }), TypeError)
  await t.rejects(queue.group('g').resendDeadLetters({ filter: true } as never), TypeError)
  await queue.close()
  await t.rejects(queue.group('g').resendDeadLetters(), { code: 'MQ_CLOSED' })
})

t.test('more dead letters than may be on their way at once go back one by one', async (t) => {
  const queue = await openQueue(':memory:', { clock: new VirtualClock(), limits: { maxPendingBytes: 64 * 1024 } })
  t.teardown(() => queue.close())
  for (let i = 0; i < 50; i++) await queue.send('orders', { id: i, text: 'x'.repeat(2000) })
  for (const message of (await queue.pull('orders', { group: 'g', max: 100 })).messages) await message.deadLetter()
  t.same(await queue.group('g').resendDeadLetters(), { resent: 50, kept: 0, withoutTopic: 0 })
  t.same(await handled(queue, 'orders'), range(50))
})
