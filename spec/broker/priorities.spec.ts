import t from 'tap'
import { RequestCode, ResponseCode } from '../../lib/remoting/index.ts'
import { PopClient } from './pop-client.ts'
import { propertiesOf, startedBroker, type Client } from './support.ts'

const QUEUES = 4
const PRIORITY = '_SYS_MSG_PRIORITY_'

async function makeTopic (client: Client, attributes: string, topic = 'orders'): Promise<void> {
  const { code, remark } = await client.ask(RequestCode.UPDATE_AND_CREATE_TOPIC, { topic, defaultTopic: 'TBW102', readQueueNums: QUEUES, writeQueueNums: QUEUES, perm: 6, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false, attributes })
  if (code !== ResponseCode.SUCCESS) throw new Error(remark)
}

t.test('a message with a priority comes to the queue of that number, whichever its client has chosen', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  await makeTopic(client, '+message.type=PRIORITY')
  const queueOf = async (properties: Record<string, string>, e = 1): Promise<number> => (await client.send('orders', 'm', properties, { e })).queueId
  t.same([await queueOf({ [PRIORITY]: '0' }), await queueOf({ [PRIORITY]: '3' }), await queueOf({ [PRIORITY]: '77' }), await queueOf({})], [0, 3, 3, 1])
  for (const none of ['-1', 'high', '1.5', '4294967296', '99999999999999999999']) t.equal(await queueOf({ [PRIORITY]: none }, 2), 2, `${none} is no priority`)
  // what is delayed, ordered, or a transaction's is that alone, as in RocketMQ
  t.equal(await queueOf({ [PRIORITY]: '3', __SHARDINGKEY: 'k' }, 2), 2)
  const stored = await client.pull('orders', 2, 5)
  t.same(stored.bodies, ['m'])
  t.equal(propertiesOf(stored.records[0]!)[PRIORITY], undefined)
  t.equal(propertiesOf((await client.pull('orders', 3, 0)).records[0]!)[PRIORITY], '3', 'its consumer sees it')
})

t.test('by pop what is urgent comes first, where the topic is one of priorities; its groups say how often', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  await makeTopic(client, '+message.type=PRIORITY')
  await makeTopic(client, '+message.type=NORMAL', 'plain')
  for (const topic of ['orders', 'plain']) {
    for (const priority of [1, 0, 3, 2, 0, 3, 1, 2]) await client.send(topic, `p${priority}`, { [PRIORITY]: String(priority) })
  }
  const popAll = async (topic: string, group: string, maxMsgNums: number): Promise<string[]> => {
    const popper = new PopClient(client, topic, group)
    const taken: string[] = []
    for (let messages = await popper.take({ maxMsgNums }); messages.length > 0; messages = await popper.take({ maxMsgNums })) {
      taken.push(...messages.map(({ body }) => body))
      for (const message of messages) t.equal(await popper.ack(message), ResponseCode.SUCCESS)
    }
    return taken
  }
  const byPriority = ['p3', 'p3', 'p2', 'p2', 'p1', 'p1', 'p0', 'p0']
  t.same(await popAll('orders', 'one', 1), byPriority)
  t.same(await popAll('orders', 'many', 3), byPriority, 'also within an answer')
  t.notSame(await popAll('plain', 'one', 1), byPriority, 'the queue alone says nothing elsewhere')
  const makeGroup = (factor: string): Promise<{ readonly code: number }> => client.ask(RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, { body: { groupName: 'fair', attributes: { '+priority.factor': factor } } })
  t.equal((await makeGroup('101')).code, ResponseCode.INVALID_PARAMETER)
  t.equal((await makeGroup('0')).code, ResponseCode.SUCCESS)
  t.notSame(await popAll('orders', 'fair', 1), byPriority)
})
