import t from 'tap'
import { PullSysFlag, RequestCode, ResponseCode, type ExtFields } from '../../lib/remoting/index.ts'
import type { JsonOutput } from '../../lib/message/index.ts'
import { consumerData, startedBroker, type Client } from './support.ts'

const ON = { settings: 'enablePropertyFilter=true' }
const WAIT = PullSysFlag.subscription | PullSysFlag.suspend
const sql = (subscription: string, rest: ExtFields = {}): ExtFields => ({ expressionType: 'SQL92', subscription, ...rest })

/** A subscription in a heartbeat, as Apache's client writes it. */
function sqlConsumer (group: string, expression: string, rest: Record<string, JsonOutput> = {}): JsonOutput {
  return consumerData(group, {}, { subscriptionDataSet: [{ topic: 'orders', subString: expression, expressionType: 'SQL92', subVersion: 7, classFilterMode: false, tagsSet: [], codeSet: [] }], ...rest })
}

async function sendPrices (client: Client, ...prices: number[]): Promise<void> {
  for (const price of prices) await client.send('orders', String(price), { TAGS: price > 100 ? 'dear' : 'cheap', price: String(price), city: price % 2 === 0 ? '杭州' : 'Paris' })
}

t.test('a pull with an expression gets what it matches, and goes on behind what it does not', async (t) => {
  const { connect } = await startedBroker(t, ON)
  const client = connect()
  await sendPrices(client, 1, 150, 3, 200, 5, 6)
  t.same((await client.pull('orders', 0, 0, sql('price > 100'))).bodies, ['150', '200'])
  t.same((await client.pull('orders', 0, 0, sql('price < 100 AND city = \'杭州\''))).bodies, ['6'])
  t.same((await client.pull('orders', 0, 0, sql('TAGS IN (\'dear\') AND price <> 150'))).bodies, ['200'])
  const none = await client.pull('orders', 0, 1, sql('price > 1000'))
  t.equal(none.code, ResponseCode.PULL_RETRY_IMMEDIATELY)
  t.equal(none.header.nextBeginOffset, 6)
  t.same((await client.pull('orders', 0, 0, sql('body IS NULL', { maxMsgNums: 2 }))).bodies, ['1', '150'])
  t.equal((await client.pull('orders', 0, 0, sql('city > 1'))).code, ResponseCode.PULL_RETRY_IMMEDIATELY, 'what cannot be compared does not match')
})

t.test('wrong expressions and wrong types are refused with the place, the right ones are not without the setting', async (t) => {
  const { connect, config } = await startedBroker(t, ON)
  const client = connect()
  await sendPrices(client, 1)
  const wrong = await client.pull('orders', 0, 0, sql('price > \'x\''))
  t.equal(wrong.code, ResponseCode.SUBSCRIPTION_PARSE_FAILED)
  t.match(wrong.remark, 'character 9')
  t.equal((await client.pull('orders', 0, 0, { expressionType: 'XPATH', subscription: 'a' })).code, ResponseCode.SUBSCRIPTION_PARSE_FAILED)
  const check = (expression: string): Promise<{ code: number, remark: string | undefined }> => client.ask(RequestCode.CHECK_CLIENT_CONFIG, {}, { body: { clientId: 'c', group: 'g', subscriptionData: { topic: 'orders', subString: expression, expressionType: 'SQL92', subVersion: 1 } } })
  t.equal((await check('price > 5')).code, ResponseCode.SUCCESS)
  const refused = await check('price ! 5')
  t.equal(refused.code, ResponseCode.SUBSCRIPTION_PARSE_FAILED)
  t.match(refused.remark, 'character 7')
  await config.update(Buffer.from('enablePropertyFilter=false'))
  for (const answer of [await check('price > 5'), await client.pull('orders', 0, 0, sql('price > 5'))]) {
    t.equal(answer.code, ResponseCode.SYSTEM_ERROR)
    t.match(answer.remark, 'The broker does not support consumer to filter message by SQL92')
  }
})

t.test('expressions of heartbeats hold for pulls without one', async (t) => {
  const { connect } = await startedBroker(t, ON)
  const client = connect()
  await sendPrices(client, 1, 150)
  await client.heartbeat('c1', { consumers: [sqlConsumer('group', 'price > 100'), sqlConsumer('broken', 'price >')] })
  t.same((await client.pull('orders', 0, 0, { sysFlag: 0, subVersion: 7 })).bodies, ['150'])
  t.equal((await client.pull('orders', 0, 0, { sysFlag: 0, subVersion: 8 })).code, ResponseCode.SUBSCRIPTION_NOT_LATEST)
  const broken = await client.pull('orders', 0, 0, { sysFlag: 0, subVersion: 7, consumerGroup: 'broken' })
  t.equal(broken.code, ResponseCode.FILTER_DATA_NOT_EXIST)
  t.match(broken.remark, 'character 8')
})

t.test('members that want different messages are each served as they said, and the log tells', async (t) => {
  const warnings: string[] = []
  const logger = { debug () {}, info () {}, error () {}, warn (message: string) { warnings.push(message) } }
  const { connect } = await startedBroker(t, { ...ON, logger })
  const [dear, cheap] = [connect(), connect()]
  await sendPrices(dear, 1, 150)
  await dear.heartbeat('dear', { consumers: [sqlConsumer('group', 'price > 100')] })
  await cheap.heartbeat('cheap', { consumers: [consumerData('group', { orders: 'cheap' }, {}, 8)] })
  t.same((await dear.pull('orders', 0, 0, { sysFlag: 0, subVersion: 7 })).bodies, ['150'])
  t.same((await cheap.pull('orders', 0, 0, { sysFlag: 0, subVersion: 8 })).bodies, ['1'])
  await dear.heartbeat('dear', { consumers: [sqlConsumer('group', 'price > 100')] })
  t.equal(warnings.filter((message) => message.includes('want different messages of topic orders')).length, 1, 'told once')
  t.same((await dear.pull('orders', 0, 0, { sysFlag: 0, subVersion: 7 })).bodies, ['150'])
  await dear.heartbeat('dear', { consumers: [consumerData('group', { orders: 'cheap' }, {}, 9)] })
  t.equal(warnings.filter((message) => message.includes('want different')).length, 1, 'they agree again')
})

t.test('a pull waits for what its expression matches; what it does not match is not looked at again', async (t) => {
  const { connect, clock } = await startedBroker(t, ON)
  const [client, consumer] = [connect(), connect()]
  await sendPrices(client, 1)
  await consumer.pull('orders', 0, 0)
  let answered = false
  const pulling = consumer.pull('orders', 0, 1, sql('price > 100', { sysFlag: WAIT })).finally(() => { answered = true })
  await sendPrices(client, 2, 3, 4)
  await clock.advance(1000)
  t.notOk(answered, 'nothing for it came')
  await sendPrices(client, 5, 500)
  t.same((await pulling).bodies, ['500'])
  const idle = consumer.pull('orders', 0, 6, sql('price > 100', { sysFlag: WAIT }))
  await sendPrices(client, 7, 8)
  await clock.advance(15_500)
  const ended = await idle
  t.equal(ended.code, ResponseCode.PULL_RETRY_IMMEDIATELY)
  t.equal(ended.header.nextBeginOffset, 8, 'the consumer goes on behind them')
})

t.test('a costly expression looks at some messages of a queue at a time', async (t) => {
  const { connect } = await startedBroker(t, ON)
  const client = connect()
  const value = 'a'.repeat(20_000)
  for (let i = 0; i < 30; i++) await client.send('orders', String(i), { p: value })
  const costly = sql(Array.from({ length: 32 }, (_, i) => `p CONTAINS '${'a'.repeat(20)}${i}'`).join(' OR '))
  const pulled = await client.pull('orders', 0, 0, costly)
  t.equal(pulled.code, ResponseCode.PULL_RETRY_IMMEDIATELY)
  t.ok(pulled.header.nextBeginOffset < 20, `looked at ${pulled.header.nextBeginOffset} of 30 messages`)
  let next = 0
  for (let pulls = 0; next < 30; pulls++) {
    next = (await client.pull('orders', 0, next, costly)).header.nextBeginOffset
    t.ok(pulls < 30)
  }
})

t.test('many pulls with filters that wait in one queue are looked after in pieces, and each gets what it waits for', async (t) => {
  const { connect } = await startedBroker(t, ON)
  const client = connect()
  await client.send('orders', 'first')
  const consumer = connect()
  await consumer.pull('orders', 0, 0)
  const pulls = Array.from({ length: 300 }, (_, i) => consumer.pull('orders', 0, 1, sql(`price = ${i}`, { sysFlag: WAIT, consumerGroup: `g${i % 10}` })))
  await Promise.all(Array.from({ length: 300 }, async (_, i) => { await client.send('orders', String(i), { price: String(i) }) }))
  t.same((await Promise.all(pulls)).map(({ bodies }) => bodies.join()), Array.from({ length: 300 }, (_, i) => String(i)))
})
