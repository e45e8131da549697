import fc from 'fast-check'
import t, { type Test } from 'tap'
import { isMqError } from '../../lib/base/index.ts'
import {
  encodeJson, JsonDouble, jsonArray, jsonBoolean, jsonInt, jsonLimits, jsonLong, jsonMap, jsonText, objectKey, parseJson, writeJson, type JsonFields, type JsonKey, type JsonMap, type JsonOutput, type JsonValue
} from '../../lib/message/index.ts'

/** As plain values, to compare with. */
function plain (value: JsonValue): unknown {
  if (value instanceof Map) return [...value].map(([key, item]) => [typeof key === 'string' ? key : plain(key), plain(item)])
  return Array.isArray(value) ? value.map(plain) : value
}

/** What JSON.parse makes of it, in the same form. */
function pairs (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pairs)
  return typeof value === 'object' && value !== null ? Object.entries(value).map(([key, item]) => [key, pairs(item)]) : value
}

const reads = (text: string) => plain(parseJson(text))
const refuses = (t: Test, text: string | Uint8Array, match: RegExp, limits = jsonLimits) => {
  try {
    parseJson(text, limits)
    t.fail(`was read: ${String(text).slice(0, 80)}`)
  } catch (error) {
    t.ok(isMqError(error, 'MQ_INVALID_ARGUMENT'), String(error))
    t.match(String(error), match)
  }
}

t.test('reads whatever is JSON as JSON.parse does', async (t) => {
  fc.assert(fc.property(fc.json({ maxDepth: 6 }), fc.boolean(), (text, blanks) => {
    const source = blanks ? JSON.stringify(JSON.parse(text), null, 2) : text
    // -0 and integers beyond 2^53 are told apart on purpose
    const value = JSON.parse(source, (_, item) => typeof item === 'number' && (Object.is(item, -0) || Math.abs(item) > Number.MAX_SAFE_INTEGER) ? 0 : item)
    const ours = plain(parseJson(source))
    t.same(JSON.stringify(ours, (_, item) => typeof item === 'bigint' || (typeof item === 'number' && Math.abs(item) > Number.MAX_SAFE_INTEGER) ? 0 : item), JSON.stringify(pairs(value)))
  }), { numRuns: 2000 })
})

t.test('reads what fastjson writes and JSON.parse refuses', async (t) => {
  t.same(reads('{0:"a",-1:"b",name:1}'), [['0', 'a'], ['-1', 'b'], ['name', 1]])
  t.same(reads('{\'it\':\'is "so"\',}'), [['it', 'is "so"']])
  t.same(reads('[1,,2,]'), [1, 2])
  t.same(reads('{"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:5,{"brokerName":"b","queueId":1,"topic":"T"}:6}}'),
    [['offsetTable', [[[['brokerName', 'b'], ['queueId', 0], ['topic', 'T']], 5], [[['brokerName', 'b'], ['queueId', 1], ['topic', 'T']], 6]]]])
  t.same(reads('"\\x41\\u0042\\/\\v"'), 'AB/\v')
  t.same(reads('\ufeff{"a":NaN}'), [['a', null]])
})

t.test('integers stay exact', async (t) => {
  t.equal(parseJson('9007199254740991'), Number.MAX_SAFE_INTEGER)
  t.equal(parseJson('1700000000000000123'), 1700000000000000123n)
  t.equal(parseJson('-9223372036854775808'), -9223372036854775808n)
  t.equal(parseJson('-0'), 0)
  t.equal(jsonLong(parseJson('"1700000000000000123"')), 1700000000000000123n)
})

t.test('references stand for what was read before, and never make a value contain itself', async (t) => {
  const list = jsonArray(jsonMap(parseJson('{"list":[{"a":{"b":1}},{"$ref":"$.list[0].a"}]}'))!.get('list'))!
  t.equal(list[1], jsonMap(list[0])!.get('a'))
  const info = jsonMap(parseJson('{"pop":{{"queueId":3}:{"n":1}},"mq":{{"$ref":"$.pop.null"}:{"n":2}}}'))!
  t.equal([...jsonMap(info.get('mq'))!.keys()][0], [...jsonMap(info.get('pop'))!.keys()][0])
  for (const path of ['$', '$.a', '@', '..', '$.nothing', '$.a.b', '$.list[7]', '']) {
    t.same(reads(`{"a":{"b":{"$ref":"${path}"}}}`), [['a', [['b', [['$ref', path]]]]]], `unresolved: ${path}`)
  }
  t.same(reads('{"pop":{{"q":1}:1,{"q":2}:2},"key":{"$ref":"$.pop.null"}}'), [['pop', [[[['q', 1]], 1], [[['q', 2]], 2]]], ['key', [['$ref', '$.pop.null']]]], 'which key is not certain')
})

t.test('what is no JSON, or too much of it, is refused', async (t) => {
  for (const text of ['', ' ', '{', '[', '"', '{"a"}', '{"a":}', '[1 2]', '{"a":1}}', '"\\u12"', '"\\', '{,:1}', 'hello', '{[1]:2}', '1 1', '-', '{"a":1 "b":2}', '\'']) refuses(t, text, /not JSON/)
  refuses(t, '['.repeat(65) + ']'.repeat(65), /nested deeper than 64/)
  t.ok(parseJson('['.repeat(64) + ']'.repeat(64)))
  refuses(t, '[' + '{},'.repeat(20) + ']', /more than 10 objects/, { ...jsonLimits, maxContainers: 10 })
  refuses(t, '{{}:1,{}:2,{}:3}', /more than 3 objects/, { ...jsonLimits, maxContainers: 3 })
  refuses(t, new Uint8Array(101), /longer than 100/, { ...jsonLimits, maxBytes: 100 })
  refuses(t, '1'.repeat(500), /too long/)
})

t.test('fields as Java takes them', async (t) => {
  t.same(['x', 5, 5n, true, null, undefined, [], new Map()].map(jsonText), ['x', '5', '5', 'true', undefined, undefined, undefined, undefined])
  t.same(['6', 6, '6.5', 6.5, 2 ** 31, -(2 ** 31), 'x', '', null, 2 ** 60].map(jsonInt), [6, 6, undefined, undefined, undefined, -(2 ** 31), undefined, undefined, undefined, undefined])
  t.same([true, 'true', 1, 'false', 0, 'yes', null].map(jsonBoolean), [true, true, true, false, false, undefined, undefined])
  t.equal(objectKey('{"queueId":1}')!.get('queueId'), 1, 'written as text with JSON inside')
  t.equal(objectKey('plain'), undefined)
  t.equal(objectKey('{broken'), undefined)
  t.equal(objectKey('{"a":1}x'), undefined)
})

const mq = { topic: 'T', queueId: 0, brokerName: 'b' }

t.test('two shapes of the same value', async (t) => {
  const value: JsonOutput = {
    b: new Map<number, string>([[2, 'two'], [10, 'ten'], [0, 'zero']]), a: [1, undefined, 2n ** 60n], nothing: null, no: undefined, name: '中文"\u0001', tps: new JsonDouble(0)
  }
  t.equal(writeJson(value), '{"a":[1,null,1152921504606846976],"b":{2:"two",10:"ten",0:"zero"},"name":"中文\\"\\u0001","tps":0.0}')
  t.equal(writeJson(value, 'standard'), '{"a":[1,null,1152921504606846976],"b":{"0":"zero","2":"two","10":"ten"},"name":"\\u4E2D\\u6587\\"\\u0001","tps":0.0}')
  const offsets = { offsetTable: new Map([[mq, { maxOffset: 5 }]]) }
  t.equal(writeJson(offsets), '{"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:{"maxOffset":5}}}')
  t.equal(writeJson(offsets, 'standard'), '{"offsetTable":{"{\\"brokerName\\":\\"b\\",\\"queueId\\":0,\\"topic\\":\\"T\\"}":{"maxOffset":5}}}')
  t.equal(writeJson({ t: new Map([['b', 1], ['a', 2]]) }), '{"t":{"b":1,"a":2}}', 'maps keep their order')
  t.equal(writeJson({ t: new Map([['b', 1], ['a', 2]]) }, 'standard'), '{"t":{"a":2,"b":1}}')
  t.equal(writeJson([NaN, new JsonDouble(Infinity), new JsonDouble(1.5), -0]), '[null,null,1.5,0]')
  t.same(Buffer.from(encodeJson('ü')).toString(), '"ü"')
  t.same(Buffer.from(encodeJson('ü', 'standard')).toString(), '"\\u00FC"')
})

t.test('what is written reads back, in both shapes', async (t) => {
  const key = fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.record({ queueId: fc.integer(), topic: fc.string() }))
  const leaf = fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.boolean(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }), fc.constantFrom(0.5, -1.25, 1e300))
  const textOf = (name: JsonKey | number | object) => typeof name === 'object' ? `object ${writeJson(name as JsonFields)}` : String(name)
  fc.assert(fc.property(fc.array(fc.tuple(key, leaf), { maxLength: 5 }), fc.constantFrom('fastjson' as const, 'standard' as const), (items, shape) => {
    const read = jsonMap((parseJson(writeJson({ value: new Map(items) }, shape)) as JsonMap).get('value'))!
    // of equal keys the last one counts
    const ours = new Map([...read].map(([name, item]) => [textOf(objectKey(name) ?? name), item]))
    const theirs = new Map(items.map(([name, item]) => [textOf(name), item]))
    t.same(ours, theirs)
  }), { numRuns: 500 })
})
