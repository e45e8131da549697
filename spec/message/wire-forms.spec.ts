import t from 'tap'
import fc from 'fast-check'
import { bodyCrcOf, decodeMessageBatch, decodeOffsetMessageId, decodeProperties, decodeRecallHandle, encodeRecallHandle, findProperty, hostHex, offsetMessageId, RecallHandleWriter, tagsCodeIn, tagsCodeOf } from '../../lib/message/index.ts'

const text = (bytes: Uint8Array | undefined) => bytes === undefined ? undefined : Buffer.from(bytes).toString()

t.test('golden: CRC-32, offset message id, batch items', async (t) => {
  t.equal(bodyCrcOf(Buffer.from('hello')), 907060870)
  t.equal(bodyCrcOf(Buffer.from('RocketMQ')), 1776729057)
  const host = Uint8Array.of(127, 0, 0, 1, 0, 0, 0x2a, 0x9f)
  t.equal(offsetMessageId(hostHex(host), 1000), '7F00000100002A9F00000000000003E8')
  const { storeHost, physicalOffset } = decodeOffsetMessageId('7F00000100002A9F00000000000003E8')
  t.same([...storeHost], [...host])
  t.equal(physicalOffset, 1000)
  for (const wrong of ['', '7F00000100002A9F00000000000003E', '7F00000100002A9F00000000000003EX', '0'.repeat(40)]) t.throws(() => decodeOffsetMessageId(wrong), { code: 'MQ_INVALID_ARGUMENT' })
  const one = Buffer.from('0000003300000000000000000000000000000001 61 001c 4b455953016b3102574149540174727565025441475301546167 4102'.replaceAll(' ', ''), 'hex')
  const two = Buffer.from('0000002200000000000000000000000900000002 6262 000a 57414954017472756502'.replaceAll(' ', ''), 'hex')
  const items = decodeMessageBatch(Buffer.concat([one, two]))
  t.same(items.map(({ flag, body, properties }) => [flag, text(body), Object.fromEntries(decodeProperties(text(properties)!))]), [
    [0, 'a', { KEYS: 'k1', WAIT: 'true', TAGS: 'TagA' }],
    [9, 'bb', { WAIT: 'true' }]
  ])
  t.equal(tagsCodeIn(items[0]!.properties), 2598919)
})

t.test('handles written as bytes are those written as text', async (t) => {
  const key = fc.string({ maxLength: 300, unit: 'grapheme' })
  const topic = fc.constantFrom('', 'orders', 'a b', 'räume')
  for (const brokerName of ['broker-a', '', 'broker a', 'b'.repeat(1000)]) {
    const writer = new RecallHandleWriter(brokerName)
    fc.assert(fc.property(topic, key, fc.maxSafeNat(), fc.maxSafeNat(), (topic, uniqueKey, deliverAtMs, physicalOffset) => {
      const bytes = Buffer.from(`xx${uniqueKey}yy`)
      const length = writer.write(topic, deliverAtMs, bytes, 2, bytes.length - 2, physicalOffset)
      const handle = encodeRecallHandle({ topic, brokerName, deliverAtMs, uniqueKey, physicalOffset })
      t.equal(length === 0 ? undefined : text(writer.bytes.subarray(0, length)), handle)
      if (handle !== undefined && deliverAtMs < 1e15 && physicalOffset < 1e15 && handle.length <= 4096) t.match(decodeRecallHandle(handle), { topic, deliverAtMs, uniqueKey, physicalOffset })
    }))
  }
})

t.test('a batch whose lengths lie is refused, whatever they say', async (t) => {
  const item = Buffer.from('00000022000000000000000000000009000000026262000a57414954017472756502', 'hex')
  t.throws(() => decodeMessageBatch(new Uint8Array(0)), { code: 'MQ_INVALID_ARGUMENT' })
  for (let length = 1; length < item.length; length++) t.throws(() => decodeMessageBatch(item.subarray(0, length)), { code: 'MQ_INVALID_ARGUMENT' })
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom(0, 16, 22), fc.integer(), (noise, at, length) => {
    const bytes = Buffer.concat([item, noise])
    bytes.writeInt32BE(length, at)
    try {
      const items = decodeMessageBatch(bytes)
      return items.reduce((sum, { body, properties }) => sum + 22 + body.length + properties.length, 0) === bytes.length
    } catch (error) {
      return (error as { code?: string }).code === 'MQ_INVALID_ARGUMENT'
    }
  }))
})

t.test('finding a property in stored text agrees with decoding all of it', async (t) => {
  const name = fc.constantFrom('a', 'ab', 'b', 'TAGS', 'TAG', '')
  const value = fc.constantFrom('', 'x', 'xy', 'Tagß', '中文', 'a')
  const pair = fc.tuple(name, fc.constantFrom('\x01', ''), value).map(([name, separator, value]) => name + separator + value)
  fc.assert(fc.property(fc.array(pair), fc.boolean(), (pairs, isEnded) => {
    const stored = pairs.join('\x02') + (isEnded ? '\x02' : '')
    const decoded = decodeProperties(stored)
    for (const name of ['a', 'ab', 'b', 'TAGS']) t.equal(text(findProperty(Buffer.from(stored), Buffer.from(name))), decoded.get(name), JSON.stringify(stored))
    t.equal(tagsCodeIn(Buffer.from(stored)), tagsCodeOf(decoded.get('TAGS') ?? ''))
  }))
})
