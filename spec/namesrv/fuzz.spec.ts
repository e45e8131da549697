import { deflateSync, inflateSync } from 'node:zlib'
import t from 'tap'
import { MemoryDisk, VirtualClock } from '../../lib/adapters/index.ts'
import { isMqError } from '../../lib/base/index.ts'
import { effectiveConfig, RunningConfig } from '../../lib/config/index.ts'
import { parseJson } from '../../lib/message/index.ts'
import { decodeRegisterBody, encodeCompressedRegisterBody, encodeRegisterBody, NameServer } from '../../lib/namesrv/index.ts'
import { HeaderType, type Processor, type RemotingConnection, type RemotingServer } from '../../lib/remoting/index.ts'
import { frameOf, requestBytes } from '../remoting/support.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { registrationOf, topicConfig } from './support.ts'

t.setTimeout(240_000)

const seed = Number(process.env.SEED ?? 1)
const cases = Number(process.env.CASES ?? 100_000)
/** No single small input may take longer; far above what any needs, for machines that do other work. */
const MAX_MS = 10_000
/** CPU time for 16 MiB that are made to cost as much as possible. */
const MAX_CPU_MS = 5000

const jsonPieces = ['{', '}', '[', ']', ':', ',', '"', '\'', '\\', '{}', '[]', '0', '-1', '1e400', '9223372036854775807', '99999999999999999999', 'null', 'true', '"$ref":"$"', '{"$ref":"$.a.null"}',
  '{{"a":1}:2}', '"__proto__":', '"constructor":', '"topicName":', '\\u', '\\ud800', '\0', '\ufeff', '中', ' ', '/*', '0:', '"stateVersion":-', '[[[[[[[[', '{"a":{"a":{"a":', '"attributes":{', 'NaN', '1.5.', '--1']

/** A few damages: bytes flipped, pieces cut, doubled, moved or put in. */
function damagedText (chance: SeededRandom, text: string): string {
  for (let times = 1 + chance.below(4); times > 0; times--) {
    const at = chance.below(text.length + 1)
    const to = Math.min(text.length, at + chance.below(12))
    switch (chance.below(5)) {
      case 0: text = text.slice(0, at) + String.fromCharCode(chance.below(300)) + text.slice(at + 1); break
      case 1: text = text.slice(0, at) + text.slice(to); break
      case 2: text = text.slice(0, to) + text.slice(at); break
      case 3: text = text.slice(0, at) + chance.pick(jsonPieces) + text.slice(at); break
      default: text = text.slice(0, at)
    }
  }
  return text
}

const edges = [0, 1, -1, 4, 127, 255, 256, 65_535, 0x7fffffff, -0x80000000, 0x10000]

function damagedBytes (chance: SeededRandom, source: Uint8Array): Uint8Array {
  const bytes = Buffer.from(source)
  for (let times = 1 + chance.below(4); times > 0 && bytes.length >= 4; times--) {
    const at = chance.below(bytes.length - 3)
    if (chance.below(2) === 0) bytes[at] = chance.below(256)
    else bytes.writeInt32BE(chance.pick(edges), at)
  }
  return chance.below(4) === 0 ? bytes.subarray(0, chance.below(bytes.length + 1)) : bytes
}

const bodies = [
  registrationOf().body,
  registrationOf({ topics: [topicConfig('T', { attributes: { 'message.type': 'FIFO' } }), '%RETRY%g', '中文'], filterServers: ['f:1'], term: 2 ** 53 - 1 }).body,
  { ...registrationOf().body, mappings: [{ topic: 'S', bname: 'broker-a', scope: 'g', totalQueues: 2, epoch: 5n, dirty: true, currIdMap: new Map([[0, 1]]) }] }
]
const jsonBodies = bodies.map((body) => Buffer.from(encodeRegisterBody(body)).toString())
const packedBodies = bodies.map((body) => inflateSync(encodeCompressedRegisterBody(body)))
const limits = { maxBytes: 100_000, maxTopics: 100 }

/** Runs `fn` for that many cases; anything it throws must be a refusal. */
function fuzz (count: number, fn: (chance: SeededRandom, i: number) => void): { readonly refused: number, readonly slowestMs: number } {
  let refused = 0
  let slowestMs = 0
  for (let i = 0; i < count; i++) {
    const chance = new SeededRandom(seed * 1_000_003 + i)
    const startMs = performance.now()
    try {
      fn(chance, i)
    } catch (error) {
      if (!isMqError(error, 'MQ_INVALID_ARGUMENT')) throw new Error(`SEED=${seed} case ${i}`, { cause: error })
      refused++
    }
    slowestMs = Math.max(slowestMs, performance.now() - startMs)
  }
  return { refused, slowestMs }
}

t.test('JSON: read or refused, nothing else', async (t) => {
  const { refused, slowestMs } = fuzz(cases, (chance) => { parseJson(damagedText(chance, chance.pick(jsonBodies))) })
  t.ok(refused > cases / 10 && refused < cases, `${refused} of ${cases} refused`)
  t.ok(slowestMs < MAX_MS, `${slowestMs} ms`)
})

t.test('JSON of nothing but pieces', async (t) => {
  const { slowestMs } = fuzz(cases, (chance) => { parseJson(Array.from({ length: chance.below(30) }, () => chance.pick(jsonPieces)).join('')) })
  t.ok(slowestMs < MAX_MS, `${slowestMs} ms`)
})

t.test('registrations, as JSON and compressed', async (t) => {
  const { refused, slowestMs } = fuzz(cases / 2, (chance, i) => {
    const version = chance.pick([0, 412, 413, 479])
    if (i % 8 > 1) decodeRegisterBody(Buffer.from(damagedText(chance, chance.pick(jsonBodies))), version, limits)
    else if (i % 8 === 1) decodeRegisterBody(deflateSync(damagedBytes(chance, chance.pick(packedBodies)), { level: 1 }), version, limits)
    else decodeRegisterBody(damagedBytes(chance, deflateSync(chance.pick(packedBodies), { level: 1 })), version, limits)
  })
  t.ok(refused > cases / 20 && refused < cases / 2, `${refused} of ${cases / 2} refused`)
  t.ok(slowestMs < MAX_MS, `${slowestMs} ms`)
})

t.test('what costs much by design of the input', async (t) => {
  const worst: Record<string, string> = {
    containers: '[' + '{},'.repeat(5_000_000) + ']',
    numbers: '[' + '1,'.repeat(8_000_000) + ']',
    references: `{"a":{${'{}:1,'.repeat(60_000)}},"b":[${'{"$ref":"$.a.null"},'.repeat(120_000)}]}`,
    paths: `{"a":{"b":1},"c":[${`{"$ref":"$${'.a'.repeat(30)}"},`.repeat(100_000)}]}`,
    escapes: '"' + '\\n'.repeat(8_000_000) + '"',
    halves: '"' + '\\u00'.repeat(4_000_000) + '"',
    depth: '['.repeat(16_000_000),
    commas: '['.concat(','.repeat(16_000_000), ']'),
    digits: '1'.repeat(16_000_000)
  }
  for (const [name, text] of Object.entries(worst)) {
    const before = process.cpuUsage()
    try { parseJson(text) } catch (error) { t.ok(isMqError(error, 'MQ_INVALID_ARGUMENT'), name) }
    const { user, system } = process.cpuUsage(before)
    t.ok((user + system) / 1000 < MAX_CPU_MS, `${name}: ${(user + system) / 1000} ms`)
  }
})

t.test('requests of every code, with fields and bodies of all kinds: an answer or an error, and bounded memory', async (t) => {
  const processors = new Map<number, Processor>()
  const server = { handle: (code: number, processor: Processor) => processors.set(code, processor) } as unknown as RemotingServer
  const disk = new MemoryDisk()
  const clock = new VirtualClock()
  const config = new RunningConfig(effectiveConfig('namesrv', { files: [{ name: 'spec', content: 'notifyMinBrokerIdChanged=true\nsupportActingMaster=true\norderMessageEnable=true' }] }), disk)
  const nameServer = await NameServer.open({ clock, disk, server, config, limits: { maxBrokers: 50, maxRoutes: 500, maxKvConfigBytes: 10_000 } })
  const connections = Array.from({ length: 5 }, () => ({ onClose () {}, close () {} }) as unknown as RemotingConnection)
  const codes = [...processors.keys()]
  const values = ['T', 'broker-a', 'broker-b', 'DefaultCluster', '10.0.0.1:10911', '10.0.0.2:10911', '', '0', '1', '-1', '9999999999999999999', '1e3', 'true', 'x'.repeat(300), '中', '\0', '__proto__', 'constructor']
  const names = ['topic', 'brokerName', 'brokerAddr', 'clusterName', 'haServerAddr', 'brokerId', 'heartbeatTimeoutMillis', 'enableActingMaster', 'namespace', 'key', 'value', 'cluster', '__ZONE_NAME', '__ZONE_MODE']
  const sound: Record<string, string> = { topic: 'T', brokerName: 'broker-a', brokerAddr: '10.0.0.1:10911', clusterName: 'C', haServerAddr: 'h:1', brokerId: '0', namespace: 'n', key: 'k', value: 'v', cluster: 'C' }
  const others = ['{"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":1}]}', '{"counter":1,"stateVersion":1,"timestamp":1700000000000}', 'enableTopicList=true', 'orderMessageEnable=perhaps']
  const answers = new Map<number, number>()
  const pending: Array<Promise<unknown>> = []
  const heapBefore = process.memoryUsage().heapUsed
  for (let i = 0; i < cases / 2; i++) {
    const chance = new SeededRandom(seed * 7_000_003 + i)
    const fields = { ...sound }
    for (let times = chance.below(4); times > 0; times--) {
      if (chance.below(4) === 0) delete fields[chance.pick(names)]
      else fields[chance.pick(names)] = chance.pick(values)
    }
    const whole = chance.pick([...jsonBodies, ...others])
    const body = chance.below(8) === 0 ? deflateSync(damagedBytes(chance, chance.pick(packedBodies))) : Buffer.from(chance.below(2) === 0 ? whole : damagedText(chance, whole))
    const code = chance.pick(codes)
    const request = frameOf(requestBytes(chance.pick([HeaderType.json, HeaderType.binary]), { code, extFields: fields, body: chance.below(8) === 0 ? undefined : body, version: chance.pick([1, 400, 401, 479]) }))
    try {
      const answer = processors.get(code)!(request, chance.pick(connections))
      if (answer instanceof Promise) pending.push(answer.catch((error: unknown) => { if (!isRefusal(error)) throw error }))
      else answers.set(answer!.code, (answers.get(answer!.code) ?? 0) + 1)
    } catch (error) {
      if (!isRefusal(error)) throw new Error(`SEED=${seed} case ${i} code ${code}`, { cause: error })
    }
    if (i % 1000 === 0) await Promise.all(pending.splice(0))
    if (i % 5000 === 0) await clock.advance(60_000)
  }
  await Promise.all(pending)
  t.ok(answers.get(0)! > cases / 20, JSON.stringify([...answers]))
  t.ok(nameServer.table.brokerCount <= 50)
  t.ok(nameServer.table.routeCount <= 500)
  t.ok(process.memoryUsage().heapUsed - heapBefore < 64 * 1024 * 1024)
  await nameServer.close()
})

/** What the connection answers with SYSTEM_ERROR and the text: a request that is wrong, not a program that is. */
function isRefusal (error: unknown): boolean {
  return isMqError(error, 'MQ_INVALID_ARGUMENT') || isMqError(error, 'MQ_BAD_FIELD')
}
