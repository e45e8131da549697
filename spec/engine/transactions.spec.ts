import t, { type Test } from 'tap'
import { MemoryDisk, MemoryKv, noLock, NodeRandom, VirtualClock } from '../../lib/adapters/index.ts'
import type { EndRequest, EndResult, Engine, EngineOptions, TransactionCheck } from '../../lib/engine/index.ts'
import { SysFlag, tagsCodeOf } from '../../lib/message/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { HalfOutcome } from '../../lib/store/index.ts'
import { EngineGroup } from './engine-group.ts'
import { endHalf, get, openEngine, pass, put, wireMessage, type Put } from './wire.ts'

const TIMEOUT_MS = 6000
const rules = { checkIntervalMs: 30_000, checkMax: 3, maxAgeMs: Infinity }

const half = (body: string, id = body) => wireMessage(body, { sysFlag: SysFlag.prepared, half: { producerGroup: 'payers', idHash: tagsCodeOf(id), checkAfterMs: TIMEOUT_MS, immunityMs: 0 } })
const prepare = (engine: Engine, body: string): Promise<Put> => put(engine, 'orders', half(body))

function end (engine: Engine, sent: Put, outcome: EndRequest['outcome'], isAnswer = false): Promise<EndResult> {
  return endHalf(engine, sent, { producerGroup: 'payers', outcome, isAnswer })
}

const commit = (engine: Engine, sent: Put): Promise<EndResult> => end(engine, sent, HalfOutcome.commit)
const rollback = (engine: Engine, sent: Put): Promise<EndResult> => end(engine, sent, HalfOutcome.rollback)
const bodiesOn = async (engine: Engine): Promise<string[]> => (await get(engine, { topic: 'orders' })).bodies

async function open (t: Test, clock: VirtualClock, options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = await openEngine(clock, { transactions: rules, ...options })
  t.teardown(() => engine.close())
  return engine
}

t.test('a half message is one entry, its commit another without the message; it reads as one of its queue then', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock)
  await put(engine, 'orders', wireMessage('plain'))
  const { lastIndex, maxPosition } = engine.stats().log
  const sent = await prepare(engine, 'a'.repeat(10_000))
  t.equal(engine.stats().log.lastIndex, lastIndex + 1)
  const prepared = engine.stats().log.maxPosition
  t.ok(prepared - maxPosition > 10_000)
  t.equal(await engine.reads.viewMessage(sent.physicalOffset), undefined)
  await clock.advance(1000)
  t.equal(await commit(engine, sent), 'done')
  t.ok(engine.stats().log.maxPosition - prepared < 1000, 'written once')
  const [, record] = (await get(engine, { topic: 'orders' })).records
  t.match(record, { queueOffset: 1, physicalOffset: sent.physicalOffset, sysFlag: SysFlag.commit, preparedTransactionOffset: sent.physicalOffset, storeTimestampMs: 1_001_000 })
  const [read] = await engine.read({ topic: 'orders', queueId: 0, fromOffset: 1, maxMessages: 1 })
  t.match(read!.record, { queueOffset: 1, sysFlag: SysFlag.commit, preparedTransactionOffset: sent.physicalOffset })
  t.match(await engine.reads.viewMessage(sent.physicalOffset), { queueOffset: 1, record: { sysFlag: SysFlag.commit } })
})

t.test('an embedded queue asks nobody, and gives nothing up', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock)
  const sent = await prepare(engine, 'a')
  await pass(clock, 86_400_000, 3_600_000)
  t.equal(engine.store.halves.pendingCount, 1)
  const checks: TransactionCheck[] = []
  engine.transactions.onCheck((check) => { checks.push(check) })
  await pass(clock, 100)
  t.equal(checks.length, 1, 'from then on, at once')
  t.equal(await commit(engine, sent), 'done')
  t.same(await bodiesOn(engine), ['a'])
})

t.test('thousands are due at one moment: each is asked about once', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock)
  const asked = new Map<number, number>()
  engine.transactions.onCheck(({ unit: { halfOffset } }) => { asked.set(halfOffset, (asked.get(halfOffset) ?? 0) + 1) })
  const sent = await Promise.all(Array.from({ length: 3000 }, (_, i) => prepare(engine, `${i}`)))
  for (const one of sent.slice(0, 1000)) commit(engine, one).catch(t.error)
  await pass(clock, TIMEOUT_MS)
  await pass(clock, 2000, 10)
  t.equal(asked.size, 2000)
  t.ok([...asked.values()].every((times) => times === 1))
})

t.test('retention: what waits is carried over before its segment goes; committed, it is told where it was prepared', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const { limits } = checkOpenOptions(':memory:', { clock })
  const engine = await open(t, clock, { limits: { ...limits, segmentBytes: 64 * 1024, tailCacheBytes: 1 << 20 }, retention: { maxAgeMs: 3_600_000, maxBytes: Infinity } })
  const sent: Put[] = []
  for (let i = 0; i < 50; i++) sent.push(await prepare(engine, `half ${i}`.padEnd(2000, '.')))
  for (let i = 0; i < 50; i++) await put(engine, 'orders', wireMessage(`now ${i}`.padEnd(2000, '.')))
  await pass(clock, 3_700_000, 100_000)
  for (let i = 0; i < 50; i++) await put(engine, 'orders', wireMessage(`new ${i}`.padEnd(2000, '.')))
  await engine.runRetention()
  const { floorPosition, halves } = engine.store
  t.ok(floorPosition > 64 * 1024)
  t.equal(halves.pendingCount, 50)
  for (const { physicalOffset } of halves.all()) t.ok(physicalOffset >= floorPosition)
  for (const one of sent) t.equal(await commit(engine, one), 'done')
  const records = []
  for (let fromOffset = 100; fromOffset < 150;) {
    const got = await get(engine, { topic: 'orders', fromOffset })
    records.push(...got.records)
    fromOffset = got.result.nextBeginOffset
  }
  t.same(records.map(({ body }) => Buffer.from(body).toString().replaceAll('.', '')), Array.from({ length: 50 }, (_, i) => `half ${i}`))
  t.same(records.map(({ preparedTransactionOffset }) => preparedTransactionOffset), sent.map(({ physicalOffset }) => physicalOffset))
})

t.test('one that is older than messages are kept is given up, and goes with the message that tells of it', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const { limits } = checkOpenOptions(':memory:', { clock })
  const engine = await open(t, clock, { limits: { ...limits, segmentBytes: 64 * 1024 }, retention: { maxAgeMs: 3_600_000, maxBytes: Infinity }, transactions: { checkIntervalMs: 600_000, checkMax: 1000, maxAgeMs: 3_600_000 } })
  let checks = 0
  engine.transactions.onCheck(() => { checks++ })
  await prepare(engine, 'a')
  await pass(clock, 3_700_000, 100_000)
  t.equal(checks, 6)
  const { halves } = engine.store
  t.same([halves.pendingCount, halves.discardedCount], [0, 1])
  t.equal((await get(engine, { topic: 'TRANS_CHECK_MAX_TIME_TOPIC' })).bodies.length, 1)
  for (let i = 0; i < 60; i++) await put(engine, 'orders', wireMessage(`now ${i}`.padEnd(2000, '.')))
  await pass(clock, 3_700_000, 100_000)
  for (let i = 0; i < 60; i++) await put(engine, 'orders', wireMessage(`new ${i}`.padEnd(2000, '.')))
  await engine.runRetention()
  t.equal(halves.discardedCount, 0)
  t.equal(await engine.transactions.revive(halves.nextOffset), false)
})

t.test('decided between being looked at and being asked about, or given up: nothing is asked or told', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const engine = await open(t, clock, { transactions: { ...rules, checkIntervalMs: 1000 } })
  const checks: number[] = []
  engine.transactions.onCheck(({ unit: { halfOffset } }) => { checks.push(halfOffset) })
  const sent: Put[] = []
  for (let i = 0; i < 40; i++) sent.push(await prepare(engine, `${i}`))
  // ends come at every moment of the checks, and of the giving up
  const results: EndResult[] = []
  for (let i = 0; i < 40; i++) {
    clock.setTimer(TIMEOUT_MS - 5 + i * 100, () => { (i % 2 === 0 ? commit : rollback)(engine, sent[i]!).then((result) => { results.push(result) }, () => {}) })
  }
  await pass(clock, 12_000, 50)
  t.same(results, Array.from({ length: 40 }, () => 'done'), 'also of those that were given up')
  const { bodies } = await get(engine, { topic: 'orders' })
  t.same([...bodies].sort(), Array.from({ length: 20 }, (_, i) => `${2 * i}`).sort())
  t.equal(engine.store.halves.pendingCount + engine.store.halves.discardedCount, 0)
})

t.test('half messages, checks and what was given up are there after a restart', async (t) => {
  const clock = new VirtualClock({ wallMs: 1_000_000 })
  const ports = { disk: new MemoryDisk(), kv: new MemoryKv(), clock, random: new NodeRandom(), lock: noLock }
  const options: Partial<EngineOptions> = { directory: '/data', ports, transactions: rules, storeSettings: { unpersistedBytes: 2000, baseDumpBytes: 20_000 } }
  let engine = await openEngine(clock, options)
  const checks: string[] = []
  const ask = (): void => { engine.transactions.onCheck(({ unit: { halfOffset, checkTimes } }) => { checks.push(`${halfOffset}/${checkTimes}`) }) }
  ask()
  const sent: Put[] = []
  for (let i = 0; i < 4; i++) sent.push(await prepare(engine, `${i}`))
  const restart = async (): Promise<void> => {
    await engine.close()
    engine = await openEngine(clock, options)
    ask()
  }
  await restart()
  t.equal(await commit(engine, sent[0]!), 'done')
  t.equal(await rollback(engine, sent[1]!), 'done')
  await restart()
  t.equal(await commit(engine, sent[0]!), 'already')
  t.equal(await commit(engine, sent[1]!), 'otherwise')
  await pass(clock, TIMEOUT_MS + 100)
  await pass(clock, 30_000)
  await restart()
  await pass(clock, 30_000)
  await pass(clock, 30_000)
  t.same(checks, ['2/0', '3/0', '2/1', '3/1', '2/2', '3/2'])
  t.equal(engine.store.halves.discardedCount, 2)
  await restart()
  t.equal(await engine.transactions.revive(sent[2]!.physicalOffset), true)
  t.equal(await commit(engine, sent[2]!), 'done')
  t.same(await bodiesOn(engine), ['0', '2'])
  await engine.close()
})

t.test('in a group: commit after the leader has gone, on the next one; every node has the same', async (t) => {
  const group = new EngineGroup([1, 2, 3])
  t.teardown(() => group.closeAll())
  await group.openAll({ transactions: rules })
  const leader = await group.untilLeader()
  await group.run(leader.raiseFormat(3))
  const sent: Put[] = []
  for (let i = 0; i < 4; i++) sent.push(await group.run(prepare(leader, `${i}`)))
  t.equal(await group.run(commit(leader, sent[0]!)), 'done')
  await group.close(leader)
  const next = await group.untilLeader()
  const checks: number[] = []
  next.transactions.onCheck(({ unit: { halfOffset } }) => { checks.push(halfOffset) })
  t.equal(await group.run(commit(next, sent[0]!)), 'already')
  t.equal(await group.run(commit(next, sent[1]!)), 'done')
  t.equal(await group.run(rollback(next, sent[2]!)), 'done')
  await group.until(() => checks.length > 0)
  t.same(checks, [3])
  await group.untilEqual()
  for (const engine of group.engines.values()) t.same(await group.run(bodiesOn(engine)), ['0', '1'])
  for (const follower of group.followers) await t.rejects(group.run(commit(follower, sent[3]!)), { code: 'MQ_NOT_LEADER', outcome: 'not-applied' })
  const hashes = await group.run(Promise.all([...group.engines.values()].map((engine) => engine.store.stateHash())))
  t.equal(new Set(hashes).size, 1)
})
