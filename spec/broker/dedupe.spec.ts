import t from 'tap'
import { recallMessage, RequestCode, ResponseCode } from '../../lib/remoting/index.ts'
import { BrokerGroup } from './broker-group.ts'
import { consumerData, propertiesText, startedBroker, type Client } from './support.ts'

const topicFields = (topic: string, attributes: string) => ({ topic, defaultTopic: 'TBW102', readQueueNums: 4, writeQueueNums: 4, perm: 6, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false, attributes })
const remembering = (client: Client, topic: string) => client.ask(RequestCode.UPDATE_AND_CREATE_TOPIC, topicFields(topic, '+dedupe.time=60000,+dedupe.count=100'))

t.test('a client that sends again after a time-out gets the first answer, where its topic asks for that', async (t) => {
  const { connect, broker, clock } = await startedBroker(t)
  const client = connect()
  t.equal((await remembering(client, 'orders')).code, ResponseCode.SUCCESS)
  const first = await client.send('orders', 'a', { UNIQ_KEY: 'A' }, { e: 1 })
  t.same(await client.send('orders', 'a', { UNIQ_KEY: 'A' }, { e: 2 }), first, 'also by way of another queue')
  t.equal((await client.pull('orders', 1, 0)).records.length, 1)
  t.not((await client.send('orders', 'b', { UNIQ_KEY: 'A' })).msgId, first.msgId)
  const own = await client.send('orders', 'a', { UNIQ_KEY: 'B', DEDUPE_ID: 'job' })
  t.equal((await client.send('orders', 'a', { UNIQ_KEY: 'C', DEDUPE_ID: 'job' })).msgId, own.msgId, 'by an id of the producer\'s')
  t.not((await client.send('orders', 'a')).msgId, (await client.send('orders', 'a')).msgId, 'ids that the broker makes are new ones')
  await client.send('plain', 'a', { UNIQ_KEY: 'A' })
  t.equal((await client.send('plain', 'a', { UNIQ_KEY: 'A' })).queueOffset, 1, 'other topics do not')
  const waiting = await client.send('orders', 'w', { UNIQ_KEY: 'W', TIMER_DELAY_SEC: '100' })
  await clock.advance(50)
  const again = await client.send('orders', 'w', { UNIQ_KEY: 'W', TIMER_DELAY_SEC: '100' })
  t.same([again.msgId, again.recallHandle], [waiting.msgId, waiting.recallHandle])
  t.equal(broker.engine.store.delays.pendingCount, 1)
  t.equal((await client.ask(RequestCode.UPDATE_AND_CREATE_TOPIC, topicFields('orders', '+dedupe.count=0'))).code, ResponseCode.SYSTEM_ERROR)
})

t.test('messages to retry topics are never taken for others', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  await remembering(client, '%RETRY%group')
  for (let i = 0; i < 2; i++) await client.trySend('%RETRY%group', 'again', { i: propertiesText({ UNIQ_KEY: 'A' }), j: 1, l: 16 })
  t.equal((await client.pull('%RETRY%group', 0, 0)).records.length, 2)
})

t.test('over a change of the leader: what is sent again is not stored again; delayed messages come once and not early, what was recalled does not', async (t) => {
  const group = await BrokerGroup.start()
  t.teardown(() => group.closeAll())
  await group.run(group.leader!.engine.raiseFormat(3))
  let client = group.connect(group.leaderId)
  await group.run(remembering(client, 'orders'))
  const first = await group.run(client.send('orders', 'a', { UNIQ_KEY: 'A' }))
  const dueMs = group.clock.wallMs() + 20_000
  const timed = (id: string) => client.send('orders', id, { UNIQ_KEY: id, TIMER_DELIVER_MS: String(dueMs) })
  const [kept, recalled] = await group.run(Promise.all([timed('kept'), timed('recalled'), ...Array.from({ length: 20 }, (_, i) => timed(`m${i}`))]))
  await group.untilEqual()
  const leaderId = group.leaderId
  group.isolate(leaderId)
  const nextLeader = (): number | undefined => [...group.brokers].find(([id, { engine }]) => id !== leaderId && engine.role.isLeader)?.[0]
  await group.until(() => nextLeader() !== undefined)
  const next = nextLeader()!
  client = group.connect(next)
  const positionOf = ({ msgId }: { readonly msgId: string }): number => parseInt(msgId.slice(16), 16)
  const again = await group.run(client.send('orders', 'a', { UNIQ_KEY: 'A' }))
  t.same([positionOf(again), again.queueId, again.queueOffset], [positionOf(first), first.queueId, first.queueOffset])
  t.match(await group.run(timed('kept')), { recallHandle: kept!.recallHandle })
  const answer = await group.run(client.ask(RequestCode.RECALL_MESSAGE, { topic: 'orders', recallHandle: recalled!.recallHandle }))
  t.equal(recallMessage.response.decode(answer).msgId, 'recalled')
  const { engine } = group.brokers.get(next)!
  while (group.clock.wallMs() < dueMs) {
    t.equal(engine.reads.rangeOf('orders', 0).maxOffset, 1)
    await group.clock.advance(Math.max(1, (dueMs - group.clock.wallMs()) / 2))
  }
  await group.until(() => engine.store.delays.pendingCount === 0)
  const { bodies } = await group.run(client.pull('orders', 0, 0))
  t.same(bodies.sort(), ['a', 'kept', ...Array.from({ length: 20 }, (_, i) => `m${i}`)].sort())
})
