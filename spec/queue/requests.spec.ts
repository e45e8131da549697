import t, { type Test } from 'tap'
import type { Engine } from '../../lib/engine/index.ts'
import { EmbeddedQueue, openQueue, VirtualClock, type OpenOptions } from '../../lib/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { TopicRoutes } from '../../lib/queue/topic-routes.ts'
import { EngineGroup } from '../engine/engine-group.ts'

async function opened (t: Test, options: OpenOptions = {}): Promise<{ readonly queue: EmbeddedQueue, readonly clock: VirtualClock }> {
  const clock = new VirtualClock({ wallMs: 1_700_000_000_000 })
  const queue = await openQueue(':memory:', { clock, ...options })
  t.teardown(() => queue.close())
  return { queue, clock }
}

t.test('a request is answered by whoever handles it, in the form of RocketMQ', async (t) => {
  const { queue } = await opened(t)
  const seen: Array<Record<string, string>> = []
  const worker = queue.process('sums', async (message) => {
    const { a, b } = message.body as { a: number, b: number }
    seen.push({ ...message.properties })
    await queue.reply(message, { sum: a + b }, { properties: { by: 'adder' } })
  }, { group: 'adders', concurrency: 4 })
  const replies = await Promise.all([1, 2, 3].map((a) => queue.request<string, { sum: number }>('sums', { a, b: 10 }, { key: 'k', properties: { user: 'x' }, timeoutMs: 5000 })))
  t.same(replies.map(({ body }) => body.sum), [11, 12, 13])
  t.match(seen[0], { user: 'x', TTL: '5000', CORRELATION_ID: String, REPLY_TO_CLIENT: String })
  t.equal(new Set(seen.map(({ CORRELATION_ID: id }) => id)).size, 3)
  t.match(replies[0]!.properties, { MSG_TYPE: 'reply', by: 'adder', TTL: '5000', REPLY_TO_CLIENT: seen[0]!['REPLY_TO_CLIENT'] })
  t.equal(queue.topics().find(({ name }) => name === 'DefaultCluster_REPLY_TOPIC')?.queues.length, 1)
  await worker.close()
})

t.test('a reply that does not come is a time-out, and the request is handed out to nobody afterwards', async (t) => {
  const { queue, clock } = await opened(t)
  const asking = queue.request('sums', { a: 1 }, { timeoutMs: 1000 })
  asking.catch(() => {})
  await clock.advance(990)
  const [message] = (await queue.pull('sums', { group: 'slow' })).messages
  t.ok(message, 'it is still wanted')
  await clock.advance(20)
  await t.rejects(asking, { code: 'MQ_TIMEOUT', outcome: 'unknown' })
  await queue.reply(message!, 'too late')
  t.equal((await queue.pull('sums', { group: 'later' })).length, 0)
  t.equal(queue.stats().expiredMessages, 1)
  const again = queue.request('sums', { a: 1 }, { timeoutMs: 1000 })
  const [next] = (await queue.pull('sums', { group: 'slow' })).messages
  await queue.reply(next!, 'in time')
  t.equal((await again).body, 'in time', 'the late reply is not taken for this one')
  await queue.reply(next!, 'once more')
})

t.test('what ends waiting: an abort, the end of the queue, a request that cannot be stored', async (t) => {
  const { queue } = await opened(t, { limits: { maxMessageBytes: 100 } })
  await t.rejects(queue.request('sums', 'x'.repeat(200)), { code: 'MQ_MESSAGE_TOO_LARGE' })
  await t.rejects(queue.request('sums', 1, { timeoutMs: 0 }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.request('sums', 1, { delay: '1s' } as never), TypeError)
  const controller = new AbortController()
  const aborted = queue.request('sums', 1, { signal: controller.signal })
  controller.abort()
  await t.rejects(aborted, { name: 'AbortError', code: 'MQ_ABORTED' })
  await queue.send('sums', 2, { queueId: 7 })
  const plain = (await queue.pull('sums', { group: 'g', max: 10 })).messages.find(({ body }) => body === 2)
  await t.rejects(queue.reply(plain!, 1), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.reply({} as never, 1), TypeError)
  await t.rejects(queue.send('sums', 1, { properties: { CORRELATION_ID: 'x' } }), { code: 'MQ_INVALID_ARGUMENT' })
  const left = queue.request('sums', 1)
  left.catch(() => {})
  await queue.close()
  await t.rejects(left, { code: 'MQ_CLOSED', outcome: 'unknown' })
  await t.rejects(queue.request('sums', 1), { code: 'MQ_CLOSED' })
})

t.test('a request whose handler ends without a word is answered by the next one', async (t) => {
  const { queue, clock } = await opened(t)
  const asking = queue.request('sums', 'x', { timeoutMs: 60_000 })
  t.equal((await queue.pull('sums', { group: 'g', lease: '5s' })).length, 1)
  await clock.advance(5100)
  const [message] = (await queue.pull('sums', { group: 'g' })).messages
  t.equal(message?.attempts, 2)
  await queue.reply(message!, 'at last')
  await message!.ack()
  t.equal((await asking).body, 'at last')
})

t.test('in a group the reply is found by who asked, also when another node leads by then', async (t) => {
  const group = new EngineGroup([1, 2, 3])
  const engines = await group.openAll()
  t.teardown(() => group.closeAll())
  const leader = await group.untilLeader()
  const checked = checkOpenOptions('/data', {})
  const queueOn = (engine: Engine): EmbeddedQueue => new EmbeddedQueue(engine, group.clock, new TopicRoutes(engine, checked), { ...checked, directory: '/data' })
  const asking = queueOn(leader).request('sums', 'x', { timeoutMs: 60_000 })
  await group.until(() => leader.topic('sums') !== undefined && leader.reads.rangeOf('sums', 0).maxOffset === 1)
  const next = engines.find((engine) => engine !== leader)!
  await group.run(leader.transferLeadership(next.identity.nodeId))
  await group.until(() => next.role.isLeader)
  const queue = queueOn(next)
  const batch = await group.run(queue.pull('sums', { group: 'g' }))
  await group.run(queue.reply(batch.messages[0]!, 'from elsewhere'))
  t.equal((await group.run(asking)).body, 'from elsewhere')
})

t.test('a request while the queue is closing is refused: its reply could not be taken', async (t) => {
  const { queue } = await opened(t)
  await queue.send('sums', 1)
  const closing = queue.close()
  const asked: Array<Promise<unknown>> = []
  for (let turn = 0; turn < 20; turn++) {
    asked.push(queue.request('sums', 2).catch((error: unknown) => error))
    await Promise.resolve()
  }
  for (const error of await Promise.all(asked)) t.match(error, { code: 'MQ_CLOSED' })
  await closing
})
