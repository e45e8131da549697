import fc from 'fast-check'
import t from 'tap'
import { FrameDecoder, HeaderType, LanguageCode, RequestCode, type RemotingFrame, type RemotingRequest } from '../../lib/remoting/index.ts'
import { frameOf, framesOf, rawFrame, requestBytes, responseBytes } from './support.ts'

const GOLDEN_JSON = '{"code":105,"extFields":{"topic":"T"},"flag":0,"language":"JAVA","opaque":7,"serializeTypeCurrentRPC":"JSON","version":479}'
const golden = {
  [HeaderType.json]: '000000810000007b' + Buffer.from(GOLDEN_JSON).toString('hex') + '6869',
  [HeaderType.binary]: '00000027010000210069' + '0001df000000070000000000000000' + '0000000c0005746f7069630000000154' + '6869'
}
const types = [HeaderType.json, HeaderType.binary]
const request: RemotingRequest = { code: RequestCode.GET_ROUTEINFO_BY_TOPIC, extFields: { topic: 'T' }, body: Buffer.from('hi') }

t.test('golden frames of both header types, out and in', async (t) => {
  for (const type of types) {
    t.equal(requestBytes(type, request).toString('hex'), golden[type])
    const frame = frameOf(Buffer.from(golden[type], 'hex'))
    t.match(frame, { headerType: type, code: 105, language: LanguageCode.JAVA, version: 479, opaque: 7, flag: 0, isResponse: false, isOneWay: false })
    t.same([...frame.extFields()], [['topic', 'T']])
    t.equal(Buffer.from(frame.body).toString(), 'hi')
    t.equal(frame.remark, undefined)
    t.equal(frame.sizeBytes, golden[type].length / 2)
  }
})

t.test('responses, one-way requests and remarks', async (t) => {
  for (const type of types) {
    const response = frameOf(responseBytes(type, { code: 17, remark: 'topic[中文 "x"\n] not exist' }, 0x7fffffff))
    t.match(response, { code: 17, opaque: 0x7fffffff, isResponse: true, isOneWay: false, remark: 'topic[中文 "x"\n] not exist', bodyBytes: 0 })
    t.match(frameOf(requestBytes(type, { code: 15 }, { opaque: -1, isOneWay: true })), { isOneWay: true, isResponse: false, opaque: -1 })
  }
  t.match(responseBytes(HeaderType.json, { code: 0 }).toString(), '"extFields":{}', 'Java producers need the fields of a response to be there')
  t.match(responseBytes(HeaderType.json, { code: 0, extFields: { a: 1, b: true, c: undefined } }).toString(), '"extFields":{"a":"1","b":"true"}', 'always strings')
})

const texts = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: 'binary', maxLength: 60 }), fc.stringMatching(/^[ -~]{0,80}$/))
const command = fc.record({
  code: fc.nat(3002),
  opaque: fc.integer(),
  isOneWay: fc.boolean(),
  version: fc.nat(0x7fff),
  language: fc.constantFrom(...Object.values(LanguageCode)),
  remark: fc.option(texts.filter((text) => text !== ''), { nil: undefined }),
  extFields: fc.dictionary(texts.filter((text) => text !== ''), texts.filter((text) => text !== ''), { maxKeys: 100, noNullPrototype: true }),
  body: fc.uint8Array({ maxLength: 5000 })
})
const wellFormed = (text: string): string => Buffer.from(text).toString()

t.test('what is encoded is decoded, whatever way the stream is cut', async (t) => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom(...types), command), { minLength: 1, maxLength: 5 }), fc.infiniteStream(fc.oneof(fc.constant(1), fc.nat(20), fc.nat(3000))), (commands, sizes) => {
    const stream = Buffer.concat(commands.map(([type, { opaque, isOneWay, ...given }]) => requestBytes(type, given as RemotingRequest, { opaque, isOneWay })))
    const chunks: Uint8Array[] = []
    for (let at = 0; at < stream.length;) {
      const next = at + (sizes.next().value ?? 1)
      chunks.push(Uint8Array.from(stream.subarray(at, next)))
      at = next
    }
    const frames = framesOf(chunks)
    if (frames.length !== commands.length) throw new Error(`${frames.length} of ${commands.length} frames`)
    for (const [i, [type, expected]] of commands.entries()) {
      const frame = frames[i]!
      const fields = Object.fromEntries(Object.entries(expected.extFields).map(([name, value]) => [wellFormed(name), wellFormed(value)]))
      t.same(
        { ...facts(frame), extFields: Object.fromEntries(frame.extFields()) },
        { type, code: expected.code, opaque: expected.opaque, isOneWay: expected.isOneWay, version: expected.version, language: expected.language, remark: expected.remark && wellFormed(expected.remark), body: expected.body, extFields: fields }
      )
      if (!t.passing()) throw new Error('a frame changed')
    }
  }), { numRuns: 300 })
})

function facts (frame: RemotingFrame): object {
  const { headerType, code, opaque, isOneWay, version, language, remark, body } = frame
  return { type: headerType, code, opaque, isOneWay, version, language, remark, body: Uint8Array.from(body) }
}

t.test('a stream that is cut at any byte gives the same frames', async (t) => {
  const stream = Buffer.from(golden[0] + golden[1] + golden[0], 'hex')
  const whole = framesOf([stream]).map(facts)
  for (let cut = 1; cut < stream.length; cut++) t.same(framesOf([stream.subarray(0, cut), stream.subarray(cut)]).map(facts), whole, `at ${cut}`)
  t.same(framesOf([...stream].map((byte) => Uint8Array.of(byte))).map(facts), whole, 'byte by byte')
})

t.test('headers as clients really write them', async (t) => {
  const json = (header: string) => frameOf(rawFrame(0, header))
  t.match(json('{"code":10,"language":"JAVA","opaque":3,"flag":0,"version":121,"extFields":{"queueId":3,"unitMode":false,"x":1.5e3,"y":null,"z":{"a":["}"]}}}'),
    { code: 10, opaque: 3, version: 121 }, 'numbers and booleans as values')
  t.same([...json('{"extFields":{"queueId":3,"unitMode":false,"x":1.5e3,"y":null,"z":{"a":["}"]}}}').extFields()],
    [['queueId', '3'], ['unitMode', 'false'], ['x', '1.5e3'], ['z', '{"a":["}"]}']])
  t.match(json(' {\n "opaque" : 9 , "code":"34" ,\t"language":"KLINGON","extFields":null,"remark":null,"future":[1,{"x":"]"}] } '),
    { code: 34, opaque: 9, language: LanguageCode.OTHER, remark: undefined })
  t.match(json('{}'), { code: 0, opaque: 0, flag: 0, version: 0 })
  t.match(json('{"code":34,"language":"GO","version":317}'), { language: LanguageCode.GO, version: 317 })
  t.same([...json('{"extFields":{"a\\u0062":"\\u4e2d\\uD83D\\uDE00\\n\\/\\"","a":"x\\u0001y\\u0002"}}').extFields()], [['ab', '中😀\n/"'], ['a', 'x\u0001y\u0002']])
  const binary = Buffer.from(golden[HeaderType.binary], 'hex')
  binary[10] = 200
  t.equal(frameOf(binary).language, LanguageCode.OTHER)
})

t.test('codes beyond 16 bits come back from a binary header', async (t) => {
  for (const code of [RequestCode.POP_MESSAGE, RequestCode.BATCH_ACK_MESSAGE, RequestCode.POP_ROLLBACK, 10]) {
    t.equal(frameOf(requestBytes(HeaderType.binary, { code })).code, code)
    t.equal(frameOf(requestBytes(HeaderType.json, { code })).code, code)
  }
})

t.test('a frame asked after others were decoded still knows its header', async (t) => {
  for (const type of types) {
    const frames = framesOf([Buffer.concat(['A', 'B', 'C'].map((topic) => requestBytes(type, { code: 105, extFields: { topic }, remark: topic })))])
    t.same(frames.map((frame) => [frame.extFields().get('topic'), frame.remark]), [['A', 'A'], ['B', 'B'], ['C', 'C']])
  }
})

t.test('bytes that are no frame are refused', async (t) => {
  const refused = (bytes: Uint8Array, what: string): void => {
    t.throws(() => framesOf([bytes]), { code: 'MQ_BAD_FRAME' }, what)
    t.throws(() => framesOf([...bytes].map((byte) => Uint8Array.of(byte))), { code: 'MQ_BAD_FRAME' }, `${what}, byte by byte`)
  }
  refused(Buffer.from('ffffffff', 'hex'), 'a negative length')
  refused(Buffer.from('00000003', 'hex'), 'a length that has no room for the header length')
  refused(Buffer.from('01000001', 'hex'), 'a length above the bound')
  refused(Buffer.from('0000001002', 'hex'), 'an unknown header type')
  refused(Buffer.from('0000001000000ffd', 'hex'), 'a header longer than its frame')
  for (const header of ['', '[]', '{', '{"code":1', '{"code"}', '{"code":}', '{"code":1,}', '{"code":1}x', '{code:1}', '{"code":1.5}', '{"opaque":2147483648}', '{"code":tru}', '{"code":"x"}',
    '{"extFields":[]}', '{"extFields":{"a"}}', '{"extFields":{"a":1 2}}', '{"extFields":{"a":"b}}', '{"a":"\\', '{"a":-x}', `{"a":${'['.repeat(40)}${']'.repeat(40)}}`,
    `{"extFields":{${Array.from({ length: 1025 }, (_, i) => `"${i}":1`).join()}}}`]) refused(rawFrame(0, header), header.slice(0, 60))
  const binary = Buffer.from(golden[HeaderType.binary], 'hex').subarray(8, 41)
  for (const [at, value, what] of [[13, -1, 'a negative remark'], [13, 100, 'a remark too long'], [17, -1, 'negative extensions'], [17, 13, 'extensions too long'],
    [17, 11, 'extensions cut short'], [28, -1, 'a negative value'], [28, 2, 'a value too long']] as const) {
    const header = Buffer.from(binary)
    header.writeInt32BE(value, at)
    refused(rawFrame(1, header, 'hi'), what)
  }
  const header = Buffer.from(binary)
  header.writeInt16BE(-1, 21)
  refused(rawFrame(1, header), 'a negative key')
  refused(rawFrame(1, binary.subarray(0, 20)), 'a binary header cut short')
})

t.test('after a bad frame the stream stays closed', async (t) => {
  const decoder = new FrameDecoder()
  decoder.push(Buffer.from('ffffffff', 'hex'))
  t.throws(() => decoder.next(), { code: 'MQ_BAD_FRAME' })
  decoder.push(Buffer.from(golden[0], 'hex'))
  t.throws(() => decoder.next(), { code: 'MQ_BAD_FRAME' })
})

t.test('memory for a frame follows what came, not what a length promised', async (t) => {
  const decoder = new FrameDecoder()
  const promise = Buffer.from('0100000000000010', 'hex')
  const push = (bytes: Uint8Array): void => {
    decoder.push(bytes)
    t.equal(decoder.next(), undefined)
  }
  push(promise.subarray(0, 3))
  t.ok(decoder.heldBytes <= 8)
  push(promise.subarray(3))
  t.ok(decoder.heldBytes <= 1024, 'the prefix of a frame of 16 MiB')
  let sent = 8
  for (let size = 1; sent + size < 4 << 20; size = Math.min(size * 3, 65_536)) {
    push(new Uint8Array(size))
    sent += size
    if (decoder.heldBytes > Math.max(1024, 2 * sent)) t.fail(`${decoder.heldBytes} bytes held for ${sent}`)
  }
  t.ok(decoder.isInsideFrame)
  const small = new FrameDecoder(100)
  small.push(Buffer.from('00000065', 'hex'))
  t.throws(() => small.next(), { code: 'MQ_BAD_FRAME' }, 'the bound is a setting')
})

t.test('a large frame in small chunks is put together in linear time', async (t) => {
  const body = new Uint8Array(8 << 20).fill(7)
  const bytes = requestBytes(HeaderType.binary, { code: 310, body })
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += 1000) chunks.push(bytes.subarray(at, at + 1000))
  const [frame] = framesOf(chunks)
  t.ok(Buffer.from(body).equals(frame!.body))
})
