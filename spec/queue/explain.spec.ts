import t, { type Test } from 'tap'
import { openQueue, VirtualClock, type EmbeddedQueue } from '../../lib/index.ts'

const START_MS = 1_700_000_000_000

async function opened (t: Test): Promise<{ readonly queue: EmbeddedQueue, readonly clock: VirtualClock }> {
  const clock = new VirtualClock({ wallMs: START_MS })
  const queue = await openQueue(':memory:', { clock, defaultQueues: 1 })
  t.teardown(() => queue.close())
  return { queue, clock }
}

t.test('what groups have made of a message', async (t) => {
  const { queue, clock } = await opened(t)
  const ids: string[] = []
  for (let i = 0; i < 6; i++) ids.push((await queue.send('mail', i)).id)
  const [a, b, c, d, e, f] = ids as [string, string, string, string, string, string]
  t.match(await queue.explain(a), { id: a, is: 'queued', topic: 'mail', queueId: 0, queueOffset: 0, groups: [] })
  const { messages } = await queue.pull('mail', { group: 'g', max: 4, lease: '10s' })
  await messages[0]!.ack()
  await messages[1]!.retry({ delay: '1m' })
  await messages[2]!.deadLetter()
  const groupOf = async (id: string): Promise<object> => (await queue.explain(id) as { groups: readonly object[] }).groups[0]!
  t.same(await groupOf(a), { group: 'g', is: 'done' })
  t.match(await groupOf(b), { is: 'returned', attempts: 1, visibleAtMs: START_MS + 60_000 })
  t.match(await groupOf(c), { is: 'dead-letter', attempts: 1, deadLetterId: (await queue.read('%DLQ%g', { queueId: 0, fromOffset: 0 }))[0]!.id })
  t.match(await groupOf(d), { is: 'leased', attempts: 1, owner: /^embedded/, untilMs: START_MS + 10_000 })
  t.same(await groupOf(e), { group: 'g', is: 'waiting', ahead: 0, attempts: 0 })
  t.same(await groupOf(f), { group: 'g', is: 'waiting', ahead: 1, attempts: 0 })
  await clock.advance(11_000)
  t.match(await groupOf(d), { is: 'returned', attempts: 1, visibleAtMs: 0 })
  await queue.pull('mail', { group: 'h', max: 1 })
  t.same((await queue.explain(a) as { groups: ReadonlyArray<{ group: string, is: string }> }).groups.map(({ group, is }) => `${group} ${is}`), ['g done', 'h leased'])
  await queue.group('g').resendDeadLetters()
  t.equal((await queue.explain(a) as { groups: readonly object[] }).groups.length, 2)
})

t.test('messages that wait, were taken back, have expired or are not there', async (t) => {
  const { queue, clock } = await opened(t)
  const delayed = await queue.send('mail', 'x', { delay: '1h', ttl: '5s' })
  t.match(await queue.explain(delayed.id), { is: 'delayed', topic: 'mail', deliverAtMs: delayed.deliverAtMs })
  await queue.pull('mail', { group: 'g' })
  t.ok(await clock.runUntil(() => queue.topics()[0]!.queues[0]!.maxOffset === 1, { maxMs: 3_700_000 }))
  const [due] = await queue.read('mail', { queueId: 0, fromOffset: 0 })
  t.match(await queue.explain(delayed.id), { is: 'queued', queueOffset: 0, expiresAtMs: due!.storeTimestampMs + 5000, groups: [{ is: 'waiting' }] })
  await clock.advance(5000)
  t.match(await queue.explain(delayed.id), { is: 'queued', groups: [{ is: 'expired', attempts: 0 }] })
  const recalled = await queue.send('mail', 'y', { delay: '1h' })
  await queue.recall(recalled.recallHandle!)
  t.match(await queue.explain(recalled.id), { is: 'withdrawn', topic: 'mail' })
  const { id: messageId } = await queue.send('other', 'z')
  await queue.deleteTopic('other')
  t.same(await queue.explain(messageId), { id: messageId, is: 'removed' })
  const nowhere = '7F000001000000000000000000000005'
  t.same(await queue.explain(nowhere), { id: nowhere, is: 'unknown' })
  await t.rejects(queue.explain('x'), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.explain(7 as never), TypeError)
})
