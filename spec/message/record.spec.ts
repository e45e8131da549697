import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { viewOf } from '../../lib/base/index.ts'
import {
  decodeProperties, encodeMessage, encodeProperties, encodeRecord, LOCAL_HOST, propertiesSizeBytes, propertiesAt, RecordView, recordSizeBytes, tagsCodeOf, utf8SizeBytes,
  type MessageFields, type RecordFields
} from '../../lib/message/index.ts'

const utf8 = new TextEncoder()
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const host = (a: number, b: number, c: number, d: number, port: number) => Uint8Array.of(a, b, c, d, 0, 0, port >> 8, port & 255)

const golden: RecordFields = {
  bodyCrc: crc32('hello') & 0x7fffffff,
  queueId: 3,
  flag: 7,
  queueOffset: 42,
  physicalOffset: 1000,
  sysFlag: 0,
  bornTimestampMs: 1700000000000,
  bornHost: host(10, 1, 2, 3, 1234),
  storeTimestampMs: 1700000000123,
  storeHost: host(127, 0, 0, 1, 10911),
  reconsumeTimes: 1,
  preparedTransactionOffset: 0,
  body: utf8.encode('hello'),
  topic: utf8.encode('T'),
  properties: utf8.encode(encodeProperties([['KEYS', 'k1'], ['TAGS', 'TagA']]))
}

const GOLDEN_HEX = '00000073daa320a73610a6860000000300000007000000000000002a00000000000003e8000000000000018bcfe568000a010203000004d20000018bcfe5687b' +
  '7f00000100002a9f0000000100000000000000000000000568656c6c6f015400124b455953016b310254414753015461674102'

function encoded (write: (bytes: Uint8Array, view: DataView) => number): Uint8Array {
  const bytes = new Uint8Array(256 * 1024)
  return bytes.slice(8, 8 + write(bytes, viewOf(bytes)))
}

t.test('golden vectors of the stored record', async (t) => {
  const record = encoded((bytes, view) => encodeRecord(bytes, view, 8, golden))
  t.equal(hex(record), GOLDEN_HEX)
  t.equal(record.length, recordSizeBytes(5, 1, golden.properties.length))
  const message: MessageFields = { ...golden, keys: 'k1', tags: 'TagA', propertiesText: '' }
  const sealed = encoded((bytes, view) => encodeMessage(bytes, view, 8, message, golden.topic, 3, 42, 1000, 1700000000123, golden.storeHost))
  t.equal(hex(sealed), GOLDEN_HEX)
  t.equal(propertiesSizeBytes(message), golden.properties.length)

  const view = new RecordView(record)
  const { bodyCrc, queueId, flag, queueOffset, physicalOffset, sysFlag, bornTimestampMs, storeTimestampMs, reconsumeTimes, topic, propertiesText } = view
  t.same({ bodyCrc, queueId, flag, queueOffset, physicalOffset, sysFlag, bornTimestampMs, storeTimestampMs, reconsumeTimes, topic, propertiesText }, {
    bodyCrc: 907060870,
    queueId: 3,
    flag: 7,
    queueOffset: 42,
    physicalOffset: 1000,
    sysFlag: 0,
    bornTimestampMs: 1700000000000,
    storeTimestampMs: 1700000000123,
    reconsumeTimes: 1,
    topic: 'T',
    propertiesText: 'KEYS\u0001k1\u0002TAGS\u0001TagA\u0002'
  })
  t.equal(hex(view.body), hex(golden.body))
  t.equal(hex(view.bornHost), hex(golden.bornHost))
  t.equal(hex(view.storeHost), hex(golden.storeHost))
})

t.test('golden vectors of the tags code', async (t) => {
  const codes: Record<string, number> = { '': 0, TagA: 2598919, TagB: 2598920, 中文: 646394, 'negative-hash-tag': -1169809165, polygenelubricants: -2147483648 }
  for (const [tags, code] of Object.entries(codes)) t.equal(tagsCodeOf(tags), code, tags)
})

t.test('golden vector of properties; pairs that readers drop', async (t) => {
  t.equal(hex(golden.properties), '4b455953016b310254414753015461674102')
  t.same([...decodeProperties('KEYS\u0001k1\u0002no separator\u0002empty\u0001\u0002TAGS\u0001a\u0001b\u0002\u0001v\u0002last\u0001x')], [['KEYS', 'k1'], ['TAGS', 'a\u0001b'], ['last', 'x']])
  t.throws(() => encodeProperties([['a\u0001', 'b']]), { code: 'MQ_INVALID_ARGUMENT' })
  t.throws(() => encodeProperties([['a', 'b\u0002']]), { code: 'MQ_INVALID_ARGUMENT' })
})

const hostArbitrary = fc.oneof(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.uint8Array({ minLength: 20, maxLength: 20 }))
const textArbitrary = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ minLength: 250, maxLength: 270 }))
const offset = fc.maxSafeNat()
const messageArbitrary = fc.record({
  bodyCrc: fc.nat(2 ** 31 - 1),
  flag: fc.integer(),
  sysFlag: fc.constantFrom(0, 1, 4, 8, 0x701),
  bornTimestampMs: offset,
  bornHost: hostArbitrary,
  reconsumeTimes: fc.nat(1000),
  preparedTransactionOffset: offset,
  body: fc.uint8Array({ maxLength: 3000 }),
  keys: textArbitrary,
  tags: textArbitrary,
  propertiesText: textArbitrary
})

t.test('what is sealed is what a reader sees, and both encoders agree', async (t) => {
  fc.assert(fc.property(messageArbitrary, fc.string({ minLength: 1, maxLength: 200 }), fc.nat(2 ** 31 - 1), offset, offset, offset, hostArbitrary, (message, topicText, queueId, queueOffset, physicalOffset, storeTimestampMs, storeHost) => {
    const topic = utf8.encode(topicText).subarray(0, 255)
    const sealed = encoded((bytes, view) => encodeMessage(bytes, view, 8, message, topic, queueId, queueOffset, physicalOffset, storeTimestampMs, storeHost))
    const text = (message.keys === '' ? '' : `KEYS\u0001${message.keys}\u0002`) + (message.tags === '' ? '' : `TAGS\u0001${message.tags}\u0002`) + message.propertiesText
    const properties = utf8.encode(text)
    const record = encoded((bytes, view) => encodeRecord(bytes, view, 8, { ...message, topic, queueId, queueOffset, physicalOffset, storeTimestampMs, storeHost, properties }))
    if (hex(sealed) !== hex(record)) throw new Error('the encoders disagree')
    const view = new RecordView(sealed)
    const same = view.queueOffset === queueOffset && view.physicalOffset === physicalOffset && view.storeTimestampMs === storeTimestampMs &&
      view.bornTimestampMs === message.bornTimestampMs && view.queueId === queueId && view.flag === message.flag && view.bodyCrc === message.bodyCrc &&
      view.reconsumeTimes === message.reconsumeTimes && view.preparedTransactionOffset === message.preparedTransactionOffset &&
      hex(view.body) === hex(message.body) && hex(view.bornHost) === hex(message.bornHost) && hex(view.storeHost) === hex(storeHost) &&
      view.propertiesText === new TextDecoder().decode(properties) &&
      propertiesAt(view.bytes) === view.bytes.length - properties.length
    if (!same) throw new Error('a field changed')
  }), { numRuns: 500 })
  t.pass()
})

t.test('sizes of texts in UTF-8', async (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.array(fc.nat(0xffff)), (text, units) => {
    const odd = String.fromCharCode(...units)
    return utf8SizeBytes(text) === utf8.encode(text).length && utf8SizeBytes(odd) === utf8.encode(odd).length
  }), { numRuns: 1000 })
  t.pass()
})

t.test('bytes that are no record are refused or read within bounds', async (t) => {
  const record = Buffer.from(GOLDEN_HEX, 'hex')
  t.throws(() => new RecordView(record.subarray(0, 90)), { code: 'MQ_CORRUPT' })
  t.throws(() => new RecordView(Buffer.concat([record, Buffer.alloc(1)])), { code: 'MQ_CORRUPT' })
  fc.assert(fc.property(fc.nat(record.length - 1), fc.nat(255), (at, byte) => {
    const changed = Uint8Array.from(record)
    changed[at] = byte
    let view
    try {
      view = new RecordView(changed)
    } catch (error) {
      return (error as { code: string }).code === 'MQ_CORRUPT'
    }
    return view.body.length === view.bodyBytes && view.topic.length <= 255 && view.propertiesText.length <= record.length
  }), { numRuns: 3000 })
  t.same(LOCAL_HOST.length, 8)
})
