import t from 'tap'
import fc from 'fast-check'
import { bodyCrcOf, decodeOffsetMessageId, decodeProperties, tagsCodeIn, tagsCodeOf } from '../../lib/message/index.ts'
import { BatchPut, get, openEngine, put, Put, STORE_HOST, topicConfig, wireMessage } from './wire.ts'

t.test('a message from the wire is stored as it came, and makes its topic in the same entry', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  const indexBefore = engine.stats().log.lastIndex
  const properties = Buffer.from('KEYS\x01k1\x02TAGS\x01TagA\x02')
  const message = wireMessage('hello', { queueId: 2, flag: 7, sysFlag: 1, reconsumeTimes: 3, properties, addedProperties: Buffer.from('CLUSTER\x01c\x02') })
  const stored = await put(engine, 'orders', message, topicConfig('orders', 3, { 'message.type': 'NORMAL' }))
  t.equal(engine.stats().log.lastIndex, indexBefore + 1, 'topic and message are one entry')
  t.match(stored, { queueId: 2, queueOffset: 0 })
  t.match(engine.store.metadata.topic('orders'), { writeQueueNums: 3, perm: 6, attributes: { 'message.type': 'NORMAL' } })
  t.match(decodeOffsetMessageId(stored.messageId), { physicalOffset: stored.physicalOffset, storeHost: STORE_HOST })

  const { records: [record] } = await get(engine, { topic: 'orders', queueId: 2 })
  t.match(record, {
    topic: 'orders',
    queueId: 2,
    queueOffset: 0,
    physicalOffset: stored.physicalOffset,
    flag: 7,
    sysFlag: 1,
    reconsumeTimes: 3,
    bornTimestampMs: 1_600_000_000_000,
    storeTimestampMs: stored.storeTimestampMs,
    bodyCrc: 907060870,
    propertiesText: 'KEYS\x01k1\x02TAGS\x01TagA\x02CLUSTER\x01c\x02'
  })
  t.same([...record!.bornHost], [10, 1, 2, 3, 0, 0, 4, 210])
  t.same([...record!.storeHost], [...STORE_HOST])
  t.equal(bodyCrcOf(record!.body), record!.bodyCrc)
  const [unit] = await engine.reads.units('orders', 2, 0, 1)
  t.equal(unit!.tagsCode, tagsCodeOf('TagA'))
})

t.test('properties without the last separator get one before what is added; hosts may be IPv6', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  const bornHost = Uint8Array.from({ length: 20 }, (_, i) => i)
  await put(engine, 'orders', wireMessage('x', { bornHost, properties: Buffer.from('a\x011'), addedProperties: Buffer.from('b\x012\x02') }))
  const { records: [record] } = await get(engine, { topic: 'orders' })
  t.same([...decodeProperties(record!.propertiesText)], [['a', '1'], ['b', '2']])
  t.same([...record!.bornHost], [...bornHost])
  t.equal(record!.sysFlag & 0x10, 0x10)
})

t.test('a batch is one entry with consecutive offsets, or nothing', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  await put(engine, 'orders', wireMessage('first', { queueId: 1 }))
  const indexBefore = engine.stats().log.lastIndex
  const origin = { queueId: 1, sysFlag: 0, bornTimestampMs: 5, bornHost: STORE_HOST, reconsumeTimes: 0 }
  const item = (body: string, flag: number, properties = '') => ({ flag, body: Buffer.from(body), properties: Buffer.from(properties), tagsCode: tagsCodeIn(Buffer.from(properties)) })
  const batch = new BatchPut(engine.topic('orders')!, origin, [item('a', 1), item('b', 2, 'TAGS\x01T\x02'), item('c', 3)])
  engine.submit(batch)
  await batch.done
  t.equal(engine.stats().log.lastIndex, indexBefore + 1)
  t.match(batch, { queueId: 1, queueOffset: 1 })
  const { records, bodies } = await get(engine, { topic: 'orders', queueId: 1, fromOffset: 1 })
  t.same(bodies, ['a', 'b', 'c'])
  t.same(records.map(({ flag, queueOffset, physicalOffset, bodyCrc }) => [flag, queueOffset, physicalOffset, bodyCrc]), records.map((record, i) => [i + 1, i + 1, batch.physicalOffsets[i], bodyCrcOf(record.body)]))
  t.same(batch.messageIds().map((id) => decodeOffsetMessageId(id).physicalOffset), batch.physicalOffsets)

  const tooLarge = new BatchPut(engine.topic('orders')!, origin, [item('a', 1), item('b', 2, 'x'.repeat(40_000))])
  engine.submit(tooLarge)
  await t.rejects(tooLarge.done, { code: 'MQ_MESSAGE_TOO_LARGE', outcome: 'not-applied' })
  t.equal((await get(engine, { topic: 'orders', queueId: 1 })).records.length, 4, 'nothing of it is there')
})

t.test('what does not fit a record is refused, not stored cut', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  const properties = Buffer.alloc(32_760, 'x')
  await t.rejects(put(engine, 'orders', wireMessage('x', { properties, addedProperties: Buffer.from('CLUSTER\x01c\x02') })), { code: 'MQ_MESSAGE_TOO_LARGE' })
  await t.rejects(put(engine, 't'.repeat(256), wireMessage('x')), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(put(engine, 'orders', wireMessage('x', { queueId: 4 })), { code: 'MQ_QUEUE_NOT_FOUND' })
  await put(engine, 't'.repeat(255), wireMessage('long name'))
  t.same((await get(engine, { topic: 't'.repeat(255) })).bodies, ['long name'])
})

t.test('no queue in particular: each in turn', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  const puts = await Promise.all(Array.from({ length: 6 }, () => put(engine, 'orders', wireMessage('x', { queueId: -1 }), topicConfig('orders', 3))))
  t.same(puts.map(({ queueId }) => queueId), [0, 1, 2, 0, 1, 2])
})

t.test('of two plans for one topic the first message makes it; a deleted one refuses its old handle', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  const planned = new Put(engine, wireMessage('a'), topicConfig('orders', 2))
  const other = new Put(engine, wireMessage('b', { queueId: 5 }), topicConfig('orders', 8))
  engine.submit(planned)
  engine.submit(other)
  await planned.done
  await t.rejects(other.done, { code: 'MQ_QUEUE_NOT_FOUND' })
  t.equal(engine.store.metadata.topic('orders')!.writeQueueNums, 2)
  const late = new Put(engine, wireMessage('c'), topicConfig('orders'))
  const deletion = engine.deleteTopic('orders')
  engine.submit(late)
  await t.rejects(late.done, { code: 'MQ_TOPIC_NOT_FOUND' })
  await deletion
  t.equal(engine.topic('orders'), undefined)
})

t.test('any message from the wire reads back as it was sent', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  let offset = 0
  await fc.assert(fc.asyncProperty(
    fc.uint8Array({ maxLength: 2000 }), fc.dictionary(fc.stringMatching(/^[a-zA-Z]{1,9}$/), fc.stringMatching(/^[ -~äß€]{1,20}$/)), fc.boolean(), fc.integer(), fc.integer({ min: 0, max: 7 }), fc.nat(),
    async (body, properties, isEnded, flag, sysFlag, bornTimestampMs) => {
      const text = Object.entries(properties).map(([name, value]) => `${name}\x01${value}`).join('\x02') + (isEnded && Object.keys(properties).length > 0 ? '\x02' : '')
      await put(engine, 'any', wireMessage('', { body, properties: Buffer.from(text), addedProperties: Buffer.from('ADDED_LAST\x01!\x02'), flag, sysFlag, bornTimestampMs }))
      const { records: [record] } = await get(engine, { topic: 'any', fromOffset: offset })
      t.match(record, { queueOffset: offset++, flag, sysFlag, bornTimestampMs, bodyCrc: bodyCrcOf(body) })
      t.same([...record!.body], [...body])
      t.same(Object.fromEntries(decodeProperties(record!.propertiesText)), { ...properties, ADDED_LAST: '!' })
    }), { numRuns: 100 })
})
