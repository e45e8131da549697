import t from 'tap'
import { loadChecksum } from '../../lib/base/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { FaultyKv } from '../support/faulty-kv.ts'
import { Faults, type FaultCode, type StopPoint } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { settle } from '../support/virtual-clock.ts'
import { Leader, MemoryLog } from './leader.ts'

await loadChecksum()

// The store does not own the log: here that is complete and durable. Whatever happens to the kv, the applied-index file
// and the base dumps, the next start must come to the state that the log says.
const ENTRIES = 60
const SETTINGS = { unpersistedBytes: 20 * 24, pageCacheBytes: 10_000 }

interface Machine { readonly disk: FaultyDisk, readonly database: FaultyKv }

const newMachine = (faults = new Faults()): Machine => ({ disk: new FaultyDisk({ faults, directories: ['/data'] }), database: new FaultyKv({ faults }) })

function write (leader: Leader, i: number): void {
  const { store } = leader
  leader.commit((writer) => {
    for (let j = 0; j < 20; j++) leader.append(writer, `topic-${j % 3}`, 0, { stampMs: i })
    store.consumerOffsets.commit(writer, `group-${i % 4}`, 'topic-0', 0, i)
    if (i % 20 === 19) store.deleteTopic(writer, 'topic-1')
    if (i === 40) store.setFloor(writer, leader.log.entries[20]!.physicalOffset)
  }, { stampMs: i })
}

/** The whole life of a store: checkpoints, base dumps, a restart, and a rebuild in the middle. */
async function live (machine: Machine, log: MemoryLog): Promise<void> {
  let leader = await Leader.open({ ...machine, log, settings: SETTINGS })
  for (let i = 0; i < ENTRIES; i++) {
    write(leader, i)
    if (i % 7 === 6) await leader.store.checkpoint()
    if (i % 25 === 24) await leader.store.writeBaseDump()
    if (i === 15 || i === 50) {
      await leader.store.close()
      leader = await Leader.open({ ...machine, log, settings: SETTINGS })
    }
    if (i === 30) {
      await leader.store.close()
      await machine.database.destroy()
      leader = await Leader.open({ ...machine, log, settings: SETTINGS })
    }
  }
  await leader.store.close()
}

/** The state hash after each entry, from a life without accidents. */
async function hashes (): Promise<bigint[]> {
  const leader = await Leader.open(newMachine())
  const all = [await leader.store.stateHash()]
  for (let i = 0; i < ENTRIES; i++) {
    write(leader, i)
    all.push(await leader.store.stateHash())
  }
  await leader.store.close()
  return all
}

async function assertState ({ disk, database }: Machine, log: MemoryLog, expected: readonly bigint[], what: string): Promise<void> {
  const leader = await Leader.open({ disk, database, log, settings: SETTINGS })
  const { store } = leader
  if (store.appliedIndex !== log.lastIndex) throw new Error(`${what}: at entry ${store.appliedIndex}, not ${log.lastIndex}`)
  if (await store.stateHash() !== expected[store.appliedIndex]) throw new Error(`${what}: wrong state`)
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
