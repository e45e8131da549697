import t from 'tap'
import { Faults, type Keep } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import type { FaultyDisk } from '../support/faulty-disk.ts'
import { CounterMachine } from './counter-machine.ts'
import { HeldSyncs } from './held-syncs.ts'
import { DIRECTORY, Members, type Member } from './members.ts'

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
const afresh = () => ({ directories: [DIRECTORY], faults: new Faults() })
const ASYNC = { flush: { mode: 'async', timed: true, intervalMs: 500, thoroughIntervalMs: 5000 } } as const

async function fill (members: Members, member: Member, from: number, to: number): Promise<void> {
  const outcomes: Array<{ done: boolean, error?: any }> = []
  for (const id of range(from, to)) {
    outcomes.push(members.submit(member, id, id * 37 % 900))
    if (id % 5 === 0) await members.clock.settle()
    if (id % 10 === 0) await members.clock.advance(1)
  }
  await members.clock.runUntil(() => outcomes.every(({ done }) => done))
  for (const { error } of outcomes) if (error !== undefined) throw error
}

async function alone (disk: FaultyDisk | undefined, options: object = {}): Promise<{ members: Members, member: Member }> {
  const members = new Members([1])
  const member = await members.open(1, disk ?? members.disk({ directories: [DIRECTORY] }), options)
  await members.run(member.replica.whenLeader())
  return { members, member }
}

t.test('a killed node replays all that was committed, in order and once, over many segments', async (t) => {
  const { members, member } = await alone(undefined, { settings: { maxEntryBytes: 2048 } })
  await fill(members, member, 0, 600)
  t.ok(member.disk.paths().filter((path) => path.endsWith('.seg')).length > 3)
  const { replica: { log }, machine } = member
  for (const disk of [member.disk.kill(afresh()), ...(['none', 'random', 'reorder'] as const).map((keep) => member.disk.powerCut({ ...afresh(), keep }))]) {
    const again = await alone(disk, { settings: { applySliceBytes: 4096 }, logSettings: { tailCacheBytes: 8192 } })
    t.same(again.member.machine.ids, range(0, 600))
    t.equal(again.member.replica.log.lastIndex, log.lastIndex + 1, 'the no-op of a new term')
    t.equal(again.member.machine.count, machine.count)
    await fill(again.members, again.member, 600, 610)
    t.same(again.member.machine.ids, range(0, 610))
    await again.members.closeAll()
  }
  await members.closeAll()
})

t.test('after a checkpoint only what came later is replayed, and the state is the same', async (t) => {
  const { members, member } = await alone(undefined, { settings: { maxEntryBytes: 1024 }, checkpointEntries: 25 })
  await fill(members, member, 0, 200)
  for (const id of range(200, 203)) t.equal(await members.add(member, id), undefined)
  await members.clock.advance(10)
  const { checkpointedIndex, appliedIndex, hash, checkpoints } = member.machine
  t.ok(checkpoints > 2 && checkpointedIndex < appliedIndex, `${checkpoints} checkpoints, the last at ${checkpointedIndex} of ${appliedIndex}`)
  const disk = member.disk.kill(afresh())
  const replayed: Array<{ index: number, hash: bigint }> = []
  let machine: CounterMachine | undefined
  const again = await alone(disk, {
    openStateMachine: async () => {
      const opened = machine = await CounterMachine.open({ disk, directory: DIRECTORY })
      opened.onApply = ({ index }) => { replayed.push({ index, hash: opened.hash }) }
      return opened
    }
  })
  t.same(replayed.map(({ index }) => index), range(checkpointedIndex + 1, appliedIndex + 2), 'and then the no-op of the new term')
  t.equal(replayed.find(({ index }) => index === appliedIndex)!.hash, hash)
  t.equal(machine!.count, 203)
  await again.members.run(again.member.replica.close())
  await members.closeAll()
})

t.test('a checkpoint is never above what is synced: it waits for a sync, and the state stands still meanwhile', async (t) => {
  const members = new Members([1])
  const syncs = new HeldSyncs()
  const disk = members.disk({ directories: [DIRECTORY] })
  const member = await members.open(1, disk, { seenBy: syncs.disk(disk), logSettings: ASYNC, checkpointEntries: 4 })
  const { replica, machine } = member
  let checkpoints = 0
  machine.beforeCheckpoint = () => {
    checkpoints++
    t.ok(machine.appliedIndex <= replica.log.durableIndex, `${machine.appliedIndex} <= ${replica.log.durableIndex}`)
  }
  await members.run(replica.whenLeader())
  syncs.hold()
  const outcomes: Array<{ done: boolean, error?: any }> = []
  for (const id of range(0, 3)) {
    outcomes.push(members.submit(member, id))
    await members.clock.advance(2)
  }
  t.ok(outcomes.every(({ done, error }) => done && error === undefined), 'settled when written')
  await members.clock.advance(2)
  t.equal(syncs.waiting, 1, 'the checkpoint has asked for a sync, ahead of the timer')
  t.equal(checkpoints, 0)
  const { appliedIndex } = machine
  const later = members.submit(member, 3)
  await members.clock.advance(100)
  t.equal(machine.appliedIndex, appliedIndex)
  t.notOk(later.done)
  syncs.release()
  await members.clock.runUntil(() => later.done && checkpoints === 1)
  t.equal(machine.checkpointedIndex, appliedIndex)
  t.same(machine.ids, range(0, 4))
  await members.closeAll()
})

t.test('with a lazy flush a power cut takes the tail, never the middle, and never less than the checkpoint holds', async (t) => {
  let lost = 0
  for (const keep of ['none', 'random', 'reorder', 'all'] satisfies Keep[]) {
    for (const seed of range(1, 7)) {
      const { members, member } = await alone(undefined, { logSettings: ASYNC, checkpointEntries: 3 + seed * 2, settings: { maxEntryBytes: 2048 } })
      await fill(members, member, 0, 40 + seed * 9)
      await members.clock.advance(seed * 90)
      await fill(members, member, 40 + seed * 9, 130)
      const again = await alone(member.disk.powerCut({ ...afresh(), keep, random: new SeededRandom(seed) }), { logSettings: ASYNC })
      const { ids, count, checkpointedIndex } = again.member.machine
      const from = checkpointedIndex === 0 ? 0 : ids[0]!
      t.same(ids.slice(checkpointedIndex === 0 ? 0 : 1), range(from, count), `${keep} ${seed}`)
      t.equal(checkpointedIndex, member.machine.checkpointedIndex, 'no checkpoint is lost')
      if (keep === 'all') t.equal(count, 130)
      if (count < 130) lost++
      await again.members.closeAll()
      await members.closeAll()
    }
  }
  t.ok(lost > 3, `${lost} times something was lost`)
})

t.test('three nodes, all without power at once, any number of times: what was acknowledged is there', async (t) => {
  let disks = new Map<number, FaultyDisk>()
  const acknowledged: number[] = []
  // Node 1 checkpoints only when it is closed, which it never is: its machine has seen everything.
  const open = async (members: Members) => {
    for (const id of members.founders) await members.open(id, disks.get(id) ?? members.disk({ directories: [DIRECTORY] }), { checkpointEntries: id === 1 ? Infinity : id * 7 })
    return members.untilLeader()
  }
  for (const life of range(1, 7)) {
    const members = new Members([1, 2, 3])
    const leader = await open(members)
    for (const id of range(life * 100, life * 100 + 20)) {
      t.equal(await members.add(leader, id), undefined)
      acknowledged.push(id)
    }
    // In flight when the power goes.
    for (const id of range(life * 100 + 50, life * 100 + 55)) members.submit(leader, id)
    for (let step = 0; step < life * 3; step++) members.clock.runNext()
    disks = new Map([...members.members].map(([id, { disk }]) => [id, disk.powerCut({ ...afresh(), keep: 'random', random: new SeededRandom(life * 10 + id) })]))
  }
  const members = new Members([1, 2, 3])
  const leader = await open(members)
  t.equal(await members.add(leader, 1), undefined)
  acknowledged.push(1)
  await members.clock.advance(1000)
  const [first, ...others] = [...members.members.values()].map(({ machine }) => machine) as [CounterMachine, ...CounterMachine[]]
  const inFlight = (id: number) => id % 100 >= 50
  t.same(first.ids.filter((id) => !inFlight(id)), acknowledged)
  t.equal(new Set(first.ids).size, first.ids.length, 'nothing twice')
  for (const { count, hash } of others) t.same({ count, hash }, { count: first.count, hash: first.hash })
  await members.closeAll()
})
