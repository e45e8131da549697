import t from 'tap'
import fc from 'fast-check'
import { MemoryDisk, MemoryKv } from '../../lib/adapters/index.ts'
import { loadChecksum } from '../../lib/base/index.ts'
import { LOCAL_HOST, type EntryBodyWriter, type RecordFields } from '../../lib/message/index.ts'
import { HalfOutcome, type HalfUnit, type Store } from '../../lib/store/index.ts'
import { Leader, MemoryLog, writeBaseDump } from './leader.ts'

await loadChecksum()

const TOPIC = Buffer.from('t')
const NONE = new Uint8Array(0)

function fields (body: Uint8Array, queueId = 0): RecordFields {
  return {
    bodyCrc: 0,
    queueId,
    flag: 0,
    queueOffset: -1,
    physicalOffset: 0,
    sysFlag: 4,
    bornTimestampMs: 0,
    bornHost: LOCAL_HOST,
    storeTimestampMs: 0,
    storeHost: LOCAL_HOST,
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    body,
    topic: TOPIC,
    properties: NONE
  }
}

function prepare ({ halves }: Store, writer: EntryBodyWriter, id: number, stampMs: number, checkAtMs = stampMs + 100): number {
  return halves.prepare(writer, fields(Uint8Array.of(id), id % 2), 't', 7, stampMs, { producerGroup: `g${id % 3}`, idHash: id, checkAtMs, immuneUntilMs: 0 })
}

function recordOf (leader: Leader, { physicalOffset, sizeBytes }: Pick<HalfUnit, 'physicalOffset' | 'sizeBytes'>): Uint8Array {
  const entry = leader.log.entries.find((one) => one.physicalOffset <= physicalOffset && physicalOffset < one.physicalOffset + one.sizeBytes)!
  return entry.bytes.subarray(physicalOffset - entry.physicalOffset, physicalOffset - entry.physicalOffset + sizeBytes)
}

interface Naive {
  readonly id: number
  readonly halfOffset: number
  checkTimes: number
  checkAtMs: number
  state: 'pending' | 'discarded' | 'commit' | 'rollback'
}

const pick = fc.nat()
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('prepare' as const), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('prepare' as const), count: fc.constant(150) }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('end' as const), pick, commit: fc.boolean(), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('check' as const), max: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('move' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('discard' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('revive' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 200 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('send' as const) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('apply' as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('checkpoint' as const) }) },
  fc.record({ type: fc.constant('takeOver' as const) }),
  fc.record({ type: fc.constant('restart' as const), losesKv: fc.boolean() })
)

t.test('against a naive list: what is committed comes to its queue once, in order; over checkpoints, restarts, rebuilds, new leaders', async (t) => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), async (steps) => {
    const disk = new MemoryDisk()
    let database = new MemoryKv()
    const log = new MemoryLog()
    const open = () => Leader.open({ disk, database, log, settings: { unpersistedBytes: 1000, pageCacheBytes: 10_000 } })
    let leader = await open()
    let nowMs = 1_000_000
    let nextId = 0
    const all: Naive[] = []
    const expected: number[][] = [[], []]
    const bodies = new Map<number, number>()
    const among = (state: Naive['state'], pick: number): Naive | undefined => {
      const some = all.filter((one) => one.state === state)
      return some[pick % Math.max(1, some.length)]
    }
    for (const step of steps) {
      const { store } = leader
      const { halves } = store
      switch (step.type) {
        case 'prepare':
          leader.seal((writer) => {
            for (let i = 0; i < step.count; i++) {
              const id = nextId++
              bodies.set(writer.nextPhysicalOffset, id)
              const halfOffset = prepare(store, writer, id, nowMs)
              t.equal(halfOffset, all.length)
              all.push({ id, halfOffset, checkTimes: 0, checkAtMs: nowMs + 100, state: 'pending' })
            }
          }, { stampMs: nowMs })
          break
        case 'end':
          leader.replay()
          leader.seal((writer) => {
            for (let i = 0; i < step.count; i++) {
              const half = among('pending', step.pick + i)
              if (half === undefined) continue
              const unit = halves.proposed(half.halfOffset)!
              t.match(unit, { checkTimes: half.checkTimes, checkAtMs: half.checkAtMs, isDiscarded: false })
              half.state = step.commit ? 'commit' : 'rollback'
              if (step.commit) {
                halves.commit(writer, unit, store.consumeQueues.proposed('t', unit.queueId))
                expected[half.id % 2]!.push(half.id)
              } else {
                halves.end(writer, unit, HalfOutcome.rollback)
              }
              t.equal(halves.proposed(half.halfOffset), undefined)
              t.equal(halves.proposedOutcome(half.halfOffset), step.commit ? HalfOutcome.commit : HalfOutcome.rollback)
            }
          }, { stampMs: nowMs })
          break
        case 'check': {
          leader.replay()
          const due = halves.due(nowMs, step.max)
          const really = all.filter(({ state, checkAtMs }) => state === 'pending' && checkAtMs <= nowMs)
          t.equal(due.length, Math.min(really.length, step.max))
          if (really.length > 0) t.ok(halves.nextCheckMs <= nowMs)
          leader.seal((writer) => { halves.check(writer, due, nowMs + 300) }, { stampMs: nowMs })
          for (const { halfOffset } of due) {
            all[halfOffset]!.checkTimes++
            all[halfOffset]!.checkAtMs = nowMs + 300
          }
          break
        }
        case 'move': {
          leader.replay()
          const half = among('pending', step.pick)
          const unit = half && halves.find(half.halfOffset)
          if (unit === undefined) break
          leader.seal((writer) => {
            bodies.set(writer.nextPhysicalOffset, half!.id)
            halves.move(writer, unit, recordOf(leader, unit), nowMs)
          }, { stampMs: nowMs })
          break
        }
        case 'discard': {
          leader.replay()
          const half = among('pending', step.pick)
          const unit = half && halves.find(half.halfOffset)
          if (unit === undefined) break
          leader.seal((writer) => {
            const position = writer.nextPhysicalOffset
            leader.append(writer, 'given up', 0, { stampMs: nowMs })
            halves.discard(writer, unit, position, writer.nextPhysicalOffset - position, nowMs)
          }, { stampMs: nowMs })
          half!.state = 'discarded'
          break
        }
        case 'revive': {
          leader.replay()
          const half = among('discarded', step.pick)
          const unit = half && halves.find(half.halfOffset)
          if (unit === undefined) break
          t.same(halves.findAt(unit.physicalOffset), unit)
          leader.seal((writer) => {
            bodies.set(writer.nextPhysicalOffset, half!.id)
            halves.revive(writer, unit, fields(Uint8Array.of(half!.id), half!.id % 2), nowMs, nowMs + 1)
          }, { stampMs: nowMs })
          Object.assign(half!, { state: 'pending', checkTimes: 0, checkAtMs: nowMs + 1 })
          break
        }
        case 'send': {
          const id = nextId++
          leader.seal((writer) => {
            bodies.set(writer.nextPhysicalOffset, id)
            leader.append(writer, 't', id % 2, { stampMs: nowMs })
          }, { stampMs: nowMs })
          expected[id % 2]!.push(id)
          break
        }
        case 'wait':
          nowMs += step.ms
          break
        case 'apply':
          leader.replay()
          break
        case 'checkpoint':
          leader.replay()
          await store.checkpoint()
          break
        case 'takeOver':
          leader.replay()
          store.startLeading()
          break
        case 'restart':
          leader.replay()
          if (step.losesKv) await writeBaseDump(store)
          await store.close()
          if (step.losesKv) database = new MemoryKv()
          leader = await open()
      }
    }
    leader.replay()
    const { store, store: { halves } } = leader
    t.equal(halves.pendingCount, all.filter(({ state }) => state === 'pending').length)
    t.equal(halves.discardedCount, all.filter(({ state }) => state === 'discarded').length)
    for (const queueId of [0, 1]) t.same((await leader.units('t', queueId)).map(([position]) => bodies.get(position!)), expected[queueId])
    const hash = await store.stateHash()
    const fresh = await Leader.open({ disk: new MemoryDisk(), database: new MemoryKv(), log })
    t.equal(await fresh.store.stateHash(), hash)
  }), { numRuns: 40 })
})

t.test('where it stands: not to be found before it is committed, nor after it was rolled back', async (t) => {
  const leader = await Leader.open({ disk: new MemoryDisk(), database: new MemoryKv() })
  const { store, store: { halves } } = leader
  const positions: number[] = []
  leader.commit((writer) => {
    for (let id = 0; id < 3; id++) {
      positions.push(writer.nextPhysicalOffset)
      prepare(store, writer, 2 * id, 1000)
    }
  })
  for (const position of positions) t.equal(await store.locate(position), undefined)
  leader.send('t')
  leader.commit((writer) => {
    halves.commit(writer, halves.find(1)!, store.consumeQueues.proposed('t', 0))
    halves.end(writer, halves.find(2)!, HalfOutcome.rollback)
  })
  t.equal(await store.locate(positions[0]!), undefined)
  t.match(await store.locate(positions[1]!), { topic: 't', queueId: 0, queueOffset: 1 })
  t.equal(await store.locate(positions[2]!), undefined)
  leader.commit((writer) => { halves.move(writer, halves.find(0)!, recordOf(leader, halves.find(0)!), 1000) })
  const moved = halves.find(0)!
  t.not(moved.physicalOffset, positions[0])
  t.equal(moved.preparedPosition, positions[0])
  leader.commit((writer) => { halves.commit(writer, moved, store.consumeQueues.proposed('t', 0)) })
  t.match(await store.locate(moved.physicalOffset), { queueOffset: 2 })
  t.equal(await store.locate(positions[0]!), undefined)
})

t.test('what became of the last ones is remembered, of earlier ones forgotten; what waits stays, however old', async (t) => {
  const leader = await Leader.open({ disk: new MemoryDisk(), database: new MemoryKv() })
  const { store, store: { halves } } = leader
  const count = 256 * 270
  for (let from = 0; from < count; from += 1000) {
    leader.commit((writer) => { for (let id = from; id < Math.min(count, from + 1000); id++) prepare(store, writer, id % 200, 1000) })
    leader.commit((writer) => { for (let id = Math.max(5, from); id < Math.min(count, from + 1000); id++) halves.end(writer, halves.find(id)!, HalfOutcome.rollback) })
  }
  t.equal(halves.pendingCount, 5)
  t.equal(halves.firstPendingOffset, 0)
  t.equal(halves.outcomeOf(256), HalfOutcome.unknown)
  t.equal(halves.outcomeOf(count - 1), HalfOutcome.rollback)
  t.equal([...halves.values()].length, 1 + 1 + 256, 'the number of the next, the page of what waits, and the last pages')
  leader.commit((writer) => { for (let id = 0; id < 5; id++) halves.end(writer, halves.find(id)!, HalfOutcome.rollback) })
  t.equal([...halves.values()].length, 1 + 256)
})

t.test('retention takes what was given up with the message that tells of it, also while it is being revived', async (t) => {
  const leader = await Leader.open({ disk: new MemoryDisk(), database: new MemoryKv() })
  const { store, store: { halves } } = leader
  leader.commit((writer) => { for (let id = 0; id < 2; id++) prepare(store, writer, id, 1000) })
  leader.commit((writer) => {
    for (const id of [0, 1]) {
      const position = writer.nextPhysicalOffset
      leader.append(writer, 'given up')
      halves.discard(writer, halves.find(id)!, position, writer.nextPhysicalOffset - position, 1000)
    }
  })
  leader.commit((writer) => { halves.revive(writer, halves.find(0)!, fields(Uint8Array.of(0)), 1000, 2000) })
  leader.seal((writer) => {
    store.setFloor(writer, leader.log.endPosition)
    t.equal(halves.proposed(1), undefined, 'a decision after it in the same entry knows')
    t.ok(halves.proposed(0))
  })
  leader.replay()
  t.equal(halves.find(1), undefined)
  t.match(halves.find(0), { isDiscarded: false, checkTimes: 0, checkAtMs: 2000 })
  t.equal(halves.discardedCount, 0)
})

t.test('a group of an older data format has nothing of it in its state', async (t) => {
  const leader = await Leader.open({ disk: new MemoryDisk(), database: new MemoryKv() })
  leader.send('t')
  t.same([...leader.store.halves.values()], [])
  t.same(leader.store.halves.freeze(), [])
})
