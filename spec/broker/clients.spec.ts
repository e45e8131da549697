import t from 'tap'
import { jsonArray, jsonMap, parseJson } from '../../lib/message/index.ts'
import { heartBeat, notifyConsumerIdsChanged, PullSysFlag, queryConsumerOffset, RequestCode, ResponseCode } from '../../lib/remoting/index.ts'
import { consumerData, openBroker, startedBroker, type Client } from './support.ts'

const notified = (client: Client): string[] => client.asked.filter(({ code }) => code === RequestCode.NOTIFY_CONSUMER_IDS_CHANGED).map((request) => notifyConsumerIdsChanged.request.decode(request).consumerGroup)

async function members (client: Client, consumerGroup: string): Promise<unknown> {
  const answer = await client.ask(RequestCode.GET_CONSUMER_LIST_BY_GROUP, { consumerGroup })
  return answer.code === ResponseCode.SUCCESS ? jsonArray(jsonMap(parseJson(answer.body))?.get('consumerIdList')) : answer.code
}

t.test('a heartbeat makes group and retry topic, and members learn of each other', async (t) => {
  const { connect, clock, broker } = await startedBroker(t)
  const [a, b] = [connect(), connect()]
  const answer = await a.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  t.match(heartBeat.response.decode(answer), { IS_SUPPORT_HEART_BEAT_V2: 'true', IS_SUB_CHANGE: 'true' })
  t.equal(answer.version, 479)
  t.match(broker.engine.store.metadata.group('group'), { retryMaxTimes: 16, consumeEnable: true })
  t.match(broker.engine.store.metadata.topic('%RETRY%group'), { readQueueNums: 1, perm: 6 })
  t.same(await members(a, 'group'), ['a'])
  await b.heartbeat('b', { consumers: [consumerData('group', { orders: '*' })] })
  await clock.settle()
  t.same(await members(a, 'group'), ['a', 'b'])
  t.same(notified(a), ['group', 'group'])
  t.same(notified(b), ['group'])
  await b.heartbeat('b', { consumers: [consumerData('group', { orders: '*' })] })
  await clock.settle()
  t.equal(notified(a).length, 2, 'nothing has changed')
  await b.heartbeat('b', { consumers: [consumerData('group', { orders: 'TagA' }, {}, 2)] })
  await clock.settle()
  t.equal(notified(a).length, 3, 'a subscription has')
  await b.close()
  await clock.advance(10)
  t.same(await members(a, 'group'), ['a'])
  t.equal(notified(a).length, 4)
  await a.ask(RequestCode.UNREGISTER_CLIENT, { clientID: 'a', consumerGroup: 'group' })
  t.equal(await members(a, 'group'), ResponseCode.SYSTEM_ERROR)
})

t.test('subscriptions of heartbeats filter pulls that bring none', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  await client.send('orders', 'a', { TAGS: 'TagA' })
  await client.send('orders', 'b', { TAGS: 'TagB' })
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: 'TagB' }, {}, 5)] })
  const pull = (subVersion: number) => client.pull('orders', 0, 0, { sysFlag: 0, subVersion, subscription: undefined })
  t.same((await pull(5)).bodies, ['b'])
  t.equal((await pull(6)).code, ResponseCode.SUBSCRIPTION_NOT_LATEST)
})

t.test('heartbeats with a fingerprint leave out what is known', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  const beat = async (heartbeatFingerprint: number, withoutSub: boolean, subscriptions: Record<string, string>): Promise<string | undefined> =>
    heartBeat.response.decode(await client.heartbeat('a', { heartbeatFingerprint, withoutSub, consumers: [consumerData('group', subscriptions)] })).IS_SUB_CHANGE
  t.equal(await beat(7, false, { orders: '*' }), 'false')
  t.equal(await beat(7, true, {}), 'false')
  t.equal(await beat(8, true, {}), 'true')
  const other = connect()
  const answer = await other.heartbeat('b', { heartbeatFingerprint: 3, withoutSub: true, consumers: [consumerData('unheard')] })
  t.equal(heartBeat.response.decode(answer).IS_SUB_CHANGE, 'true', 'a broker that was started anew asks for them')
})

t.test('a client without heartbeats is forgotten', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const [a, b] = [connect(), connect()]
  await a.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  for (let i = 0; i < 5; i++) {
    await clock.advance(30_000)
    await b.heartbeat('b', { consumers: [consumerData('group', { orders: '*' })], producers: ['producers'] })
    await a.ask(RequestCode.GET_MAX_OFFSET, { topic: 'orders', queueId: 0 }).catch(() => {})
  }
  t.same(await members(b, 'group'), ['b'])
})

t.test('offsets are kept, over a restart too', async (t) => {
  const first = await openBroker()
  const client = first.connect()
  const query = (client: Client, queueId: number, more = {}) => client.ask(RequestCode.QUERY_CONSUMER_OFFSET, { consumerGroup: 'group', topic: 'orders', queueId, ...more })
  await client.send('orders', 'x')
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  t.match(queryConsumerOffset.response.decode(await query(client, 0)), { offset: 0 })
  t.equal((await query(client, 0, { setZeroIfNotFound: false })).code, ResponseCode.QUERY_NOT_FOUND)
  const update = (fields: Record<string, string | number>) => client.ask(RequestCode.UPDATE_CONSUMER_OFFSET, { consumerGroup: 'group', topic: 'orders', queueId: 0, commitOffset: 1, ...fields })
  t.equal((await update({})).code, ResponseCode.SUCCESS)
  t.match(queryConsumerOffset.response.decode(await query(client, 0)), { offset: 1 })
  t.equal((await update({ consumerGroup: 'nobody' })).code, ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST)
  t.equal((await update({ topic: 'nothing' })).code, ResponseCode.TOPIC_NOT_EXIST)
  await client.pull('orders', 1, 0, { sysFlag: PullSysFlag.subscription | PullSysFlag.commitOffset, commitOffset: 4 })
  t.match(queryConsumerOffset.response.decode(await query(client, 1)), { offset: 4 })
  await first.close()

  const second = await openBroker({ ports: first.ports, clock: first.clock })
  t.teardown(() => second.close())
  const again = second.connect()
  t.match(queryConsumerOffset.response.decode(await query(again, 0)), { offset: 1 })
  t.match(queryConsumerOffset.response.decode(await query(again, 1)), { offset: 4 })
})
