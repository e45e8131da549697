import fc from 'fast-check'
import t from 'tap'
import * as remoting from '../../lib/remoting/index.ts'
import { HeaderType, PullMessageHeader, pullMessage, RequestCode, SendMessageHeader, sendMessage, sendMessageResponse, pullMessageResponse, sendMessageV2, type ExtFields, type HeaderCodec } from '../../lib/remoting/index.ts'
import { frameOf, rawFrame, requestBytes } from './support.ts'
import { filesBelow, textOf } from '../rules/sources.ts'

const types = [HeaderType.json, HeaderType.binary]
const frameWith = (extFields: ExtFields, type: HeaderType = HeaderType.json) => frameOf(requestBytes(type, { code: 10, extFields, body: Buffer.from('body') }))

type Definition = remoting.RequestDefinition<unknown, unknown>
const definitions = (Object.entries(remoting) as Array<[string, unknown]>)
  .filter((pair): pair is [string, Definition] => typeof (pair[1] as Definition).request?.decode === 'function')

interface Row { readonly title: string, readonly codec: HeaderCodec<unknown>, readonly fields: ReadonlyArray<readonly [name: string, kind: string, isRequired: boolean]> }

/** The wire grammars in the docstrings of headers/, as rows of name, type and whether it is required; answers are marked by an arrow. */
function grammars (): Map<string, { request: Row['fields'], response: Row['fields'] }> {
  const found = new Map<string, { request: Row['fields'], response: Row['fields'] }>()
  for (const file of filesBelow('lib/remoting/headers')) {
    for (const [, comment, name] of textOf(file).matchAll(/\/\*\*((?:(?!\*\/)[^])*)\*\/\nexport const (\w+) = (?:defineRequest|headerCodec)/g)) {
      const rows = [...comment!.matchAll(/^ \* {5}(-> )?(\w+) +(?:[a-z] +)?([SILB])(\??)(?:\s|$)/gm)]
      const side = (arrow: string | undefined) => rows.filter((row) => row[1] === arrow).map((row) => [row[2]!, row[3]!, row[4] === ''] as const)
      found.set(name!, { request: side(undefined), response: side('-> ') })
    }
  }
  return found
}

const rows: Row[] = []
const documented = grammars()
for (const [name, { request, response }] of definitions) {
  rows.push({ title: `${name} request`, codec: request, fields: documented.get(name)?.request ?? [] }, { title: `${name} response`, codec: response, fields: documented.get(name)?.response ?? [] })
}
for (const [name, codec] of Object.entries({ sendMessage, pullMessage, sendMessageResponse, pullMessageResponse })) rows.push({ title: name, codec: codec as HeaderCodec<unknown>, fields: documented.get(name)!.request })
const shortNames = Object.fromEntries([...textOf('lib/remoting/headers/send-message.ts').matchAll(/^ \* {5}(\w+) +([a-n]) {2}[SILB]/gm)].map(([, long, short]) => [long!, short!]))
rows.push({ title: 'sendMessageV2', codec: sendMessageV2 as HeaderCodec<unknown>, fields: documented.get('sendMessage')!.request.map(([name, kind, isRequired]) => [shortNames[name]!, kind, isRequired]) })

const arbitraryOf: Readonly<Record<string, fc.Arbitrary<string | number | boolean>>> = {
  S: fc.oneof(fc.string({ minLength: 1, maxLength: 30 }), fc.constant('中文 "\\\u0001')),
  I: fc.integer(),
  L: fc.maxSafeInteger(),
  B: fc.boolean()
}

t.test('every header says in its grammar what it holds, and holds that', async (t) => {
  t.ok(definitions.length > 60)
  for (const { title, codec, fields } of rows) {
    const decodedNames = Object.keys(codec.decode(frameWith(Object.fromEntries(fields.map(([name]) => [name, '1'])))) as object)
    t.same(decodedNames.sort(), fields.map(([name]) => name).sort(), title)
  }
})

t.test('every header comes back as it was, in both header types', async (t) => {
  for (const { title, codec, fields } of rows) {
    const header = fc.record(Object.fromEntries(fields.map(([name, kind]) => [name, arbitraryOf[kind]!])), { requiredKeys: fields.filter(([,, isRequired]) => isRequired).map(([name]) => name) })
    fc.assert(fc.property(header, fc.constantFrom(...types), (value, type) => {
      const decoded = codec.decode(frameWith(codec.encode(value), type)) as Record<string, unknown>
      return fields.every(([name]) => Object.is(decoded[name], (value as Record<string, unknown>)[name] ?? undefined) || decoded[name] === (value as Record<string, unknown>)[name])
    }), { numRuns: 40 })
    t.pass(title)
  }
})

t.test('a missing or malformed field is named', async (t) => {
  for (const { title, codec, fields } of rows) {
    const whole = Object.fromEntries(fields.map(([name]) => [name, '1']))
    for (const [field, kind, isRequired] of fields) {
      for (const type of types) {
        const { [field]: _, ...without } = whole
        if (isRequired) t.throws(() => codec.decode(frameWith(without, type)), { code: 'MQ_BAD_FIELD', field, isMissing: true }, `${title}: ${field}`)
        else t.equal((codec.decode(frameWith(without, type)) as Record<string, unknown>)[field], undefined)
        for (const wrong of kind === 'I' ? ['x', '2147483648', '1.0', '-', '1'.repeat(30)] : kind === 'L' ? ['', 'x', '9300000000000000000', '99999999999999999999', '1n'] : []) {
          if (wrong === '' && type === HeaderType.binary) continue
          t.throws(() => codec.decode(frameWith({ ...whole, [field]: wrong }, type)), { code: 'MQ_BAD_FIELD', field, isMissing: false }, `${title}: ${field} = ${wrong}`)
        }
      }
    }
  }
})

t.test('numbers at their limits', async (t) => {
  const { request } = remoting.searchOffsetByTimestamp
  const timestamp = (value: string): number => request.decode(frameWith({ topic: 'T', queueId: '+3', timestamp: value })).timestamp
  t.equal(timestamp('9223372036854775807'), 2 ** 63, 'the largest long, as tools send it for "up to now"')
  t.equal(timestamp('-9223372036854775808'), -(2 ** 63))
  t.equal(timestamp('9007199254740991'), Number.MAX_SAFE_INTEGER)
  t.equal(timestamp('-0'), 0)
  t.ok(timestamp('1700000000000000001') <= timestamp('1700000000000000900'))
  for (const queueId of [2147483647, -2147483648]) t.equal(request.decode(frameWith({ topic: 'T', queueId, timestamp: 0 })).queueId, queueId)
})

t.test('booleans are what Java takes for true', async (t) => {
  for (const [value, expected] of [['true', true], ['TRUE', true], ['True', true], ['false', false], ['1', false], ['yes', false], ['truee', false]] as const) {
    t.equal(remoting.getBrokerConsumeStats.request.decode(frameWith({ isOrder: value })).isOrder, expected, value)
  }
})

const sendFields = fc.record({
  producerGroup: fc.string({ minLength: 1, maxLength: 40 }),
  topic: fc.string({ minLength: 1, maxLength: 300 }),
  defaultTopic: fc.constant('TBW102'),
  defaultTopicQueueNums: fc.nat(100),
  queueId: fc.integer(),
  sysFlag: fc.nat(),
  bornTimestamp: fc.maxSafeNat(),
  flag: fc.integer(),
  properties: fc.string({ minLength: 1, maxLength: 300, unit: fc.constantFrom('a', 'KEYS', '\u0001', '\u0002', '"', '\\', '中', '😀', '\n') }),
  reconsumeTimes: fc.nat(20),
  unitMode: fc.boolean(),
  maxReconsumeTimes: fc.nat(20),
  batch: fc.boolean()
}, { requiredKeys: ['producerGroup', 'topic', 'defaultTopic', 'defaultTopicQueueNums', 'queueId', 'sysFlag', 'bornTimestamp', 'flag'] })

t.test('the header of a send read in place is the header of a send', async (t) => {
  const header = new SendMessageHeader()
  const shortOf = (fields: object): ExtFields => Object.fromEntries(Object.entries(fields).map(([name, value]) => [shortNames[name]!, value]))
  fc.assert(fc.property(sendFields, fc.constantFrom(...types), fc.boolean(), fc.boolean(), (fields, type, isShort, isAscii) => {
    const extFields = isShort ? shortOf(fields) : fields
    const text = JSON.stringify({ code: 310, extFields, opaque: 1 }).replace(isAscii ? /[^ -~]/g : /$^/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    const frame = type === HeaderType.json ? frameOf(rawFrame(0, text, 'body')) : frameWith(extFields, type)
    header.read(frame)
    const { properties = '', bornTimestamp, reconsumeTimes = 0, maxReconsumeTimes = -1, unitMode = false, batch = false, ...same } = fields
    const read = Buffer.from(header.propertiesBytes.subarray(header.propertiesStart, header.propertiesEnd)).toString()
    return Object.entries(same).every(([name, value]) => header[name as 'topic'] === value) && header.bornTimestampMs === bornTimestamp && header.reconsumeTimes === reconsumeTimes &&
      header.maxReconsumeTimes === maxReconsumeTimes && header.unitMode === unitMode && header.batch === batch && read === properties &&
      Buffer.from(frame.bytes.subarray(frame.bodyStart, frame.end)).toString() === 'body'
  }), { numRuns: 1000 })
  t.throws(() => header.read(frameWith({ producerGroup: 'g', topic: 'T' })), { code: 'MQ_BAD_FIELD', field: 'defaultTopic' })
})

t.test('the header of a pull read in place is the header of a pull', async (t) => {
  const fields = documented.get('pullMessage')!.request
  const record = fc.record(Object.fromEntries(fields.map(([name, kind]) => [name, arbitraryOf[kind]!])), { requiredKeys: fields.filter(([,, isRequired]) => isRequired).map(([name]) => name) })
  fc.assert(fc.property(record, fc.constantFrom(...types), (value, type) => {
    const frame = frameWith(value as ExtFields, type)
    const generic = pullMessage.decode(frame)
    const { suspendTimeoutMs, proxyForwardClientId, maxMsgBytes, requestSource, ...same } = new PullMessageHeader().read(frame)
    return Object.entries(same).every(([name, read]) => read === generic[name as 'topic']) && suspendTimeoutMs === generic.suspendTimeoutMillis &&
      proxyForwardClientId === generic.proxyFrowardClientId && maxMsgBytes === (generic.maxMsgBytes ?? -1) && requestSource === (generic.requestSource ?? -1)
  }), { numRuns: 300 })
  t.pass()
})

t.test('texts that come again are the same, others are told apart', async (t) => {
  const topics = Array.from({ length: 5000 }, (_, i) => `topic-${i}-${'x'.repeat(i % 300)}`)
  for (const round of [1, 2]) {
    for (const topic of topics) if (remoting.getTopicConfig.request.decode(frameWith({ topic })).topic !== topic) t.fail(`${topic} in round ${round}`)
  }
})

t.test('every code has its own number', async (t) => {
  const codes = Object.values(RequestCode)
  t.equal(new Set(codes).size, codes.length)
  t.equal(remoting.requestCodeName(310), 'SEND_MESSAGE_V2')
  t.equal(remoting.requestCodeName(31_000), '31000')
  t.equal(remoting.responseCodeName(17), 'TOPIC_NOT_EXIST')
  const defined = new Set<number>([...definitions.map(([, { code }]) => code), 10, 310, 320, 324, 325, 11, 361])
  const laterOnes = [13, 37, 39, 60, 61, 323, 326, 400, 401, 402, 513, 1007, ...codes.filter((code) => code > 200_000)]
  t.same(codes.filter((code) => !defined.has(code) && !laterOnes.includes(code)), [], 'codes without a header')
})
