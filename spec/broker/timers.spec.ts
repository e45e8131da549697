import t from 'tap'
import { decodeRecallHandle, encodeRecallHandle } from '../../lib/message/index.ts'
import { HeaderType, recallMessage, RequestCode, ResponseCode, sendMessageResponse, type ExtFields } from '../../lib/remoting/index.ts'
import { consumerData, openBroker, propertiesOf, startedBroker, propertiesText, type Client } from './support.ts'

const YEAR_MS = 365 * 86_400_000

async function found (client: Client, topic = 'orders', from = 0): Promise<string[]> {
  const { bodies } = await client.pull(topic, 0, from)
  return bodies
}

async function recall (client: Client, recallHandle: string, fields: ExtFields = {}): Promise<{ readonly code: number, readonly msgId?: string, readonly remark?: string | undefined }> {
  const answer = await client.ask(RequestCode.RECALL_MESSAGE, { producerGroup: 'p', topic: 'orders', recallHandle, ...fields })
  return answer.code === ResponseCode.SUCCESS ? { code: 0, msgId: recallMessage.response.decode(answer).msgId } : { code: answer.code, remark: answer.remark }
}

for (const [name, headerType] of Object.entries(HeaderType)) {
  t.test(`every way to ask for a time, with ${name} headers: to the millisecond, never early`, async (t) => {
    const { connect, clock } = await startedBroker(t)
    const client = connect(headerType)
    const ways: ReadonlyArray<readonly [body: string, properties: Record<string, string>, delayMs: number]> = [
      ['sec', { TIMER_DELAY_SEC: '3' }, 3000],
      ['ms', { TIMER_DELAY_MS: '1234' }, 1234],
      ['at', { TIMER_DELIVER_MS: String(clock.wallMs() + 2000) }, 2000],
      ['alibaba', { __STARTDELIVERTIME: String(clock.wallMs() + 2500) }, 2500],
      ['seconds come before ms', { TIMER_DELIVER_MS: '9', TIMER_DELAY_MS: '10', TIMER_DELAY_SEC: '4' }, 4000],
      ['a level comes before all', { TIMER_DELAY_MS: '10', DELAY: '2' }, 5000]
    ]
    for (const [body, properties, delayMs] of ways) {
      const sent = await client.send('orders', body, { ...properties, UNIQ_KEY: body.replaceAll(' ', '-') })
      t.equal(sent.queueOffset, -1)
      if (properties.DELAY === undefined) t.match(decodeRecallHandle(sent.recallHandle!), { topic: 'orders', brokerName: 'broker-a', uniqueKey: body.replaceAll(' ', '-') })
      else t.equal(sent.recallHandle, undefined, `${delayMs}: levels cannot be recalled, as with RocketMQ`)
    }
    let at = clock.wallMs()
    const startMs = at
    for (const [body, , delayMs] of [...ways].sort((a, b) => a[2] - b[2])) {
      await clock.advance(startMs + delayMs - 2 - at)
      t.notOk((await found(client)).includes(body), `${body} is not early`)
      await clock.advance(20)
      at = clock.wallMs()
      t.equal((await found(client)).at(-1), body)
    }
    const { records } = await client.pull('orders', 0, 0)
    t.match(propertiesOf(records.find(({ body }) => Buffer.from(body).toString() === 'ms')!), { TIMER_DELAY_MS: '1234', UNIQ_KEY: 'ms' }, 'properties are as they were sent')
    t.same(records.map(({ queueOffset }) => queueOffset), [0, 1, 2, 3, 4, 5])
  })
}

t.test('times that have passed are at once, those too far off or without sense are refused', async (t) => {
  const { connect, clock, broker } = await startedBroker(t, { settings: 'timerMaxDelaySec=100' })
  const client = connect()
  for (const properties of [{ TIMER_DELIVER_MS: '1' }, { TIMER_DELIVER_MS: String(clock.wallMs()) }, { TIMER_DELAY_SEC: '0' }, { TIMER_DELAY_MS: '-5' }, { __STARTDELIVERTIME: '17' }]) {
    const sent = await client.send('orders', 'x', properties as Record<string, string>)
    t.ok(sent.queueOffset >= 0)
    t.equal(sent.recallHandle, undefined)
  }
  const { lastIndex } = broker.engine.stats().log
  for (const i of [{ TIMER_DELAY_SEC: '101' }, { TIMER_DELAY_MS: '100001' }, { TIMER_DELIVER_MS: String(clock.wallMs() + 100_001) }, { TIMER_DELIVER_MS: 'soon' }, { TIMER_DELAY_SEC: '1.5' }, { TIMER_DELAY_MS: '9'.repeat(19) }, { TIMER_DELAY_MS: ' 1' }]) {
    t.match(await client.trySend('orders', 'x', { i: propertiesText(i as Record<string, string>) }), { code: ResponseCode.MESSAGE_ILLEGAL, remark: /timer message illegal/ })
  }
  await client.send('orders', 'x', { TIMER_DELAY_MS: '100000' })
  t.equal((await client.trySend('orders', 'x', { i: propertiesText({ TIMER_DELAY_MS: '1', DELAY: '18' }) })).code, 0, 'levels may be longer')
  t.equal(broker.engine.store.delays.pendingCount, 2)
  t.equal(broker.engine.stats().log.lastIndex, lastIndex + 2, 'nothing is stored of what was refused')
})

t.test('settings: no times without timerWheelEnable, years by default', async (t) => {
  const off = await startedBroker(t, { settings: 'timerWheelEnable=false\nmessageDelayLevel=2s 1h' })
  const client = off.connect()
  t.equal((await client.trySend('orders', 'x', { i: propertiesText({ TIMER_DELAY_MS: '5' }) })).code, ResponseCode.SYSTEM_ERROR)
  await client.send('orders', 'two seconds', { DELAY: '1' })
  await client.send('orders', 'the last level', { DELAY: '18' })
  await off.clock.advance(1990)
  t.same(await found(client), [])
  await off.clock.advance(30)
  t.same(await found(client), ['two seconds'])
  await off.clock.advance(3_600_000)
  t.same(await found(client), ['two seconds', 'the last level'])

  const on = await startedBroker(t)
  const other = on.connect()
  const sent = await other.send('orders', 'in nine years', { TIMER_DELIVER_MS: String(on.clock.wallMs() + 9 * YEAR_MS) })
  t.equal((await other.trySend('orders', 'x', { i: propertiesText({ TIMER_DELIVER_MS: String(on.clock.wallMs() + 11 * YEAR_MS) }) })).code, ResponseCode.MESSAGE_ILLEGAL)
  t.equal((await recall(other, sent.recallHandle!)).code, 0)
})

t.test('what is recalled never comes; the answer to a second recall says that nothing waits', async (t) => {
  const { connect, clock, broker } = await startedBroker(t)
  const client = connect()
  const [a, b, c] = [await client.send('orders', 'a', { TIMER_DELAY_SEC: '10', UNIQ_KEY: 'A' }), await client.send('orders', 'b', { TIMER_DELAY_SEC: '10', UNIQ_KEY: 'B' }), await client.send('orders', 'c', { TIMER_DELAY_SEC: '10', UNIQ_KEY: 'C' })]
  t.same(await recall(client, b.recallHandle!), { code: 0, msgId: 'B' })
  t.match(await recall(client, b.recallHandle!), { code: ResponseCode.ILLEGAL_OPERATION, remark: /no such message waits/ })
  t.equal(await broker.engine.reads.viewMessage(parseInt(b.msgId.slice(16), 16)), undefined)
  await clock.advance(10_020)
  t.same(await found(client), ['a', 'c'])
  t.match(await recall(client, a.recallHandle!), { code: ResponseCode.ILLEGAL_OPERATION, remark: /timestamp invalid/ })
  t.equal(broker.engine.store.delays.pendingCount, 0)
  t.ok(c)
})

t.test('forged handles, and what a broker may not do', async (t) => {
  const { connect, clock, broker, config } = await startedBroker(t)
  const client = connect()
  const sent = await client.send('orders', 'a', { TIMER_DELAY_SEC: '1000', UNIQ_KEY: 'A' })
  await client.send('other', 'o', { TIMER_DELAY_SEC: '1000', UNIQ_KEY: 'O' })
  const handle = decodeRecallHandle(sent.recallHandle!)!
  const illegal = ResponseCode.ILLEGAL_OPERATION
  t.equal(encodeRecallHandle({ topic: 'T', brokerName: 'broker-a', deliverAtMs: 1_700_000_000_000, uniqueKey: '0A01020300002A9F0000000000000001', physicalOffset: undefined }),
    'djEgVCBicm9rZXItYSAxNzAwMDAwMDAwMDAwIDBBMDEwMjAzMDAwMDJBOUYwMDAwMDAwMDAwMDAwMDAx', 'as RocketMQ makes them')
  for (const forged of [
    '%%%', 'abc', Buffer.from('v2 orders broker-a 1 A').toString('base64url'), Buffer.from('v1 orders broker-a').toString('base64url'), Buffer.from('v1 orders broker-a x A').toString('base64url'), 'A'.repeat(100_000),
    encodeRecallHandle({ ...handle, topic: 'other' })!, encodeRecallHandle({ ...handle, brokerName: 'broker-b' })!, encodeRecallHandle({ ...handle, deliverAtMs: clock.wallMs() })!,
    encodeRecallHandle({ ...handle, deliverAtMs: clock.wallMs() + 11 * YEAR_MS })!, encodeRecallHandle({ ...handle, deliverAtMs: handle.deliverAtMs + 1 })!,
    encodeRecallHandle({ ...handle, physicalOffset: handle.physicalOffset! + 1 })!, encodeRecallHandle({ ...handle, physicalOffset: 0 })!, encodeRecallHandle({ ...handle, uniqueKey: 'B' })!
  ]) t.equal((await recall(client, forged)).code, illegal, forged.slice(0, 100))
  t.equal((await recall(client, encodeRecallHandle({ ...handle, topic: 'nothing' })!, { topic: 'nothing' })).code, ResponseCode.TOPIC_NOT_EXIST)
  t.equal(broker.engine.store.delays.pendingCount, 2, 'nothing has changed')
  await config.update('recallMessageEnable=false')
  t.equal((await recall(client, sent.recallHandle!)).code, ResponseCode.NO_PERMISSION)
  await config.update('recallMessageEnable=true\nbrokerPermission=4\nallowRecallWhenBrokerNotWriteable=false')
  t.equal((await recall(client, sent.recallHandle!)).code, ResponseCode.SERVICE_NOT_AVAILABLE)
  await config.update('allowRecallWhenBrokerNotWriteable=true')
  const { physicalOffset, ...rest } = handle
  t.same(await recall(client, encodeRecallHandle({ ...rest, physicalOffset: undefined })!), { code: 0, msgId: 'A' }, 'a handle that does not say where is searched for')
})

t.test('a timed message is there after a restart, and its handle too', async (t) => {
  const first = await openBroker()
  const client = first.connect()
  const { recallHandle } = await client.send('orders', 'a', { TIMER_DELAY_SEC: '60', UNIQ_KEY: 'A' })
  await client.send('orders', 'b', { TIMER_DELAY_SEC: '60', UNIQ_KEY: 'B' })
  await first.close()
  const { connect, clock } = await startedBroker(t, { clock: first.clock, ports: first.ports })
  const later = connect()
  t.equal((await recall(later, recallHandle!)).code, 0)
  await clock.advance(61_000)
  t.same(await found(later), ['b'])
})

t.test('a message to a retry topic may bear a time and tells no handle', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  const answer = await client.trySend('%RETRY%group', 'again', { i: propertiesText({ TIMER_DELAY_MS: '500' }), j: 1, l: 16 })
  t.equal(sendMessageResponse.decode(answer).recallHandle, undefined)
  await clock.advance(520)
  t.same(await found(client, '%RETRY%group'), ['again'])
})
