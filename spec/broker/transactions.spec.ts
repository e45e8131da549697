import t from 'tap'
import { VirtualClock } from '../../lib/adapters/index.ts'
import { bodyCrcOf, SysFlag } from '../../lib/message/index.ts'
import { checkTransactionState, RequestCode, ResponseCode, sendMessageResponse, type ExtFields, type HeaderOf } from '../../lib/remoting/index.ts'
import { consumerData, openBroker, propertiesOf, propertiesText, recordsIn, startedBroker, type Client } from './support.ts'

type Sent = HeaderOf<typeof sendMessageResponse>
const HALF = { TRAN_MSG: 'true', PGROUP: 'payers', UNIQ_KEY: 'ID' }
const DISCARDED = 'TRANS_CHECK_MAX_TIME_TOPIC'
const positionOf = ({ msgId }: Pick<Sent, 'msgId'>): number => parseInt(msgId.slice(16), 16)

const endFields = (sent: Sent, commitOrRollback: number, fields: ExtFields = {}): ExtFields => ({
  producerGroup: 'payers', tranStateTableOffset: sent.queueOffset, commitLogOffset: positionOf(sent), commitOrRollback, fromTransactionCheck: false, msgId: 'ID', ...fields
})
const end = async (client: Client, sent: Sent, commitOrRollback: number, fields: ExtFields = {}): Promise<number> =>
  (await client.ask(RequestCode.END_TRANSACTION, endFields(sent, commitOrRollback, fields))).code
const COMMIT = 8
const ROLLBACK = 12
const UNKNOWN = 0
const bodiesIn = async (client: Client, topic = 'orders'): Promise<string[]> => (await client.pull(topic, 0, 0)).bodies

/** In steps, so that what is due is dealt with when it is. */
async function pass (clock: VirtualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    await clock.advance(Math.min(100, ms - passed))
    for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve))
  }
}

t.test('a half message is in no queue; committed, it is there as it was sent; rolled back, never', async (t) => {
  const { connect, broker } = await startedBroker(t)
  const client = connect()
  const first = await client.send('orders', 'first', { ...HALF, TAGS: 'T', KEYS: 'k' })
  const second = await client.send('orders', 'second', HALF)
  t.match(first, { queueId: 0, queueOffset: 0, transactionId: 'ID' })
  t.equal(second.queueOffset, 1)
  await client.send('orders', 'plain')
  t.same(await bodiesIn(client), ['plain'])
  for (const sent of [first, second]) t.equal((await client.ask(RequestCode.VIEW_MESSAGE_BY_ID, { offset: positionOf(sent) })).code, ResponseCode.SYSTEM_ERROR)
  t.equal(await end(client, second, ROLLBACK), ResponseCode.SUCCESS)
  t.equal(await end(client, first, COMMIT), ResponseCode.SUCCESS)
  const { records, bodies } = await client.pull('orders', 0, 0)
  t.same(bodies, ['plain', 'first'])
  t.match(records[1], {
    topic: 'orders', queueId: 0, queueOffset: 1, physicalOffset: positionOf(first), sysFlag: SysFlag.commit, preparedTransactionOffset: positionOf(first), bodyCrc: bodyCrcOf(Buffer.from('first')), bornTimestampMs: 1_600_000_000_000
  })
  t.match(propertiesOf(records[1]!), { ...HALF, TAGS: 'T', KEYS: 'k' })
  const viewed = await client.ask(RequestCode.VIEW_MESSAGE_BY_ID, { offset: positionOf(first) })
  t.match(recordsIn(viewed.body)[0], { queueOffset: 1, sysFlag: SysFlag.commit })
  t.equal((await client.ask(RequestCode.VIEW_MESSAGE_BY_ID, { offset: positionOf(second) })).code, ResponseCode.SYSTEM_ERROR)
  t.equal(broker.engine.store.halves.pendingCount, 0)
  t.equal(await end(client, second, COMMIT), ResponseCode.SYSTEM_ERROR)
  await client.send('orders', 'third', HALF)
  const table = (await client.json(RequestCode.GET_BROKER_RUNTIME_INFO) as Map<string, Map<string, string>>).get('table')!
  const names = ['Prepared', 'Committed', 'RolledBack', 'Refused', 'Waiting', 'GivenUp'].map((name) => `transactions${name}`)
  t.same([...names, 'transactionChecks'].map((name) => table.get(name)), ['3', '1', '1', '1', '1', '0', '0'])
})

t.test('a consumer that waits gets it when it is committed, and only what it subscribes to', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  await client.send('orders', 'x')
  const sent = await client.send('orders', 'paid', { ...HALF, TAGS: 'paid' })
  const waiting = client.pull('orders', 0, 1, { sysFlag: 6, suspendTimeoutMillis: 20_000, subscription: 'paid' })
  await client.tell(RequestCode.END_TRANSACTION, endFields(sent, COMMIT))
  t.same((await waiting).bodies, ['paid'])
})

t.test('ends that fit no half message change nothing', async (t) => {
  const { connect, broker } = await startedBroker(t)
  const client = connect()
  const sent = await client.send('orders', 'a', HALF)
  const plain = await client.send('orders', 'plain')
  const { halves } = broker.engine.store
  const { lastIndex } = broker.engine.stats().log
  for (const forged of [
    { producerGroup: 'thieves' }, { tranStateTableOffset: 1 }, { tranStateTableOffset: -1 }, { tranStateTableOffset: 2 ** 52 }, { commitLogOffset: positionOf(plain) }, { commitLogOffset: 0 }, { msgId: 'OTHER' },
    { commitLogOffset: positionOf(plain), tranStateTableOffset: plain.queueOffset, msgId: plain.transactionId }, { commitOrRollback: 4 }, { tranStateTableOffset: 'x' }
  ]) {
    for (const outcome of [COMMIT, ROLLBACK]) t.equal(await end(client, sent, outcome, forged), ResponseCode.SYSTEM_ERROR, JSON.stringify(forged))
  }
  t.equal(await end(client, sent, UNKNOWN), ResponseCode.SUCCESS)
  t.equal(halves.pendingCount, 1)
  t.equal(broker.engine.stats().log.lastIndex, lastIndex, 'nothing is stored')
  t.equal(await end(client, sent, COMMIT, { msgId: sent.msgId }), ResponseCode.SUCCESS, 'the id of its place will do')
  t.same(await bodiesIn(client), ['plain', 'a'])
})

t.test('an end that comes twice counts once; one that contradicts is refused', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  const [a, b] = [await client.send('orders', 'a', HALF), await client.send('orders', 'b', HALF)]
  t.same(await Promise.all([COMMIT, COMMIT, ROLLBACK].map((outcome) => end(client, a, outcome))), [ResponseCode.SUCCESS, ResponseCode.SUCCESS, ResponseCode.SYSTEM_ERROR])
  t.same(await Promise.all([ROLLBACK, COMMIT, ROLLBACK].map((outcome) => end(client, b, outcome))), [ResponseCode.SUCCESS, ResponseCode.SYSTEM_ERROR, ResponseCode.SUCCESS])
  t.equal(await end(client, a, COMMIT), ResponseCode.SUCCESS)
  t.equal(await end(client, a, ROLLBACK), ResponseCode.SYSTEM_ERROR)
  t.same(await bodiesIn(client), ['a'])
})

t.test('what is not taken: delays, when transactions are off, too many; retries of old consumers are plain', async (t) => {
  const { connect, config, broker } = await startedBroker(t, { limits: { maxHalfMessages: 1 } })
  const client = connect()
  const codeOf = async (properties: Record<string, string>, fields: ExtFields = {}, topic = 'orders'): Promise<number> => (await client.trySend(topic, 'x', { i: propertiesText({ ...HALF, ...properties }), ...fields })).code
  t.equal(await codeOf({ DELAY: '3' }), ResponseCode.MESSAGE_ILLEGAL)
  t.equal(await codeOf({ TIMER_DELAY_SEC: '3' }), ResponseCode.MESSAGE_ILLEGAL)
  t.equal(await codeOf({ PGROUP: 'g'.repeat(256) }), ResponseCode.MESSAGE_ILLEGAL)
  await client.heartbeat('c', { consumers: [consumerData('group', { orders: '*' })] })
  t.equal(await codeOf({ DELAY: '1' }, { j: 1, l: 16 }, '%RETRY%group'), ResponseCode.SUCCESS)
  t.equal(broker.engine.store.halves.pendingCount, 0)
  t.equal(broker.engine.store.delays.pendingCount, 1)
  t.equal(await codeOf({ DELAY: '1' }, { j: 17, l: 16 }, '%RETRY%group'), ResponseCode.SUCCESS, 'a dead letter')
  t.same(await bodiesIn(client, '%DLQ%group'), ['x'])
  t.equal(await codeOf({}), ResponseCode.SUCCESS)
  t.equal(await codeOf({}), ResponseCode.SYSTEM_BUSY)
  await client.ask(RequestCode.UPDATE_BROKER_CONFIG, {}, { body: 'rejectTransactionMessage=true\n' })
  t.equal(config.values.rejectTransactionMessage, true)
  t.equal(await codeOf({}), ResponseCode.NO_PERMISSION)
  t.equal(await codeOf({}, {}, DISCARDED), ResponseCode.NO_PERMISSION)
})

/** A producer that keeps what it is asked. */
async function producer (client: Client, id = 'p'): Promise<Client> {
  await client.heartbeat(id, { producers: ['payers'] })
  return client
}

t.test('a producer of the group is asked, again and again; its answer ends the transaction', async (t) => {
  const { connect, clock } = await startedBroker(t, { settings: 'transactionTimeOut=6000\ntransactionCheckInterval=30000' })
  const sender = connect()
  const sent = await sender.send('orders', 'a', { ...HALF, TAGS: 'T' })
  await sender.close()
  const other = await producer(connect())
  await pass(clock, 5900)
  t.same(other.asked, [])
  await pass(clock, 200)
  t.equal(other.asked.length, 1)
  const [check] = other.asked
  t.match(check, { code: RequestCode.CHECK_TRANSACTION_STATE, isOneWay: true })
  t.match(checkTransactionState.request.decode(check!), { topic: 'orders', tranStateTableOffset: sent.queueOffset, commitLogOffset: positionOf(sent), msgId: 'ID', transactionId: 'ID', offsetMsgId: sent.msgId, bname: 'broker-a' })
  const [record] = recordsIn(check!.body)
  t.match(record, { topic: 'orders', queueId: 0, sysFlag: 0, queueOffset: sent.queueOffset, physicalOffset: positionOf(sent) })
  t.match(propertiesOf(record!), { ...HALF, TAGS: 'T', TRANSACTION_CHECK_TIMES: '1' })
  t.equal(Buffer.from(record!.body).toString(), 'a')
  t.equal(await end(other, sent, UNKNOWN, { fromTransactionCheck: true }), ResponseCode.SUCCESS)
  await pass(clock, 29_800)
  t.equal(other.asked.length, 1)
  await pass(clock, 400)
  t.equal(other.asked.length, 2)
  t.match(propertiesOf(recordsIn(other.asked[1]!.body)[0]!), { TRANSACTION_CHECK_TIMES: '2' })
  await other.tell(RequestCode.END_TRANSACTION, endFields(sent, COMMIT, { fromTransactionCheck: true }))
  const { bodies, records } = await other.pull('orders', 0, 0, { sysFlag: 6 })
  t.same(bodies, ['a'])
  t.match(records[0], { sysFlag: SysFlag.commit, preparedTransactionOffset: positionOf(sent), queueOffset: 0 }, 'stored anew after so long, and told where it was prepared')
  t.not(records[0]!.physicalOffset, positionOf(sent))
  await pass(clock, 120_000)
  t.equal(other.asked.length, 2)
})

t.test('producers of a group are asked in turn, those that are gone are passed over', async (t) => {
  const { connect, clock } = await startedBroker(t, { settings: 'transactionTimeOut=1000' })
  const [a, b, c] = [await producer(connect(), 'a'), await producer(connect(), 'b'), await producer(connect(), 'c')]
  await producer(connect(), 'd').then((gone) => gone.close())
  for (let i = 0; i < 9; i++) await a.send('orders', `${i}`, HALF)
  await pass(clock, 1200)
  t.same([a, b, c].map(({ asked }) => asked.length), [3, 3, 3])
})

t.test('CHECK_IMMUNITY_TIME_IN_SECONDS: asked after that time, and later the producer ends it only when asked', async (t) => {
  const { connect, clock, broker } = await startedBroker(t)
  const client = await producer(connect())
  const sent = await client.send('orders', 'a', { ...HALF, CHECK_IMMUNITY_TIME_IN_SECONDS: '20' })
  const early = await client.send('orders', 'b', { ...HALF, CHECK_IMMUNITY_TIME_IN_SECONDS: '20' })
  const odd = await client.send('orders', 'c', { ...HALF, CHECK_IMMUNITY_TIME_IN_SECONDS: 'soon' })
  await pass(clock, 5000)
  t.equal(await end(client, early, COMMIT), ResponseCode.SUCCESS)
  await pass(clock, 2000)
  t.equal(client.asked.length, 1, 'what is no number counts as transactionTimeOut')
  t.equal(await end(client, odd, COMMIT, { fromTransactionCheck: true }), ResponseCode.SUCCESS)
  await pass(clock, 13_100)
  t.equal(client.asked.length, 2)
  t.equal(await end(client, sent, COMMIT), ResponseCode.ILLEGAL_OPERATION)
  t.equal(broker.engine.store.halves.pendingCount, 1)
  t.equal(await end(client, sent, COMMIT, { fromTransactionCheck: true }), ResponseCode.SUCCESS)
  t.same(await bodiesIn(client), ['b', 'c', 'a'])
})

const IMPATIENT = 'transactionTimeOut=1000\ntransactionCheckInterval=1000\ntransactionCheckMax=3'

t.test('asked about too often it is given up: seen by tools, revived by an administrator, committed then', async (t) => {
  const { connect, clock, broker } = await startedBroker(t, { settings: IMPATIENT })
  const client = await producer(connect())
  const sent = await client.send('orders', 'a', { ...HALF, TAGS: 'T' })
  await pass(clock, 3500)
  t.equal(client.asked.length, 3)
  t.same(await bodiesIn(client, DISCARDED), [])
  await pass(clock, 1000)
  t.equal(client.asked.length, 3)
  const { records: [told], bodies } = await client.pull(DISCARDED, 0, 0)
  t.same(bodies, ['a'])
  t.match(told, { topic: DISCARDED, queueId: 0, queueOffset: 0, sysFlag: 0, bodyCrc: bodyCrcOf(Buffer.from('a')) })
  t.match(propertiesOf(told!), { ...HALF, TAGS: 'T', REAL_TOPIC: 'orders', REAL_QID: '0', TRANSACTION_CHECK_TIMES: '3' })
  const { halves } = broker.engine.store
  t.same([halves.pendingCount, halves.discardedCount], [0, 1])
  await pass(clock, 10_000)
  t.equal(client.asked.length, 3)

  const id = sent.msgId.slice(0, 16) + told!.physicalOffset.toString(16).toUpperCase().padStart(16, '0')
  const resume = async (msgId: string): Promise<number> => (await client.ask(RequestCode.RESUME_CHECK_HALF_MESSAGE, { topic: DISCARDED, msgId })).code
  for (const wrong of ['', 'x', 'F'.repeat(32), sent.msgId.slice(0, 31) + '1']) t.equal(await resume(wrong), ResponseCode.SYSTEM_ERROR)
  t.equal(await resume(id), ResponseCode.SUCCESS)
  t.equal(await resume(sent.msgId), ResponseCode.SUCCESS, 'it waits already')
  t.same([halves.pendingCount, halves.discardedCount], [1, 0])
  await pass(clock, 100)
  t.equal(client.asked.length, 4)
  t.match(checkTransactionState.request.decode(client.asked[3]!), { tranStateTableOffset: sent.queueOffset, commitLogOffset: positionOf(sent) })
  t.match(propertiesOf(recordsIn(client.asked[3]!.body)[0]!), { ...HALF, TRANSACTION_CHECK_TIMES: '1' })
  t.equal(await end(client, sent, COMMIT, { fromTransactionCheck: true }), ResponseCode.SUCCESS)
  const { records: [record], bodies: committed } = await client.pull('orders', 0, 0)
  t.same(committed, ['a'])
  t.match(record, { topic: 'orders', queueOffset: 0, sysFlag: SysFlag.commit, preparedTransactionOffset: positionOf(sent) })
  t.notOk('REAL_TOPIC' in propertiesOf(record!))
  t.equal(await resume(id), ResponseCode.SYSTEM_ERROR, 'it cannot be committed again')
})

t.test('what was given up can still be ended by its producer, once', async (t) => {
  const { connect, clock, broker } = await startedBroker(t, { settings: IMPATIENT })
  const client = await producer(connect())
  const [a, b] = [await client.send('orders', 'a', HALF), await client.send('orders', 'b', HALF)]
  await pass(clock, 6000)
  t.equal(broker.engine.store.halves.discardedCount, 2)
  t.equal(await end(client, a, COMMIT), ResponseCode.SUCCESS)
  t.equal(await end(client, a, COMMIT), ResponseCode.SUCCESS)
  t.equal(await end(client, b, ROLLBACK), ResponseCode.SUCCESS)
  const { records, bodies } = await client.pull('orders', 0, 0)
  t.same(bodies, ['a'])
  t.match(records[0], { topic: 'orders', sysFlag: SysFlag.commit, preparedTransactionOffset: positionOf(a) })
  t.equal(broker.engine.store.halves.discardedCount, 0)
})

t.test('checks go on after a restart where they were, and it can be committed', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const first = await openBroker({ clock, settings: IMPATIENT })
  const client = await producer(first.connect())
  const sent = await client.send('orders', 'a', HALF)
  await pass(clock, 2500)
  t.equal(client.asked.length, 2)
  await first.close()
  const second = await openBroker({ ports: first.ports, clock, settings: IMPATIENT })
  t.teardown(() => second.close())
  const again = await producer(second.connect())
  await pass(clock, 1500)
  t.ok(again.asked.length <= 1)
  t.equal(second.broker.engine.store.halves.find(0)?.preparedPosition, positionOf(sent))
  t.equal(await end(again, sent, COMMIT), ResponseCode.SUCCESS)
  t.same(await bodiesIn(again), ['a'])
})

t.test('its topic is deleted meanwhile: nobody is asked, the end says so', async (t) => {
  const { connect, clock, broker } = await startedBroker(t, { settings: IMPATIENT })
  const client = await producer(connect())
  const [a] = [await client.send('orders', 'a', HALF), await client.send('orders', 'b', HALF)]
  await client.ask(RequestCode.DELETE_TOPIC_IN_BROKER, { topic: 'orders' })
  t.equal(await end(client, a, COMMIT), ResponseCode.TOPIC_NOT_EXIST)
  await pass(clock, 1500)
  t.same(client.asked, [])
  t.equal(broker.engine.store.halves.pendingCount, 0)
})

t.test('a message that failed at its consumer is retried as a plain one', async (t) => {
  const { connect, clock, broker } = await startedBroker(t)
  const client = connect()
  await client.heartbeat('c', { consumers: [consumerData('group', { orders: '*' })] })
  const sent = await client.send('orders', 'a', HALF)
  await end(client, sent, COMMIT)
  t.equal((await client.ask(RequestCode.CONSUMER_SEND_MSG_BACK, { offset: positionOf(sent), group: 'group', delayLevel: 1 })).code, ResponseCode.SUCCESS)
  await pass(clock, 1500)
  const { bodies, records } = await client.pull('%RETRY%group', 0, 0)
  t.same(bodies, ['a'])
  t.match(records[0], { sysFlag: 0, preparedTransactionOffset: 0 })
  t.notOk('TRAN_MSG' in propertiesOf(records[0]!))
  t.equal(broker.engine.store.halves.pendingCount, 0)
})

t.test('tools see the topics of transactions, and how many wait', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  for (let i = 0; i < 3; i++) await client.send('orders', 'a', HALF)
  await end(client, { queueOffset: 0, msgId: (await client.send('orders', 'a', HALF)).msgId, queueId: 0 }, COMMIT).catch(() => {})
  const all = JSON.stringify([...(await client.json(RequestCode.GET_ALL_TOPIC_CONFIG) as Map<string, Map<string, unknown>>).get('topicConfigTable')!.keys()])
  for (const topic of ['RMQ_SYS_TRANS_HALF_TOPIC', 'RMQ_SYS_TRANS_OP_HALF_TOPIC', DISCARDED]) t.match(all, topic)
  const stats = await client.ask(RequestCode.GET_TOPIC_STATS_INFO, { topic: 'RMQ_SYS_TRANS_HALF_TOPIC' })
  t.match(Buffer.from(stats.body).toString(), '"maxOffset":4,"minOffset":0')
  t.same(await bodiesIn(client, 'RMQ_SYS_TRANS_HALF_TOPIC'), [])
})
