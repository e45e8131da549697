import { HeaderType, RequestCode, type ExtFields } from '../../lib/remoting/index.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { rawFrame, requestBytes, responseBytes } from './support.ts'

const text = 'KEYS\u0001k1 k2\u0002UNIQ_KEY\u00010A01020300002A9F0000000000000001\u0002TAGS\u0001中文\u0002'
const fieldSets: readonly ExtFields[] = [
  { a: 'group', b: 'TopicTest', c: 'TBW102', d: 4, e: 3, f: 0, g: 1_700_000_000_000, h: 0, i: text, j: 0, k: false, l: 16, m: false, n: 'broker-a' },
  { producerGroup: 'group', topic: '%RETRY%group', defaultTopic: 'TBW102', defaultTopicQueueNums: 4, queueId: -1, sysFlag: 0, bornTimestamp: 1, flag: 0, properties: text },
  { consumerGroup: 'g', topic: 'T', queueId: 3, queueOffset: 42, maxMsgNums: 32, sysFlag: 7, commitOffset: 1, suspendTimeoutMillis: 15_000, subscription: 'a || b', subVersion: '1700000000000000001', expressionType: 'TAG' },
  { topic: 'T', acceptStandardJsonOnly: true },
  { brokerName: 'b', brokerAddr: '1.2.3.4:10911', clusterName: 'c', haServerAddr: '', brokerId: 0, compressed: false, bodyCrc32: 7 },
  {}
]
/** Headers that only a hand writes. */
const oddHeaders = [
  '{"code":310,"extFields":{"a":"g","b":"\\u0054","e":3,"k":true,"x":null,"y":{"z":["]}"]}},"flag":0,"language":"KLINGON","opaque":"7","version":401}',
  ' { "extFields" : { } , "remark" : "\\"\\n\\u4e2d" , "opaque" : -1 , "code" : 34 } ',
  '{}'
]

/** Valid frames of every kind to begin with. */
export const corpus: readonly Buffer[] = [
  ...[HeaderType.json, HeaderType.binary].flatMap((type) => [
    ...fieldSets.flatMap((extFields) => [310, 10, 320, 11, 105, 103].map((code) => requestBytes(type, { code, extFields, remark: code === 103 ? 'remark' : '', body: Buffer.from('{"topicConfigTable":{}}') }))),
    responseBytes(type, { code: 17, remark: 'topic[中] not exist' }),
    requestBytes(type, { code: RequestCode.POP_MESSAGE })
  ]),
  ...oddHeaders.map((header) => rawFrame(0, header, 'body')),
  Buffer.concat([requestBytes(0, { code: 34 }), requestBytes(1, { code: 34 })])
]

const oddNumbers = [0, 1, 3, 4, 5, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0xff_ffff, 0x100_0000, 0x0100_0001, 0x7fff_ffff, -1, -2, -0x8000_0000]
const oddTexts = ['"', '\\', '{', '}', '[', ']', ':', ',', 'null', 'true', '-', '1e9', '\\u', '\\u00', '\\ud800', '9223372036854775808', '99999999999', '\u0000', '"extFields":{', ' '].map((piece) => Buffer.from(piece))
/** Where lengths are: of the frame and header, then of remark, extensions and the first key in a binary header. */
const lengthPlaces = [0, 4, 25, 29, 33, 35]

type Mutation = (bytes: Buffer, random: SeededRandom) => Buffer

const mutations: readonly Mutation[] = [
  (bytes, random) => {
    bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
    return bytes
  },
  (bytes, random) => {
    bytes[random.below(bytes.length)] = random.pick(oddNumbers) & 0xff
    return bytes
  },
  function lieAboutLength (bytes, random) {
    const at = random.chance(0.7) ? random.pick(lengthPlaces) : random.below(bytes.length)
    if (at + 4 > bytes.length) return bytes
    bytes.writeInt32BE(random.chance(0.5) ? random.pick(oddNumbers) : (bytes.readInt32BE(at) + random.below(9) - 4) | 0, at)
    return bytes
  },
  function replaceByText (bytes, random) {
    const piece = random.pick(oddTexts)
    bytes.set(piece.subarray(0, bytes.length), random.below(Math.max(1, bytes.length - piece.length)))
    return bytes
  },
  function insertText (bytes, random) {
    const at = random.below(bytes.length)
    return mended(Buffer.concat([bytes.subarray(0, at), random.pick(oddTexts), bytes.subarray(at)]), bytes.length, random)
  },
  function repeatRange (bytes, random) {
    const at = random.below(bytes.length)
    const end = Math.min(bytes.length, at + 1 + random.below(60))
    return mended(Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]), bytes.length, random)
  },
  function cutRange (bytes, random) {
    const at = random.below(bytes.length)
    return mended(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(40))]), bytes.length, random)
  },
  function splice (bytes, random) {
    const other = random.pick(corpus)
    return Buffer.concat([bytes.subarray(0, random.below(bytes.length)), other.subarray(random.below(other.length))])
  },
  (bytes, random) => bytes.subarray(0, 1 + random.below(bytes.length))
]

/** Often makes the lengths in the prefix fit again what grew or shrank, so that the change is seen behind them. */
function mended (bytes: Buffer, lengthBefore: number, random: SeededRandom): Buffer {
  if (bytes.length < 8 || random.chance(0.2)) return bytes
  const grown = bytes.length - lengthBefore
  bytes.writeInt32BE((bytes.readInt32BE(0) + grown) | 0, 0)
  bytes.writeInt32BE((bytes.readInt32BE(4) + grown) | 0, 4)
  return bytes
}

/** A frame of the corpus with one to four changes that know what a frame is made of. */
export function mutatedFrame (random: SeededRandom): Buffer {
  let bytes: Buffer = Buffer.from(random.pick(corpus))
  for (let changes = random.chance(0.6) ? 1 : 2 + random.below(3); changes > 0 && bytes.length > 0; changes--) bytes = random.pick(mutations)(bytes, random)
  return bytes
}
