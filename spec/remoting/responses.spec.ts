import fc from 'fast-check'
import t from 'tap'
import {
  decodeMessageId, encodeHost, encodePullResponse, encodeResponse, HeaderType, PullStatus, pullMessageResponse, SendResponseEncoder, sendMessageResponse, type Answerable
} from '../../lib/remoting/index.ts'
import { frameOf, framesOf, written } from './support.ts'

const storeHost = encodeHost({ host: '127.0.0.1', port: 10_911 })
const types = [HeaderType.json, HeaderType.binary]
const requestOf = (headerType: HeaderType, opaque: number): Answerable => ({ headerType, opaque, isOneWay: false, inflightBytes: 0 })
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const offset = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 9, 10, 999_999_999, 1_000_000_000, 2 ** 31 - 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER))

t.test('the answer to a send, as clients know it', async (t) => {
  const encoder = new SendResponseEncoder({ storeHost })
  const key = bytes('0A01020300002A9F0000000000000001')
  const json = written((out) => encoder.encode(out, requestOf(HeaderType.json, 7), 0, 3, 42, 1000, key, 0, key.length))
  t.equal(json.toString('utf8', 8), '{"code":0,"extFields":{"MSG_REGION":"DefaultRegion","TRACE_ON":"true","msgId":"7F00000100002A9F00000000000003E8","queueId":"3","queueOffset":"42",' +
    '"transactionId":"0A01020300002A9F0000000000000001"},"flag":1,"language":"JAVA","opaque":7,"serializeTypeCurrentRPC":"JSON","version":479}')
  const binary = written((out) => encoder.encode(out, requestOf(HeaderType.binary, 7), 10, 3, 42, 1000, key, 0, 0))
  t.match(frameOf(binary), { code: 10, opaque: 7, isResponse: true, version: 479 })
  t.same(Object.fromEntries(frameOf(binary).extFields()), { MSG_REGION: 'DefaultRegion', TRACE_ON: 'true', msgId: '7F00000100002A9F00000000000003E8', queueId: '3', queueOffset: '42' })
})

t.test('answers to sends are those of the general encoder', async (t) => {
  const hosts = [storeHost, encodeHost({ host: '2001:db8::1', port: 10_911 })]
  const encoders = hosts.map((host, i) => new SendResponseEncoder({ storeHost: host, regionId: 'r-1', traceOn: i === 0 }))
  const uniqueKey = fc.oneof(fc.constantFrom('', 'A'.repeat(32)), fc.string({ maxLength: 300 }), fc.string({ unit: 'binary', maxLength: 30 }))
  const recall = fc.option(fc.constantFrom('djEgVA==', 'x'.repeat(300)), { nil: undefined })
  fc.assert(fc.property(fc.constantFrom(0, 1), fc.constantFrom(...types), fc.integer(), fc.constantFrom(0, 10, 11, 12), fc.nat(70_000), offset, offset, uniqueKey, recall, (which, type, opaque, code, queueId, queueOffset, physicalOffset, text, recallHandle) => {
    const key = bytes(`..${text}..`)
    const fast = written((out) => encoders[which]!.encode(out, requestOf(type, opaque), code, queueId, queueOffset, physicalOffset, key, 2, key.length - 2, recallHandle === undefined ? undefined : bytes(recallHandle)))
    const frame = frameOf(fast)
    const { msgId, ...header } = sendMessageResponse.decode(frame)
    const id = decodeMessageId(msgId)
    t.same(id, { storeHost: hosts[which], physicalOffset })
    t.match(frame, { headerType: type, opaque, code, isResponse: true })
    t.same(header, { queueId, queueOffset, transactionId: text === '' ? undefined : Buffer.from(text).toString(), batchUniqId: undefined, recallHandle, MSG_REGION: 'r-1', TRACE_ON: String(which === 0) })
    const general = written((out) => encodeResponse(out, requestOf(type, opaque), {
      code, extFields: { MSG_REGION: 'r-1', TRACE_ON: which === 0, msgId, queueId, queueOffset, transactionId: text === '' ? undefined : text, recallHandle }
    }))
    if (!fast.equals(general)) throw new Error(`${fast.toString()}\n${general.toString()}`)
    return t.passing()
  }), { numRuns: 300 })
})

t.test('answers to pulls are those of the general encoder, body included', async (t) => {
  fc.assert(fc.property(fc.constantFrom(...types), fc.integer(), fc.constantFrom(0, 19, 20, 21), fc.constantFrom(...Object.values(PullStatus)), fc.tuple(offset, offset, offset), fc.nat(3), fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 40 }), (type, opaque, code, status, [next, min, max], broker, records) => {
    const body = code === 0 ? records : undefined
    const fast = written((out) => encodePullResponse(out, requestOf(type, opaque), code, status, broker, next, min, max, body))
    const general = written((out) => encodeResponse(out, requestOf(type, opaque), {
      code, remark: Buffer.from(status).toString(), extFields: { maxOffset: max, minOffset: min, nextBeginOffset: next, suggestWhichBrokerId: broker }, body
    }))
    if (!fast.equals(general)) throw new Error(`${fast.toString()}\n${general.toString()}`)
    const header = pullMessageResponse.decode(frameOf(fast))
    return header.nextBeginOffset === next && header.minOffset === min && header.maxOffset === max && header.suggestWhichBrokerId === broker
  }), { numRuns: 300 })
  t.pass()
})

t.test('a body is copied before the encoder returns, and answers of any size follow each other', async (t) => {
  const sizes = [0, 1, 60_000, 70_000, 100, 300_000, 65_000, 1]
  const body = new Uint8Array(300_000)
  const stream = written((out) => {
    for (const [i, size] of sizes.entries()) {
      body.fill(i)
      encodePullResponse(out, requestOf(HeaderType.binary, i), 0, PullStatus.FOUND, 0, 0, 0, 0, [body.subarray(0, size >> 1), body.subarray(0, size - (size >> 1))])
    }
  })
  const frames = framesOf([stream])
  t.same(frames.map(({ opaque, bodyBytes }) => [opaque, bodyBytes]), sizes.map((size, i) => [i, size]))
  for (const { body, opaque } of frames) t.ok(body.every((byte) => byte === opaque))
  const writer = { sizeBytes: 3, copyTo: (target: Uint8Array, at: number) => { target.set([7, 8, 9], at); return at + 3 } }
  t.same([...frameOf(written((out) => encodePullResponse(out, requestOf(HeaderType.json, 1), 0, PullStatus.FOUND, 0, 0, 0, 0, writer))).body], [7, 8, 9], 'a body that writes itself')
  t.throws(() => written((out) => encodePullResponse(out, requestOf(HeaderType.json, 1), 0, PullStatus.FOUND, 0, 0, 0, 0, new Uint8Array(17 << 20))), { code: 'MQ_MESSAGE_TOO_LARGE' })
})
