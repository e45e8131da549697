import t from 'tap'
import { loadChecksum } from '../../lib/base/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { FaultyKv } from '../support/faulty-kv.ts'
import { Faults, type FaultCode, type StopPoint } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { settle } from '../support/virtual-clock.ts'
import type { WriteBaseDump } from '../../lib/replica/index.ts'
import { DelayDue } from '../../lib/store/index.ts'
import { deliverDue, schedule } from './delayed-store.ts'
import { Leader, MemoryLog } from './leader.ts'

await loadChecksum()

// The store does not own the log: here that is complete and durable. Whatever happens to the kv, the applied-index file
// and the base dumps, the next start must come to the state that the log says.
const ENTRIES = 60
const SETTINGS = { unpersistedBytes: 20 * 24, pageCacheBytes: 10_000 }

interface Machine { readonly disk: FaultyDisk, readonly database: FaultyKv }

const newMachine = (faults = new Faults()): Machine => ({ disk: new FaultyDisk({ faults, directories: ['/data'] }), database: new FaultyKv({ faults }) })

/** A leader, and what is due on it. */
async function open (machine: Machine, log = new MemoryLog()): Promise<{ readonly leader: Leader, readonly due: DelayDue }> {
  const leader = await Leader.open({ ...machine, log, settings: SETTINGS })
  const due = new DelayDue(leader.store.delays, 5)
  leader.store.delays.onScheduled = (...scheduled) => { due.note(...scheduled) }
  return { leader, due }
}

async function write ({ leader, due }: Awaited<ReturnType<typeof open>>, i: number): Promise<void> {
  const { store } = leader
  while (due.needsLoad(i)) await due.load(i, (error) => { throw error })
  leader.commit((writer) => {
    // one waits for a moment, one longer than this life
    for (const delay of i % 2 === 0 ? [3 + i % 5, 100_000_000 * (1 + i % 3)] : []) schedule(store, writer, { topic: 'delayed', queueId: 0, body: Uint8Array.of(i), stampMs: i, deliverAtMs: i + delay })
    if (i % 3 === 0) deliverDue(store, due, writer, i, 2)
    if (i % 4 === 0) store.locks.lock(writer, `group-${i % 3}`, `client-${i % 5}`, [{ topic: 'topic-0', queueId: 0 }, { topic: 'topic-1', queueId: i % 2 }], i * 1000)
    if (i % 10 === 9) store.locks.releaseOwner(writer, `client-${i % 5}`, undefined, i * 1000, 10)
    if (i % 9 === 0) store.consumerOffsets.reset(writer, 'group-1', 'topic-0', 0, i)
    if (i % 9 === 4) store.consumerOffsets.clearReset(writer, 'group-1', 'topic-0', 0)
    for (let j = 0; j < 20; j++) leader.append(writer, `topic-${j % 3}`, 0, { stampMs: i })
    store.consumerOffsets.commit(writer, `group-${i % 4}`, 'topic-0', 0, i)
    if (i % 20 === 19) store.deleteTopic(writer, 'topic-1')
    if (i === 40) store.setFloor(writer, leader.log.entries[20]!.physicalOffset)
  }, { stampMs: i })
}

/** The whole life of a store: checkpoints, base dumps, a restart, and a rebuild in the middle. */
async function live (machine: Machine, log: MemoryLog): Promise<void> {
  let node = await open(machine, log)
  let writeDump: WriteBaseDump | undefined
  for (let i = 0; i < ENTRIES; i++) {
    await write(node, i)
    const { store } = node.leader
    if (i % 7 === 6) await store.checkpoint()
    // its state is fixed, then the next entry is applied, and a checkpoint of that is written beside the dump
    if (i % 25 === 24) writeDump = await store.beginBaseDump()
    else if (i % 25 === 0 && writeDump !== undefined) await Promise.all([writeDump(() => true), store.checkpoint()])
    if (i === 15 || i === 30 || i === 50) {
      await store.close()
      if (i === 30) await machine.database.destroy()
      node = await open(machine, log)
    }
  }
  await node.leader.store.close()
}

/** The state hash after each entry, from a life without accidents. */
async function hashes (): Promise<bigint[]> {
  const node = await open(newMachine())
  const { store } = node.leader
  const all = [await store.stateHash()]
  for (let i = 0; i < ENTRIES; i++) {
    await write(node, i)
    // times of locks are the leader's own: they begin anew where a life does
    if (i === 15 || i === 30 || i === 50) store.startLeading()
    all.push(await store.stateHash())
  }
  await store.close()
  return all
}

async function assertState ({ disk, database }: Machine, log: MemoryLog, expected: readonly bigint[], what: string): Promise<void> {
  const leader = await Leader.open({ disk, database, log, settings: SETTINGS })
  const { store } = leader
  if (store.appliedIndex !== log.lastIndex) throw new Error(`${what}: at entry ${store.appliedIndex}, not ${log.lastIndex}`)
  if (await store.stateHash() !== expected[store.appliedIndex]) throw new Error(`${what}: wrong state`)
  for (const bucket of store.delays.buckets()) for await (const piece of store.delays.read(bucket)) while (piece.next()) piece.unit.topic.at(0)
  await store.checkpoint()
  await store.close()
  const again = await Leader.open({ disk, database, log, settings: SETTINGS })
  if (again.store.recovery.isRebuilt) throw new Error(`${what}: rebuilt again: ${again.store.recovery.reason}`)
  if (await again.store.stateHash() !== expected[log.lastIndex]) throw new Error(`${what}: wrong state after a second start`)
  await again.store.close()
}

t.setTimeout(600_000)

t.test('stopped at every boundary, before, in the middle and after, by kill and by power cut: the state of the log', async (t) => {
  const expected = await hashes()
  const whole = newMachine()
  await live(whole, new MemoryLog())
  const { boundaries } = whole.disk.faults
  let points = 0
  for (let boundary = 1; boundary <= boundaries; boundary++) {
    for (const point of ['before', 'middle', 'after'] as StopPoint[]) {
      const faults = new Faults()
      const machine = newMachine(faults)
      const log = new MemoryLog()
      faults.stopAt(boundary, point)
      const stopped = new Promise<void>((resolve) => { faults.onStop(resolve) })
      await Promise.race([live(machine, log), stopped])
      await settle()
      const what = `boundary ${boundary} ${point}`
      const outcomes: Array<[string, Machine]> = [['kill', { disk: machine.disk.kill(), database: machine.database.kill() }]]
      for (const keep of ['none', 'all', 'random', 'reorder'] as const) {
        const random = new SeededRandom(boundary)
        outcomes.push([keep, { disk: machine.disk.powerCut({ keep, random }), database: machine.database.powerCut({ keep, random }) }])
      }
      for (const [how, after] of outcomes) {
        const found = new MemoryLog()
        found.entries = [...log.entries]
        await assertState(after, found, expected, `${what}, ${how}`)
        points++
      }
    }
  }
  t.ok(points > 1000, `${points} outcomes of ${boundaries} boundaries`)
})

t.test('EIO and ENOSPC on the n-th call for every n: an error to the caller, and the next start has the state of the log', async (t) => {
  const expected = await hashes()
  const whole = newMachine()
  await live(whole, new MemoryLog())
  let failures = 0
  for (const code of ['EIO', 'ENOSPC'] as FaultCode[]) {
    for (let n = 1; n <= whole.disk.faults.boundaries; n++) {
      const faults = new Faults()
      const machine = newMachine(faults)
      const log = new MemoryLog()
      faults.failAt(n, code)
      await live(machine, log).then(() => {}, () => { failures++ })
      await settle()
      await assertState({ disk: machine.disk.powerCut({ keep: 'all' }), database: machine.database.powerCut({ keep: 'all' }) }, log, expected, `${code} on call ${n}`)
    }
  }
  t.ok(failures > 0, `${failures} failures`)
})
