import t, { type Test } from 'tap'
import { MemoryDisk, MemoryKv, noLock, NodeRandom, VirtualClock } from '../../lib/adapters/index.ts'
import type { Engine, EngineOptions } from '../../lib/engine/index.ts'
import { decodeProperties, type RecallHandle } from '../../lib/message/index.ts'
import { get, openEngine, put, topicConfig, wireMessage, type Put } from './wire.ts'

const soon = async () => { for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve)) }

async function open (t: Test, clock: VirtualClock, options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = await openEngine(clock, options)
  t.teardown(() => engine.close())
  return engine
}

async function schedule (engine: Engine, body: string, deliverAtMs: number): Promise<RecallHandle & { readonly put: Put }> {
  const stored = await put(engine, 'orders', wireMessage(body, { deliverAtMs, properties: Buffer.from(`UNIQ_KEY\x01${body}\x02TIMER_DELIVER_MS\x01${deliverAtMs}\x02KEYS\x01k\x02user\x01x\x02`) }))
  return { topic: 'orders', brokerName: '', deliverAtMs, uniqueKey: body, physicalOffset: stored.physicalOffset, put: stored }
}

async function bodiesIn (engine: Engine, queueId = 0): Promise<string[]> {
  const bodies: string[] = []
  while (bodies.length < engine.reads.rangeOf('orders', queueId).maxOffset) bodies.push(...(await get(engine, { topic: 'orders', queueId, fromOffset: bodies.length })).bodies)
  return bodies
}

t.test('any of thousands is found by its handle, whether it is in memory or in the kv, near or far; the others are delivered', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000_000 })
  const ports = { disk: new MemoryDisk(), kv: new MemoryKv(), clock, random: new NodeRandom(), lock: noLock }
  const engine = await open(t, clock, { directory: '/data', ports, storeSettings: { unpersistedBytes: 30_000 } })
  const handles: RecallHandle[] = []
  // minutes, hours and days; each time has several messages
  for (let i = 0; i < 3000; i += 50) handles.push(...await Promise.all(Array.from({ length: 50 }, (_, k) => schedule(engine, `m${i + k}`, clock.wallMs() + 1000 * ((i + k) % 40 + 5) * [1, 600, 86_400][(i + k) % 3]!))))
  const recalled = handles.filter((_, i) => i % 7 === 0)
  const outcomes = await Promise.all(recalled.map((handle) => engine.recalls.recall(handle)))
  t.same(new Set(outcomes), new Set([true]))
  t.same(new Set(await Promise.all(recalled.slice(0, 20).map((handle) => engine.recalls.recall(handle)))), new Set([false]))
  t.equal(engine.store.delays.pendingCount, handles.length - recalled.length)
  await clock.advance(50_000)
  const isNear = (_: unknown, i: number): boolean => i % 3 === 0
  const rest = handles.filter((_, i) => i % 7 !== 0 && i % 3 !== 0).length
  for (let i = 0; i < 50 && engine.store.delays.pendingCount > rest; i++) {
    await clock.advance(10)
    await soon()
  }
  const gone = new Set(recalled.map(({ uniqueKey }) => uniqueKey))
  t.same((await bodiesIn(engine)).sort(), handles.filter(isNear).map(({ uniqueKey }) => uniqueKey).filter((key) => !gone.has(key)).sort())
  t.equal(engine.store.delays.pendingCount, rest)
})

t.test('recall and delivery in a race: whoever comes first in the log has it, and the answer says so', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock)
  const dueMs = clock.wallMs() + 1000
  const handles = await Promise.all(Array.from({ length: 200 }, (_, i) => schedule(engine, `m${i}`, dueMs + i % 3)))
  const recalls = new Map<string, Promise<boolean>>()
  await clock.advance(998)
  for (let i = 0; i < 20; i++) {
    for (let k = 0; k < 10; k++) recalls.set(`m${10 * i + k}`, engine.recalls.recall(handles[10 * i + k]!))
    await clock.advance(1)
  }
  await clock.advance(100)
  await soon()
  const kept: string[] = []
  for (const [body, recall] of recalls) if (!await recall) kept.push(body)
  t.ok(kept.length > 0 && kept.length < 200, `${kept.length} were delivered first`)
  t.same((await bodiesIn(engine)).sort(), kept.sort())
})

t.test('another time: stored anew with its handle of then; twice at once, one of them has it', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock)
  const handle = await schedule(engine, 'a', clock.wallMs() + 10_000)
  const later = await engine.recalls.reschedule(handle, { delayMs: 60_000 })
  t.match(later, { topic: 'orders', queueId: 0, queueOffset: -1 })
  t.equal(await engine.recalls.reschedule(handle, { delayMs: 1 }), undefined, 'the first handle is void')
  t.equal(await engine.recalls.recall(handle), false)
  await clock.advance(20_000)
  t.same(await bodiesIn(engine), [])
  await clock.advance(later!.deliverAtMs! - clock.wallMs() + 10)
  await soon()
  const { records: [record] } = await get(engine, { topic: 'orders' })
  t.same(Object.fromEntries(decodeProperties(record!.propertiesText)), { KEYS: 'k', UNIQ_KEY: 'a', user: 'x' }, 'what it told of its time is not true any more')
  t.equal(record!.physicalOffset, later!.physicalOffset)

  const sooner = await schedule(engine, 'b', clock.wallMs() + 1_000_000)
  const [one, two] = await Promise.all([engine.recalls.reschedule(sooner, { deliverAtMs: 1 }), engine.recalls.reschedule(sooner, { deliverAtMs: 2 })])
  t.equal([one, two].filter((result) => result !== undefined).length, 1)
  await clock.advance(20)
  await soon()
  t.same(await bodiesIn(engine), ['a', 'b'], 'a time that has passed is at once')
  const far = await schedule(engine, 'c', clock.wallMs() + 1000)
  await t.rejects(engine.recalls.reschedule(far, { delayMs: 101 * 365 * 86_400_000 }), { code: 'MQ_INVALID_ARGUMENT' })
  await engine.deleteTopic('orders')
  t.equal(await engine.recalls.reschedule(far, { delayMs: 5 }), undefined)
})

t.test('a handle holds though its message was stored anew before the head of the log went', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock, { limits: { maxEntryBytes: 1 << 20, maxPendingProposals: 1000, maxPendingBytes: 1 << 20, tailCacheBytes: 1 << 20, coldCacheBytes: 1 << 20, segmentBytes: 64 * 1024, maxWaitingConsumers: 10 } })
  const dueMs = clock.wallMs() + 5_000_000
  const handles = [await schedule(engine, 'a', dueMs), await schedule(engine, 'b', dueMs), await schedule(engine, 'c', dueMs)]
  for (let i = 0; i < 30; i++) await put(engine, 'other', wireMessage('x'.repeat(8000)), topicConfig('other'))
  const [, position] = await engine.reads.units('other', 0, 20, 1).then(([unit]) => [0, unit!.physicalOffset])
  const entry = await engine.replica.log.entryContaining(position!)
  await engine.raiseFloor(entry!.physicalOffset)
  t.ok(engine.store.floorPosition > handles[2]!.physicalOffset!)
  t.equal(await engine.recalls.recall(handles[1]!), true)
  t.equal(await engine.recalls.recall(handles[1]!), false)
  t.ok(await engine.recalls.reschedule(handles[2]!, { deliverAtMs: dueMs + 1000 }))
  await clock.advance(5_000_100)
  await soon()
  t.same(await bodiesIn(engine), ['a'])
  await clock.advance(1000)
  await soon()
  t.same(await bodiesIn(engine), ['a', 'c'])
})

t.test('searches wait for each other, a bounded number of them', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock)
  const { put: _, ...handle } = await schedule(engine, 'a', clock.wallMs() + 1000)
  const answers = await Promise.allSettled(Array.from({ length: 30 }, () => engine.recalls.recall({ ...handle, physicalOffset: undefined, uniqueKey: 'nothing' })))
  t.equal(answers.filter((answer) => answer.status === 'rejected' && answer.reason.code === 'MQ_BUSY').length, 14)
  t.equal(await engine.recalls.recall({ ...handle, physicalOffset: undefined }), true)
})
