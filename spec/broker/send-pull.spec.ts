import t from 'tap'
import { decodeOffsetMessageId } from '../../lib/message/index.ts'
import { HeaderType, PullSysFlag, RequestCode, ResponseCode } from '../../lib/remoting/index.ts'
import { propertiesOf, sendFields, startedBroker } from './support.ts'

for (const [name, headerType] of Object.entries(HeaderType)) {
  t.test(`what is sent with ${name} headers is pulled as it was, in a topic that the send has made`, async (t) => {
    const { connect, broker } = await startedBroker(t)
    const client = connect(headerType)
    const sent = await client.send('orders', 'hello', { KEYS: 'k1', TAGS: 'TagA', UNIQ_KEY: 'ABCDEF' }, { e: 2, h: 7 })
    t.match(sent, { queueId: 2, queueOffset: 0, transactionId: 'ABCDEF', MSG_REGION: 'DefaultRegion', TRACE_ON: 'true' })
    t.same([...decodeOffsetMessageId(sent.msgId).storeHost], [127, 0, 0, 1, 0, 0, 0x2a, 0x9f])
    t.match(broker.engine.store.metadata.topic('orders'), { readQueueNums: 4, writeQueueNums: 4, perm: 6 })
    const { code, remark, header, records: [record], bodies } = await client.pull('orders', 2, 0)
    t.equal(code, ResponseCode.SUCCESS)
    t.equal(remark, 'FOUND')
    t.match(header, { nextBeginOffset: 1, minOffset: 0, maxOffset: 1, suggestWhichBrokerId: 0 })
    t.same(bodies, ['hello'])
    t.match(record, { flag: 7, topic: 'orders', queueId: 2, bornTimestampMs: 1_600_000_000_000 })
    t.match(propertiesOf(record!), { KEYS: 'k1', TAGS: 'TagA', UNIQ_KEY: 'ABCDEF', CLUSTER: 'DefaultCluster', MSG_REGION: 'DefaultRegion', TRACE_ON: 'true' })
  })
}

t.test('a message without UNIQ_KEY gets one, told as its transactionId', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  const { transactionId } = await client.send('orders', 'hello')
  t.match(transactionId, /^7F000001[0-9A-F]{24}$/)
  const { records: [record] } = await client.pull('orders', 0, 0)
  t.equal(propertiesOf(record!).UNIQ_KEY, transactionId)
})

t.test('a pull waits for a message that its tags let through, and for no other', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  await client.send('orders', 'first')
  t.same((await client.pull('orders', 0, 0)).bodies, ['first'], 'the group is there')
  let answered = false
  const pulling = client.pull('orders', 0, 1, { sysFlag: PullSysFlag.subscription | PullSysFlag.suspend, subscription: 'TagA || TagB' })
  pulling.then(() => { answered = true })
  await client.send('orders', 'other', { TAGS: 'TagC' })
  await clock.advance(1000)
  t.notOk(answered)
  await client.send('orders', 'wanted', { TAGS: 'TagB' })
  const { code, bodies, header } = await pulling
  t.equal(code, ResponseCode.SUCCESS)
  t.same(bodies, ['wanted'])
  t.equal(header.nextBeginOffset, 3)
})

t.test('a pull that waited in vain is answered when its time is over', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  await client.send('orders', 'first')
  const startMs = clock.nowMs()
  const pulling = client.pull('orders', 0, 1, { sysFlag: PullSysFlag.subscription | PullSysFlag.suspend })
  await clock.advance(20_000)
  const { code, header } = await pulling
  t.equal(code, ResponseCode.PULL_NOT_FOUND)
  t.equal(header.nextBeginOffset, 1)
  t.ok(clock.nowMs() - startMs >= 15_000)
})

t.test('where a pull is out of range, it is told where to go on', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  await client.send('orders', 'first')
  t.match(await client.pull('orders', 0, 7), { code: ResponseCode.PULL_OFFSET_MOVED, header: { nextBeginOffset: 1 } })
  t.match(await client.pull('orders', 1, 0), { code: ResponseCode.PULL_NOT_FOUND, header: { nextBeginOffset: 0 } })
  t.match(await client.pull('orders', 1, 5), { code: ResponseCode.PULL_OFFSET_MOVED, header: { nextBeginOffset: 0 } })
  t.match(await client.pull('orders', 0, 0, { subscription: 'TagX' }), { code: ResponseCode.PULL_RETRY_IMMEDIATELY, header: { nextBeginOffset: 1 } })
})

t.test('refusals come in the order that clients know', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  const code = async (topic: string, body: string | Uint8Array, fields = {}): Promise<number> => (await client.trySend(topic, body, fields)).code
  t.equal(await code('bad topic!', 'x'), ResponseCode.INVALID_PARAMETER)
  t.equal(await code('SCHEDULE_TOPIC_XXXX', 'x'), ResponseCode.NO_PERMISSION)
  t.equal(await code('fresh', 'x', { c: 'nothing' }), ResponseCode.TOPIC_NOT_EXIST)
  t.equal(await code('orders', 'x', { e: 4 }), ResponseCode.INVALID_PARAMETER)
  t.equal(await code('orders', ''), ResponseCode.MESSAGE_ILLEGAL)
  t.equal(await code('orders', new Uint8Array(4 * 1024 * 1024 + 1)), ResponseCode.MESSAGE_ILLEGAL)
  t.equal(await code('orders', 'x', { i: `a\x01${'b'.repeat(32_767)}\x02` }), ResponseCode.MESSAGE_ILLEGAL)
  t.equal(await code('%RETRY%nobody', 'x'), ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST)
  t.equal((await client.ask(RequestCode.SEND_MESSAGE_V2, { b: 'orders' })).code, ResponseCode.SYSTEM_ERROR)
  t.equal((await client.ask(9999)).code, ResponseCode.REQUEST_CODE_NOT_SUPPORTED)
  t.equal((await client.pull('nothing', 0, 0)).code, ResponseCode.TOPIC_NOT_EXIST)
  await client.send('orders', 'x')
  t.equal((await client.pull('orders', 4, 0)).code, ResponseCode.INVALID_PARAMETER)
  t.equal((await client.pull('orders', 0, 0, { subscription: '||' })).code, ResponseCode.SUBSCRIPTION_PARSE_FAILED)
  t.equal((await client.pull('orders', 0, 0, { sysFlag: 0 })).code, ResponseCode.SUBSCRIPTION_NOT_EXIST)
})

t.test('a one-way send is stored without an answer', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  await client.send('orders', 'first')
  await client.tell(RequestCode.SEND_MESSAGE_V2, sendFields('orders'), 'second')
  const pulled = client.pull('orders', 0, 1, { sysFlag: PullSysFlag.subscription | PullSysFlag.suspend })
  await clock.advance(100)
  t.same((await pulled).bodies, ['second'])
})
