import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { PullSysFlag, queryConsumerOffset, RequestCode, ResponseCode, type RemotingFrame } from '../../lib/remoting/index.ts'
import { BrokerGroup, portOf } from './broker-group.ts'
import { consumerData, type Client } from './support.ts'

async function started (t: Test, settings?: string): Promise<BrokerGroup> {
  const group = await BrokerGroup.start(settings)
  t.teardown(() => group.closeAll())
  return group
}

const place = { consumerGroup: 'group', topic: 'orders', queueId: 0 }
const waits = { sysFlag: PullSysFlag.subscription | PullSysFlag.suspend }
const commit = (client: Client, commitOffset: number): Promise<RemotingFrame> => client.ask(RequestCode.UPDATE_CONSUMER_OFFSET, { ...place, commitOffset })

async function offsetAt (group: BrokerGroup, client: Client): Promise<number> {
  const answer = await group.run(client.ask(RequestCode.QUERY_CONSUMER_OFFSET, { ...place }))
  return answer.code === ResponseCode.SUCCESS ? queryConsumerOffset.response.decode(answer).offset : -answer.code
}

t.test('the leader is broker 0, the others have their numbers; sends to any node are stored once', async (t) => {
  const group = await started(t)
  await group.until(() => Object.keys(group.route).length === 3 && group.route[0] !== undefined)
  t.same(group.route, Object.fromEntries([[0, portOf(group.leaderId)], ...group.followerIds.map((id) => [id, portOf(id)])]))
  const direct = group.connect(group.leaderId)
  const indirect = group.connect(group.followerIds[0]!)
  for (const body of ['a', 'b']) {
    t.match(await group.run(direct.send('orders', `${body}1`)), { queueId: 0 })
    t.match(await group.run(indirect.send('orders', `${body}2`)), { queueId: 0 })
  }
  t.same((await group.run(direct.pull('orders', 0, 0))).bodies, ['a1', 'a2', 'b1', 'b2'])
  await group.run(indirect.tell(RequestCode.SEND_MESSAGE_V2, { a: 'p', b: 'orders', c: 'TBW102', d: 4, e: 0, f: 0, g: 1, h: 0, i: '', j: 0, k: false, m: false }, 'one-way'))
  await group.until(() => group.leader!.engine.reads.rangeOf('orders', 0).maxOffset === 5)
  t.pass('one-way sends are forwarded too')
  const refused = await group.run(indirect.trySend('orders', 'x', { e: 99 }))
  t.equal(refused.code, ResponseCode.INVALID_PARAMETER, 'refusals come back as the leader gave them')
  t.match(refused.remark, /queueId 99 is illegal/)
})

t.test('a new leader takes the place of one that closed, at once and at every name server; the last one had its term', async (t) => {
  const group = await started(t)
  const first = group.leaderId
  await group.until(() => group.route[0] === portOf(first))
  const { term } = group.leader!.engine
  await group.close(first)
  await group.until(() => group.leader !== undefined)
  const soon = group.clock.nowMs() + 100
  await group.until(() => group.route[0] === portOf(group.leaderId))
  t.ok(group.clock.nowMs() <= soon)
  t.ok(group.leader!.engine.term > term)
  t.notOk(Object.values(group.route).includes(portOf(first)), 'it has said that it leaves')
  await group.open(first)
  await group.until(() => group.route[first] === portOf(first))
  t.equal(group.route[0], portOf(group.leaderId))
})

t.test('a leader that closes has another node take over first: what clients send to the others meanwhile is stored', async (t) => {
  const group = await started(t)
  const client = group.connect(group.followerIds[0]!)
  await group.run(client.send('orders', 'first'))
  const { term } = group.leader!.engine
  const sends: Array<Promise<unknown>> = []
  const closing = group.close(group.leaderId)
  for (let i = 0; i < 40; i++) {
    sends.push(client.send('orders', `while closing ${i}`))
    await group.clock.advance(5)
  }
  await closing
  await group.run(Promise.all(sends))
  await group.until(() => group.leader !== undefined)
  t.equal(group.leader!.engine.term, term + 1, 'without an election that had to be waited for')
  t.equal(group.leader!.engine.reads.rangeOf('orders', 0).maxOffset, 41)
})

t.test('sends go on while the leader closes', async (t) => {
  const group = await started(t)
  const first = group.leaderId
  const client = group.connect(first)
  await group.run(client.send('orders', 'before'))
  const closing = group.close(first)
  const codes = (await Promise.all(Array.from({ length: 5 }, () => client.trySend('orders', 'x')))).map(({ code }) => code)
  await closing
  t.same(codes, [0, 0, 0, 0, 0])
  await group.until(() => group.leader !== undefined)
  t.equal(group.leader!.engine.reads.rangeOf('orders', 0).maxOffset, 6)
})

t.test('a leader that is cut off is replaced, and cannot take the place back', async (t) => {
  const group = await started(t)
  const old = group.leaderId
  await group.until(() => group.route[0] === portOf(old))
  group.isolate(old)
  await group.until(() => [...group.brokers].some(([id, { engine }]) => id !== old && engine.role.isLeader))
  await group.until(() => group.route[0] !== portOf(old))
  const next = group.route[0]
  await group.clock.advance(70_000)
  t.equal(group.route[0], next, 'it has not registered as the leader again')
  const stuck = await group.run(group.connect(old).trySend('orders', 'x'))
  t.equal(stuck.code, ResponseCode.SERVICE_NOT_AVAILABLE)
  group.links.heal()
  await group.until(() => group.route[old] === portOf(old))
  t.equal(group.route[0], next)
  t.equal((await group.run(group.connect(old).trySend('orders', 'x'))).code, ResponseCode.SUCCESS)
})

t.test('clients of a leader that is cut off are answered while they have time to go elsewhere: unknown what was under way, refused what comes later', async (t) => {
  const group = await started(t)
  const old = group.leaderId
  const client = group.connect(old)
  await group.run(client.send('orders', 'before'))
  group.isolate(old)
  const cutMs = group.clock.nowMs()
  const [underWay, lock] = await group.run(Promise.all([
    client.trySend('orders', 'under way'),
    client.ask(RequestCode.LOCK_BATCH_MQ, {}, { body: { consumerGroup: 'group', clientId: 'c', mqSet: [{ topic: 'orders', brokerName: 'broker-a', queueId: 0 }] } })
  ]))
  t.ok(group.clock.nowMs() - cutMs <= 1000, `${group.clock.nowMs() - cutMs} ms`)
  t.equal(underWay.code, ResponseCode.SYSTEM_ERROR, 'not refused: it may have been stored')
  t.match(underWay.remark, /may have taken effect or not/)
  t.equal(lock.code, ResponseCode.SYSTEM_ERROR)
  for (const maxMs of [2100, 600]) {
    const beganMs = group.clock.nowMs()
    const late = await group.run(client.trySend('orders', 'late'))
    t.equal(late.code, ResponseCode.SERVICE_NOT_AVAILABLE)
    t.ok(group.clock.nowMs() - beganMs <= maxMs, `${group.clock.nowMs() - beganMs} ms`)
  }
  group.links.heal()
  await group.until(() => group.leader !== undefined)
  await group.untilEqual()
  t.equal(group.leader!.engine.reads.rangeOf('orders', 0).maxOffset, 1, 'another one led, and never had it')
})

t.test('what is under way by way of another node is answered as unknown once the leader it went to is replaced', async (t) => {
  const group = await started(t)
  const old = group.leaderId
  const [id] = group.followerIds
  const client = group.connect(id!)
  await group.run(client.send('orders', 'before'))
  // the request reaches the leader, and nothing comes back from there
  const call = client.trySend('orders', 'under way')
  await group.until(() => group.brokers.get(old)!.engine.stats().pendingProposals > 0)
  group.isolate(old)
  const cutMs = group.clock.nowMs()
  const answer = await group.run(call)
  t.equal(answer.code, ResponseCode.SYSTEM_ERROR)
  t.ok(group.clock.nowMs() - cutMs <= 2000, `${group.clock.nowMs() - cutMs} ms`)
})

t.test('a send that comes while leadership changes hands waits and is answered by the next leader', async (t) => {
  const group = await started(t)
  const old = group.leaderId
  const client = group.connect(old)
  await group.run(client.send('orders', 'before'))
  const transfer = group.leader!.engine.transferLeadership(group.followerIds[0]!)
  const sends = Array.from({ length: 20 }, (_, i) => client.send('orders', `m${i}`))
  await group.run(transfer)
  const offsets = (await group.run(Promise.all(sends))).map(({ queueOffset }) => queueOffset)
  t.same(offsets.sort((a, b) => a - b), Array.from({ length: 20 }, (_, i) => i + 1), 'each once')
  t.not(group.leaderId, old)
})

t.test('followers answer pulls from what has come to them, and never send a consumer back', async (t) => {
  const group = await started(t)
  const [id] = group.followerIds
  const client = group.connect(id!)
  await group.run(client.send('orders', 'first'))
  await group.untilEqual()
  const found = await group.run(client.pull('orders', 0, 0, waits))
  t.same([found.code, found.bodies, found.header.suggestWhichBrokerId], [ResponseCode.SUCCESS, ['first'], 0])
  let isAnswered = false
  const waiting = client.pull('orders', 0, 1, waits).finally(() => { isAnswered = true })
  await group.clock.advance(200)
  t.notOk(isAnswered)
  await group.run(group.connect(group.leaderId).send('orders', 'second'))
  const woken = await group.run(waiting)
  t.same(woken.bodies, ['second'], 'it wakes when the message comes to this node')
  const ahead = await group.run(client.pull('orders', 0, 7, { sysFlag: PullSysFlag.subscription }))
  t.same([ahead.code, ahead.header.nextBeginOffset], [ResponseCode.PULL_NOT_FOUND, 7])
  const leader = await group.run(group.connect(group.leaderId).pull('orders', 0, 7))
  t.same([leader.code, leader.header.nextBeginOffset], [ResponseCode.PULL_OFFSET_MOVED, 2], 'only the leader knows that there is no such offset')
  const isolated = await group.run(client.pull('unknown', 0, 0))
  t.equal(isolated.code, ResponseCode.TOPIC_NOT_EXIST, 'what a follower does not know the leader is asked')
})

t.test('progress committed anywhere is there after the leader has changed', async (t) => {
  const group = await started(t)
  const [one] = group.followerIds
  const client = group.connect(one!)
  for (let i = 0; i < 10; i++) await group.run(client.send('orders', `m${i}`))
  await group.run(client.heartbeat('c1', { consumers: [consumerData('group', { orders: '*' })] }))
  const leaderClient = group.connect(group.leaderId)
  await group.run(leaderClient.heartbeat('c1', { consumers: [consumerData('group', { orders: '*' })] }))
  await group.run(commit(client, 4))
  t.equal(await offsetAt(group, client), 4, 'a query sees the commit before it, whichever way it goes')
  t.equal(await offsetAt(group, leaderClient), 4)
  await group.run(client.pull('orders', 0, 5, { sysFlag: PullSysFlag.subscription | PullSysFlag.commitOffset, commitOffset: 5 }))
  await group.until(() => group.leader!.engine.store.consumerOffsets.offset('group', 'orders', 0) === 5)
  let last = 5
  for (let round = 0; round < 3; round++) {
    await group.run(commit(client, last + 1))
    last = await offsetAt(group, client)
    t.equal(last, 6 + round)
    await group.run(group.leader!.engine.transferLeadership(group.followerIds[0]!))
    await group.until(() => group.leader !== undefined)
    for (const id of group.brokers.keys()) t.equal(await offsetAt(group, group.connect(id)), last, `node ${id}`)
  }
})

t.test('progress that comes along with a pull of a follower, and is late, undoes no commit', async (t) => {
  const group = await started(t)
  const client = group.connect(group.leaderId)
  for (let i = 0; i < 10; i++) await group.run(client.send('orders', `m${i}`))
  await group.run(client.heartbeat('c1', { consumers: [consumerData('group', { orders: '*' })] }))
  await group.run(commit(client, 4))
  t.equal(await offsetAt(group, client), 4)
  await group.run(commit(client, 9))
  // as the follower sent it when it knew of 4
  await group.run(client.ask(RequestCode.UPDATE_CONSUMER_OFFSET, { ...place, commitOffset: 5, fromOffset: 4 }))
  t.equal(await offsetAt(group, client), 9)
  await group.run(client.ask(RequestCode.UPDATE_CONSUMER_OFFSET, { ...place, commitOffset: 10, fromOffset: 9 }))
  t.equal(await offsetAt(group, client), 10)
})

t.test('administration and locks through any node; each has the clients that it was told of', async (t) => {
  const group = await started(t)
  const [id] = group.followerIds
  const client = group.connect(id!)
  const created = await group.run(client.ask(RequestCode.UPDATE_AND_CREATE_TOPIC, { topic: 'made', defaultTopic: 'TBW102', readQueueNums: 2, writeQueueNums: 2, perm: 6, topicFilterType: 'SINGLE_TAG', order: false }))
  t.equal(created.code, ResponseCode.SUCCESS)
  t.match(group.nameServer.table.route('made')?.queueDatas, [{ brokerName: 'broker-a', readQueueNums: 2 }], 'known to the name server when it is answered')
  const lock = (clientId: string, by: Client) => group.run(by.json(RequestCode.LOCK_BATCH_MQ, {}, { body: { consumerGroup: 'group', clientId, mqSet: [{ topic: 'made', brokerName: 'broker-a', queueId: 1 }] } }))
  const other = group.connect(group.followerIds[1]!)
  t.match(inspect(await lock('c1', client), { depth: 9 }), /made/)
  t.notMatch(inspect(await lock('c2', other), { depth: 9 }), /made/, 'the other node sees the lock')
  await group.run(client.heartbeat('c1', { consumers: [consumerData('unheard-of', { orders: '*' })] }))
  t.equal((await group.run(client.ask(RequestCode.GET_CONSUMER_LIST_BY_GROUP, { consumerGroup: 'unheard-of' }))).code, ResponseCode.SUCCESS)
  t.equal((await group.run(group.connect(group.leaderId).ask(RequestCode.GET_CONSUMER_LIST_BY_GROUP, { consumerGroup: 'unheard-of' }))).code, ResponseCode.SYSTEM_ERROR)
})

t.test('a leader that cannot know whether it still leads answers no forwarded question of where queues end', async (t) => {
  const group = await started(t)
  const first = group.leaderId
  const old = group.leader!
  const client = group.connect(group.followerIds[0]!)
  await group.run(client.send('orders', 'a'))
  // requests of clients still pass, raft's messages do not
  group.links.filter = ({ from, to }) => from !== first && to !== first
  const answer = await group.run(client.ask(RequestCode.GET_MAX_OFFSET, { topic: 'orders', queueId: 0 }))
  t.equal(answer.code, ResponseCode.SUCCESS, 'the next one does')
  t.notOk(old.engine.role.isLeader)
})

t.test('a leader that closes does not take its successor out of the name servers', async (t) => {
  const group = await started(t)
  await group.until(() => group.route[0] === portOf(group.leaderId))
  const { table } = group.nameServer
  const left: number[] = []
  const unregister = table.unregister.bind(table)
  table.unregister = (identities) => {
    left.push(...identities.map(({ brokerId }) => brokerId))
    unregister(identities)
  }
  const first = group.leaderId
  await group.close(first)
  t.same(left, [first], 'older name servers take out whoever holds the id, and 0 is the next leader by now')
})

t.test('a node that is none of the group any more says so at once, instead of waiting for a leader', async (t) => {
  const group = await started(t)
  const id = group.followerIds[0]!
  const client = group.connect(id)
  await group.run(client.send('orders', 'a'))
  group.isolate(id)
  group.gone.add(id)
  const startMs = group.clock.nowMs()
  const refused = await group.run(client.trySend('orders', 'b'))
  t.equal(refused.code, ResponseCode.SERVICE_NOT_AVAILABLE)
  t.match(refused.remark, /not of the group/)
  t.ok(group.clock.nowMs() - startMs < 500, `${group.clock.nowMs() - startMs} ms`)
})
