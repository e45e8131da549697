import t from 'tap'
import { HeaderType, RequestCode, ResponseCode } from '../../lib/remoting/index.ts'
import { BrokerGroup } from './broker-group.ts'
import { PopClient, popFields, type PoppedMessage } from './pop-client.ts'
import { consumerData, propertiesOf, startedBroker, type Client } from './support.ts'

const bodies = (messages: readonly PoppedMessage[]): string[] => messages.map(({ body }) => body)
const rangeOf = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `m${from + i}`)

async function sendAll (client: Client, count: number, queues = 1, topic = 'orders'): Promise<void> {
  for (let i = 0; i < count; i++) await client.send(topic, `m${i}`, { TAGS: i % 2 === 0 ? 'even' : 'odd', n: String(i) }, { e: i % queues })
}

async function topicOf (client: Client, queues: number, topic = 'orders'): Promise<void> {
  await client.ask(RequestCode.UPDATE_AND_CREATE_TOPIC, { topic, defaultTopic: 'TBW102', readQueueNums: queues, writeQueueNums: queues, perm: 6, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false })
}

/** Resolves when so many consumers wait. */
async function untilWaiting ({ broker, clock }: Awaited<ReturnType<typeof startedBroker>>, counts: ReadonlyArray<readonly [queueId: number | undefined, count: number]>, group = 'workers'): Promise<void> {
  while (counts.some(([queueId, count]) => broker.engine.remotePops.waitingCount(group, 'orders', queueId) !== count)) await clock.settle()
}

for (const [name, headerType] of Object.entries(HeaderType)) {
  t.test(`with ${name} headers: what is popped is with its consumer until it is acknowledged or its time is over`, async (t) => {
    const { connect, clock } = await startedBroker(t)
    const client = connect(headerType)
    await sendAll(client, 5)
    const one = new PopClient(client)
    const other = new PopClient(connect(headerType))
    const first = await one.pop({ maxMsgNums: 3, invisibleTime: 10_000 })
    t.same(bodies(first.messages), rangeOf(0, 3))
    t.match(first.header, { invisibleTime: 10_000, reviveQid: 0, restNum: 2, startOffsetInfo: '0 0 0', msgOffsetInfo: '0 0 0,1,2', orderCountInfo: undefined })
    t.match(first.messages[1]!.handle, new RegExp(`^0 ${first.header!.popTime} 10000 0 0 broker-a 0 1$`))
    t.same(bodies(await other.take()), rangeOf(3, 5), 'another consumer gets others')
    t.equal(await one.ack(first.messages[1]!), ResponseCode.SUCCESS)
    t.equal(await one.ack(first.messages[1]!), ResponseCode.SUCCESS, 'an acknowledgement may be repeated')
    await clock.advance(9_990)
    t.same(await other.take(), [])
    await clock.advance(20)
    const again = await other.take({ invisibleTime: 10_000 })
    t.same(bodies(again), ['m0', 'm2'], 'what was not acknowledged comes again')
    t.same(again.map(({ reconsumeTimes }) => reconsumeTimes), [1, 1])
    t.equal(again[0]!.record.bodyCrc, first.messages[0]!.record.bodyCrc)
    t.equal(await one.ack(first.messages[0]!), ResponseCode.NO_MESSAGE, 'the old handle is void')
    t.equal(await other.ack(again[0]!), ResponseCode.SUCCESS)
    await clock.advance(10_010)
    t.same((await other.take()).map(({ body, reconsumeTimes }) => [body, reconsumeTimes]), [['m2', 2]])
  })
}

t.test('the invisible time of a message may be changed: its handle is another one then, and the rest stays as it was', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  await sendAll(client, 3)
  const worker = new PopClient(client)
  const messages = await worker.take({ invisibleTime: 30_000 })
  const longer = await worker.changeInvisible(messages[0]!, 100_000) as PoppedMessage
  const shorter = await worker.changeInvisible(messages[1]!, 1000) as PoppedMessage
  t.not(longer.handle, messages[0]!.handle)
  t.equal(await worker.changeInvisible(messages[0]!, 5), ResponseCode.NO_MESSAGE, 'by the old handle')
  t.equal(await worker.ack(messages[1]!), ResponseCode.NO_MESSAGE)
  await clock.advance(1010)
  const [early] = await worker.take()
  t.match(early, { body: 'm1', reconsumeTimes: 1 })
  t.equal(await worker.ack(shorter), ResponseCode.NO_MESSAGE)
  t.equal(await worker.ack(messages[2]!), ResponseCode.SUCCESS, 'the others of the lease have their handles still')
  await clock.advance(40_000)
  t.same(await worker.take(), [])
  t.equal(await worker.ack(longer), ResponseCode.SUCCESS)
  t.same(bodies([await worker.changeInvisible(early!, 0) as PoppedMessage]), ['m1'])
  t.same((await worker.take()).map(({ body, reconsumeTimes }) => [body, reconsumeTimes]), [['m1', 2]], 'at once')
})

t.test('who waits gets what comes, and what becomes visible; nobody waits longer than was asked for', async (t) => {
  const started = await startedBroker(t)
  const { connect, clock } = started
  const client = connect()
  await topicOf(client, 4)
  const worker = new PopClient(connect())
  const late = worker.pop({ pollTime: 5000 })
  await untilWaiting(started, [[undefined, 1]])
  await clock.advance(4900)
  let isAnswered = false
  late.then(() => { isAnswered = true }, () => {})
  await clock.advance(50)
  t.notOk(isAnswered)
  await clock.advance(100)
  t.match(await late, { code: ResponseCode.POLLING_TIMEOUT, header: { restNum: 0 } })

  const waiting = [0, 3, -1].map((queueId) => worker.pop({ pollTime: 20_000, queueId, invisibleTime: 2000 }))
  await untilWaiting(started, [[0, 1], [3, 1], [undefined, 1]])
  t.equal((await client.ask(RequestCode.POLLING_INFO, { consumerGroup: 'workers', topic: 'orders', queueId: 3 })).extFields().get('pollingNum'), '1')
  await client.send('orders', 'for queue 3', {}, { e: 3 })
  const found = await waiting[1]!
  t.same(bodies(found.messages), ['for queue 3'], 'who asked first for that queue, or any')
  await clock.advance(2010)
  t.match(await waiting[2], { messages: [{ body: 'for queue 3', reconsumeTimes: 1 }] })
  await client.send('orders', 'for queue 0', {}, { e: 0 })
  t.same(bodies((await waiting[0]!).messages), ['for queue 0'])

  const now = clock.wallMs()
  t.equal((await worker.pop({ bornTime: now - 10_000, pollTime: 9000 })).code, ResponseCode.POLLING_TIMEOUT, 'it came too late')
})

t.test('who goes away while he waits takes no message with him', async (t) => {
  const started = await startedBroker(t)
  const { connect } = started
  const client = connect()
  await topicOf(client, 1)
  const gone = connect()
  const waiting = new PopClient(gone).pop({ pollTime: 20_000 })
  waiting.catch(() => {})
  await untilWaiting(started, [[undefined, 1]])
  await gone.close()
  await untilWaiting(started, [[undefined, 0]])
  await client.send('orders', 'a')
  t.match(await new PopClient(client).take(), [{ body: 'a', reconsumeTimes: 0 }])
})

t.test('a long request that waits counts as in flight, as it is in memory; a short one does not', async (t) => {
  const started = await startedBroker(t)
  const { connect, broker, clock } = started
  const client = connect()
  await topicOf(client, 1)
  for (const [body, isCounted] of [['', false], ['x'.repeat(8192), true]] as const) {
    const waiting = client.ask(RequestCode.POP_MESSAGE, { ...popFields('orders', 'workers'), pollTime: 1000 }, { body })
    await untilWaiting(started, [[undefined, 1]])
    await clock.advance(500)
    t.equal(broker.server.inflightBytes > 8192, isCounted)
    await clock.advance(501)
    t.equal((await waiting).code, ResponseCode.POLLING_TIMEOUT)
    t.equal(broker.server.inflightBytes, 0)
  }
})

t.test('who goes away while nothing of what is looked through is wanted leaves the rest as it is', async (t) => {
  const { connect, broker } = await startedBroker(t)
  await sendAll(connect(), 40)
  await broker.engine.remotePops.pop({ group: 'workers', topic: 'orders', isOrdered: false, attemptId: '', startsLast: false, max: 1, maxBytes: 1_000_000, invisibleMs: 1000, maxAttempts: 16 })
  const gone = new AbortController()
  let seen = 0
  const wants = (): boolean => {
    seen++
    gone.abort()
    return false
  }
  const popping = broker.engine.remotePops.pop({ group: 'workers', topic: 'orders', queueId: 0, isOrdered: false, attemptId: '', startsLast: false, max: 2, maxBytes: 1_000_000, invisibleMs: 1000, maxAttempts: 16, waitMs: 1000, signal: gone.signal, wants })
  await t.rejects(popping, { code: 'MQ_ABORTED' })
  t.equal(seen, 2)
})

t.test('filters: each consumer gets what it wants, and what nobody wants is done', async (t) => {
  const { connect } = await startedBroker(t, { settings: 'enablePropertyFilter=true' })
  const client = connect()
  await sendAll(client, 100)
  const even = new PopClient(client)
  t.same(bodies(await even.take({ exp: 'even', maxMsgNums: 10 })), rangeOf(0, 10).filter((_, i) => i % 2 === 0))
  const sql = new PopClient(client, 'orders', 'sql')
  t.same(bodies(await sql.take({ expType: 'SQL92', exp: 'n BETWEEN 70 AND 72' })), rangeOf(70, 73))
  t.same(await sql.take({ expType: 'SQL92', exp: 'n < 60' }), [], 'the group has come past them')
  t.match(await even.pop({ expType: 'SQL92', exp: 'n <' }), { code: ResponseCode.SUBSCRIPTION_PARSE_FAILED })
  t.match(await even.pop({ expType: 'SQL92', exp: 'n > 97' }), { code: ResponseCode.SUCCESS })
})

t.test('a message that was consumed in vain too often is a dead letter', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  await client.send('orders', 'bad', { UNIQ_KEY: 'BAD' })
  await client.ask(RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, { body: { groupName: 'workers', retryMaxTimes: 2, retryQueueNums: 1, consumeEnable: true } })
  const worker = new PopClient(client)
  for (let times = 0; times < 3; times++) {
    t.match(await worker.take({ invisibleTime: 1000 }), [{ body: 'bad', reconsumeTimes: times }])
    await clock.advance(1010)
  }
  t.same(await worker.take(), [])
  const { records } = await client.pull('%DLQ%workers', 0, 0)
  t.match(records.map(propertiesOf), [{ DLQ_ORIGIN_TOPIC: 'orders', UNIQ_KEY: 'BAD' }])
})

t.test('an answer has no more bytes than it may: what is left out is there for the next pop, as if it had not been taken', async (t) => {
  const { connect } = await startedBroker(t, { settings: 'maxTransferBytesOnMessageInMemory=3000' })
  const client = connect()
  for (let i = 0; i < 6; i++) await client.send('orders', String(i).repeat(1200))
  const worker = new PopClient(client)
  const sizes: number[][] = []
  for (let messages: PoppedMessage[]; (messages = await worker.take()).length > 0;) sizes.push(messages.map(({ queueOffset, reconsumeTimes }) => queueOffset + 10 * reconsumeTimes))
  t.same(sizes, [[0, 1, 2], [3, 4, 5]])
})

t.test('what has lived too long counts for the bytes of an answer, and takes nothing else with it', async (t) => {
  const { connect, clock } = await startedBroker(t, { settings: 'maxTransferBytesOnMessageInMemory=3000' })
  const client = connect()
  for (let i = 0; i < 8; i++) await client.send('orders', String(i).repeat(1200), i % 3 === 0 ? { TTL: '1000' } : {})
  await clock.advance(2000)
  const worker = new PopClient(client)
  const offsets: number[] = []
  for (let messages: PoppedMessage[]; (messages = await worker.take()).length > 0;) offsets.push(...messages.map(({ queueOffset }) => queueOffset))
  t.same(offsets, [1, 2, 4, 5, 7])
})

t.test('ten consumers share the backlog of four queues: each message is with one of them, none is left', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  await topicOf(client, 4)
  await Promise.all(Array.from({ length: 1000 }, (_, i) => client.send('orders', `m${i}`, {}, { e: i % 4 })))
  const shares = await Promise.all(Array.from({ length: 10 }, async () => {
    const worker = new PopClient(connect())
    const share: string[] = []
    for (let messages: PoppedMessage[]; (messages = await worker.take({ maxMsgNums: 8 })).length > 0;) {
      for (const message of messages) t.equal(await worker.ack(message), ResponseCode.SUCCESS)
      share.push(...bodies(messages))
    }
    return share
  }))
  t.ok(shares.every(({ length }) => length >= 50), `every one has its share: ${shares.map(({ length }) => length)}`)
  const all = shares.flat()
  t.equal(all.length, 1000)
  t.equal(new Set(all).size, 1000)
})

t.test('requests that make no sense get the codes that clients expect, and change nothing', async (t) => {
  const { connect, broker } = await startedBroker(t)
  const client = connect()
  await sendAll(client, 3)
  const worker = new PopClient(client)
  const [message] = await worker.take({ maxMsgNums: 1 })
  const { lastIndex } = broker.engine.stats().log
  for (const [code, fields] of [
    [ResponseCode.INVALID_PARAMETER, { maxMsgNums: 33 }], [ResponseCode.INVALID_PARAMETER, { maxMsgNums: 0 }], [ResponseCode.INVALID_PARAMETER, { invisibleTime: 0 }],
    [ResponseCode.INVALID_PARAMETER, { invisibleTime: Number.MAX_SAFE_INTEGER }], [ResponseCode.TOPIC_NOT_EXIST, { topic: 'none' }], [ResponseCode.INVALID_PARAMETER, { queueId: 99 }],
    [ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, { consumerGroup: 'a b' }], [ResponseCode.SYSTEM_ERROR, { pollTime: undefined }],
    [ResponseCode.INVALID_PARAMETER, { attemptId: 'x'.repeat(256) }]
  ] as const) t.equal((await worker.pop(fields)).code, code, JSON.stringify(fields))
  const { handle } = message!
  const changing = { consumerGroup: 'workers', topic: 'orders', queueId: 0, offset: 0, extraInfo: handle, invisibleTime: 1 }
  const part = (at: number, value: string): string => handle.split(' ').map((text, i) => i === at ? value : text).join(' ')
  for (const [code, fields] of [
    [ResponseCode.TOPIC_NOT_EXIST, { topic: 'none' }], [ResponseCode.MESSAGE_ILLEGAL, { queueId: 99 }], [ResponseCode.NO_MESSAGE, { offset: 77 }], [ResponseCode.NO_MESSAGE, { offset: 1 }],
    [ResponseCode.NO_MESSAGE, { consumerGroup: 'others' }], [ResponseCode.INVALID_PARAMETER, { extraInfo: 'x' }], [ResponseCode.INVALID_PARAMETER, { extraInfo: part(1, '-1') }],
    [ResponseCode.NO_MESSAGE, { extraInfo: part(1, '17') }], [ResponseCode.NO_MESSAGE, { extraInfo: part(2, '60001') }], [ResponseCode.NO_MESSAGE, { extraInfo: part(5, 'broker-b') }],
    [ResponseCode.NO_MESSAGE, { extraInfo: part(6, '1') }], [ResponseCode.NO_MESSAGE, { extraInfo: part(7, '1') }]
  ] as const) {
    t.equal(await worker.ack(message!, fields), code, JSON.stringify(fields))
    t.equal((await client.ask(RequestCode.CHANGE_MESSAGE_INVISIBLETIME, { ...changing, ...fields })).code, code)
  }
  t.equal(await worker.changeInvisible(message!, -1), ResponseCode.INVALID_PARAMETER)
  t.equal(broker.engine.stats().log.lastIndex, lastIndex, 'nothing of it is in the log')
  t.equal(await worker.ack(message!), ResponseCode.SUCCESS)
})

t.test('many are acknowledged by one request: bits of a set, in the layout of Apache\'s client', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  await sendAll(client, 20)
  const worker = new PopClient(client)
  const { header } = await worker.pop({ invisibleTime: 1000 })
  const batch = (item: object) => client.ask(RequestCode.BATCH_ACK_MESSAGE, {}, { body: { brokerName: 'broker-a', acks: [item] } as never })
  const item = { c: 'workers', t: 'orders', r: '0', so: 0, q: 0, rq: 0, pt: header!.popTime, it: 1000 }
  t.equal((await batch({ ...item, b: 'BQ==' })).code, ResponseCode.SUCCESS, 'bits 0 and 2')
  const bits = Buffer.alloc(64)
  for (let offset = 4; offset < 20; offset++) bits[offset >>> 3]! |= 1 << (offset & 7)
  bits[63] = 255
  t.equal((await batch({ consumerGroup: 'workers', topic: 'orders', retry: '0', startOffset: 0, queueId: 0, reviveQueueId: 0, popTime: header!.popTime, invisibleTime: 1000, bitSet: bits.toString('base64') })).code, ResponseCode.SUCCESS)
  t.equal((await batch({ ...item, pt: 5, b: '/w==' })).code, ResponseCode.SUCCESS, 'what is not held is passed over')
  t.equal((await client.ask(RequestCode.BATCH_ACK_MESSAGE, {}, { body: { brokerName: 'broker-a', acks: [] } })).code, ResponseCode.NO_MESSAGE)
  t.equal((await client.ask(RequestCode.BATCH_ACK_MESSAGE)).code, ResponseCode.NO_MESSAGE)
  t.equal((await batch({ ...item, b: '?' })).code, ResponseCode.INVALID_PARAMETER)
  t.equal((await batch({ ...item })).code, ResponseCode.INVALID_PARAMETER)
  const all = { ...item, b: Buffer.alloc(1024, 255).toString('base64') }
  const tooMany = await client.ask(RequestCode.BATCH_ACK_MESSAGE, {}, { body: { brokerName: 'broker-a', acks: [all, all] } as never })
  t.equal(tooMany.code, ResponseCode.INVALID_PARAMETER, 'a request of a megabyte could name millions')
  await clock.advance(1010)
  t.same(bodies(await worker.take()), ['m1', 'm3'])
})

t.test('order: a queue with messages that are out gives no more, but the same again to the same attempt', async (t) => {
  const started = await startedBroker(t)
  const { connect, clock } = started
  const client = connect()
  await topicOf(client, 2)
  await sendAll(client, 8, 2)
  const worker = new PopClient(client)
  const ordered = (fields = {}) => worker.pop({ order: true, maxMsgNums: 2, invisibleTime: 1000, ...fields })
  const first = await ordered({ queueId: 0, attemptId: 'a' })
  t.same(bodies(first.messages), ['m0', 'm2'])
  t.equal(first.header!.reviveQid, 999)
  t.same((await ordered({ queueId: 0, attemptId: 'b' })).messages, [])
  t.same(bodies((await ordered({ attemptId: 'b' })).messages), ['m1', 'm3'], 'the other queue is free')
  await clock.advance(500)
  const repeated = await ordered({ queueId: 0, attemptId: 'a' })
  t.same(repeated.messages.map(({ body, reconsumeTimes }) => [body, reconsumeTimes]), [['m0', 0], ['m2', 0]], 'its answer may have been lost')
  t.equal(await worker.ack(repeated.messages[0]!), ResponseCode.SUCCESS)
  t.same((await ordered({ queueId: 0, attemptId: 'c' })).messages, [])
  const waiting = ordered({ queueId: 0, attemptId: 'c', pollTime: 10_000 })
  await untilWaiting(started, [[0, 1]])
  t.equal(await worker.ack(repeated.messages[1]!), ResponseCode.SUCCESS)
  const next = await waiting
  t.same(bodies(next.messages), ['m4', 'm6'])
  await clock.advance(1010)
  const again = await ordered({ queueId: 0 })
  t.same(again.messages.map(({ body, reconsumeTimes }) => [body, reconsumeTimes]), [['m4', 1], ['m6', 1]])
  t.equal(again.header!.orderCountInfo, '0 qo0%2 1;0 qo0%3 1')
  const later = await worker.changeInvisible(again.messages[0]!, 5000) as PoppedMessage
  t.equal(await worker.ack(again.messages[1]!), ResponseCode.SUCCESS)
  await client.send('orders', 'm8', {}, { e: 0 })
  t.same((await ordered({ queueId: 0 })).messages, [], 'nothing overtakes what is put off')
  await clock.advance(5010)
  t.same(bodies((await ordered({ queueId: 0 })).messages), ['m4', 'm8'])
  t.equal(await worker.ack(later), ResponseCode.NO_MESSAGE)
})

t.test('notification: tells when a pop would find something', async (t) => {
  const started = await startedBroker(t)
  const { connect, clock } = started
  const client = connect()
  await topicOf(client, 2)
  const notified = async (fields = {}) => Object.fromEntries((await client.ask(RequestCode.NOTIFICATION, { consumerGroup: 'workers', topic: 'orders', queueId: -1, pollTime: 0, bornTime: 0, ...fields })).extFields())
  t.match(await notified(), { hasMsg: 'false', pollingFull: 'false' })
  const waiting = notified({ pollTime: 10_000, queueId: 1 })
  await untilWaiting(started, [[1, 1]])
  await client.send('orders', 'a', {}, { e: 1 })
  t.match(await waiting, { hasMsg: 'true' })
  t.match(await notified({ queueId: 0 }), { hasMsg: 'false' })
  const worker = new PopClient(client)
  await worker.take({ invisibleTime: 3000, order: true })
  t.match(await notified(), { hasMsg: 'false' })
  await client.send('orders', 'b', {}, { e: 1 })
  t.match(await notified({ order: true }), { hasMsg: 'false' }, 'the queue is not free')
  t.match(await notified(), { hasMsg: 'true' })
  const free = notified({ order: true, pollTime: 20_000 })
  await untilWaiting(started, [[undefined, 1]])
  await clock.advance(3010)
  t.match(await free, { hasMsg: 'true' })
  t.equal((await client.ask(RequestCode.NOTIFICATION, { consumerGroup: 'workers', topic: 'none', queueId: -1, pollTime: 0 })).code, ResponseCode.TOPIC_NOT_EXIST)
})

t.test('peek: what a pop would give first, and nothing is taken', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  await sendAll(client, 4)
  const peek = (fields = {}) => client.ask(RequestCode.PEEK_MESSAGE, { consumerGroup: 'workers', topic: 'orders', queueId: -1, maxMsgNums: 2, ...fields })
  const worker = new PopClient(client)
  await worker.take({ maxMsgNums: 1 })
  for (let i = 0; i < 2; i++) t.equal(Buffer.from((await peek()).body).includes('m1'), true)
  t.same(bodies(await worker.take()), rangeOf(1, 4))
  t.equal((await peek()).code, ResponseCode.PULL_NOT_FOUND)
})

t.test('a group that consumed by offset goes on where it was, and the other way round; it may be reset', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  await sendAll(client, 10)
  await client.heartbeat('a', { consumers: [consumerData('workers', { orders: '*' })] })
  const queue = { consumerGroup: 'workers', topic: 'orders', queueId: 0 }
  const commit = (commitOffset: number) => client.ask(RequestCode.UPDATE_CONSUMER_OFFSET, { ...queue, commitOffset })
  const committed = async () => (await client.ask(RequestCode.QUERY_CONSUMER_OFFSET, queue)).extFields().get('offset')
  await commit(3)
  const worker = new PopClient(client)
  const messages = await worker.take({ maxMsgNums: 3, invisibleTime: 1000 })
  t.same(bodies(messages), rangeOf(3, 6))
  t.equal(await committed(), '3')
  for (const message of [messages[0]!, messages[2]!]) await worker.ack(message)
  t.equal(await committed(), '4', 'the first message that is not done')
  await commit(8)
  t.same(bodies(await worker.take({ invisibleTime: 1000 })), rangeOf(8, 10), 'others of the group have come further')
  const reset = (offset: number) => client.json(RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, { topic: 'orders', group: 'workers', queueId: 0, offset, timestamp: -1, isForce: true })
  await reset(1)
  t.equal(await committed(), '1')
  t.same(bodies(await worker.take({ maxMsgNums: 2, invisibleTime: 1000 })), rangeOf(1, 3))
  const waiting = new PopClient(connect(), 'orders', 'workers').pop({ pollTime: 5000, maxMsgNums: 1, queueId: 0 })
  t.same(bodies((await waiting).messages), ['m3'])
  await clock.advance(10)
})

t.test('new groups begin with the oldest message, or with the last one where older ones are gone', async (t) => {
  const { connect } = await startedBroker(t)
  const client = connect()
  await sendAll(client, 3)
  t.same(bodies(await new PopClient(client, 'orders', 'first').take({ initMode: 0 })), rangeOf(0, 3))
  t.same(bodies(await new PopClient(client, 'orders', 'last').take({ initMode: 1 })), rangeOf(0, 3), 'a young queue is taken from its beginning')
})

t.test('over a change of the leader: what is out stays out until its time, by any node', async (t) => {
  const group = await BrokerGroup.start()
  t.teardown(() => group.closeAll())
  let worker = new PopClient(group.connect(group.followerIds[0]!))
  await group.run(sendAll(worker.client, 6))
  const messages = await group.run(worker.take({ maxMsgNums: 4, invisibleTime: 20_000 }))
  t.same(bodies(messages), rangeOf(0, 4), 'a node that does not lead has the leader answer')
  t.equal(await group.run(worker.ack(messages[0]!)), ResponseCode.SUCCESS)
  const untilMs = Number(messages[0]!.handle.split(' ')[1]) + 20_000
  const waiting = new PopClient(group.connect(group.followerIds[0]!), 'orders', 'idle')
  await group.run(waiting.take())
  await group.untilEqual()
  const leaderId = group.leaderId
  group.isolate(leaderId)
  const nextLeader = (): number | undefined => [...group.brokers].find(([id, { engine }]) => id !== leaderId && engine.role.isLeader)?.[0]
  await group.until(() => nextLeader() !== undefined)
  worker = new PopClient(group.connect(nextLeader()!))
  t.equal(await group.run(worker.ack(messages[1]!)), ResponseCode.SUCCESS, 'handles hold')
  const changed = await group.run(worker.changeInvisible(messages[2]!, 60_000)) as PoppedMessage
  t.same(bodies(await group.run(worker.take({ invisibleTime: 100_000 }))), ['m4', 'm5'])
  const again = await group.run(worker.pop({ pollTime: 40_000 }))
  t.match(again.messages, [{ body: 'm3', reconsumeTimes: 1 }])
  const lateMs = group.clock.wallMs() - untilMs
  t.ok(lateMs >= 0 && lateMs < 1000, `${lateMs} ms after its time was over`)
  t.equal(await group.run(worker.ack(changed)), ResponseCode.SUCCESS)
})

t.test('who waits at a leader that hands over is answered by the next one', async (t) => {
  const group = await BrokerGroup.start()
  t.teardown(() => group.closeAll())
  const leaderId = group.leaderId
  const { engine } = group.leader!
  const worker = new PopClient(group.connect(leaderId))
  await group.run(worker.client.send('orders', 'first'))
  t.same(bodies(await group.run(worker.take())), ['first'])
  const waiting = worker.pop({ pollTime: 30_000 })
  await group.until(() => engine.remotePops.waitingCount('workers', 'orders', undefined) === 1)
  const nextId = group.followerIds[0]!
  await group.run(engine.transferLeadership(nextId))
  await group.until(() => group.brokers.get(nextId)!.engine.remotePops.waitingCount('workers', 'orders', undefined) === 1)
  await group.run(group.connect(nextId).send('orders', 'second'))
  t.match(await group.run(waiting), { code: ResponseCode.SUCCESS, messages: [{ body: 'second', reconsumeTimes: 0 }] })
})
