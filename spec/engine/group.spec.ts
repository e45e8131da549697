import t, { type Test } from 'tap'
import { Engine } from '../../lib/engine/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { EngineGroup } from './engine-group.ts'
import { get, groupConfig, put, topicConfig, wireMessage } from './wire.ts'

async function three (t: Test): Promise<{ group: EngineGroup, leader: Engine, followers: Engine[] }> {
  const group = new EngineGroup([1, 2, 3])
  t.teardown(() => group.closeAll())
  await group.openAll()
  const leader = await group.untilLeader()
  return { group, leader, followers: group.followers }
}

const bodiesOn = (engine: Engine, topic = 'orders') => get(engine, { topic }).then(({ bodies }) => bodies)

t.test('what the leader stores is read on every node; a follower refuses and tells who leads', async (t) => {
  const { group, leader, followers } = await three(t)
  t.match(leader.role, { isLeader: true, leaderId: leader.status().nodeId })
  for (const body of ['a', 'b', 'c']) await group.run(put(leader, 'orders', wireMessage(body)))
  await group.untilEqual()
  for (const engine of group.engines.values()) {
    t.same(await group.run(bodiesOn(engine)), ['a', 'b', 'c'])
    t.equal(engine.store.metadata.setting('flushDiskType'), 'SYNC_FLUSH')
    t.equal(engine.role.leaderId, leader.role.leaderId)
  }
  for (const follower of followers) {
    await t.rejects(group.run(put(follower, 'orders', wireMessage('x'))), { code: 'MQ_NOT_LEADER', leaderId: leader.role.leaderId, outcome: 'not-applied' })
    await group.run(follower.readBarrier())
  }
  t.equal(leader.status().peers.length, 2)
  t.ok(leader.status().peers.every(({ matchIndex }) => matchIndex === leader.stats().log.lastIndex))
  const hashes = await group.run(Promise.all([...group.engines.values()].map((engine) => engine.store.stateHash())))
  t.equal(new Set(hashes).size, 1)
})

t.test('a follower hears of what arrives when it has applied it', async (t) => {
  const { group, leader, followers } = await three(t)
  const arrived: string[] = []
  followers[0]!.onArrival(({ topic }) => { arrived.push(topic) })
  await group.run(put(leader, 'orders', wireMessage('a')))
  await group.until(() => arrived.length === 1)
  t.same(arrived, ['orders'])
})

t.test('the leader goes and another goes on; one that comes back catches up', async (t) => {
  const { group, leader } = await three(t)
  const { nodeId, term } = leader.status()
  await group.run(put(leader, 'orders', wireMessage('a')))
  const events: boolean[] = []
  leader.onLeadership(({ isLeader }) => { events.push(isLeader) })
  await group.close(leader)
  t.same([events[0], ...new Set(events.slice(1))], [true, false])
  const next = await group.untilLeader()
  t.ok(next.role.term > term)
  await group.run(put(next, 'orders', wireMessage('b')))
  const back = await group.open(nodeId)
  await group.until(() => back.stats().log.appliedIndex === next.stats().log.appliedIndex)
  t.same(await group.run(bodiesOn(back)), ['a', 'b'])
  t.equal(back.role.isLeader, false)
})

t.test('a leader that is cut off takes no decisions once another leads, and its work ends', async (t) => {
  const { group, leader } = await three(t)
  await group.run(put(leader, 'orders', wireMessage('a')))
  await group.run(put(leader, 'orders', wireMessage('later', { delayMs: 3_000 })))
  const ids = [...group.engines.keys()]
  group.network.isolate(leader.status().nodeId, ids)
  const lost = put(leader, 'orders', wireMessage('lost'))
  lost.catch(() => {})
  await group.until(() => [...group.engines.values()].some((engine) => engine !== leader && engine.role.isLeader))
  await group.until(() => !leader.role.isLeader)
  const next = [...group.engines.values()].find((engine) => engine.role.isLeader)!
  await group.run(put(next, 'orders', wireMessage('b')))
  const before = leader.stats().log.lastIndex
  await group.clock.advance(4_000)
  t.equal(leader.stats().log.lastIndex, before, 'nothing was proposed here, although a message was due')
  t.same(await group.run(bodiesOn(next)), ['a', 'b', 'later'], 'the new leader has delivered it')
  group.network.heal()
  await group.untilEqual()
  t.same(await group.run(bodiesOn(leader)), ['a', 'b', 'later'])
  await t.rejects(group.run(lost), { code: 'MQ_LEADERSHIP_LOST', outcome: 'unknown' }, 'known only when it hears of the others again')
})

t.test('leases: given by the leader, known to the next, which ends them in time; those that wait are woken', async (t) => {
  const { group, leader } = await three(t)
  for (const body of ['a', 'b']) await group.run(put(leader, 'orders', wireMessage(body), topicConfig('orders', 1)))
  const [first] = await group.run(leader.pop({ group: 'g', topic: 'orders', max: 1, invisibleMs: 30_000 }))
  t.equal(first!.queueOffset, 0)
  const [second] = await group.run(leader.pop({ group: 'g', topic: 'orders', max: 1, invisibleMs: 30_000 }))
  const waiting = leader.pop({ group: 'g', topic: 'orders', max: 1, invisibleMs: 30_000, waitMs: Infinity })
  waiting.catch(() => {})
  const { nodeId } = group.followers[0]!.status()
  await group.run(leader.transferLeadership(nodeId))
  await t.rejects(group.run(waiting), { code: 'MQ_NOT_LEADER' })
  await t.rejects(group.run(leader.ack(second!)), { code: 'MQ_NOT_LEADER' })
  const next = await group.untilLeader()
  t.equal(next.status().nodeId, nodeId)
  t.same(await group.run(next.pop({ group: 'g', topic: 'orders', max: 5, invisibleMs: 30_000 })), [], 'both are still checked out')
  const again = await group.run(next.pop({ group: 'g', topic: 'orders', max: 5, invisibleMs: 30_000, waitMs: 60_000 }))
  t.same(again.map(({ queueOffset, attempts }) => [queueOffset, attempts]), [[0, 2], [1, 2]])
})

t.test('leases of a node\'s earlier life end when it leads again', async (t) => {
  const { group, leader } = await three(t)
  await group.run(put(leader, 'orders', wireMessage('a'), topicConfig('orders', 1)))
  await group.run(leader.pop({ group: 'g', topic: 'orders', max: 1, invisibleMs: 3_600_000 }))
  const { nodeId } = leader.status()
  await group.close(leader)
  const next = await group.untilLeader()
  const back = await group.open(nodeId)
  await group.until(() => next.status().peers.some(({ id, matchIndex }) => id === nodeId && matchIndex === next.stats().log.lastIndex))
  t.same(await group.run(next.pop({ group: 'g', topic: 'orders', max: 5, invisibleMs: 30_000 })), [])
  await group.run(next.transferLeadership(nodeId))
  await group.until(() => back.role.isLeader)
  t.equal((await group.run(back.pop({ group: 'g', topic: 'orders', max: 5, invisibleMs: 30_000, waitMs: 1000 }))).length, 1)
})

t.test('locks last over a change of the leader, with their time begun anew, and end then', async (t) => {
  const { group, leader } = await three(t)
  await group.run(leader.config.ensureTopic(topicConfig('orders', 4)))
  await group.run(leader.locks.lock('g', 'a', [{ topic: 'orders', queueId: 0 }]))
  await group.untilEqual()
  await group.run(leader.transferLeadership(group.followers[0]!.status().nodeId))
  const next = await group.untilLeader()
  t.same(await group.run(next.locks.lock('g', 'b', [{ topic: 'orders', queueId: 0 }])), [])
  await group.clock.advance(61_000)
  t.equal(next.store.locks.ownerOf('g', 'orders', 0), undefined)
  await group.untilEqual()
  for (const engine of group.engines.values()) t.equal(engine.store.locks.ownerOf('g', 'orders', 0), undefined)
})

t.test('offsets: a commit that was not committed by the group is gone with the term', async (t) => {
  const { group, leader } = await three(t)
  const key = { group: 'g', topic: 'orders', queueId: 0 }
  for (const body of ['a', 'b', 'c']) await group.run(put(leader, 'orders', wireMessage(body)))
  leader.offsets.commit(key, 1)
  await group.run(leader.offsets.settled())
  await group.untilEqual()
  for (const engine of group.engines.values()) t.equal(await engine.offsets.query(key), 1)
  group.network.isolate(leader.status().nodeId, [...group.engines.keys()])
  leader.offsets.commit(key, 3)
  const query = leader.offsets.query(key)
  await group.until(() => [...group.engines.values()].some((engine) => engine !== leader && engine.role.isLeader))
  group.network.heal()
  const next = [...group.engines.values()].find((engine) => engine !== leader && engine.role.isLeader)!
  next.offsets.commit(key, 2)
  await group.run(next.offsets.settled())
  await group.untilEqual()
  t.equal(await group.run(Promise.resolve(query)), 1, 'it waited for what became of the commit before: nothing, when its leader gave up')
  for (const engine of group.engines.values()) t.equal(await engine.offsets.query(key), 2)
})

t.test('retention: only the leader decides, all remove', async (t) => {
  const group = new EngineGroup([1, 2, 3])
  t.teardown(() => group.closeAll())
  const { limits } = checkOpenOptions('/data', {})
  await group.openAll({ retention: { maxAgeMs: Infinity, maxBytes: 64 * 1024 }, limits: { ...limits, segmentBytes: 32 * 1024, reserveBytes: 0 } })
  const leader = await group.untilLeader()
  for (let i = 0; i < 40; i++) await group.run(put(leader, 'orders', wireMessage('x'.repeat(4096))))
  await group.untilEqual()
  const { floorPosition } = leader.store
  t.ok(floorPosition > 0, 'the leader has looked as the log grew')
  for (const follower of group.followers) await group.run(follower.runRetention())
  t.equal(leader.store.floorPosition, floorPosition)
  await group.run(leader.runRetention())
  await group.untilEqual()
  for (const engine of group.engines.values()) t.equal(engine.store.floorPosition, leader.store.floorPosition)
})

t.test('a learner is added live, becomes a voter, and the leader is removed', async (t) => {
  const { group, leader } = await three(t)
  for (const body of ['a', 'b']) await group.run(put(leader, 'orders', wireMessage(body)))
  const fourth = await group.open(4)
  t.same(await group.run(leader.changeMembership({ transition: 'auto', steps: [{ type: 'addLearner', id: 4 }] })).then(({ learners }) => learners), [4])
  await group.until(() => fourth.stats().log.appliedIndex === leader.stats().log.appliedIndex)
  t.same(await group.run(bodiesOn(fourth)), ['a', 'b'])
  const { nodeId } = leader.status()
  await group.run(leader.changeMembership({ transition: 'auto', steps: [{ type: 'addVoter', id: 4 }, { type: 'remove', id: nodeId }] }))
  await group.until(() => [...group.engines.values()].some((engine) => engine !== leader && engine.role.isLeader))
  const next = [...group.engines.values()].find((engine) => engine !== leader && engine.role.isLeader)!
  await group.run(put(next, 'orders', wireMessage('c')))
  t.notOk(next.status().confState.voters.includes(nodeId))
  await group.until(() => fourth.stats().log.appliedIndex === next.stats().log.appliedIndex)
  t.same(await group.run(bodiesOn(fourth)), ['a', 'b', 'c'])
})

t.test('a member is not opened as if it were alone', async (t) => {
  const { group, leader } = await three(t)
  const { nodeId } = leader.status()
  await group.close(leader)
  await t.rejects(group.run(Engine.open({ ...checkOpenOptions('/data', {}), directory: '/data', ports: group.portsOf(nodeId) })), { code: 'MQ_INVALID_ARGUMENT' })
})

t.test('a commit that waits for others is not made any more by a leader that was none meanwhile', async (t) => {
  const { group, leader, followers } = await three(t)
  const key = { group: 'g', topic: 'orders', queueId: 0 }
  const [other] = followers
  await group.run(put(leader, 'orders', wireMessage('a'), topicConfig('orders', 1)))
  await group.run(leader.config.ensureGroup(groupConfig('g'), topicConfig('%RETRY%g', 1)))
  leader.offsets.commitSoon(key, 5)
  await group.run(leader.transferLeadership(other!.status().nodeId))
  other!.offsets.commit(key, 9)
  t.equal(await group.run(Promise.resolve(other!.offsets.query(key))), 9)
  await group.run(other!.transferLeadership(leader.status().nodeId))
  await group.clock.advance(1000)
  t.equal(await group.run(Promise.resolve(leader.offsets.query(key))), 9)
})
