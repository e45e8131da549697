import t from 'tap'
import { writeJson, type JsonMap, type JsonOutput } from '../../lib/message/index.ts'
import { RequestCode, resendDeadLetters, ResponseCode, type ExtFields } from '../../lib/remoting/index.ts'
import { consumerData, openBroker, propertiesOf, startedBroker, type Client } from './support.ts'

const positionOf = (msgId: string): number => parseInt(msgId.slice(16), 16)
const sendBack = async (client: Client, offset: number, fields: ExtFields = {}): Promise<number> =>
  (await client.ask(RequestCode.CONSUMER_SEND_MSG_BACK, { offset, group: 'group', delayLevel: 0, originMsgId: 'id', originTopic: 'orders', unitMode: false, ...fields })).code

t.test('a message that is sent back comes again later, as a new one of the retry topic', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  const { msgId } = await client.send('orders', 'hello', { TAGS: 'TagA', KEYS: 'k', UNIQ_KEY: 'ID' })
  t.equal(await sendBack(client, positionOf(msgId)), ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST)
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*', '%RETRY%group': '*' })] })
  t.equal(await sendBack(client, 3), ResponseCode.SYSTEM_ERROR)
  t.equal(await sendBack(client, positionOf(msgId)), ResponseCode.SUCCESS)
  const waiting = client.pull('%RETRY%group', 0, 0, { sysFlag: 6, suspendTimeoutMillis: 20_000 })
  await clock.advance(9000)
  t.equal((await client.pull('%RETRY%group', 0, 0)).code, ResponseCode.PULL_NOT_FOUND, 'the first retry waits 10 s')
  await clock.advance(1500)
  const { records: [record], bodies } = await waiting
  t.same(bodies, ['hello'])
  t.match(record, { reconsumeTimes: 1, topic: '%RETRY%group', queueOffset: 0 })
  t.match(propertiesOf(record!), { RETRY_TOPIC: 'orders', ORIGIN_MESSAGE_ID: msgId, TAGS: 'TagA', KEYS: 'k', UNIQ_KEY: 'ID', DELAY: '3' })
})

t.test('after too many retries, or when the consumer says so, it is a dead letter', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  const positions = [positionOf((await client.send('orders', 'a')).msgId), positionOf((await client.send('orders', 'b')).msgId)]
  t.equal(await sendBack(client, positions[0]!, { delayLevel: -1 }), ResponseCode.SUCCESS)
  t.equal(await sendBack(client, positions[1]!, { maxReconsumeTimes: 0 }), ResponseCode.SUCCESS)
  const { bodies, records } = await client.pull('%DLQ%group', 0, 0)
  t.same(bodies, ['a', 'b'])
  t.match(propertiesOf(records[0]!), { RETRY_TOPIC: 'orders' })
})

t.test('a consumer that could not send back sends on to the retry topic itself', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  await client.send('%RETRY%group', 'again', { DELAY: '2', RETRY_TOPIC: 'orders' }, { j: 1, l: 16 })
  t.equal((await client.pull('%RETRY%group', 0, 0)).code, ResponseCode.PULL_NOT_FOUND)
  await clock.advance(5500)
  t.same((await client.pull('%RETRY%group', 0, 0)).bodies, ['again'])
  await client.send('%RETRY%group', 'the last time', { DELAY: '1', RETRY_TOPIC: 'orders' }, { j: 16, l: 16 })
  await client.send('%RETRY%group', 'given up', { DELAY: '3', RETRY_TOPIC: 'orders' }, { j: 17, l: 16 })
  t.same((await client.pull('%DLQ%group', 0, 0)).bodies, ['given up'])
  await clock.advance(1500)
  t.same((await client.pull('%RETRY%group', 0, 1)).bodies, ['the last time'])
})

t.test('what a group that consumes in order sends to its retry topic is given up', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  await client.send('orders', 'x')
  await client.ask(RequestCode.LOCK_BATCH_MQ, {}, { body: { clientId: 'a', consumerGroup: 'group', mqSet: [{ brokerName: 'broker-a', queueId: 0, topic: 'orders' }] } })
  await client.send('%RETRY%group', 'given up', { DELAY: '6', RETRY_TOPIC: 'orders' }, { j: 3, l: 3 })
  t.same((await client.pull('%DLQ%group', 0, 0)).bodies, ['given up'])
})

t.test('a group waits as its own retry policy says, unless the consumer asks for a level', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  const put = async (groupRetryPolicy: JsonOutput): Promise<number> =>
    (await client.ask(RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, { body: { groupName: 'group', groupRetryPolicy } })).code
  const exponential = { type: 'EXPONENTIAL', exponentialRetryPolicy: { initial: 100, max: 1000, multiplier: 4 } }
  t.equal(await put(exponential), ResponseCode.SUCCESS)
  t.equal(await put({ type: 'EXPONENTIAL', exponentialRetryPolicy: { initial: -1 } }), ResponseCode.INVALID_PARAMETER)
  const shown = (await client.json(RequestCode.GET_SUBSCRIPTIONGROUP_CONFIG, { group: 'group' })) as JsonMap
  t.equal(writeJson(shown.get('groupRetryPolicy') as JsonMap), JSON.stringify({ exponentialRetryPolicy: { initial: 100, max: 1000, multiplier: 4 }, type: 'EXPONENTIAL' }))

  let position = positionOf((await client.send('orders', 'x')).msgId)
  for (const [attempt, waitMs] of [100, 400, 1000, 1000].entries()) {
    t.equal(await sendBack(client, position), ResponseCode.SUCCESS)
    await clock.advance(waitMs - 20)
    t.equal((await client.pull('%RETRY%group', 0, attempt)).code, ResponseCode.PULL_NOT_FOUND)
    await clock.advance(40)
    const { records: [record] } = await client.pull('%RETRY%group', 0, attempt)
    t.equal(record?.reconsumeTimes, attempt + 1)
    t.equal(propertiesOf(record!)['DELAY'], undefined, 'it waited for no level')
    position = record!.physicalOffset
  }
  t.equal(await sendBack(client, position, { delayLevel: 1 }), ResponseCode.SUCCESS)
  await clock.advance(980)
  t.equal((await client.pull('%RETRY%group', 0, 4)).code, ResponseCode.PULL_NOT_FOUND)
  await clock.advance(40)
  t.equal((await client.pull('%RETRY%group', 0, 4)).bodies.length, 1)
  await client.ask(RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, { body: { groupName: 'group' } })
  t.equal(await sendBack(client, position), ResponseCode.SUCCESS)
  await clock.advance(60_000)
  t.equal((await client.pull('%RETRY%group', 0, 5)).code, ResponseCode.PULL_NOT_FOUND, 'after four retries the levels say 3 minutes')
})

t.test('dead letters are sent again, all or some, each once', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  const resend = async (fields: ExtFields): Promise<Record<string, number> | number> => {
    const answer = await client.ask(RequestCode.RESEND_DEAD_LETTERS, fields)
    return answer.code === ResponseCode.SUCCESS ? { ...resendDeadLetters.response.decode(answer) } : answer.code
  }
  t.equal(await resend({ group: 'group' }), ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST)
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  t.same(await resend({ group: 'group' }), { resent: 0, kept: 0, withoutTopic: 0 })
  const sent: string[] = []
  for (const [topic, body] of [['orders', 'a'], ['orders', 'b'], ['returns', 'c']] as const) {
    const { msgId } = await client.send(topic, body, { TAGS: 'T', UNIQ_KEY: `id-${body}` })
    sent.push(msgId)
    await sendBack(client, positionOf(msgId), { delayLevel: -1 })
  }
  t.same(await resend({ group: 'group', topic: 'returns' }), { resent: 1, kept: 2, withoutTopic: 0 })
  t.same(await resend({ group: 'group', msgIds: `${sent[1]},x` }), { resent: 1, kept: 1, withoutTopic: 0 })
  t.same(await resend({ group: 'group', msgIds: 'id-a' }), { resent: 1, kept: 0, withoutTopic: 0 })
  t.same(await resend({ group: 'group' }), { resent: 0, kept: 0, withoutTopic: 0 })
  t.equal(await resend({ group: 'group', max: 0 }), ResponseCode.INVALID_PARAMETER)
  const again = []
  for (let queueId = 0; queueId < 8; queueId++) again.push(...(await client.pull('orders', queueId, 0)).records)
  t.same(again.map(({ body }) => Buffer.from(body).toString()).sort(), ['a', 'a', 'b', 'b'])
  const record = again.find((record) => propertiesOf(record)['ORIGIN_MESSAGE_ID'] === sent[1])!
  t.match(record, { reconsumeTimes: 0 })
  t.same(Object.keys(propertiesOf(record)).filter((name) => /DLQ|RETRY|DELAY/.test(name)), [])
})

t.test('a group without retry queues drops what is sent back', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  await client.ask(RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, { body: { groupName: 'group', retryQueueNums: 0 } })
  const { msgId } = await client.send('orders', 'x')
  t.equal(await sendBack(client, positionOf(msgId)), ResponseCode.SUCCESS)
})

t.test('a retry that waits is there after a restart', async (t) => {
  const first = await openBroker()
  const client = first.connect()
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  const { msgId } = await client.send('orders', 'x')
  t.equal(await sendBack(client, positionOf(msgId)), ResponseCode.SUCCESS)
  await first.close()
  const second = await openBroker({ ports: first.ports, clock: first.clock })
  t.teardown(() => second.close())
  await first.clock.advance(12_000)
  t.same((await second.connect().pull('%RETRY%group', 0, 0)).bodies, ['x'])
})
