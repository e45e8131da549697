import t from 'tap'
import { allocateForPop, allocations, inOrder, type AssignableQueue } from '../../lib/broker/allocation.ts'
import { jsonArray, jsonInt, jsonMap, jsonText, type JsonOutput } from '../../lib/message/index.ts'
import { RemotingServer, RequestCode, ResponseCode } from '../../lib/remoting/index.ts'
import { MemoryNetwork } from '../remoting/memory-network.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { BrokerGroup } from './broker-group.ts'
import { consumerData, startedBroker, type Client } from './support.ts'

const queuesOf = (brokerName: string, count: number): AssignableQueue[] => Array.from({ length: count }, (_, queueId) => ({ topic: 'orders', brokerName, queueId }))
const ids = (queues: readonly AssignableQueue[]): number[] => queues.map(({ queueId }) => queueId)

t.test('queues are shared out as Apache\'s broker and clients do it', async (t) => {
  const queues = queuesOf('a', 8)
  const shares = (strategy: string, count: number) => Array.from({ length: count }, (_, at) => ids(allocations.get(strategy)!(queues, at, count)))
  t.same(shares('AVG', 3), [[0, 1, 2], [3, 4, 5], [6, 7]])
  t.same(shares('AVG', 10), [[0], [1], [2], [3], [4], [5], [6], [7], [], []])
  t.same(shares('AVG_BY_CIRCLE', 3), [[0, 3, 6], [1, 4, 7], [2, 5]])
  t.same(inOrder([...queuesOf('b', 2), ...queuesOf('B', 1)]).map(({ brokerName }) => brokerName), ['B', 'b', 'b'])
})

t.test('who pops shares all, or its own queues with the next ones', async (t) => {
  const avg = allocations.get('AVG')!
  const queues = [...queuesOf('a', 4), ...queuesOf('b', 4)]
  t.same(allocateForPop(avg, queues, 1, 4, 0).map(({ brokerName, queueId }) => [brokerName, queueId]), [['a', -1], ['b', -1]])
  t.same(allocateForPop(avg, queues, 1, 4, 3), allocateForPop(avg, queues, 0, 4, -1))
  t.same(ids(allocateForPop(avg, queuesOf('a', 8), 3, 4, 1)), [6, 7, 0, 1])
  t.same(Array.from({ length: 6 }, (_, at) => ids(allocateForPop(avg, queuesOf('a', 4), at, 6, 1))), [[0], [1], [2], [3], [0], [1]])
})

const question = (fields: Record<string, JsonOutput> = {}): JsonOutput => ({ topic: 'orders', consumerGroup: 'workers', clientId: 'one', strategyName: 'AVG', messageModel: 'CLUSTERING', ...fields })

async function assigned (client: Client, fields: Record<string, JsonOutput> = {}): Promise<string[] | undefined> {
  const body = jsonMap(await client.json(RequestCode.QUERY_ASSIGNMENT, {}, { body: question(fields) }))
  return jsonArray(body?.get('messageQueueAssignments'))?.map((value) => {
    const queue = jsonMap(jsonMap(value)?.get('messageQueue'))
    return [jsonText(jsonMap(value)?.get('mode')), jsonText(queue?.get('topic')), jsonText(queue?.get('brokerName')), jsonInt(queue?.get('queueId'))].join(' ')
  })
}

const setMode = (client: Client, fields: Record<string, JsonOutput> = {}) => client.ask(RequestCode.SET_MESSAGE_REQUEST_MODE, {}, { body: { topic: 'orders', consumerGroup: 'workers', mode: 'POP', popShareQueueNum: 0, ...fields } })

t.test('a consumer asks which queues are its, and gets told to pull or to pop', async (t) => {
  const { connect, config } = await startedBroker(t, { settings: 'defaultTopicQueueNums=4' })
  const client = connect()
  await client.send('orders', 'a')
  t.equal(await assigned(client), undefined, 'nobody has sent a heartbeat')
  for (const id of ['two', 'one']) await connect().heartbeat(id, { consumers: [consumerData('workers', { orders: '*' })] })
  t.same(await assigned(client), ['PULL orders broker-a 0', 'PULL orders broker-a 1'])
  t.same(await assigned(client, { clientId: 'two', strategyName: 'AVG_BY_CIRCLE' }), ['PULL orders broker-a 1', 'PULL orders broker-a 3'])
  t.same(await assigned(client, { clientId: 'three' }), [])
  t.equal(await assigned(client, { strategyName: 'MACHINE_ROOM' }), undefined)
  t.equal(await assigned(client, { topic: 'none' }), undefined)
  t.equal((await assigned(client, { messageModel: 'BROADCASTING' }))?.length, 4)
  t.equal((await setMode(client)).code, ResponseCode.SUCCESS)
  t.same(await assigned(client), ['POP orders broker-a -1'])
  t.same(await assigned(client, { topic: '%RETRY%workers' }), ['PULL %RETRY%workers broker-a 0'])
  t.same(await client.json(RequestCode.GET_ALL_MESSAGE_REQUEST_MODE).then((body) => jsonMap(jsonMap(jsonMap(jsonMap(body)?.get('messageRequestModeMap'))?.get('orders'))?.get('workers'))?.get('mode')), 'POP')
  t.equal((await setMode(client, { mode: 'PULL' })).code, ResponseCode.SUCCESS)
  t.equal((await assigned(client))?.[0], 'PULL orders broker-a 0')
  await config.update('serverLoadBalancerEnable=false')
  t.equal((await assigned(client))?.length, 4)

  t.equal((await setMode(client, { topic: '%RETRY%workers' })).code, ResponseCode.NO_PERMISSION)
  t.equal((await setMode(client, { topic: 'none' })).code, ResponseCode.TOPIC_NOT_EXIST)
  t.equal((await setMode(client, { consumerGroup: 'none' })).code, ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST)
  t.equal((await setMode(client, { mode: 'PUSH' })).code, ResponseCode.INVALID_PARAMETER)
  t.equal((await client.ask(RequestCode.QUERY_ASSIGNMENT)).code, ResponseCode.INVALID_PARAMETER)
  t.equal((await client.ask(RequestCode.QUERY_ASSIGNMENT, {}, { body: question({ topic: '' }) })).code, ResponseCode.INVALID_PARAMETER)
})

t.test('queues of other brokers are those that a name server tells', async (t) => {
  const clock = new VirtualClock()
  const network = new MemoryNetwork()
  const server = new RemotingServer({ clock, network })
  let asked = 0
  server.handle(RequestCode.REGISTER_BROKER, () => ({ code: ResponseCode.SUCCESS }))
  server.handle(RequestCode.GET_ROUTEINFO_BY_TOPIC, () => {
    asked++
    return { code: ResponseCode.SUCCESS, body: Buffer.from(JSON.stringify({ queueDatas: [{ brokerName: 'broker-a', readQueueNums: 9, perm: 6 }, { brokerName: 'broker-b', readQueueNums: 1, perm: 6 }, { brokerName: 'broker-c', readQueueNums: 4, perm: 2 }] })) }
  })
  await server.listen({ host: '127.0.0.1', port: 9876 })
  t.teardown(() => server.close())
  const { connect } = await startedBroker(t, { clock, network, settings: 'defaultTopicQueueNums=2\nnamesrvAddr=127.0.0.1:9876' })
  const client = connect()
  await client.send('orders', 'a')
  await client.heartbeat('one', { consumers: [consumerData('workers', { orders: '*' })] })
  for (let i = 0; i < 2; i++) t.same(await assigned(client), ['PULL orders broker-a 0', 'PULL orders broker-a 1', 'PULL orders broker-b 0'])
  t.equal(asked, 1)
  await setMode(client)
  t.same(await assigned(client), ['POP orders broker-a -1', 'POP orders broker-b -1'])
})

t.test('how a group consumes is known to the next leader', async (t) => {
  const group = await BrokerGroup.start('defaultTopicQueueNums=1\n')
  t.teardown(() => group.closeAll())
  const client = group.connect(group.leaderId)
  await group.run(client.send('orders', 'a'))
  for (const id of group.brokers.keys()) await group.run(group.connect(id).heartbeat('one', { consumers: [consumerData('workers', { orders: '*' })] }))
  t.equal((await group.run(setMode(client))).code, ResponseCode.SUCCESS)
  await group.close(group.leaderId)
  await group.until(() => group.leader !== undefined)
  t.same(await group.run(assigned(group.connect(group.leaderId))), ['POP orders broker-a -1'])
})
