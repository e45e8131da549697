import t, { type Test } from 'tap'
import { ResponseCode, sendMessageResponse, type RemotingFrame } from '../../lib/remoting/index.ts'
import { HeldSyncs } from '../replica/held-syncs.ts'
import { BrokerGroup } from './broker-group.ts'

async function master (t: Test, settings: string, seenBy?: BrokerGroup['seenBy']): Promise<BrokerGroup> {
  const group = await BrokerGroup.start(settings, [1], seenBy)
  t.teardown(() => group.closeAll())
  return group
}

async function addReplica (group: BrokerGroup, id: number): Promise<void> {
  await group.open(id)
  await group.run(group.brokers.get(1)!.engine.changeMembership({ transition: 'auto', steps: [{ type: 'addLearner', id }] }))
  await group.untilEqual()
}

const send = (group: BrokerGroup, id = 1): Promise<RemotingFrame> => group.run(group.connect(id).trySend('orders', 'x'))

t.test('SYNC_MASTER, all four answers: no replica, one that is there, one that is too late, one that is gone; and a disk of its own that stands still', async (t) => {
  const syncs = new HeldSyncs()
  const group = await master(t, 'brokerRole=SYNC_MASTER\nslaveTimeout=800\nsyncFlushTimeout=1500', (id, disk) => id === 1 ? syncs.disk(disk) : disk)
  t.equal((await send(group)).code, ResponseCode.SLAVE_NOT_AVAILABLE)
  await addReplica(group, 2)
  t.equal((await send(group)).code, ResponseCode.SUCCESS)
  t.equal(group.brokers.get(2)!.engine.status().durableIndex, group.brokers.get(1)!.engine.status().lastIndex, 'it is on the disk of both')
  group.isolate(2)
  const late = await send(group)
  t.equal(late.code, ResponseCode.FLUSH_SLAVE_TIMEOUT)
  t.match(sendMessageResponse.decode(late), { queueOffset: 2 }, 'it is stored all the same')
  await group.clock.advance(2000)
  t.equal((await send(group)).code, ResponseCode.SLAVE_NOT_AVAILABLE)
  group.links.heal()
  await group.untilEqual()
  await group.clock.advance(500)
  t.equal((await send(group)).code, ResponseCode.SUCCESS)
  syncs.hold()
  const stuck = await send(group)
  t.equal(stuck.code, ResponseCode.FLUSH_DISK_TIMEOUT)
  t.match(sendMessageResponse.decode(stuck), { queueOffset: 5 }, 'it is written, and not known to be on the disk')
  syncs.release()
  await group.untilEqual()
  t.equal(group.brokers.get(2)!.engine.reads.rangeOf('orders', 0).maxOffset, 6)
  t.equal((await send(group)).code, ResponseCode.SUCCESS)
})

t.test('ASYNC_MASTER waits for nobody', async (t) => {
  const group = await master(t, '')
  await addReplica(group, 2)
  group.isolate(2)
  t.equal((await send(group)).code, ResponseCode.SUCCESS)
})

t.test('inSyncReplicas says how many copies, minInSyncReplicas below how many nothing is taken', async (t) => {
  const group = await master(t, 'brokerRole=SYNC_MASTER\ninSyncReplicas=3\nminInSyncReplicas=2')
  const refused = await send(group)
  t.equal(refused.code, ResponseCode.SYSTEM_ERROR)
  t.match(refused.remark, /1 copies are in sync, fewer than minInSyncReplicas \(2\)/)
  await addReplica(group, 2)
  t.equal((await send(group)).code, ResponseCode.SLAVE_NOT_AVAILABLE)
  await addReplica(group, 3)
  t.equal((await send(group)).code, ResponseCode.SUCCESS)
  t.equal(group.brokers.get(3)!.engine.status().durableIndex, group.brokers.get(1)!.engine.status().lastIndex)
})

t.test('with enableAutoInSyncReplicas fewer copies are waited for when fewer are there', async (t) => {
  const group = await master(t, 'brokerRole=SYNC_MASTER\ninSyncReplicas=3\nenableAutoInSyncReplicas=true')
  t.equal((await send(group)).code, ResponseCode.SUCCESS)
  await addReplica(group, 2)
  t.equal((await send(group)).code, ResponseCode.SUCCESS)
})

t.test('a replica is a broker of its own number, and forwards', async (t) => {
  const group = await master(t, 'brokerRole=SYNC_MASTER')
  await addReplica(group, 2)
  await group.until(() => Object.keys(group.route).length === 2)
  t.same(group.route, { 0: 10_911, 2: 10_921 })
  t.equal((await send(group, 2)).code, ResponseCode.SUCCESS)
})

t.test('a group confirms by majority; a write that gets none in time is answered as not yet replicated', async (t) => {
  const group = await BrokerGroup.start('syncFlushTimeout=1000')
  t.teardown(() => group.closeAll())
  const [one, two] = group.followerIds
  await send(group, group.leaderId)
  group.links.cut(group.leaderId, one!)
  t.equal((await send(group, group.leaderId)).code, ResponseCode.SUCCESS)
  const leader = group.leaderId
  // what it sends is lost, what it hears keeps it the leader
  group.links.filter = ({ type, from }) => !(type === 'appendEntries' && from === leader)
  t.equal((await send(group, leader)).code, ResponseCode.FLUSH_SLAVE_TIMEOUT)
  t.ok(two)
})

t.test('a group may wait for all of its nodes', async (t) => {
  const group = await BrokerGroup.start('inSyncReplicas=3\nslaveTimeout=500')
  t.teardown(() => group.closeAll())
  const leader = group.leaderId
  await group.clock.advance(500)
  t.equal((await send(group, leader)).code, ResponseCode.SUCCESS)
  const [one] = group.followerIds
  group.links.cut(leader, one!)
  t.equal((await send(group, leader)).code, ResponseCode.FLUSH_SLAVE_TIMEOUT)
})
