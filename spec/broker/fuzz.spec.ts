import t from 'tap'
import fc from 'fast-check'
import { RequestCode, ResponseCode, type ExtFields } from '../../lib/remoting/index.ts'
import { consumerData, startedBroker } from './support.ts'

/** Of all headers, with values that mean something somewhere and values that mean nothing. */
const names = [
  'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'topic', 'queueId', 'queueOffset', 'consumerGroup', 'producerGroup', 'defaultTopic', 'defaultTopicQueueNums', 'sysFlag',
  'bornTimestamp', 'flag', 'properties', 'maxMsgNums', 'commitOffset', 'suspendTimeoutMillis', 'subscription', 'subVersion', 'expressionType', 'maxMsgBytes', 'offset', 'group', 'delayLevel',
  'timestamp', 'isForce', 'clientID', 'clientId', 'clientAddr', 'msgId', 'readQueueNums', 'writeQueueNums', 'perm', 'topicFilterType', 'order', 'attributes', 'groupName', 'srcGroup', 'destGroup',
  'statsName', 'statsKey', 'index', 'count', 'key', 'maxNum', 'beginTimestamp', 'endTimestamp', 'compareGroup', 'filterGroups', 'isOrder', 'topicSeq', 'maxTopicNum', 'boundaryType', 'cleanOffset',
  'extraInfo', 'invisibleTime', 'pollTime', 'bornTime', 'initMode', 'exp', 'expType', 'attemptId'
]
const value = fc.oneof(
  fc.constantFrom('orders', '%RETRY%group', 'group', 'TBW102', '0', '1', '-1', '3', '2147483647', '9223372036854775807', '-9223372036854775808', 'true', 'false', '', '*', 'TagA || TagB', '||', '0 1 60000 0 0 broker-a 0 0', 'SINGLE_TAG', '+a=b', '__proto__'),
  fc.string({ maxLength: 20 }),
  fc.integer().map(String))
const json: fc.Arbitrary<string> = fc.oneof(
  fc.json({ maxDepth: 3 }),
  fc.constantFrom(
    '{"clientID":"c","consumerDataSet":[{"groupName":"group","subscriptionDataSet":[{"topic":"orders","subString":"||"},{"topic":5}]},null,7]}', '{"clientID":{}}',
    '{"consumerGroup":"group","clientId":"c","mqSet":[{"brokerName":"broker-a","topic":"orders","queueId":-5},{}]}', '{"groupName":"group","attributes":{"+x":1},"groupRetryPolicy":{"$ref":"$"}}',
    '{"brokerName":"broker-a","acks":[{"c":"group","t":"orders","r":"0","so":0,"q":0,"rq":0,"pt":1,"it":60000,"b":"/w=="},{"c":5}]}', '{"topic":"orders","consumerGroup":"group","clientId":"a","strategyName":"AVG","mode":"POP","popShareQueueNum":-7}',
    '{"topicConfigList":[{"topicName":"orders","attributes":{"message.type":"X"}}]}', 'maxMessageSize=0x\nlistenPort=\n=', '{{"a":1}:2}'))
const body = fc.oneof(fc.constant(undefined), json.map((text) => Buffer.from(text)), fc.uint8Array({ maxLength: 200 }))
// those that wait, for a client or for nothing
const codes = Object.values(RequestCode).filter((code) => code !== RequestCode.CONSUME_MESSAGE_DIRECTLY && code !== RequestCode.GET_CONSUMER_RUNNING_INFO)
const fields: fc.Arbitrary<ExtFields> = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 40, noNullPrototype: true })

t.test('whatever a request says, it is answered, and the broker goes on', async (t) => {
  const { connect, clock, broker } = await startedBroker(t, { settings: 'channelExpiredTimeout=2000000000' })
  const client = connect()
  await client.send('orders', 'x')
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  await fc.assert(fc.asyncProperty(fc.constantFrom(...codes), fields, body, async (code, extFields, bytes) => {
    const full = { topic: 'orders', consumerGroup: 'group', queueId: '0', ...extFields }
    let isAnswered = false
    const asking = client.ask(code, full, bytes === undefined ? {} : { body: bytes }).then((answer) => {
      isAnswered = true
      return answer
    })
    await clock.runUntil(() => isAnswered, { maxMs: 1_300_000 })
    t.ok(Number.isInteger((await asking).code))
  }), { numRuns: 2000 })
  t.ok((await client.trySend('BenchmarkTest', 'still there', { e: 1000 })).code === ResponseCode.SUCCESS)
  t.equal(broker.server.connections.size, 1)
})
