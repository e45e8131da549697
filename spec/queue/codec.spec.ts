import t from 'tap'
import { openQueue } from '../../lib/index.ts'
import { makeCodec, mergeCodec } from '../../lib/queue/codec.ts'
import { crc64Avro } from '../../lib/queue/crc64-avro.ts'

const utf8 = new TextEncoder()

t.test('json, string and bytes come back as they went in', async (t) => {
  const json = makeCodec({ codec: 'json' })
  for (const body of [{ to: 'a@b.c', n: [1, 2.5, null] }, 'text', 0, null, true, []]) t.same(json.decode(json.encode(body)), body)
  const string = makeCodec({ codec: 'string' })
  for (const body of ['', 'plain', 'grün 消息 🎈']) t.equal(string.decode(string.encode(body)), body)
  const bytes = makeCodec({ codec: 'bytes' })
  const body = Uint8Array.of(0, 255, 1)
  t.equal(bytes.encode(body), body, 'bytes are not copied')
  t.same(bytes.decode(body), body)
})

t.test('a body that does not fit the codec is refused with the reason', async (t) => {
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  const cases: Array<[string, unknown]> = [
    ['json', undefined], ['json', () => {}], ['json', cycle], ['json', 1n], ['json', Uint8Array.of(1)],
    ['string', 1], ['string', undefined], ['string', Uint8Array.of(1)],
    ['bytes', 'text'], ['bytes', { a: 1 }], ['bytes', undefined], ['bytes', [1, 2]]
  ]
  for (const [codec, body] of cases) t.throws(() => makeCodec({ codec }).encode(body), { code: 'MQ_PAYLOAD_INVALID', outcome: 'not-applied' }, `${codec} ${typeof body}`)
  t.throws(() => makeCodec({ codec: 'json' }).decode(utf8.encode('{')), { code: 'MQ_PAYLOAD_INVALID' })
  t.throws(() => makeCodec({ codec: 'string' }).decode(Uint8Array.of(0xff)), { code: 'MQ_PAYLOAD_INVALID' })
  t.throws(() => makeCodec({ codec: 'protobuf' }), { code: 'MQ_FORMAT_TOO_NEW' })
})

const versionOne = { type: 'record', name: 'Job', fields: [{ name: 'to', type: 'string' }] }
const versionTwo = { type: 'record', name: 'Job', fields: [{ name: 'to', type: 'string' }, { name: 'tries', type: 'int', default: 3 }] }
const versionOther = { type: 'record', name: 'Job', fields: [{ name: 'from', type: 'string' }] }

t.test('Avro: single-object encoding, checked on the way in', async (t) => {
  t.equal(crc64Avro(utf8.encode('"int"')), 0x7275d51a3f395c8fn, 'fingerprint as in the specification\'s reference')
  const codec = makeCodec(mergeCodec('jobs', undefined, { avro: versionOne }))
  const bytes = codec.encode({ to: 'x' })
  t.same([...bytes.subarray(0, 2)], [0xC3, 0x01])
  t.same(bytes.subarray(10), Uint8Array.of(2, 'x'.charCodeAt(0)))
  t.match(codec.decode(bytes), { to: 'x' })
  t.throws(() => codec.encode({ to: 5 }), { code: 'MQ_PAYLOAD_INVALID' })
  t.throws(() => codec.decode(bytes.subarray(0, 9)), { code: 'MQ_PAYLOAD_INVALID' }, 'no header')
  t.throws(() => codec.decode(bytes.subarray(0, 11)), { code: 'MQ_PAYLOAD_INVALID' }, 'cut short')
  const foreign = Uint8Array.from(bytes)
  foreign[2]! ^= 1
  t.throws(() => codec.decode(foreign), { code: 'MQ_PAYLOAD_INVALID' }, 'unknown writer')
})

t.test('Avro: a compatible schema reads what the one before wrote, another is refused', async (t) => {
  const one = mergeCodec('jobs', undefined, { avro: versionOne })
  const old = makeCodec(one).encode({ to: 'x' })
  const two = mergeCodec('jobs', one, { avro: JSON.stringify(versionTwo) })
  t.match(makeCodec(two).decode(old), { to: 'x', tries: 3 })
  t.equal(mergeCodec('jobs', two, { avro: versionTwo }), two, 'nothing to change')
  t.equal(mergeCodec('jobs', two, undefined), two)
  const back = mergeCodec('jobs', two, { avro: versionOne })
  t.match(makeCodec(back).decode(makeCodec(two).encode({ to: 'y', tries: 1 })), { to: 'y' })
  t.throws(() => mergeCodec('jobs', one, { avro: versionOther }), { code: 'MQ_INVALID_ARGUMENT' })
  t.throws(() => mergeCodec('jobs', undefined, { avro: { type: 'nonsense' } }), { code: 'MQ_INVALID_ARGUMENT' })
  t.throws(() => mergeCodec('jobs', one, 'json'), { code: 'MQ_INVALID_ARGUMENT' })
  t.same(mergeCodec('jobs', undefined, undefined), { codec: 'json' })
})

t.test('texts come back as they were sent, or are refused', async (t) => {
  await using queue = await openQueue(':memory:', { topics: { text: { codec: 'string', queues: 1 }, jobs: { queues: 1 } } })
  for (const text of ['', '\uFEFFwith a mark', '\u0000\u0001\u0002', '😀']) await queue.send('text', text)
  t.same((await queue.read('text', { queueId: 0, fromOffset: 0 })).map(({ body }) => body), ['', '\uFEFFwith a mark', '\u0000\u0001\u0002', '😀'])
  await t.rejects(queue.send('text', 'a\uD800'), { code: 'MQ_PAYLOAD_INVALID' })
  await t.rejects(queue.send('jobs', 1, { key: '\uD800' }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.send('jobs', 1, { tag: '\uDC00' }), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(queue.send('jobs', 1, { properties: { a: '\uDC00' } }), { code: 'MQ_INVALID_ARGUMENT' })
  await queue.send('jobs', '\uD800', { key: '😀', properties: { '😀': '\uFEFF' } })
  t.match(await queue.read('jobs', { queueId: 0, fromOffset: 0 }), [{ body: '\uD800', key: '😀', properties: { '😀': '\uFEFF' } }])
})
