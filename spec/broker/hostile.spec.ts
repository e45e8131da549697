import t from 'tap'
import { jsonArray, jsonMap, parseJson } from '../../lib/message/index.ts'
import { RequestCode, ResponseCode } from '../../lib/remoting/index.ts'
import { consumerData, startedBroker } from './support.ts'

const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`)

t.test('a connection cannot name ever more groups, whatever each heartbeat says', async (t) => {
  const { connect } = await startedBroker(t, { limits: { maxGroupsPerClient: 10 } })
  const client = connect()
  t.equal((await client.heartbeat('c', { producers: names('p', 6), consumers: [consumerData('group')] })).code, ResponseCode.SUCCESS)
  t.equal((await client.heartbeat('c', { producers: names('p', 9), consumers: [consumerData('group')] })).code, ResponseCode.SUCCESS)
  const refused = await client.heartbeat('c', { producers: names('q', 1) })
  t.equal(refused.code, ResponseCode.INVALID_PARAMETER)
  t.match(refused.remark, /more than 10 groups/)
  await client.ask(RequestCode.UNREGISTER_CLIENT, { clientID: 'c', producerGroup: 'p0' })
  t.equal((await client.heartbeat('c', { producers: names('q', 1) })).code, ResponseCode.SUCCESS, 'one that was left makes room')
  t.equal((await connect().heartbeat('d', { producers: names('r', 10) })).code, ResponseCode.SUCCESS, 'each connection has its own')
})

t.test('names of clients and producer groups, and subscriptions of a connection, have bounds', async (t) => {
  const { connect } = await startedBroker(t, { limits: { maxHeartbeatBytes: 4096 } })
  const client = connect()
  t.equal((await client.heartbeat('c'.repeat(1021))).code, ResponseCode.INVALID_PARAMETER)
  t.equal((await client.heartbeat('c', { producers: ['p'.repeat(1021)] })).code, ResponseCode.INVALID_PARAMETER)
  t.equal((await client.heartbeat('c', { consumers: [consumerData('one', { orders: 'T'.repeat(2000) })] })).code, ResponseCode.SUCCESS)
  t.equal((await client.heartbeat('c', { consumers: [consumerData('one', { orders: 'T'.repeat(2000) })] })).code, ResponseCode.SUCCESS, 'the same again is not more')
  const refused = await client.heartbeat('c', { consumers: [consumerData('two', { orders: 'T'.repeat(2500) })] })
  t.match(refused.remark, /the subscriptions of the connection take more than 4096/)
})

t.test('progress of a topic that is named again and again is told once, and of too many queues not at all', async (t) => {
  const { connect } = await startedBroker(t, { limits: { maxQueuesPerAnswer: 100 } })
  const client = connect()
  const make = (topic: string, queues: number) => client.ask(RequestCode.UPDATE_AND_CREATE_TOPIC, { topic, defaultTopic: 'TBW102', readQueueNums: queues, writeQueueNums: queues, perm: 6, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false })
  await make('wide', 80)
  await make('other', 30)
  await client.heartbeat('c', { consumers: [consumerData('group', { wide: '*' })] })
  const stats = (topicList: string) => client.ask(RequestCode.GET_CONSUME_STATS, { consumerGroup: 'group', topic: '', topicList })
  const answer = await stats(Array(50).fill('wide').join(';'))
  t.equal(answer.code, ResponseCode.SUCCESS)
  t.equal(jsonMap(jsonMap(parseJson(answer.body))!.get('offsetTable'))!.size, 80)
  const refused = await stats('wide;other')
  t.equal(refused.code, ResponseCode.INVALID_PARAMETER)
  t.match(refused.remark, /more than 100 queues/)
})

t.test('offsets are cloned to groups that are there or may be made, and to no others', async (t) => {
  const { connect, config } = await startedBroker(t)
  const client = connect()
  await client.heartbeat('c', { consumers: [consumerData('group', { orders: '*' })] })
  await client.send('orders', 'x')
  await client.ask(RequestCode.UPDATE_CONSUMER_OFFSET, { consumerGroup: 'group', topic: 'orders', queueId: 0, commitOffset: 1 })
  const clone = async (destGroup: string): Promise<number> => (await client.ask(RequestCode.CLONE_GROUP_OFFSET, { srcGroup: 'group', destGroup, topic: 'orders', offline: false })).code
  t.equal(await clone('another'), ResponseCode.SUCCESS)
  for (const name of ['a@b', 'x'.repeat(1000)]) t.equal(await clone(name), ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST)
  await config.update('autoCreateSubscriptionGroup=false')
  t.equal(await clone('third'), ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST)
  const offsets = jsonMap(jsonMap(await client.json(RequestCode.GET_ALL_CONSUMER_OFFSET))!.get('offsetTable'))!
  t.same([...offsets.keys()].sort(), ['orders@another', 'orders@group'])
  t.same(jsonArray(jsonMap(await client.json(RequestCode.QUERY_TOPICS_BY_CONSUMER, { group: 'another' }))?.get('topicList')), ['orders'])
})
