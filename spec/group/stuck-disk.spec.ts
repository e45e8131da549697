import t from 'tap'
import { MemoryKv } from '../../lib/adapters/index.ts'
import { loadChecksum } from '../../lib/base/index.ts'
import { get, put, wireMessage } from '../engine/wire.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { Nodes } from './nodes.ts'

/** Three nodes, each on a disk that can be made slow: every operation then takes so long. */
async function nodesOnDisks () {
  await loadChecksum()
  const group = new Nodes([0, 1, 2])
  const delays = [0, 0, 0]
  for (const number of [0, 1, 2]) {
    const schedule = (fn: () => void): void => { group.clock.setTimer(delays[number]!, fn) }
    group.machines.set(number, { disk: new FaultyDisk({ directories: ['/'], schedule }), kv: new MemoryKv() })
  }
  await group.openAll()
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
