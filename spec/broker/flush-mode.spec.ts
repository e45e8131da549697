import t, { type Test } from 'tap'
import { MemoryDisk } from '../../lib/adapters/index.ts'
import type { Broker } from '../../lib/broker/index.ts'
import { jsonMap } from '../../lib/message/index.ts'
import { RequestCode, ResponseCode, type RemotingFrame } from '../../lib/remoting/index.ts'
import { HeldSyncs } from '../replica/held-syncs.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { BrokerGroup } from './broker-group.ts'
import { openBroker, startedBroker, type Client } from './support.ts'

const update = (client: Client, ...lines: string[]): Promise<RemotingFrame> => client.ask(RequestCode.UPDATE_BROKER_CONFIG, {}, { body: lines.join('\n') })
const modeAt = ({ engine }: Broker): [string, string] => [engine.flushDiskType, engine.status().flushMode]

/** As tools are told it. */
async function shown (client: Client, key = 'flushDiskType'): Promise<string | undefined> {
  const { body } = await client.ask(RequestCode.GET_BROKER_CONFIG)
  return new RegExp(`^${key}=(.*)$`, 'm').exec(Buffer.from(body).toString())?.[1]
}

async function started (t: Test, settings?: string): Promise<{ group: BrokerGroup, follower: Broker, atFollower: Client, atLeader: Client }> {
  const group = await BrokerGroup.start(settings)
  t.teardown(() => group.closeAll())
  const [id] = group.followerIds
  return { group, follower: group.brokers.get(id!)!, atFollower: group.connect(id!), atLeader: group.connect(group.leaderId) }
}

t.test('the flush mode of a group is changed at whichever node: answered when it is decided and that node obeys; all tell it', async (t) => {
  const { group, follower, atFollower, atLeader } = await started(t)
  t.equal(await group.run(shown(atFollower)), 'SYNC_FLUSH')
  let seen: unknown
  const answer = await group.run(update(atFollower, 'flushDiskType=ASYNC_FLUSH').finally(() => { seen = modeAt(follower) }))
  t.same([answer.code, seen], [ResponseCode.SUCCESS, ['ASYNC_FLUSH', 'async']])
  await group.until(() => [...group.brokers.values()].every((broker) => modeAt(broker)[1] === 'async'))
  for (const id of group.brokers.keys()) t.equal(await group.run(shown(group.connect(id))), 'ASYNC_FLUSH')
  const runtimeInfo = await group.run(atLeader.json(RequestCode.GET_BROKER_RUNTIME_INFO))
  t.equal(jsonMap(jsonMap(runtimeInfo)?.get('table'))?.get('flushDiskType'), 'ASYNC_FLUSH')
  t.equal((await group.run(update(atLeader, 'flushDiskType=SYNC_FLUSH'))).code, ResponseCode.SUCCESS)
  t.same(modeAt(group.leader!), ['SYNC_FLUSH', 'sync'])
  await group.until(() => modeAt(follower)[1] === 'sync')
})

t.test('a node whose disk is slow answers when it obeys, not when it is decided', async (t) => {
  const syncs = new Map([1, 2, 3].map((id) => [id, new HeldSyncs()]))
  const group = await BrokerGroup.start('', [1, 2, 3], (id, disk) => syncs.get(id)!.disk(disk))
  t.teardown(() => group.closeAll())
  const [id] = group.followerIds
  syncs.get(id!)!.hold()
  let isAnswered = false
  const answer = update(group.connect(id!), 'flushDiskType=ASYNC_FLUSH').finally(() => { isAnswered = true })
  await group.until(() => modeAt(group.leader!)[1] === 'async')
  await group.clock.advance(300)
  t.equal(isAnswered, false)
  syncs.get(id!)!.release()
  t.equal((await group.run(answer)).code, ResponseCode.SUCCESS)
  t.same(modeAt(group.brokers.get(id!)!), ['ASYNC_FLUSH', 'async'])
})

t.test('it goes on to the next leader when the one that was asked hands over', async (t) => {
  const { group, atFollower, atLeader } = await started(t)
  const [, other] = group.followerIds
  const transfer = group.leader!.engine.transferLeadership(other!)
  const answers = [atLeader, atFollower].map((client) => update(client, 'flushDiskType=ASYNC_FLUSH'))
  t.same((await group.run(Promise.all(answers))).map(({ code, remark }) => [code, remark]), [[ResponseCode.SUCCESS, undefined], [ResponseCode.SUCCESS, undefined]])
  await group.run(transfer)
  t.equal(group.leaderId, other)
  t.same(modeAt(group.leader!), ['ASYNC_FLUSH', 'async'])
})

t.test('what is so already is not logged; a node whose own file says otherwise is asked all the same', async (t) => {
  const { group, atFollower, atLeader } = await started(t)
  await group.run(update(atLeader, 'flushDiskType=ASYNC_FLUSH'))
  const { lastIndex } = group.leader!.engine.status()
  for (const client of [atLeader, atFollower]) t.equal((await group.run(update(client, 'flushDiskType=ASYNC_FLUSH'))).code, ResponseCode.SUCCESS)
  t.equal(group.leader!.engine.status().lastIndex, lastIndex)
  t.equal((await group.run(update(atFollower, 'flushDiskType=SYNC_FLUSH'))).code, ResponseCode.SUCCESS)
  t.equal(group.leader!.engine.flushDiskType, 'SYNC_FLUSH')
})

t.test('with other keys: those are the node\'s, and nothing is done when one of all is refused', async (t) => {
  const { group, follower, atFollower, atLeader } = await started(t)
  const refused = await group.run(update(atFollower, 'flushDiskType=SLAVE'))
  t.same([refused.code, refused.remark], [ResponseCode.INVALID_PARAMETER, 'flushDiskType=SLAVE: expected SYNC_FLUSH or ASYNC_FLUSH'])
  for (const other of ['maxMessageSize=much', 'listenPort=1', 'noSuchKey=1']) t.not((await group.run(update(atFollower, 'flushDiskType=ASYNC_FLUSH', other))).code, ResponseCode.SUCCESS)
  t.same(modeAt(group.leader!), ['SYNC_FLUSH', 'sync'])
  t.equal((await group.run(update(atFollower, 'maxMessageSize=10', 'flushDiskType=ASYNC_FLUSH'))).code, ResponseCode.SUCCESS)
  t.same([modeAt(follower), modeAt(group.leader!)], [['ASYNC_FLUSH', 'async'], ['ASYNC_FLUSH', 'async']])
  t.same([await group.run(shown(atFollower, 'maxMessageSize')), await group.run(shown(atLeader, 'maxMessageSize'))], ['10', '4194304'])
})

t.test('a node that reaches no leader changes nothing; of a leader that hears nobody nobody knows, and it says so', async (t) => {
  const { group, follower, atFollower, atLeader } = await started(t)
  const [id] = group.followerIds
  const leaderId = group.leaderId
  group.isolate(id!)
  await group.until(() => follower.engine.role.leaderId === 0)
  const refused = await group.run(update(atFollower, 'maxMessageSize=10', 'flushDiskType=ASYNC_FLUSH'))
  t.same([refused.code, refused.remark], [ResponseCode.SERVICE_NOT_AVAILABLE, 'flushDiskType was not changed: the group has no leader at the moment'])
  t.equal(await group.run(shown(atFollower, 'maxMessageSize')), '4194304')
  group.links.heal()
  await group.until(() => follower.engine.role.leaderId === leaderId)
  group.isolate(leaderId)
  const unknown = await group.run(update(atLeader, 'maxMessageSize=10', 'flushDiskType=ASYNC_FLUSH'))
  t.equal(unknown.code, ResponseCode.SYSTEM_ERROR)
  t.match(unknown.remark, /^nobody knows whether flushDiskType was changed: /)
  t.equal(await group.run(shown(atLeader, 'maxMessageSize')), '4194304')
  group.links.heal()
})

t.test('after a restart the group\'s log decides, not the files', async (t) => {
  const { group, atLeader } = await started(t, 'flushDiskType=SYNC_FLUSH\n')
  await group.run(update(atLeader, 'flushDiskType=ASYNC_FLUSH'))
  await group.untilEqual()
  for (const id of [1, 2, 3]) await group.close(id)
  for (const id of [1, 2, 3]) await group.open(id)
  await group.until(() => group.leader !== undefined)
  await group.untilEqual()
  for (const [id, broker] of group.brokers) t.same([modeAt(broker), await group.run(shown(group.connect(id)))], [['ASYNC_FLUSH', 'async'], 'ASYNC_FLUSH'])
})

t.test('a node that is left alone keeps what the group had agreed on, and takes what its own file says at its next start', async (t) => {
  const { group, follower, atLeader } = await started(t)
  const [id, other] = group.followerIds
  const leaderId = group.leaderId
  await group.run(update(atLeader, 'flushDiskType=ASYNC_FLUSH'))
  for (const steps of [[{ type: 'remove', id: other! }], [{ type: 'remove', id: leaderId }]] as const) await group.run(group.leader!.engine.changeMembership({ transition: 'auto', steps }))
  await group.until(() => follower.engine.role.isLeader)
  await group.run(group.connect(id!).send('orders', 'a'))
  t.same(modeAt(follower), ['ASYNC_FLUSH', 'async'])
  for (const each of [1, 2, 3]) await group.close(each)
  await group.open(id!)
  await group.until(() => group.leader !== undefined && modeAt(group.leader)[1] === 'sync')
  t.equal(group.leader!.engine.flushDiskType, 'SYNC_FLUSH')
})

t.test('a broker alone changes at once, and its file says so for the next start', async (t) => {
  const configDisk = new MemoryDisk()
  const content = async (): Promise<string> => Buffer.from(await configDisk.readFile('/broker.conf') ?? '').toString()
  const first = await openBroker({ configDisk })
  const client = first.connect()
  t.equal((await update(client, 'flushDiskType=ASYNC_FLUSH')).code, ResponseCode.SUCCESS)
  t.same([modeAt(first.broker), await shown(client), await content()], [['ASYNC_FLUSH', 'async'], 'ASYNC_FLUSH', 'flushDiskType=ASYNC_FLUSH\n'])
  await first.close()
  const second = await openBroker({ ports: first.ports, clock: first.clock, configDisk, settings: await content() })
  t.same(modeAt(second.broker), ['ASYNC_FLUSH', 'async'])
  t.equal((await update(second.connect(), 'flushDiskType=SYNC_FLUSH')).code, ResponseCode.SUCCESS)
  await second.close()
  const third = await startedBroker(t, { ports: first.ports, clock: first.clock, settings: await content() })
  t.same([modeAt(third.broker), await content()], [['SYNC_FLUSH', 'sync'], 'flushDiskType=SYNC_FLUSH\n'])
})

t.test('where its file cannot be written the answer says what was done', async (t) => {
  const configDisk = new FaultyDisk({ directories: ['/'] })
  const { broker, connect } = await startedBroker(t, { configDisk })
  const client = connect()
  configDisk.faults.failAt(1, 'ENOSPC')
  const answer = await update(client, 'maxMessageSize=10', 'flushDiskType=ASYNC_FLUSH')
  t.not(answer.code, ResponseCode.SUCCESS)
  t.match(answer.remark, /^flushDiskType is ASYNC_FLUSH now, and nothing else was changed: \/broker\.conf could not be changed: .*ENOSPC/)
  t.same([modeAt(broker), await shown(client), await shown(client, 'maxMessageSize')], [['ASYNC_FLUSH', 'async'], 'ASYNC_FLUSH', '4194304'])
})
