import t from 'tap'
import { jsonArray, jsonMap, parseJson, type JsonMap, type JsonValue } from '../../lib/message/index.ts'
import { RequestCode, ResponseCode, type ExtFields } from '../../lib/remoting/index.ts'
import { consumerData, openBroker, recordsIn, startedBroker, type Client } from './support.ts'

const text = async (client: Client, code: number, fields: ExtFields = {}, body?: JsonValue | object): Promise<string> => {
  const answer = await client.ask(code, fields, body === undefined ? {} : { body: body as never })
  if (answer.code !== ResponseCode.SUCCESS) throw new Error(`${answer.code}: ${answer.remark}`)
  return Buffer.from(answer.body).toString()
}
const code = async (client: Client, request: number, fields: ExtFields = {}, body?: object): Promise<number> => (await client.ask(request, fields, body === undefined ? {} : { body: body as never })).code
const topicFields = (topic: string, rest: ExtFields = {}): ExtFields => ({ topic, defaultTopic: 'TBW102', readQueueNums: 2, writeQueueNums: 2, perm: 6, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false, ...rest })
const mq = (topic: string, queueId: number): string => `{"brokerName":"broker-a","queueId":${queueId},"topic":"${topic}"}`

t.test('topics are made, changed, listed, measured and deleted', async (t) => {
  const { connect, broker } = await startedBroker(t)
  const client = connect()
  t.equal(await code(client, RequestCode.UPDATE_AND_CREATE_TOPIC, topicFields('orders', { attributes: '+message.type=FIFO' })), ResponseCode.SUCCESS)
  t.equal(await text(client, RequestCode.GET_TOPIC_CONFIG, { topic: 'orders' }),
    '{"attributes":{"message.type":"FIFO"},"order":false,"perm":6,"readQueueNums":2,"topicFilterType":"SINGLE_TAG","topicName":"orders","topicSysFlag":0,"writeQueueNums":2}')
  t.equal(await code(client, RequestCode.UPDATE_AND_CREATE_TOPIC, topicFields('TBW102')), ResponseCode.INVALID_PARAMETER)
  t.equal(await code(client, RequestCode.UPDATE_AND_CREATE_TOPIC, topicFields('no good')), ResponseCode.INVALID_PARAMETER)
  t.equal(await code(client, RequestCode.UPDATE_AND_CREATE_TOPIC, topicFields('orders', { attributes: '+color=red' })), ResponseCode.SYSTEM_ERROR)
  t.equal(await code(client, RequestCode.UPDATE_AND_CREATE_TOPIC, topicFields('orders', { attributes: '+message.type=MIXED' })), ResponseCode.INVALID_PARAMETER)
  t.equal(await code(client, RequestCode.UPDATE_AND_CREATE_TOPIC_LIST, {}, { topicConfigList: [{ topicName: 'a', readQueueNums: 1, writeQueueNums: 1, perm: 6 }, { topicName: 'b b' }] }), ResponseCode.INVALID_PARAMETER)
  t.equal(await code(client, RequestCode.GET_TOPIC_CONFIG, { topic: 'a' }), ResponseCode.TOPIC_NOT_EXIST, 'all or none')
  const { queueOffset } = await client.send('orders', 'x', {}, { e: 1 })
  t.equal(queueOffset, 0)
  const at = await broker.engine.reads.storeTimestampAt('orders', 1, 0)
  t.equal(await text(client, RequestCode.GET_TOPIC_STATS_INFO, { topic: 'orders' }),
    `{"offsetTable":{${mq('orders', 0)}:{"lastUpdateTimestamp":0,"maxOffset":0,"minOffset":0},${mq('orders', 1)}:{"lastUpdateTimestamp":${at},"maxOffset":1,"minOffset":0}},"topicPutTps":0.0}`)
  const all = jsonMap(await client.json(RequestCode.GET_ALL_TOPIC_CONFIG))!
  t.ok((all.get('topicConfigTable') as JsonMap).has('orders'))
  t.ok((all.get('topicConfigTable') as JsonMap).has('TBW102'))
  const paged = await client.ask(RequestCode.GET_ALL_TOPIC_CONFIG, { topicSeq: 1, maxTopicNum: 2 })
  t.equal(jsonMap(jsonMap(parseJson(paged.body))?.get('topicConfigTable'))?.size, 2)
  t.equal(paged.extFields().get('totalTopicNum'), String((all.get('topicConfigTable') as JsonMap).size))
  t.match(await text(client, RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_BROKER), /"TBW102"/)
  t.match(await text(client, RequestCode.QUERY_CONSUME_QUEUE, { topic: 'orders', queueId: 1, index: 0, count: 5 }), /"maxQueueIndex":1,"minQueueIndex":0,"queueData":\[\{"eval":true,"physicOffset":\d+,"physicSize":\d+,"tagsCode":0\}\]/)
  t.equal(await code(client, RequestCode.DELETE_TOPIC_IN_BROKER, { topic: 'orders' }), ResponseCode.SUCCESS)
  t.equal(await code(client, RequestCode.DELETE_TOPIC_IN_BROKER, { topic: 'orders' }), ResponseCode.SUCCESS)
  t.equal(await code(client, RequestCode.DELETE_TOPIC_IN_BROKER, { topic: 'TBW102' }), ResponseCode.INVALID_PARAMETER)
  t.equal(await code(client, RequestCode.GET_TOPIC_STATS_INFO, { topic: 'orders' }), ResponseCode.TOPIC_NOT_EXIST)
})

t.test('groups are made, changed, listed and deleted', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  t.equal(await code(client, RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, { groupName: 'group', retryMaxTimes: 3, consumeEnable: false, groupRetryPolicy: { type: 'EXPONENTIAL' } }), ResponseCode.SUCCESS)
  t.equal(await text(client, RequestCode.GET_SUBSCRIPTIONGROUP_CONFIG, { group: 'group' }),
    '{"attributes":{},"brokerId":0,"consumeBroadcastEnable":true,"consumeEnable":false,"consumeFromMinEnable":true,"consumeMessageOrderly":false,"consumeTimeoutMinute":15,"groupName":"group","groupRetryPolicy":{"type":"EXPONENTIAL"},"groupSysFlag":0,"notifyConsumerIdsChangedEnable":true,"retryMaxTimes":3,"retryQueueNums":1,"whichBrokerWhenConsumeSlowly":1}')
  await client.send('orders', 'x')
  t.equal((await client.pull('orders', 0, 0)).code, ResponseCode.NO_PERMISSION)
  t.equal(await code(client, RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, { groupName: 'no good' }), ResponseCode.INVALID_PARAMETER)
  const all = jsonMap(await client.json(RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG))!
  t.ok((all.get('subscriptionGroupTable') as JsonMap).has('group'))
  t.ok((all.get('subscriptionGroupTable') as JsonMap).has('TOOLS_CONSUMER'))
  t.equal(await code(client, RequestCode.DELETE_SUBSCRIPTIONGROUP, { groupName: 'group', cleanOffset: true }), ResponseCode.SUCCESS)
  t.equal((await client.pull('orders', 0, 0)).code, ResponseCode.SUCCESS, 'it is made anew')
})

t.test('where autoCreateSubscriptionGroup is off, groups are not made', async (t) => {
  const { connect } = await startedBroker(t, { settings: 'autoCreateSubscriptionGroup=false\nautoCreateTopicEnable=false' })
  const client = connect()
  t.equal((await client.trySend('orders', 'x')).code, ResponseCode.TOPIC_NOT_EXIST)
  t.equal((await client.pull('BenchmarkTest', 0, 0)).code, ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST)
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  t.equal(await code(client, RequestCode.GET_CONSUMER_CONNECTION_LIST, { consumerGroup: 'group' }), ResponseCode.CONSUMER_NOT_ONLINE)
  t.equal(await code(client, RequestCode.GET_SUBSCRIPTIONGROUP_CONFIG, { group: 'group' }), ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST)
})

t.test('connections, subscriptions and progress are told in the shape that tools read', async (t) => {
  const { connect, broker } = await startedBroker(t)
  const [client, tool] = [connect(), connect()]
  await client.send('orders', 'a')
  await client.send('orders', 'b')
  await client.heartbeat('client-1', { consumers: [consumerData('group', { orders: 'TagA' })], producers: ['producers'] })
  await client.ask(RequestCode.UPDATE_CONSUMER_OFFSET, { consumerGroup: 'group', topic: 'orders', queueId: 0, commitOffset: 1 })
  t.match(await text(tool, RequestCode.GET_CONSUMER_CONNECTION_LIST, { consumerGroup: 'group' }),
    /^\{"connectionSet":\[\{"clientAddr":"127\.0\.0\.1:\d+","clientId":"client-1","language":"JAVA","version":479\}\],"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","subscriptionTable":\{"orders":\{.*"subString":"TagA".*\}\}\}$/)
  t.match(await text(tool, RequestCode.GET_PRODUCER_CONNECTION_LIST, { producerGroup: 'producers' }), /"clientId":"client-1"/)
  t.equal(await code(tool, RequestCode.GET_PRODUCER_CONNECTION_LIST, { producerGroup: 'nobody' }), ResponseCode.SYSTEM_ERROR)
  t.match(await text(tool, RequestCode.GET_ALL_PRODUCER_INFO), /^\{"data":\{"producers":\[\{"clientId":"client-1","language":"JAVA","lastUpdateTimestamp":\d+,"remoteIP":"127\.0\.0\.1","version":479\}\]\}\}$/)
  t.equal(await text(tool, RequestCode.QUERY_TOPIC_CONSUME_BY_WHO, { topic: 'orders' }), '{"groupList":["group"]}')
  t.equal(await text(tool, RequestCode.QUERY_TOPICS_BY_CONSUMER, { group: 'group' }), '{"brokerAddr":"127.0.0.1:10911","topicList":["orders"]}')
  t.match(await text(tool, RequestCode.QUERY_SUBSCRIPTION_BY_CONSUMER, { group: 'group', topic: 'orders' }), /^\{"group":"group","subscriptionData":\{.*\},"topic":"orders"\}$/)
  const at = await broker.engine.reads.storeTimestampAt('orders', 0, 0)
  const empty = [1, 2, 3].map((queueId) => `${mq('orders', queueId)}:{"brokerOffset":0,"consumerOffset":0,"lastTimestamp":0,"pullOffset":0}`).join(',')
  t.equal(await text(tool, RequestCode.GET_CONSUME_STATS, { consumerGroup: 'group' }), `{"consumeTps":0.0,"offsetTable":{${mq('orders', 0)}:{"brokerOffset":2,"consumerOffset":1,"lastTimestamp":${at},"pullOffset":1},${empty}}}`)
  t.match(await text(tool, RequestCode.GET_BROKER_CONSUME_STATS, { isOrder: false }), /^\{"brokerAddr":"127\.0\.0\.1:10911","consumeStatsList":\[\{"group":\[\{.*\}\]\}\],"totalDiff":1,"totalInflightDiff":0\}$/)
  t.equal(await text(tool, RequestCode.GET_ALL_CONSUMER_OFFSET), '{"dataVersion":{"counter":0,"stateVersion":1,"timestamp":0},"offsetTable":{"orders@group":{0:1}}}')
  t.match(await text(tool, RequestCode.QUERY_CONSUME_TIME_SPAN, { topic: 'orders', group: 'group' }), /^\{"consumeTimeSpanSet":\[\{"consumeTimeStamp":\d+,"delayTime":\d+,"maxTimeStamp":\d+,"messageQueue":\{"brokerName":"broker-a","queueId":0,"topic":"orders"\},"minTimeStamp":\d+\}/)
  t.equal(await code(tool, RequestCode.CLONE_GROUP_OFFSET, { srcGroup: 'group', destGroup: 'other', topic: 'orders', offline: true }), ResponseCode.SUCCESS)
  t.equal(await text(tool, RequestCode.QUERY_TOPIC_CONSUME_BY_WHO, { topic: 'orders' }), '{"groupList":["group","other"]}')
})

t.test('a reset is told to consumers at their next pull, and what they commit before does not count', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  for (let i = 0; i < 3; i++) await client.send('orders', `${i}`)
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  t.same((await client.pull('orders', 0, 0)).bodies, ['0', '1', '2'])
  const waiting = client.pull('orders', 0, 3, { sysFlag: 6 })
  const reset = (fields: ExtFields): Promise<string> => text(client, RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, { topic: 'orders', group: 'group', timestamp: -1, isForce: true, ...fields })
  t.equal(await reset({ queueId: 0, offset: 1 }), `{"offsetTable":{${mq('orders', 0)}:1}}`)
  t.equal((await waiting).code, ResponseCode.PULL_NOT_FOUND, 'who waits is woken')
  await client.ask(RequestCode.UPDATE_CONSUMER_OFFSET, { consumerGroup: 'group', topic: 'orders', queueId: 0, commitOffset: 3 })
  t.match(await client.pull('orders', 0, 3), { code: ResponseCode.PULL_OFFSET_MOVED, header: { nextBeginOffset: 1 } })
  t.same((await client.pull('orders', 0, 1)).bodies, ['1', '2'])
  t.match(await reset({}), /"queueId":3,"topic":"orders"\}:0\}\}$/)
  await t.rejects(reset({ queueId: 0, offset: 9 }), /^1: /)
  await t.rejects(reset({ topic: 'nothing' }), /^17: /)
  await t.rejects(reset({ group: 'nobody' }), /^26: /)
  await clock.settle()
})

t.test('without useServerSideResetOffset consumers are told to move themselves', async (t) => {
  const { connect, clock } = await startedBroker(t, { settings: 'useServerSideResetOffset=false' })
  const client = connect()
  await client.send('orders', 'x')
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  await text(client, RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, { topic: 'orders', group: 'group', timestamp: -1, isForce: true })
  await clock.settle()
  const pushed = client.asked.find((request) => request.code === RequestCode.RESET_CONSUMER_CLIENT_OFFSET)!
  t.match(Buffer.from(pushed.body).toString(), `{"offsetTable":{${mq('orders', 0)}:1,`)
})

t.test('a message is found by its offset id, and by key honestly not', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  const { msgId } = await client.send('orders', 'hello', { KEYS: 'k' })
  const found = await client.ask(RequestCode.VIEW_MESSAGE_BY_ID, { offset: parseInt(msgId.slice(16), 16) })
  t.match(recordsIn(found.body).map((record) => Buffer.from(record.body).toString()), ['hello'])
  t.equal(await code(client, RequestCode.VIEW_MESSAGE_BY_ID, { offset: 1 }), ResponseCode.SYSTEM_ERROR)
  const byKey = await client.ask(RequestCode.QUERY_MESSAGE, { topic: 'orders', key: 'k', maxNum: 1, beginTimestamp: 0, endTimestamp: 1 })
  t.equal(byKey.code, ResponseCode.QUERY_NOT_FOUND)
})

t.test('the configuration is shown and changed, and acts at once', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  const shown = await client.ask(RequestCode.GET_BROKER_CONFIG)
  t.match(Buffer.from(shown.body).toString(), /^brokerName=broker-a$/m)
  t.match(shown.extFields().get('version'), /^\{"counter":0,/)
  const update = (body: string) => client.ask(RequestCode.UPDATE_BROKER_CONFIG, {}, { body })
  t.equal((await update('maxMessageSize=10')).code, ResponseCode.SUCCESS)
  t.equal((await client.trySend('orders', '12345678901')).code, ResponseCode.MESSAGE_ILLEGAL)
  t.equal((await update('listenPort=1')).code, ResponseCode.NO_PERMISSION)
  t.equal((await update('maxMessageSize=much')).code, ResponseCode.INVALID_PARAMETER)
  t.equal((await update('autoCreateTopicEnable=false')).code, ResponseCode.SUCCESS)
  t.equal((await client.trySend('orders', 'x')).code, ResponseCode.TOPIC_NOT_EXIST)
})

t.test('runtime information has every key that tools read', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  await client.send('orders', 'hello')
  const table = jsonMap(jsonMap(await client.json(RequestCode.GET_BROKER_RUNTIME_INFO))?.get('table'))!
  const keys = ('bootTimestamp runtime putMessageEntireTimeMax putMessageTimesTotal putMessageFailedTimes putMessageSizeTotal putMessageDistributeTime putMessageAverageSize ' +
    'dispatchMaxBuffer getMessageEntireTimeMax putTps getFoundTps getMissTps getTotalTps getTransferredTps getTransferedTps putLatency99 putLatency999 commitLogDiskRatio consumeQueueDiskRatio ' +
    'commitLogMinOffset commitLogMaxOffset scheduleMessageOffset_1 scheduleMessageOffset_18 brokerActive brokerVersionDesc brokerVersion msgPutTotalYesterdayMorning msgPutTotalTodayMorning ' +
    'msgPutTotalTodayNow msgGetTotalYesterdayMorning msgGetTotalTodayMorning msgGetTotalTodayNow dispatchBehindBytes pageCacheLockTimeMills earliestMessageTimeStamp startAcceptSendRequestTimeStamp ' +
    'timerReadBehind timerOffsetBehind timerCongestNum timerEnqueueTps timerDequeueTps remainTransientStoreBufferNumbs remainHowManyDataToCommit remainHowManyDataToFlush commitLogDirCapacity ' +
    'sendThreadPoolQueueSize sendThreadPoolQueueCapacity sendThreadPoolQueueHeadWaitTimeMills pullThreadPoolQueueSize litePullThreadPoolQueueSize queryThreadPoolQueueSize ackThreadPoolQueueSize ' +
    'EndTransactionQueueSize EndTransactionThreadPoolQueueCapacity').split(' ')
  for (const key of keys) t.type(table.get(key), 'string', key)
  t.match(table.get('putTps'), /^\d+\.\d+ \d+\.\d+ \d+\.\d+$/)
  t.match(table.get('runtime'), /^\[ \d+ days, \d+ hours, \d+ minutes, \d+ seconds \]$/)
  t.match(table.get('commitLogDirCapacity'), /^Total : \d+\.\d GiB, Free : \d+\.\d GiB\.$/)
  t.equal(table.get('putMessageTimesTotal'), '1')
})

t.test('what came in the last minute is told by topic and group', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  for (let i = 0; i < 6; i++) await client.send('orders', 'hello')
  await client.pull('orders', 0, 0)
  await clock.advance(60_000)
  const stats = async (statsName: string, statsKey: string) => await text(client, RequestCode.VIEW_BROKER_STATS_DATA, { statsName, statsKey })
  t.match(await stats('TOPIC_PUT_NUMS', 'orders'), /^\{"statsDay":\{"avgpt":0\.0,"sum":0,"tps":0\.0\},"statsHour":\{"avgpt":0\.0,"sum":0,"tps":0\.0\},"statsMinute":\{"avgpt":1\.0,"sum":6,"tps":0\.1\d*\}\}$/)
  t.match(await stats('BROKER_PUT_NUMS', 'DefaultCluster'), /"statsMinute":\{"avgpt":1\.0,"sum":6,"tps":0\.1\}/)
  t.match(await stats('GROUP_GET_NUMS', 'orders@group'), /"statsMinute":\{"avgpt":6\.0,"sum":6,/)
  await t.rejects(stats('TOPIC_PUT_NUMS', 'nothing'), /^1: /)
})

t.test('questions for a consumer are put to it, and its answer is handed on', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const [consumer, tool] = [connect(), connect()]
  const { msgId } = await tool.send('orders', 'hello')
  consumer.client.handle(RequestCode.GET_CONSUMER_RUNNING_INFO, (request) => ({ code: 0, extFields: { seen: request.extFields().get('clientId') }, body: Buffer.from('{"info":1}') }))
  consumer.client.handle(RequestCode.CONSUME_MESSAGE_DIRECTLY, (request) => ({ code: 0, body: recordsIn(request.body)[0]!.body.slice() }))
  consumer.client.handle(RequestCode.GET_CONSUMER_STATUS_FROM_CLIENT, () => ({ code: 0, body: Buffer.from(`{"messageQueueTable":{${mq('orders', 0)}:5}}`) }))
  await consumer.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  const info = await tool.ask(RequestCode.GET_CONSUMER_RUNNING_INFO, { consumerGroup: 'group', clientId: 'a', jstackEnable: false })
  t.equal(Buffer.from(info.body).toString(), '{"info":1}')
  t.equal(info.extFields().get('seen'), 'a')
  t.equal(await code(tool, RequestCode.GET_CONSUMER_RUNNING_INFO, { consumerGroup: 'group', clientId: 'b' }), ResponseCode.SYSTEM_ERROR)
  t.equal(await text(tool, RequestCode.CONSUME_MESSAGE_DIRECTLY, { consumerGroup: 'group', clientId: 'a', msgId }), 'hello')
  t.equal(await text(tool, RequestCode.INVOKE_BROKER_TO_GET_CONSUMER_STATUS, { topic: 'orders', group: 'group', clientAddr: '' }), `{"consumerTable":{"a":{${mq('orders', 0)}:5}}}`)
  consumer.client.handle(RequestCode.GET_CONSUMER_RUNNING_INFO, () => undefined)
  const silent = tool.ask(RequestCode.GET_CONSUMER_RUNNING_INFO, { consumerGroup: 'group', clientId: 'a' })
  await clock.advance(10_000)
  t.equal((await silent).code, ResponseCode.CONSUME_MSG_TIMEOUT)
})

t.test('queues are locked for one consumer of a group', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const [a, b] = [connect(), connect()]
  await a.send('orders', 'x')
  for (const [client, id] of [[a, 'a'], [b, 'b']] as const) await client.heartbeat(id, { consumers: [consumerData('group', { orders: '*' })] })
  const mqSet = [0, 1].map((queueId) => ({ brokerName: 'broker-a', queueId, topic: 'orders' }))
  const lock = (client: Client, clientId: string) => text(client, RequestCode.LOCK_BATCH_MQ, {}, { clientId, consumerGroup: 'group', mqSet, onlyThisBroker: false })
  const both = `{"lockOKMQSet":[${mq('orders', 0)},${mq('orders', 1)}]}`
  t.equal(await lock(a, 'a'), both)
  t.equal(await lock(b, 'b'), '{"lockOKMQSet":[]}')
  await b.ask(RequestCode.UPDATE_CONSUMER_OFFSET, { consumerGroup: 'group', topic: 'orders', queueId: 0, commitOffset: 1 })
  t.equal((await a.ask(RequestCode.QUERY_CONSUMER_OFFSET, { consumerGroup: 'group', topic: 'orders', queueId: 0, setZeroIfNotFound: false })).code, ResponseCode.QUERY_NOT_FOUND, 'only the holder moves the group')
  t.equal(await text(a, RequestCode.UNLOCK_BATCH_MQ, {}, { clientId: 'a', consumerGroup: 'group', mqSet, onlyThisBroker: false }), '')
  t.equal(await lock(b, 'b'), both)
  await b.close()
  t.equal(await lock(a, 'a'), '{"lockOKMQSet":[]}', 'a lost client keeps them for a while')
  await clock.advance(31_000)
  t.equal(await lock(a, 'a'), both)
})

t.test('who asked in vain for queues is told when they are free: given back, left, or not renewed', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const [a, b] = [connect(), connect()]
  await a.send('orders', 'x')
  await a.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  await b.heartbeat('b', { consumers: [consumerData('group', { orders: '*' })] })
  await clock.settle()
  const mqSet = [0, 1].map((queueId) => ({ brokerName: 'broker-a', queueId, topic: 'orders' }))
  const body = (clientId: string, queues = mqSet) => ({ clientId, consumerGroup: 'group', mqSet: queues, onlyThisBroker: false })
  const held = async (client: Client, clientId: string): Promise<number> => jsonArray(jsonMap(await client.json(RequestCode.LOCK_BATCH_MQ, {}, { body: body(clientId) }))!.get('lockOKMQSet'))!.length
  const told = async (): Promise<number> => {
    await clock.settle()
    return b.asked.splice(0).filter(({ code }) => code === RequestCode.NOTIFY_CONSUMER_IDS_CHANGED).length
  }
  await told()
  t.equal(await held(a, 'a'), 2)
  await a.ask(RequestCode.UNLOCK_BATCH_MQ, {}, { body: body('a', mqSet.slice(0, 1)) })
  t.equal(await told(), 0, 'nobody has asked for it')
  t.equal(await held(a, 'a'), 2)
  t.equal(await held(b, 'b'), 0)
  await a.ask(RequestCode.UNLOCK_BATCH_MQ, {}, { body: body('a', mqSet.slice(0, 1)) })
  t.equal(await told(), 1)
  t.equal(await held(b, 'b'), 1, 'it has the one, and still wants the other')
  await a.ask(RequestCode.UNLOCK_BATCH_MQ, {}, { body: body('a') })
  t.equal(await told(), 1)
  t.equal(await held(b, 'b'), 2)
  await b.ask(RequestCode.UNLOCK_BATCH_MQ, {}, { body: body('b') })
  t.equal(await told(), 0)

  t.equal(await held(a, 'a'), 2)
  t.equal(await held(b, 'b'), 0)
  await clock.advance(61_000)
  t.equal(await told(), 1, 'a has not renewed them')
  t.equal(await held(b, 'b'), 2)
})

t.test('locks outlast a restart of the broker', async (t) => {
  const lock = (client: Client, clientId: string) => text(client, RequestCode.LOCK_BATCH_MQ, {}, { clientId, consumerGroup: 'group', mqSet: [{ brokerName: 'broker-a', queueId: 0, topic: 'orders' }], onlyThisBroker: false })
  const first = await openBroker()
  const client = first.connect()
  await client.send('orders', 'x')
  const held = `{"lockOKMQSet":[${mq('orders', 0)}]}`
  t.equal(await lock(client, 'a'), held)
  await first.close()
  const second = await openBroker({ ports: first.ports, clock: first.clock })
  t.teardown(() => second.close())
  t.equal(await lock(second.connect(), 'b'), '{"lockOKMQSet":[]}')
  t.equal(await lock(second.connect(), 'a'), held)
  await second.clock.advance(61_000)
  t.equal(await lock(second.connect(), 'b'), held, 'until nobody renews them')
})
