import t from 'tap'
import { MemoryKv } from '../../lib/adapters/index.ts'
import { loadChecksum } from '../../lib/base/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { get, put, wireMessage } from '../engine/wire.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { DIRECTORY, Nodes } from './nodes.ts'

/** Three nodes, each on a disk that can be made slow: every operation then takes so long. */
async function nodesOnDisks (tailCacheBytes?: number) {
  await loadChecksum()
  const group = new Nodes([0, 1, 2])
  const delays = [0, 0, 0]
  for (const number of [0, 1, 2]) {
    const schedule = (fn: () => void): void => { group.clock.setTimer(delays[number]!, fn) }
    group.machines.set(number, { disk: new FaultyDisk({ directories: ['/'], schedule }), kv: new MemoryKv() })
  }
  const options = checkOpenOptions(DIRECTORY, {})
  await group.openAll(tailCacheBytes === undefined ? {} : { engine: { ...options, directory: DIRECTORY, limits: { ...options.limits, tailCacheBytes } } })
  return { group, delays }
}

t.test('a leader whose disk stands still hands over to a node whose disk moves; nothing acknowledged is lost', async (t) => {
  const { group, delays } = await nodesOnDisks()
  t.teardown(() => group.closeAll())
  const leader = await group.untilLeader()
  await group.run(put(leader.engine, 'orders', wireMessage('a')))
  delays[leader.number] = 30_000
  const startMs = group.clock.nowMs()
  const stuck = put(leader.engine, 'orders', wireMessage('b'))
  stuck.catch(() => {})
  await group.until(() => leader.engine.role.leaderId !== leader.nodeId && group.leader !== undefined)
  const tookMs = group.clock.nowMs() - startMs
  t.ok(tookMs >= 3_000 && tookMs < 5_000, `${tookMs} ms`)
  const next = group.leader!
  t.not(next, leader)
  await group.run(put(next.engine, 'orders', wireMessage('c')))
  t.same((await group.run(get(next.engine, { topic: 'orders' }))).bodies, ['a', 'b', 'c'], 'the others had it durable')
  await t.rejects(group.run(stuck), { code: 'MQ_LEADERSHIP_LOST', outcome: 'unknown' })
  delays[leader.number] = 0
})

t.test('where no disk is faster, leadership stays', async (t) => {
  const { group, delays } = await nodesOnDisks()
  t.teardown(() => group.closeAll())
  const leader = await group.untilLeader()
  const { term } = leader.engine
  delays.fill(4_000)
  await group.run(put(leader.engine, 'orders', wireMessage('b')))
  t.equal(group.leader, leader)
  t.equal(leader.engine.term, term)
  delays.fill(0)
})

t.test('a leader with a slow disk goes on where nobody else would be elected: the one node beside it lacks what is committed', async (t) => {
  const { group, delays } = await nodesOnDisks(4096)
  t.teardown(() => group.closeAll())
  const leader = await group.untilLeader()
  const { term } = leader.engine
  const [lagging, other] = [0, 1, 2].filter((number) => number !== leader.number) as [number, number]
  await group.close(lagging)
  for (let i = 0; i < 30; i++) await group.run(put(leader.engine, 'orders', wireMessage('x'.repeat(1000))))
  await group.close(other)
  const opening = group.start(lagging)
  delays[leader.number] = 2_000
  const slow = put(leader.engine, 'orders', wireMessage('last'))
  await group.run(opening)
  t.equal((await group.run(slow)).queueOffset, 30)
  t.equal(group.leader, leader)
  t.equal(leader.engine.term, term)
  delays[leader.number] = 0
})
