import t from 'tap'
import fc from 'fast-check'
import { MemoryDisk, MemoryKv } from '../../lib/adapters/index.ts'
import { loadChecksum } from '../../lib/base/index.ts'
import { DelayDue, type PendingUnit } from '../../lib/store/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { FaultyKv } from '../support/faulty-kv.ts'
import { Faults } from '../support/faults.ts'
import { settle } from '../support/virtual-clock.ts'
import { SCHEDULES_FORMAT } from '../../lib/store/delay-commands.ts'
import { deliverDue, schedule } from './delayed-store.ts'
import { Leader, MemoryLog, writeBaseDump } from './leader.ts'

await loadChecksum()

const SETTINGS = { unpersistedBytes: 1000, pageCacheBytes: 10_000 }
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A leader over devices that it may lose, and what is due on it. */
class Node {
  leader!: Leader
  due!: DelayDue
  readonly maxUnits: number
  disk = new MemoryDisk()
  database = new MemoryKv()
  readonly log = new MemoryLog()

  constructor (maxUnits: number) {
    this.maxUnits = maxUnits
  }

  async open (): Promise<void> {
    this.leader = await Leader.open({ disk: this.disk, database: this.database, log: this.log, settings: SETTINGS })
    this.lead()
  }

  /** As a new leader: what the old one had proposed and is in the log is applied. */
  lead (): void {
    this.leader.replay()
    this.leader.store.startLeading()
    this.due = new DelayDue(this.leader.store.delays, this.maxUnits)
    this.leader.store.delays.onScheduled = (...scheduled) => { this.due.note(...scheduled) }
  }

  async load (nowMs: number): Promise<void> {
    while (this.due.needsLoad(nowMs)) await this.due.load(nowMs, (error) => { throw error })
  }

  async restart ({ losesKv = false } = {}): Promise<void> {
    await this.leader.store.close()
    if (losesKv) this.database = new MemoryKv()
    await this.open()
  }
}

const delay = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 3 * HOUR }), fc.integer({ min: 1, max: 10 * DAY }))
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('schedule' as const), delays: fc.array(delay, { minLength: 1, maxLength: 8 }) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('deliver' as const), max: fc.integer({ min: 1, max: 10 }) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 2 * HOUR }), fc.integer({ min: 1, max: 5 * DAY })) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('send' as const) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('apply' as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('checkpoint' as const) }) },
  fc.record({ type: fc.constant('baseDump' as const) }),
  fc.record({ type: fc.constant('takeOver' as const) }),
  fc.record({ type: fc.constant('restart' as const), losesKv: fc.boolean() })
)

t.test('against a naive list: everything is delivered once, in order, when it is due; over checkpoints, restarts, rebuilds, new leaders', async (t) => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), fc.integer({ min: 2, max: 20 }), fc.boolean(), async (steps, maxUnits, isRaised) => {
    const node = new Node(maxUnits)
    await node.open()
    if (isRaised) node.leader.commit((writer) => { node.leader.store.raiseFormat(writer, SCHEDULES_FORMAT) })
    let nowMs = 1_000_000
    let nextId = 0
    let waiting: Array<{ id: number, atMs: number }> = []
    const expected: number[][] = [[], []]
    const bodies = new Map<number, number>()
    const take = (writer: Parameters<typeof deliverDue>[2], max: number): PendingUnit[] => {
      const delivered = deliverDue(node.leader.store, node.due, writer, nowMs, max)
      waiting.sort((a, b) => a.atMs - b.atMs || a.id - b.id)
      const due = waiting.filter(({ atMs }) => atMs <= nowMs).slice(0, delivered.length)
      t.same(delivered.map(({ physicalOffset }) => bodies.get(physicalOffset)), due.map(({ id }) => id))
      waiting = waiting.filter((one) => !due.includes(one))
      for (const { id } of due) expected[id % 2]!.push(id)
      return delivered
    }
    for (const step of steps) {
      const { leader } = node
      const { store } = leader
      switch (step.type) {
        case 'schedule':
          leader.seal((writer) => {
            for (const delay of step.delays) {
              const id = nextId++
              bodies.set(writer.nextPhysicalOffset, id)
              schedule(store, writer, { topic: 't', queueId: id % 2, body: Uint8Array.of(id), stampMs: nowMs, deliverAtMs: nowMs + delay })
              waiting.push({ id, atMs: nowMs + delay })
            }
          }, { stampMs: nowMs })
          break
        case 'deliver':
          leader.replay()
          await node.load(nowMs)
          leader.seal((writer) => { take(writer, step.max) }, { stampMs: nowMs })
          break
        case 'send': {
          const id = nextId++
          leader.seal((writer) => {
            bodies.set(writer.nextPhysicalOffset, id)
            leader.append(writer, 't', id % 2, { body: Uint8Array.of(id), stampMs: nowMs })
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
        case 'baseDump':
          leader.replay()
          await writeBaseDump(store)
          break
        case 'takeOver':
          node.lead()
          break
        case 'restart':
          leader.replay()
          if (step.losesKv) await writeBaseDump(store)
          await node.restart(step)
      }
    }
    // all that waits comes in the end
    nowMs += 20 * DAY
    for (let isMore = true; isMore;) {
      node.leader.replay()
      await node.load(nowMs)
      node.leader.commit((writer) => { isMore = take(writer, 5).length > 0 }, { stampMs: nowMs })
    }
    t.same(waiting, [])
    t.equal(node.leader.store.delays.pendingCount, 0)
    for (const queueId of [0, 1]) t.same((await node.leader.units('t', queueId)).map(([position]) => bodies.get(position!)), expected[queueId])
    const hash = await node.leader.store.stateHash()
    const fresh = await Leader.open({ disk: new MemoryDisk(), database: new MemoryKv(), log: node.log })
    t.equal(await fresh.store.stateHash(), hash)
  }), { numRuns: 150 })
})

t.test('what is in memory stays bounded, and is all there is to deliver, with a hundred thousand due at one moment', async (t) => {
  const node = new Node(500)
  await node.open()
  const { store } = node.leader
  const count = 100_000
  for (let i = 0; i < count;) {
    node.leader.commit((writer) => {
      for (const end = Math.min(count, i + 5000); i < end; i++) schedule(store, writer, { topic: 't', queueId: 0, body: new Uint8Array(0), stampMs: 1000, deliverAtMs: 5000 })
    }, { stampMs: 1000 })
    await store.checkpoint()
  }
  t.equal([...store.delays.buckets()].length, 1)
  for (const { pieces } of store.delays.buckets()) t.equal(pieces.length, 0, 'no unit is left in memory')
  let delivered = 0
  let lastPosition = -1
  while (delivered < count) {
    if (node.due.needsLoad(5000)) await node.due.load(5000, (error) => { throw error })
    if (node.due.size > 1000) t.fail('too many in memory')
    node.leader.commit((writer) => {
      for (const unit of deliverDue(store, node.due, writer, 5000, 400)) {
        if (unit.physicalOffset <= lastPosition) t.fail('out of order')
        lastPosition = unit.physicalOffset
        delivered++
      }
    }, { stampMs: 5000 })
  }
  t.equal(store.delays.pendingCount, 0)
  await store.checkpoint()
  t.equal(store.consumeQueues.find('t', 0)!.nextOffset, count)
})

t.test('what is scheduled while others are being loaded is neither missed nor delivered twice', async (t) => {
  const node = new Node(6)
  await node.open()
  const { store } = node.leader
  let stampMs = 1000
  let count = 0
  const add = (deliverAtMs: number) => {
    node.leader.commit((writer) => { schedule(store, writer, { topic: 't', queueId: 0, body: new Uint8Array(0), stampMs, deliverAtMs }) }, { stampMs })
    count++
  }
  const seen: number[] = []
  for (let round = 0; round < 60; round++) {
    for (let i = 0; i < 3; i++) add(stampMs + 1 + (round * 7 + i * 13) % 300)
    if (round % 3 === 0) await store.checkpoint()
    const load = node.due.needsLoad(stampMs) ? node.due.load(stampMs, (error) => { throw error }) : undefined
    for (let i = 0; i < 4; i++) {
      add(stampMs + 1 + (round * 5 + i * 31) % 200)
      await Promise.resolve()
      if (i === 2) await new Promise((resolve) => setImmediate(resolve))
    }
    await load
    node.leader.commit((writer) => { seen.push(...deliverDue(store, node.due, writer, stampMs, 3).map(({ deliverAtMs }) => deliverAtMs)) }, { stampMs })
    stampMs += 5
  }
  stampMs += 10_000
  for (let isMore = true; isMore;) {
    await node.load(stampMs)
    node.leader.commit((writer) => {
      const delivered = deliverDue(store, node.due, writer, stampMs, 100)
      isMore = delivered.length > 0
      seen.push(...delivered.map(({ deliverAtMs }) => deliverAtMs))
    }, { stampMs })
  }
  t.equal(seen.length, count)
  t.equal(store.delays.pendingCount, 0)
})

t.test('a piece that is missing in the kv is told, not passed over', async (t) => {
  const node = new Node(100)
  await node.open()
  const { store } = node.leader
  for (let i = 0; i < 3; i++) {
    node.leader.commit((writer) => { schedule(store, writer, { topic: 't', queueId: 0, body: new Uint8Array(0), stampMs: 1000, deliverAtMs: 5000 }) })
    await store.checkpoint()
  }
  await store.close()
  const db = await node.database.open()
  await db.del('delay/0000000001/00000001')
  await db.close()
  await node.open()
  const errors: string[] = []
  await node.due.load(5000, (error) => { errors.push(error.code) })
  t.same(errors, ['MQ_CORRUPT'])
  await node.restart()
  t.ok(node.leader.store.recovery.isRebuilt)
  await node.load(5000)
  node.leader.commit((writer) => { t.equal(deliverDue(node.leader.store, node.due, writer, 5000, 10).length, 3) }, { stampMs: 5000 })
})

t.test('deliveries in an entry with a deletion of their topic and the first message of the next one of that name: a rebuild tells them apart', async (t) => {
  for (const order of ['deliver, delete, send', 'deliver, delete, deliver', 'send, delete, deliver', 'deliver, send, deliver, send']) {
    const node = new Node(100)
    await node.open()
    const { store } = node.leader
    node.leader.commit((writer) => { for (let i = 0; i < 4; i++) schedule(store, writer, { topic: 't', queueId: 0, body: Uint8Array.of(i), stampMs: 1000, deliverAtMs: 2000 + i }) })
    node.leader.send('t', 0)
    await node.load(5000)
    node.leader.commit((writer) => {
      let at = 2000
      for (const what of order.split(', ')) {
        if (what === 'deliver') deliverDue(store, node.due, writer, at++, 1)
        else if (what === 'delete') store.deleteTopic(writer, 't')
        else node.leader.append(writer, 't', 0, { stampMs: 5000 })
      }
    }, { stampMs: 5000 })
    node.leader.send('t', 0, { stampMs: 6000 })
    const units = await node.leader.units('t')
    const hash = await store.stateHash()
    await writeBaseDump(store)
    await node.restart({ losesKv: true })
    t.ok(node.leader.store.recovery.baseIndex! > 0)
    t.same(await node.leader.units('t'), units, order)
    t.equal(await node.leader.store.stateHash(), hash, order)
    for (const [position] of units) t.match(await node.leader.store.locate(position!), { topic: 't' })
  }
})

t.test('whole pieces that a checkpoint wrote before it was cut off are written again as they come, in whatever parts', async (t) => {
  const ENTRIES = 11
  const UNITS = 50
  const boundariesOfCheckpoint = async (faults: Faults, stopAt?: number): Promise<{ readonly disk: FaultyDisk, readonly database: FaultyKv, readonly log: MemoryLog, readonly boundaries: number }> => {
    const disk = new FaultyDisk({ faults, directories: ['/data'] })
    const database = new FaultyKv({ faults })
    const leader = await Leader.open({ disk, database, settings: SETTINGS })
    for (let i = 0; i < ENTRIES; i++) {
      leader.commit((writer) => { for (let j = 0; j < UNITS; j++) schedule(leader.store, writer, { topic: 't', queueId: 0, body: Uint8Array.of(j), stampMs: 1000, deliverAtMs: 2000 + i * UNITS + j }) })
    }
    const before = faults.boundaries
    if (stopAt !== undefined) faults.stopAt(before + stopAt, 'after')
    const stopped = new Promise<void>((resolve) => { faults.onStop(resolve) })
    await Promise.race([leader.store.checkpoint(), stopped])
    await settle()
    return { disk, database, log: leader.log, boundaries: faults.boundaries - before }
  }
  const { boundaries } = await boundariesOfCheckpoint(new Faults())
  t.ok(boundaries >= 2)
  for (let stopAt = 1; stopAt <= boundaries; stopAt++) {
    // what comes to the kv at the next checkpoint ends within a piece, at its end, behind it
    for (const replayed of [3, 6, ENTRIES]) {
      const { disk, database, log } = await boundariesOfCheckpoint(new Faults(), stopAt)
      const all = log.entries
      log.entries = all.slice(0, replayed)
      const devices = { disk: disk.kill(), database: database.kill(), log }
      if (stopAt === boundaries) log.entries = all // it was written to its end
      const leader = await Leader.open({ ...devices, settings: SETTINGS })
      await leader.store.checkpoint()
      log.entries = all
      leader.replay()
      await leader.store.checkpoint()
      await leader.store.close()
      const again = await Leader.open({ ...devices, settings: SETTINGS })
      t.notOk(again.store.recovery.isRebuilt)
      const seen: number[] = []
      for (const bucket of again.store.delays.buckets()) for await (const piece of again.store.delays.read(bucket)) while (piece.next()) seen.push(piece.deliverAtMs)
      t.same(seen, Array.from({ length: ENTRIES * UNITS }, (_, i) => 2000 + i), `stopped at ${stopAt}, then ${replayed} entries`)
      for (const at of [255, 256, ENTRIES * UNITS - 1]) t.ok(await again.store.delays.find(2000 + at, (await firstAt(again, 2000 + at))!), String(at))
      await again.store.close()
    }
  }
})

async function firstAt ({ store }: Leader, deliverAtMs: number): Promise<number | undefined> {
  const { value } = await store.delays.dueAt(deliverAtMs).next() as IteratorResult<PendingUnit, undefined>
  return value?.physicalOffset
}
