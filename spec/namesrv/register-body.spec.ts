import { deflateSync, inflateSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { isMqError } from '../../lib/base/index.ts'
import { decodeRegisterBody, encodeCompressedRegisterBody, encodeRegisterBody, type RegisterBody } from '../../lib/namesrv/index.ts'
import { topicConfig } from './support.ts'

const limits = { maxBytes: 1024 * 1024, maxTopics: 1000 }
const decode = (bytes: Uint8Array | string, version = 479) => decodeRegisterBody(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, version, limits)

const body: RegisterBody = {
  dataVersion: { stateVersion: 7, timestamp: 1_700_000_000_000, counter: 3 },
  topics: new Map([
    ['TBW102', topicConfig('TBW102', { perm: 7 })],
    ['%RETRY%g', topicConfig('%RETRY%g', { readQueueNums: 1, writeQueueNums: 1, attributes: { 'message.type': 'FIFO' } })]
  ]),
  filterServers: ['10.0.0.1:9000'],
  mappings: []
}
const mapping = { topic: 'S', bname: 'broker-a', scope: '__global__', totalQueues: 2, epoch: 1_700_000_000_000_000_123n, dirty: false, currIdMap: new Map([[0, 1], [1, 0]]) }

t.test('the JSON is byte for byte what RocketMQ writes', async (t) => {
  t.equal(Buffer.from(encodeRegisterBody({ ...body, topics: new Map([['T', topicConfig('T')]]), filterServers: [] })).toString(),
    '{"filterServerList":[],"topicConfigSerializeWrapper":{"dataVersion":{"counter":3,"stateVersion":7,"timestamp":1700000000000},' +
    '"mappingDataVersion":{"counter":0,"stateVersion":0,"timestamp":0},' +
    '"topicConfigTable":{"T":{"attributes":{},"order":false,"perm":6,"readQueueNums":8,"topicFilterType":"SINGLE_TAG","topicName":"T","topicSysFlag":0,"writeQueueNums":8}},' +
    '"topicQueueMappingDetailMap":{},"topicQueueMappingInfoMap":{}}}')
})

t.test('what is encoded decodes to the same, in both layouts', async (t) => {
  t.same(decode(encodeRegisterBody({ ...body, mappings: [mapping] })), { ...body, mappings: [mapping] })
  t.same(decode(encodeCompressedRegisterBody({ ...body, mappings: [mapping] })), { ...body, mappings: [mapping] })
})

t.test('the compressed layout, piece by piece', async (t) => {
  const unfolded = inflateSync(encodeCompressedRegisterBody(body)).toString('latin1')
  const piece = (text: string) => String.fromCharCode(0, 0, text.length >> 8, text.length & 255) + text
  t.equal(unfolded, piece('{"counter":3,"stateVersion":7,"timestamp":1700000000000}') + '\0\0\0\x02' + piece('TBW102 8 8 7 SINGLE_TAG {}') +
    piece('%RETRY%g 1 1 6 SINGLE_TAG {"message.type":"FIFO"}') + piece('["10.0.0.1:9000"]') + '\0\0\0\0')
})

t.test('the section of mappings is there from version 413 on', async (t) => {
  const whole = inflateSync(encodeCompressedRegisterBody(body))
  const old = deflateSync(whole.subarray(0, -4))
  t.same(decode(old, 412), body)
  t.same(decode(old, 479), body, 'its absence is no error')
  t.same(decode(deflateSync(Buffer.concat([whole.subarray(0, -4), Buffer.from('whatever')])), 412), body, 'not read in older ones')
})

t.test('an empty body, an old one, and fields that are missing', async (t) => {
  const none = { dataVersion: { stateVersion: 0, timestamp: 0, counter: 0 }, topics: new Map(), filterServers: [], mappings: [] }
  t.same(decode(''), none)
  t.same(decode('{}'), none)
  t.same([...decode('{"topicConfigTable":{"T":{}},"dataVersion":{"counter":"5"}}').topics.values()], [topicConfig('T', { readQueueNums: 16, writeQueueNums: 16 })])
  t.equal(decode('{"topicConfigTable":{},"dataVersion":{"counter":"5"}}').dataVersion.counter, 5)
  t.same([...decode('{topicConfigSerializeWrapper:{topicConfigTable:{"key":{topicName:"name",perm:"4"}}}}').topics.keys()], ['name'])
})

t.test('bodies that are malformed or too much are refused', async (t) => {
  refuses(t, '[]', /no JSON object/)
  refuses(t, 'x', /zlib/)
  refuses(t, deflateSync('').subarray(0, 4), /zlib/)
  refuses(t, '{"topicConfigTable":{"T":5}}', /no object/)
  refuses(t, '{"topicConfigTable":{"T":{"readQueueNums":-1}}}', /out of range: "T"/)
  refuses(t, `{"topicConfigTable":{"${'x'.repeat(256)}":{}}}`, /out of range/)
  refuses(t, '{"topicConfigTable":{"":{}}}', /out of range/)
  refuses(t, new Uint8Array(limits.maxBytes + 1), /longer than/)
  refuses(t, deflateSync(new Uint8Array(limits.maxBytes + 1)), /longer than/)
  const many = new Map(Array.from({ length: 1001 }, (_, i) => [`T${i}`, topicConfig(`T${i}`)] as const))
  refuses(t, encodeRegisterBody({ ...body, topics: many }), /more than 1000 topics/)
  refuses(t, encodeCompressedRegisterBody({ ...body, topics: many }), /more than 1000 topics/)
  refuses(t, encodeRegisterBody({ ...body, filterServers: Array.from({ length: 101 }, String) }), /filter servers/)
  const lie = (...ints: number[]) => deflateSync(Buffer.concat([Buffer.from('\0\0\0\x02{}'), ...ints.map((int) => Buffer.from(Int32Array.of(int).buffer).swap32())]))
  refuses(t, lie(), /ends within a length/)
  refuses(t, lie(0x7fffffff), /2147483647 pieces/)
  refuses(t, lie(-1), /-1 pieces/)
  refuses(t, lie(1, 0x7fffffff), /piece of 2147483647 bytes/)
  refuses(t, lie(1, -5), /piece of -5 bytes/)
  refuses(t, lie(1, 0), /too few words/)
})

function refuses (t: Test, bytes: Uint8Array | string, match: RegExp): void {
  try {
    decode(bytes)
    t.fail('was taken')
  } catch (error) {
    t.ok(isMqError(error, 'MQ_INVALID_ARGUMENT'), String(error))
    t.match(String(error), match)
  }
}
