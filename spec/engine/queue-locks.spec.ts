import t, { type Test } from 'tap'
import { MemoryDisk, MemoryKv, noLock, NodeRandom, VirtualClock } from '../../lib/adapters/index.ts'
import { type Engine } from '../../lib/engine/index.ts'
import { openEngine, put, topicConfig, wireMessage } from './wire.ts'

const queues = (...ids: number[]) => ids.map((queueId) => ({ topic: 'orders', queueId }))

async function open (t: Test, clock = new VirtualClock(), options = {}): Promise<Engine> {
  const engine = await openEngine(clock, options)
  t.teardown(() => engine.close())
  await engine.config.ensureTopic(topicConfig('orders', 4))
  return engine
}

const soon = () => new Promise((resolve) => setImmediate(resolve))

t.test('locks are exclusive within a group and end with unlock, unregister, and time', async (t) => {
  const clock = new VirtualClock()
  const engine = await open(t, clock)
  const ids = async (owner: string, ...wanted: number[]) => (await engine.locks.lock('g', owner, queues(...wanted))).map(({ queueId }) => queueId)
  t.same(await ids('a', 0, 1, 4), [0, 1], 'there is no queue 4')
  t.same(await ids('b', 0, 1, 2), [2])
  await engine.locks.unlock('g', 'a', queues(0, 2))
  t.same(await ids('b', 0, 1, 2), [0, 2])
  await engine.locks.unregister('b', 'other')
  t.same(await ids('a', 0, 2), [])
  await engine.locks.unregister('b')
  t.same(await ids('a', 0, 2), [0, 2])
  const { lastIndex } = engine.stats().log
  await clock.advance(40_000)
  t.same(await ids('a', 0, 1, 2), [0, 1, 2])
  t.equal(engine.stats().log.lastIndex, lastIndex, 'a renewal is no entry')
  await clock.advance(59_999)
  t.same(await ids('b', 0), [])
  await clock.advance(10)
  await soon()
  t.same([0, 1, 2, 3].map((id) => engine.store.locks.ownerOf('g', 'orders', id)), [undefined, undefined, undefined, undefined], 'ended by command, nobody asked')
  t.same(await ids('b', 0), [0])
  await t.rejects(engine.locks.lock('a@b', 'a', queues(0)), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(engine.locks.lock('g', 'a', Array.from({ length: 5000 }, (_, queueId) => ({ topic: 'orders', queueId }))), { code: 'MQ_INVALID_ARGUMENT' })
})

t.test('a lost connection shortens to 30 s; a renewal makes it whole again', async (t) => {
  const clock = new VirtualClock()
  const engine = await open(t, clock)
  await engine.locks.lock('g', 'a', queues(0))
  await engine.locks.lock('g', 'b', queues(1))
  engine.locks.connectionLost('a')
  engine.locks.connectionLost('b')
  await soon()
  await clock.advance(20_000)
  await engine.locks.lock('g', 'b', queues(1))
  await clock.advance(9_000)
  t.equal(engine.store.locks.ownerOf('g', 'orders', 0), 'a')
  await clock.advance(1_010)
  await soon()
  t.equal(engine.store.locks.ownerOf('g', 'orders', 0), undefined)
  await clock.advance(40_000)
  t.equal(engine.store.locks.ownerOf('g', 'orders', 1), 'b')
})

t.test('who does not hold the queue does not move its group', async (t) => {
  const clock = new VirtualClock()
  const engine = await open(t, clock)
  for (let i = 0; i < 3; i++) await put(engine, 'orders', wireMessage('x'))
  const key = { group: 'g', topic: 'orders', queueId: 0 }
  await engine.locks.lock('g', 'a', queues(0))
  engine.offsets.commit(key, 2, 'a')
  engine.offsets.commit(key, 1, 'b')
  t.equal(await engine.offsets.query(key), 2, 'also in one turn')
  engine.offsets.commit(key, 1, 'b')
  t.equal(await engine.offsets.query(key), 2)
  engine.offsets.commit(key, 3, 'a')
  const handedOver = Promise.all([engine.locks.unlock('g', 'a', queues(0)), engine.locks.lock('g', 'b', queues(0))])
  engine.offsets.commit(key, 1, 'a')
  await handedOver
  t.equal(await engine.offsets.query(key), 3, 'what the holder committed before it let go counts, what came after does not')
  await clock.advance(61_000)
  await soon()
  engine.offsets.commit(key, 1, 'c')
  t.equal(await engine.offsets.query(key), 1, 'nobody holds it')
})

t.test('locks are there after a restart, with all their time', async (t) => {
  const clock = new VirtualClock()
  const ports = { disk: new MemoryDisk(), kv: new MemoryKv(), clock, random: new NodeRandom(), lock: noLock }
  const first = await openEngine(clock, { directory: '/data', ports })
  await first.config.ensureTopic(topicConfig('orders', 4))
  await first.locks.lock('g', 'a', queues(0))
  await clock.advance(50_000)
  await first.close()
  const again = await openEngine(clock, { directory: '/data', ports })
  t.teardown(() => again.close())
  await clock.advance(50_000)
  t.same(await again.locks.lock('g', 'b', queues(0)), [])
  await clock.advance(11_000)
  t.same(await again.locks.lock('g', 'b', queues(0)), queues(0))
})
