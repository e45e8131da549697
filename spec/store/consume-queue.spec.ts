import fc from 'fast-check'
import t from 'tap'
import { MemoryDisk, MemoryKv } from '../../lib/adapters/index.ts'
import { loadChecksum } from '../../lib/base/index.ts'
import { PAGE_UNITS, type ConsumeQueue } from '../../lib/store/index.ts'
import { Leader, MemoryLog, writeBaseDump } from './leader.ts'

await loadChecksum()

const TOPICS = ['a', 'b', '%RETRY%group']

type Step =
  | { readonly type: 'send', readonly topic: number, readonly queueId: number, readonly count: number, readonly clock: number }
  | { readonly type: 'checkpoint' | 'restart' | 'base' | 'rebuild' | 'settle' }
  | { readonly type: 'delete', readonly topic: number }
  | { readonly type: 'floor' | 'retire', readonly share: number }
  | { readonly type: 'trickle', readonly topic: number, readonly rounds: number }
  | { readonly type: 'checkpoint under load', readonly topic: number, readonly count: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant('send' as const), topic: fc.nat(2), queueId: fc.nat(2), count: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 1500 })), clock: fc.integer({ min: -20, max: 100 }) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('checkpoint' as const, 'restart' as const, 'base' as const, 'rebuild' as const, 'settle' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), topic: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('trickle' as const), topic: fc.nat(2), rounds: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('checkpoint under load' as const), topic: fc.nat(2), count: fc.integer({ min: 1, max: 2500 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('floor' as const, 'retire' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }) }
)

interface TwinUnit { readonly position: number, readonly stampMs: number }

/** The store under test beside plain arrays. */
class Pair {
  readonly disk = new MemoryDisk()
  database = new MemoryKv()
  readonly log = new MemoryLog()
  leader!: Leader
  readonly twin = new Map<string, TwinUnit[]>()
  floor = 0
  clockMs = 10_000
  lastStampMs = 0

  async open (): Promise<void> {
    this.leader = await Leader.open({ disk: this.disk, database: this.database, log: this.log, settings: { pageCacheBytes: 60_000, unpersistedBytes: 1500 * 24 } })
  }

  async run (step: Step): Promise<void> {
    const { leader, twin, log } = this
    switch (step.type) {
      case 'send': {
        const topic = TOPICS[step.topic]!
        const key = `${topic}/${step.queueId}`
        this.clockMs += step.clock
        const position = log.endPosition
        leader.commit((writer) => { for (let i = 0; i < step.count; i++) leader.append(writer, topic, step.queueId, { stampMs: this.clockMs }) }, { stampMs: this.clockMs })
        this.lastStampMs = Math.max(this.lastStampMs, this.clockMs)
        const units = twin.get(key) ?? []
        const sizeBytes = 92 + topic.length
        for (let i = 0; i < step.count; i++) units.push({ position: position + 88 + i * sizeBytes, stampMs: this.lastStampMs })
        twin.set(key, units)
        break
      }
      case 'checkpoint':
        await leader.store.checkpoint()
        break
      case 'restart':
        await leader.store.close()
        await this.open()
        break
      case 'base':
        await writeBaseDump(leader.store)
        if (leader.store.floorPosition > 0) this.#cutHead()
        break
      case 'rebuild':
        await leader.store.close()
        await this.database.destroy()
        await this.open()
        break
      case 'trickle':
        for (let i = 0; i < step.rounds; i++) {
          await this.run({ type: 'send', topic: step.topic, queueId: 0, count: 1 + i % 3, clock: 1 })
          await leader.store.checkpoint()
          if (i % 4 === 3) await this.run({ type: 'send', topic: (step.topic + 1) % 3, queueId: 0, count: 1, clock: 1 })
        }
        break
      case 'checkpoint under load': {
        const writing = leader.store.checkpoint()
        await this.run({ type: 'send', topic: step.topic, queueId: 0, count: step.count, clock: 1 })
        await writing
        break
      }
      case 'retire':
        await this.run({ type: 'floor', share: step.share })
        await leader.store.checkpoint()
        await leader.store.checkpoint()
        await this.run({ type: 'restart' })
        break
      case 'settle':
        await leader.store.consumeQueues.settle(leader.store.floorPosition)
        break
      case 'delete':
        leader.commit((writer) => { leader.store.deleteTopic(writer, TOPICS[step.topic]!) }, { stampMs: this.clockMs })
        this.lastStampMs = Math.max(this.lastStampMs, this.clockMs)
        for (const key of [...twin.keys()]) if (key.startsWith(`${TOPICS[step.topic]}/`)) twin.delete(key)
        break
      case 'floor': {
        const entry = log.entries[Math.floor(step.share * (log.entries.length - 1))]
        if (entry === undefined || entry.physicalOffset <= this.floor) break
        this.floor = entry.physicalOffset
        leader.commit((writer) => { leader.store.setFloor(writer, this.floor) }, { stampMs: this.clockMs })
        this.lastStampMs = Math.max(this.lastStampMs, this.clockMs)
      }
    }
  }

  /** The log lets go of what the floor and the base dumps allow. */
  #cutHead (): void {
    const { store } = this.leader
    const first = this.log.entries.find(({ physicalOffset, index }) => physicalOffset >= this.floor || index > store.baseDumpIndex)
    if (first !== undefined && first.index <= store.baseDumpIndex + 1) this.log.cutHead(first.index)
  }

  async check (): Promise<void> {
    const { store } = this.leader
    const { consumeQueues } = store
    await consumeQueues.settle(store.floorPosition)
    const found = [...consumeQueues.all()].map((queue) => `${queue.topic}/${queue.queueId}`).sort()
    same(found, [...this.twin.keys()].sort(), 'queues')
    for (const [key, all] of this.twin) {
      const [topic, queueId] = key.split('/') as [string, string]
      const queue = consumeQueues.find(topic, Number(queueId))!
      const firstKept = all.findIndex(({ position }) => position >= this.floor)
      const min = firstKept < 0 ? all.length : firstKept
      same([queue.minOffset, queue.nextOffset], [min, all.length], `${key} offsets`)
      const units = await this.leader.units(topic, Number(queueId))
      same(units.map(([position, , , stampMs]) => [position, stampMs]), all.slice(min).map(({ position, stampMs }) => [position, stampMs]), `${key} units`)
      await this.#checkTimes(queue, all, min)
    }
  }

  async #checkTimes (queue: ConsumeQueue, all: readonly TwinUnit[], min: number): Promise<void> {
    const { consumeQueues } = this.leader.store
    const kept = all.slice(min)
    const stamps = [0, this.lastStampMs + 1, ...[0, kept.length >> 1, kept.length - 1].flatMap((i) => kept[i] === undefined ? [] : [kept[i].stampMs - 1, kept[i].stampMs])]
    for (const timeMs of stamps) {
      const after = kept.findIndex((unit) => unit.stampMs >= timeMs)
      const before = kept.findLastIndex((unit) => unit.stampMs <= timeMs)
      same(await consumeQueues.searchOffset(queue, timeMs), after < 0 ? all.length : min + after, `lower ${timeMs}`)
      same(await consumeQueues.searchOffset(queue, timeMs, 'upper'), before < 0 ? min : min + before, `upper ${timeMs}`)
    }
  }
}

function same (actual: unknown, expected: unknown, what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(actual).slice(0, 300)} is not ${JSON.stringify(expected).slice(0, 300)}`)
}

t.test('any history of sends, checkpoints, restarts, rebuilds, deletions and retention: as plain arrays would have it', async (t) => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
    const pair = new Pair()
    await pair.open()
    for (const step of steps) await pair.run(step)
    await pair.check()
    const hash = await pair.leader.store.stateHash()
    await pair.run({ type: 'restart' })
    same(String(await pair.leader.store.stateHash()), String(hash), 'hash after restart')
    await pair.run({ type: 'rebuild' })
    same(String(await pair.leader.store.stateHash()), String(hash), 'hash after rebuild')
    await pair.check()
    await pair.leader.store.close()
  }), { numRuns: Number(process.env.RUNS ?? 150) })
  t.pass()
})

t.test('a hundred thousand queues: idle ones keep no units in memory', async (t) => {
  const pair = new Pair()
  await pair.open()
  const { leader } = pair
  const { consumeQueues } = leader.store
  for (let first = 0; first < 100_000; first += 1000) {
    leader.commit((writer) => { for (let queueId = first; queueId < first + 1000; queueId++) leader.append(writer, 'wide', queueId) })
  }
  await leader.store.checkpoint()
  leader.send('wide', 5)
  await leader.store.checkpoint()
  const resident = [...consumeQueues.all()].filter((queue) => queue.pages.length > 0).map(({ queueId }) => queueId)
  t.same(resident, [5])
  t.equal((await leader.units('wide', 99_999)).length, 1)
  t.equal((await leader.units('wide', 5)).length, 2)
  await leader.store.close()
})

t.test('what is persisted and full leaves memory for a bounded cache', async (t) => {
  const pair = new Pair()
  await pair.open()
  const { leader } = pair
  for (let i = 0; i < 60; i++) {
    leader.commit((writer) => { for (let j = 0; j < 1000; j++) leader.append(writer, 'deep') })
    if (leader.store.checkpointDue) await leader.store.checkpoint()
  }
  await leader.store.checkpoint()
  const queue = leader.store.consumeQueues.find('deep', 0)!
  t.equal(queue.pages.length, 1)
  t.equal(queue.residentFrom, Math.floor(60_000 / PAGE_UNITS) * PAGE_UNITS)
  t.equal(leader.store.consumeQueues.unitsNow(queue, 5, 1), undefined, 'cold')
  t.equal((await leader.units('deep')).length, 60_000)
  t.ok(leader.store.consumeQueues.reader.cache.bytes <= 60_000)
  const { pages: [page] } = queue
  t.ok(leader.store.consumeQueues.unitsNow(queue, 60_000, 10)!.to === 0, 'nothing past the end')
  t.equal(leader.store.consumeQueues.unitsNow(queue, 59_999, 10)!.page, page)
  await leader.store.close()
})

t.test('a small append per checkpoint: deltas are merged, so a page is few values', async (t) => {
  const pair = new Pair()
  await pair.open()
  let most = 0
  for (let i = 0; i < 1100; i++) {
    pair.leader.send('slow')
    await pair.leader.store.checkpoint()
    // An idle checkpoint in between evicts the tail, a restart loses it.
    if (i % 3 === 0) pair.leader.send('other')
    if (i % 7 === 0) await pair.leader.store.checkpoint()
    if (i % 50 === 0) await pair.run({ type: 'restart' })
    const db = await pair.database.open()
    most = Math.max(most, (await db.keys({ gte: 'page/', lt: 'page0' }).all()).length)
  }
  t.ok(most <= 20, `${most} values`)
  const positions = (await pair.leader.units('slow')).map(([position]) => position!)
  const sent = pair.log.entries.filter(({ sizeBytes }) => sizeBytes === pair.log.entries[0]!.sizeBytes).map(({ physicalOffset }) => physicalOffset + 88)
  t.same(positions, sent)
  await pair.leader.store.close()
})
