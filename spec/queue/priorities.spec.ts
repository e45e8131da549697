import t, { type Test } from 'tap'
import { openQueue, VirtualClock, type EmbeddedQueue } from '../../lib/index.ts'

async function opened (t: Test, queues = 4): Promise<{ readonly queue: EmbeddedQueue, readonly clock: VirtualClock }> {
  const clock = new VirtualClock({ wallMs: 1_700_000_000_000 })
  const queue = await openQueue(':memory:', { clock, topics: { jobs: { queues, priority: true } } })
  t.teardown(() => queue.close())
  return { queue, clock }
}

t.test('what waits is handed out by priority, the highest first; what has one priority in the order it was sent', async (t) => {
  const { queue } = await opened(t)
  const sent = [0, 3, 1, 2, 3, 0, 2, 1, 99]
  for (const [i, priority] of sent.entries()) await queue.send('jobs', `${priority}-${i}`, { priority })
  const taken: string[] = []
  for (let batch = await queue.pull('jobs', { group: 'g', max: 2 }); batch.length > 0; batch = await queue.pull('jobs', { group: 'g', max: 2 })) {
    taken.push(...batch.messages.map(({ body }) => body as string))
    await batch.ackAll()
  }
  t.same(taken, ['3-1', '3-4', '99-8', '2-3', '2-6', '1-2', '1-7', '0-0', '0-5'], 'more than there are queues is as much as there are')
  const [first] = await queue.read('jobs', { queueId: 3, fromOffset: 0 })
  t.equal(first!.queueId, 3)
})

t.test('a worker takes what is urgent as soon as it is free, and what comes back keeps its priority', async (t) => {
  const { queue, clock } = await opened(t)
  await queue.sendBatch('jobs', Array.from({ length: 6 }, (_, i) => ({ body: `low-${i}`, priority: 0 })))
  const seen: string[] = []
  const worker = queue.process('jobs', async ({ body, attempts }) => {
    seen.push(body)
    if (seen.length === 2) await queue.send('jobs', 'urgent', { priority: 3 })
    if (body === 'urgent' && attempts === 1) throw new Error('once more')
  }, { group: 'g', prefetch: 1, backoff: [0] })
  await clock.runUntil(() => seen.length === 8, { maxMs: 60_000 })
  await worker.close()
  const at = seen.indexOf('urgent')
  t.ok(at >= 2 && at <= 4, seen.join())
  t.ok(seen.lastIndexOf('urgent') - at <= 2, `${seen.join()}: again before what is less urgent`)
  t.equal(queue.group('g').lag(), 0)
})

t.test('delayed messages too; those without a priority come to all queues; consumers that keep order do not look at it', async (t) => {
  const { queue, clock } = await opened(t)
  const { deliverAtMs } = await queue.send('jobs', 'later', { priority: 2, delay: '1s' })
  for (let i = 0; i < 8; i++) await queue.send('jobs', `plain-${i}`)
  t.same(queue.topics().find(({ name }) => name === 'jobs')!.queues.map(({ maxOffset }) => maxOffset), [2, 2, 2, 2])
  await clock.runUntil(() => clock.wallMs() > deliverAtMs! + 10, { maxMs: 5000 })
  t.equal(queue.topics().find(({ name }) => name === 'jobs')!.queues[2]!.maxOffset, 3)
  const batch = await queue.pull('jobs', { group: 'g', max: 100 })
  t.same(batch.messages.map(({ queueId }) => queueId), [3, 3, 2, 2, 2, 1, 1, 0, 0])
  const alone = await queue.pull('jobs', { group: 'ordered', max: 100, order: 'key' })
  t.equal(alone.length, 9)
  t.not(alone.messages[0]!.queueId, 3)
})

t.test('a dead letter that is sent again has the priority it had', async (t) => {
  const { queue, clock } = await opened(t)
  for (const priority of [3, 2, 1, 0, 7]) await queue.send('jobs', `p${priority}`, { priority, key: 'one' })
  const worker = queue.process('jobs', () => { throw new Error('never') }, { group: 'g', attempts: 1, backoff: [0] })
  const deadLetters = (): number => queue.topics().find(({ name }) => name === '%DLQ%g')?.queues[0]!.maxOffset ?? 0
  await clock.runUntil(() => deadLetters() === 5, { maxMs: 60_000 })
  await worker.close()
  const resent = queue.group('g').resendDeadLetters()
  await clock.runUntil(() => queue.group('g').lag() === 5, { maxMs: 60_000 })
  t.equal((await resent).resent, 5)
  const batch = await queue.pull('jobs', { group: 'g', max: 100 })
  t.same(batch.messages.map(({ body, queueId }) => [body, queueId]), [['p3', 3], ['p7', 3], ['p2', 2], ['p1', 1], ['p0', 0]])
})

t.test('an ordinary topic has no priorities, and is told so; neither are there odd ones', async (t) => {
  const { queue } = await opened(t)
  await queue.createTopic('plain', { queues: 2 })
  await t.rejects(queue.send('plain', 1, { priority: 1 }), { code: 'MQ_INVALID_ARGUMENT', message: /plain has no priorities/ })
  for (const priority of [-1, 1.5, NaN, 2 ** 31]) await t.rejects(queue.send('jobs', 1, { priority }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.send('jobs', 1, { priority: '1' as never }), TypeError)
  await t.rejects(queue.send('jobs', 1, { priority: 1, queueId: 2 }), { code: 'MQ_INVALID_ARGUMENT', message: /queueId/ })
  await t.rejects(queue.send('jobs', 1, { properties: { _SYS_MSG_PRIORITY_: '1' } }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.createTopic('odd', { priority: 'yes' as never }), TypeError)
  await queue.createTopic('plain', { priority: true })
  t.equal((await queue.send('plain', 1, { priority: 1 })).queueId, 1, 'an existing topic may get them')
})
