import t, { type Test } from 'tap'
import { MemoryDisk, MemoryKv, noLock, NodeRandom, VirtualClock } from '../../lib/adapters/index.ts'
import { DEFAULT_DELAY_LEVELS, parseDelayLevels, type Engine, type EngineOptions, type SentBack } from '../../lib/engine/index.ts'
import { bodyCrcOf, decodeProperties, type RecordView } from '../../lib/message/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { get, groupConfig, openEngine, pass, put, soon, topicConfig, wireMessage } from './wire.ts'

const levels = parseDelayLevels(DEFAULT_DELAY_LEVELS)
const RETRY = '%RETRY%g'
const DLQ = '%DLQ%g'

async function open (t: Test, clock: VirtualClock, options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = await openEngine(clock, options)
  t.teardown(() => engine.close())
  return engine
}

function sendBack (engine: Engine, record: RecordView, delayLevel = 0): Promise<SentBack> {
  return engine.sendBack({ record, group: 'g', delayLevel, levels, retryTopic: engine.topicPlanned(topicConfig(RETRY, 1)), deadLetterTopic: engine.topicPlanned(topicConfig(DLQ, 1)) })
}

t.test('a delayed message is one entry, invisible until it is due, then reads as if it were sent then', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock)
  const first = await put(engine, 'orders', wireMessage('first'))
  const { lastIndex } = engine.stats().log
  const delayed = await put(engine, 'orders', wireMessage('later', { delayMs: 10_000, tags: 'T' }))
  t.equal(engine.stats().log.lastIndex, lastIndex + 1)
  t.equal(delayed.queueOffset, -1)
  await put(engine, 'orders', wireMessage('second'))
  t.same((await get(engine, { topic: 'orders' })).bodies, ['first', 'second'])
  t.equal(await engine.reads.viewMessage(delayed.physicalOffset), undefined)
  t.equal(engine.store.delays.pendingCount, 1)
  await pass(clock, 9_000)
  t.same(engine.reads.rangeOf('orders', 0), { minOffset: 0, maxOffset: 2 })
  await pass(clock, 1_000)
  t.same(engine.reads.rangeOf('orders', 0), { minOffset: 0, maxOffset: 3 })
  const { records } = await get(engine, { topic: 'orders', fromOffset: 2 })
  t.match(records[0], { queueOffset: 2, queueId: 0, topic: 'orders', physicalOffset: delayed.physicalOffset, bodyCrc: bodyCrcOf(Buffer.from('later')) })
  t.ok(records[0]!.storeTimestampMs >= 1_010_000 && records[0]!.storeTimestampMs < 1_011_000)
  const [read] = await engine.read({ topic: 'orders', queueId: 0, fromOffset: 2, maxMessages: 1 })
  t.match(read!.record, { queueOffset: 2, storeTimestampMs: records[0]!.storeTimestampMs })
  t.match(await engine.reads.viewMessage(delayed.physicalOffset), { topic: 'orders', queueId: 0, queueOffset: 2, record: { queueOffset: 2 } })
  t.match(await engine.reads.viewMessage(first.physicalOffset), { queueOffset: 0 })
  t.same((await get(engine, { topic: 'orders', tagsCodes: new Set([84]) })).bodies, ['later'])
  t.equal(engine.store.delays.pendingCount, 0)
  t.equal(await engine.reads.searchOffset('orders', 0, 1_009_000), 2)
})

t.test('order of time, then of sends; between messages that are sent at the same moment', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock)
  await Promise.all([['c', 3000], ['a', 1000], ['d', 3000], ['b', 2000]].map(([body, delayMs]) => put(engine, 'orders', wireMessage(body as string, { delayMs: delayMs as number }))))
  await pass(clock, 3000)
  t.same((await get(engine, { topic: 'orders' })).bodies, ['a', 'b', 'c', 'd'])
  const sends = [put(engine, 'orders', wireMessage('e')), put(engine, 'orders', wireMessage('f', { delayMs: 1 })), put(engine, 'orders', wireMessage('g'))]
  await Promise.all(sends)
  await pass(clock, 5)
  t.same((await get(engine, { topic: 'orders' })).bodies, ['a', 'b', 'c', 'd', 'e', 'g', 'f'])
})

t.test('send-back: a new message for the retry topic, a level later each time, in the end a dead letter', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock)
  await engine.config.putGroups([{ config: { ...groupConfig('g'), retryMaxTimes: 2 } }])
  await put(engine, 'orders', wireMessage('work', { properties: Buffer.from('KEYS\x01k\x02TAGS\x01T\x02UNIQ_KEY\x01u\x02user\x01x\x02'), sysFlag: 1 }))
  let { records: [record] } = await get(engine, { topic: 'orders' })
  const { lastIndex } = engine.stats().log
  t.equal(await sendBack(engine, record!), 'retry')
  t.equal(engine.stats().log.lastIndex, lastIndex + 1, 'with the retry topic')
  const origin = (await engine.reads.units('orders', 0, 0, 1))[0]!.physicalOffset
  t.same((await get(engine, { topic: RETRY })).result.status, 'NO_MESSAGE_IN_QUEUE')
  await pass(clock, 10_000)
  ;({ records: [record] } = await get(engine, { topic: RETRY }))
  t.match(record, { topic: RETRY, queueOffset: 0, reconsumeTimes: 1, sysFlag: 1, bodyCrc: bodyCrcOf(Buffer.from('work')), bornTimestampMs: 1_600_000_000_000 })
  const id = `7F00000100002A9F${origin.toString(16).toUpperCase().padStart(16, '0')}`
  t.same(Object.fromEntries(decodeProperties(record!.propertiesText)), { KEYS: 'k', TAGS: 'T', UNIQ_KEY: 'u', user: 'x', DELAY: '3', RETRY_TOPIC: 'orders', ORIGIN_MESSAGE_ID: id })
  const viewed = await engine.reads.viewMessage(record!.physicalOffset)
  t.equal(await sendBack(engine, viewed!.record), 'retry')
  await pass(clock, 29_000)
  t.equal(engine.reads.rangeOf(RETRY, 0).maxOffset, 1)
  await pass(clock, 1_000)
  ;({ records: [record] } = await get(engine, { topic: RETRY, fromOffset: 1 }))
  t.match(record, { reconsumeTimes: 2, queueOffset: 1 })
  t.equal(decodeProperties(record!.propertiesText).get('DELAY'), '4')
  t.equal(await sendBack(engine, record!), 'dead-letter')
  ;({ records: [record] } = await get(engine, { topic: DLQ }))
  t.match(record, { reconsumeTimes: 3, topic: DLQ })
  t.match(Object.fromEntries(decodeProperties(record!.propertiesText)), { DELAY: '0', RETRY_TOPIC: 'orders', ORIGIN_MESSAGE_ID: id, KEYS: 'k' })
})

t.test('send-back: a level asked for, given up at once, no retries, no group', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock)
  await put(engine, 'orders', wireMessage('work'))
  const { records: [record] } = await get(engine, { topic: 'orders' })
  await t.rejects(sendBack(engine, record!), { code: 'MQ_GROUP_NOT_FOUND' })
  await engine.config.putGroups([{ config: groupConfig('g') }])
  t.equal(await sendBack(engine, record!, 1), 'retry')
  await pass(clock, 1000)
  t.equal((await get(engine, { topic: RETRY })).records.length, 1)
  t.equal(await sendBack(engine, record!, -1), 'dead-letter')
  t.equal(await sendBack(engine, record!, 99), 'retry')
  await pass(clock, 7_200_000)
  t.equal((await get(engine, { topic: RETRY })).records.length, 2, 'the last level')
  await engine.config.putGroups([{ config: { ...groupConfig('g'), retryQueueNums: 0 } }])
  t.equal(await sendBack(engine, record!), 'dropped')
})

t.test('delayed messages are there after a restart, whenever that is', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const ports = { disk: new MemoryDisk(), kv: new MemoryKv(), clock, random: new NodeRandom(), lock: noLock }
  const options = { directory: '/data', ports, storeSettings: { unpersistedBytes: 2000, baseDumpBytes: 20_000 } }
  let engine = await openEngine(clock, options)
  // seconds, hours, days
  const delays = Array.from({ length: 400 }, (_, i) => i % 4 === 0 ? 1000 * (i + 1) : i % 4 === 1 ? 3_600_000 * (i % 50 + 1) : i % 4 === 2 ? 86_400_000 * (i % 20 + 3) : 500)
  for (let i = 0; i < 20; i++) await Promise.all(delays.slice(20 * i, 20 * i + 20).map((delayMs, k) => put(engine, 'orders', wireMessage(`${20 * i + k}`, { delayMs }))))
  const expected = delays.map((delayMs, i) => ({ i, delayMs })).sort((a, b) => a.delayMs - b.delayMs || a.i - b.i)
  for (const [at, stepMs, restart] of [[600, 600, true], [200_000, 20_000, false], [401_000, 50_000, true], [7_200_000, 600_000, true], [200_000_000, 20_000_000, false], [2_000_000_000, 100_000_000, true]] as const) {
    const passed = clock.wallMs() - 1_000_000
    await pass(clock, Math.max(0, at - passed), stepMs)
    if (restart) {
      await engine.close()
      engine = await openEngine(clock, options)
      await pass(clock, 100)
    }
    const found: string[] = []
    while (found.length < engine.reads.rangeOf('orders', 0).maxOffset) found.push(...(await get(engine, { topic: 'orders', fromOffset: found.length, maxMessages: 100 })).bodies)
    const due = expected.filter(({ delayMs }) => delayMs <= at)
    t.same(found, due.map(({ i }) => `${i}`), `after ${at} ms`)
    t.equal(engine.store.delays.pendingCount, delays.length - due.length)
  }
  await engine.close()
})

t.test('a topic that was deleted: its messages are dropped when they are due', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock)
  await put(engine, 'orders', wireMessage('a', { delayMs: 1000 }))
  await put(engine, 'other', wireMessage('b', { delayMs: 1000 }))
  await engine.deleteTopic('orders')
  await pass(clock, 1000)
  t.equal(engine.store.delays.pendingCount, 0)
  t.same((await get(engine, { topic: 'other' })).bodies, ['b'])
  t.equal(engine.store.consumeQueues.find('orders', 0), undefined)
})

t.test('retention: what waits is carried over before its segment goes, and delivered whole', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const { limits } = checkOpenOptions(':memory:', { clock })
  const engine = await open(t, clock, { limits: { ...limits, segmentBytes: 64 * 1024, tailCacheBytes: 1 << 20 }, retention: { maxAgeMs: 3_600_000, maxBytes: Infinity } })
  for (let i = 0; i < 50; i++) await put(engine, 'orders', wireMessage(`late ${i}`.padEnd(2000, '.'), { delayMs: 7_200_000 + i }))
  for (let i = 0; i < 50; i++) await put(engine, 'orders', wireMessage(`now ${i}`.padEnd(2000, '.')))
  await pass(clock, 3_700_000, 100_000)
  for (let i = 0; i < 50; i++) await put(engine, 'orders', wireMessage(`new ${i}`.padEnd(2000, '.')))
  await engine.runRetention()
  t.ok(engine.store.floorPosition > 64 * 1024)
  t.equal(engine.store.delays.pendingCount, 50)
  for await (const pending of engine.store.delays.pendingBelow(engine.store.floorPosition, () => {})) t.fail('waits below the floor', pending)
  await pass(clock, 3_600_000, 100_000)
  const { result: { minOffset, maxOffset } } = await get(engine, { topic: 'orders', fromOffset: 99 })
  t.equal(maxOffset, 150)
  const bodies: string[] = []
  for (let from = Math.max(100, minOffset); from < maxOffset;) {
    const got = await get(engine, { topic: 'orders', fromOffset: from })
    bodies.push(...got.bodies)
    from = got.result.nextBeginOffset
  }
  t.same(bodies.map((body) => body.replaceAll('.', '')), Array.from({ length: 50 }, (_, i) => `late ${i}`))
})

t.test('what is old when it is due is stored anew, in the entry of its delivery', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock, { retention: { maxAgeMs: 3_600_000, maxBytes: Infinity } })
  const delayed = await put(engine, 'orders', wireMessage('old', { delayMs: 1_800_000 }))
  const fresh = await put(engine, 'orders', wireMessage('fresh', { delayMs: 60_000 }))
  await pass(clock, 1_900_000, 100_000)
  await put(engine, 'orders', wireMessage('x'))
  const { records, bodies } = await get(engine, { topic: 'orders' })
  t.same(bodies, ['fresh', 'old', 'x'])
  t.equal(records[0]!.physicalOffset, fresh.physicalOffset)
  t.ok(records[1]!.physicalOffset > fresh.physicalOffset, 'at another place')
  t.match(records[1], { queueOffset: 1 })
  t.match(await engine.reads.viewMessage(records[1]!.physicalOffset), { queueOffset: 1 })
  t.equal(await engine.reads.viewMessage(delayed.physicalOffset), undefined)
})

t.test('levels', async (t) => {
  t.same(levels.slice(0, 4), [1000, 5000, 10_000, 30_000])
  t.equal(levels.length, 18)
  for (const text of ['', '1', '1x', '1s 2', '-1s']) t.throws(() => parseDelayLevels(text), { code: 'MQ_INVALID_ARGUMENT' })
})

t.test('records are in memory a moment before they are due, and not for ever; consumers get the same bytes', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock)
  const puts = await Promise.all(Array.from({ length: 50 }, (_, i) => put(engine, 'orders', wireMessage(`m${i}`, { deliverAtMs: 1_100_000 + i * 100 }))))
  const prepared = () => puts.filter(({ physicalOffset }) => engine.delays.preparedRecords.find(physicalOffset, 10) !== undefined).length
  await clock.advance(95_000)
  await soon()
  t.equal(prepared(), 0)
  await clock.advance(4_200)
  await soon()
  t.ok(prepared() >= 10, `${prepared()} are there`)
  await pass(clock, 6000, 100)
  t.same((await get(engine, { topic: 'orders', maxMessages: 100 })).bodies, puts.map((_, i) => `m${i}`))
  await pass(clock, 30_000, 1000)
  t.equal(prepared(), 0)
})
