import t, { type Test } from 'tap'
import { VirtualClock } from '../../lib/adapters/index.ts'
import { type Engine } from '../../lib/engine/index.ts'
import { groupConfig, openEngine, put, topicConfig, wireMessage } from './wire.ts'

const key = { group: 'g', topic: 'orders', queueId: 0 }

async function open (t: Test, clock = new VirtualClock()): Promise<Engine> {
  const engine = await openEngine(clock)
  t.teardown(() => engine.close())
  for (let i = 0; i < 5; i++) await put(engine, 'orders', wireMessage(`m${i}`), topicConfig('orders', 2))
  await engine.config.ensureGroup(groupConfig('g'), topicConfig('%RETRY%g', 1))
  return engine
}

t.test('many commits of one turn are one entry; the last of a queue counts; a query waits for what was committed before', async (t) => {
  const engine = await open(t)
  const { lastIndex } = engine.stats().log
  t.equal(engine.offsets.query(key), undefined)
  for (let offset = 1; offset <= 1000; offset++) engine.offsets.commit(key, offset)
  engine.offsets.commit({ ...key, queueId: 1 }, 7)
  engine.offsets.commit(key, 3)
  const answer = engine.offsets.query(key)
  t.ok(answer instanceof Promise)
  t.equal(await answer, 3, 'a lower commit is obeyed')
  t.equal(engine.offsets.query({ ...key, queueId: 1 }), 7)
  t.equal(engine.stats().log.lastIndex, lastIndex + 1)
  engine.offsets.commit(key, 3)
  t.equal(engine.offsets.query(key), 3)
  await engine.offsets.settled()
  t.equal(engine.stats().log.lastIndex, lastIndex + 1, 'what changes nothing is not logged')
  engine.offsets.commit(key, 4)
  engine.offsets.commit(key, 3)
  t.equal(await engine.offsets.query(key), 3, 'also when it takes something back that is under way')
})

t.test('commits that come along with pulls wait for each other; a query, a commit that does not wait and time end it', async (t) => {
  const clock = new VirtualClock()
  const engine = await open(t, clock)
  const logged = (): number => engine.stats().log.lastIndex
  const before = logged()
  for (let offset = 1; offset <= 3; offset++) {
    engine.offsets.commitSoon(key, offset)
    await clock.advance(50)
  }
  engine.offsets.commitSoon({ ...key, queueId: 1 }, 1)
  t.equal(logged(), before)
  await clock.advance(50)
  t.equal(logged(), before + 1)
  t.same([engine.offsets.query(key), engine.offsets.query({ ...key, queueId: 1 })], [3, 1])
  engine.offsets.commitSoon(key, 4)
  t.equal(await engine.offsets.query(key), 4)
  t.equal(logged(), before + 2)
  engine.offsets.commitSoon(key, 5)
  engine.offsets.commit({ ...key, queueId: 1 }, 2)
  await clock.settle()
  t.same([engine.offsets.query(key), engine.offsets.query({ ...key, queueId: 1 })], [5, 2])
  t.equal(logged(), before + 3)
})

t.test('commits that wait come before what is submitted after them', async (t) => {
  const engine = await open(t)
  engine.offsets.commitSoon(key, 4)
  await engine.deleteTopic('orders')
  await put(engine, 'orders', wireMessage('new'), topicConfig('orders', 2))
  await engine.offsets.settled()
  t.equal(engine.offsets.query(key), undefined, 'the new topic does not begin with them')
  engine.offsets.commitSoon(key, 1)
  t.same(await engine.offsets.reset({ group: 'g', topic: 'orders', queueId: 0, offset: 0 }), [{ queueId: 0, offset: 0 }])
  t.equal(engine.offsets.query(key), 0)
})

t.test('a commit that comes late, by way of another node, undoes none that came before it, higher or lower', async (t) => {
  const engine = await open(t)
  engine.offsets.commitFrom(key, undefined, 1)
  engine.offsets.commitFrom(key, 1, 2)
  t.equal(await engine.offsets.query(key), 2)
  engine.offsets.commit(key, 4)
  engine.offsets.commitFrom(key, 2, 3)
  t.equal(await engine.offsets.query(key), 4)
  engine.offsets.commit(key, 0)
  engine.offsets.commitFrom(key, 4, 5)
  t.equal(await engine.offsets.query(key), 0)
  engine.offsets.commitFrom(key, undefined, 5)
  await engine.offsets.settled()
  t.equal(engine.offsets.query(key), 0)
})

t.test('more than fits one command list goes on in the next', async (t) => {
  const engine = await open(t)
  for (let i = 0; i < 2000; i++) engine.offsets.commit({ ...key, group: `group-${i}` }, i)
  await engine.offsets.settled()
  for (const i of [0, 999, 1999]) t.equal(engine.offsets.query({ ...key, group: `group-${i}` }), i)
})

t.test('a commit for a topic that is gone leaves nothing behind', async (t) => {
  const engine = await open(t)
  const deletion = engine.deleteTopic('orders')
  engine.offsets.commit(key, 4)
  await deletion
  t.equal(await engine.offsets.query(key), undefined)
})

t.test('a reset counts until the consumers were told; what they commit meanwhile does not', async (t) => {
  const engine = await open(t)
  engine.offsets.commit(key, 5)
  t.same(await engine.offsets.reset({ group: 'g', topic: 'orders', queueId: 0, offset: 2 }), [{ queueId: 0, offset: 2 }])
  t.equal(engine.offsets.query(key), 2)
  engine.offsets.commit(key, 5)
  t.equal(await engine.offsets.query(key), 2, 'a commit of a consumer that does not know')
  t.equal(engine.offsets.takeReset(key), 2)
  engine.offsets.commit(key, 3)
  t.equal(await engine.offsets.query(key), 3, 'it was told')
  t.equal(engine.offsets.takeReset(key), undefined)
})

t.test('reset by time and to the end, of all queues; what is out of range is refused', async (t) => {
  const engine = await open(t)
  t.same(await engine.offsets.reset({ group: 'g', topic: 'orders', timeMs: 0 }), [{ queueId: 0, offset: 0 }, { queueId: 1, offset: 0 }])
  t.same(await engine.offsets.reset({ group: 'g', topic: 'orders' }), [{ queueId: 0, offset: 5 }, { queueId: 1, offset: 0 }])
  await t.rejects(engine.offsets.reset({ group: 'g', topic: 'orders', queueId: 0, offset: 7 }), { code: 'MQ_INVALID_ARGUMENT', minOffset: 0, maxOffset: 5 })
  await t.rejects(engine.offsets.reset({ group: 'g', topic: 'orders', queueId: 2, offset: 0 }), { code: 'MQ_QUEUE_NOT_FOUND' })
  await t.rejects(engine.offsets.reset({ group: 'none', topic: 'orders' }), { code: 'MQ_GROUP_NOT_FOUND' })
  await t.rejects(engine.offsets.reset({ group: 'g', topic: 'none' }), { code: 'MQ_TOPIC_NOT_FOUND' })
})

t.test('a group takes over the offsets of another', async (t) => {
  const engine = await open(t)
  engine.offsets.commit(key, 4)
  engine.offsets.commit({ ...key, queueId: 1 }, 1)
  await engine.offsets.clone({ from: 'g', to: 'h', topic: 'orders' })
  t.same([engine.offsets.query({ ...key, group: 'h' }), engine.offsets.query({ ...key, group: 'h', queueId: 1 })], [4, 1])
  await engine.offsets.clone({ from: 'g', to: 'i', topic: 'other' })
  t.equal(engine.offsets.query({ ...key, group: 'i' }), undefined)
})
