import t, { type Test } from 'tap'
import type { ConfChange, ConfStep } from '../../lib/raft/index.ts'
import { Faults } from '../support/faults.ts'
import { DIRECTORY, Members, type Member } from './members.ts'

const auto = (...steps: ConfStep[]): ConfChange => ({ transition: 'auto', steps })
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

async function ids (members: Members, member: Member, from: number, to: number): Promise<void> {
  for (const id of range(from, to)) {
    const error = await members.add(member, id)
    if (error !== undefined) throw error
  }
}

/** Until these nodes have applied the same. */
async function equal (t: Test, members: Members, nodes: readonly Member[], count: number): Promise<void> {
  await members.clock.runUntil(() => nodes.every(({ machine }) => machine.count === count), { maxMs: 10_000 })
  await members.clock.advance(500)
  t.same(nodes.map(({ machine }) => machine.count), nodes.map(() => count))
  t.equal(new Set(nodes.map(({ machine }) => machine.hash)).size, 1)
}

t.test('one node becomes two by way of a learner, and one again', async (t) => {
  const members = new Members([1])
  const first = await members.open(1, members.disk({ directories: [DIRECTORY] }))
  await members.run(first.replica.whenLeader())
  await ids(members, first, 0, 30)
  await members.clock.advance(1000)
  const idleTimers = members.clock.waiting

  const second = await members.open(2, members.disk({ directories: [DIRECTORY] }))
  await members.clock.advance(3000)
  t.equal(second.replica.status().term, 0, 'a newcomer waits to be asked')
  t.match(members.submit(second, 99), { done: false })

  t.same(await members.run(first.replica.changeMembership(auto({ type: 'addLearner', id: 2 }))), { voters: [1], votersOutgoing: [], learners: [2], learnersNext: [], autoLeave: false })
  await equal(t, members, [first, second], 30)
  await ids(members, first, 30, 40)
  members.network.isolate(2, [1])
  await ids(members, first, 40, 50)
  t.pass('a learner is not asked')
  members.network.heal()
  await equal(t, members, [first, second], 50)

  t.same((await members.run(first.replica.changeMembership(auto({ type: 'addVoter', id: 2 })))).voters, [1, 2])
  members.network.isolate(2, [1])
  const outcome = members.submit(first, 50)
  await members.clock.advance(200)
  t.notOk(outcome.done, 'a voter is')
  members.network.heal()
  await members.clock.runUntil(() => outcome.done, { maxMs: 20_000 })
  const leader = await members.untilLeader()
  if (leader !== first) await members.run(leader.replica.transferLeadership(1))
  await members.run(first.replica.whenLeader())

  t.same((await members.run(first.replica.changeMembership(auto({ type: 'remove', id: 2 })))).voters, [1])
  await members.run(second.replica.close())
  const { count } = first.machine
  await members.clock.advance(1000)
  t.equal(members.clock.waiting, idleTimers, 'alone again: no ticks')
  await ids(members, first, 60, 70)
  const disk = first.disk.kill({ directories: [DIRECTORY], faults: new Faults() })

  // The configuration is part of the log, and of the state.
  const alone = new Members([1])
  const again = await alone.open(1, disk)
  await alone.run(again.replica.whenLeader())
  t.equal(again.machine.count, count + 10)
  t.same(again.replica.status().confState.voters, [1])
  await alone.run(again.replica.close())
  const third = await alone.open(1, disk)
  t.same(third.machine.confState.voters, [1])
  await alone.closeAll()
})

t.test('a group of two that became one knows so after a crash, also one right after the change', async (t) => {
  for (const logSettings of [{}, { flush: { mode: 'async', timed: true, intervalMs: 5000 } }] as const) {
    const members = new Members([1, 2])
    for (const id of members.founders) await members.open(id, members.disk({ directories: [DIRECTORY] }), { logSettings })
    const leader = await members.untilLeader()
    const other = leader.id === 1 ? 2 : 1
    await ids(members, leader, 0, 5)
    await members.run(leader.replica.changeMembership(auto({ type: 'remove', id: other })))
    const disk = leader.disk.powerCut({ directories: [DIRECTORY], faults: new Faults(), keep: 'none' })
    const alone = new Members([1, 2])
    const again = await alone.open(leader.id, disk)
    t.same(again.machine.confState.voters, [leader.id])
    await alone.run(again.replica.whenLeader())
    await ids(alone, again, 5, 10)
    t.equal(again.machine.count, 10)
    await alone.closeAll()
    await members.closeAll()
  }
})

t.test('of three nodes one is removed, also the leader; the rest goes on', async (t) => {
  const members = new Members([1, 2, 3])
  await members.openAll()
  const leader = await members.untilLeader()
  const [a, b] = [...members.members.values()].filter((member) => member !== leader) as [Member, Member]
  await ids(members, leader, 0, 10)
  t.same((await members.run(leader.replica.changeMembership(auto({ type: 'remove', id: a.id })))).voters, [leader.id, b.id].sort())
  await members.run(a.replica.close())
  members.members.delete(a.id)
  await ids(members, leader, 10, 20)
  await equal(t, members, [leader, b], 20)

  const removed = members.run(leader.replica.changeMembership(auto({ type: 'remove', id: leader.id })))
  t.same((await removed).voters, [b.id])
  await members.clock.runUntil(() => b.replica.status().isLeading, { maxMs: 20_000 })
  t.ok(b.replica.status().isLeading)
  t.notOk(leader.replica.status().isLeading)
  t.equal(await members.add(b, 20), undefined)
  t.match(await members.add(leader, 21), { outcome: 'not-applied' }, 'who is out takes nothing')
  await members.closeAll()
})

t.test('two of three are replaced at once, through a joint configuration', async (t) => {
  const members = new Members([1, 2, 3])
  await members.openAll()
  const leader = await members.untilLeader()
  const others = members.founders.filter((id) => id !== leader.id)
  await ids(members, leader, 0, 10)
  for (const id of [4, 5]) await members.open(id, members.disk())
  const steps: ConfStep[] = [...[4, 5].map((id) => ({ type: 'addVoter', id } as const)), ...others.map((id) => ({ type: 'remove', id } as const))]
  const changing = leader.replica.changeMembership(auto(...steps))
  await t.rejects(leader.replica.changeMembership(auto({ type: 'addLearner', id: 6 })), { code: 'MQ_BUSY' }, 'one at a time')
  await members.run(changing)
  await members.clock.runUntil(() => leader.replica.status().confState.votersOutgoing.length === 0, { maxMs: 10_000 })
  t.same(leader.replica.status().confState.voters, [leader.id, 4, 5].sort())
  for (const id of others) await members.run(members.members.get(id)!.replica.close())
  await ids(members, leader, 10, 20)
  await equal(t, members, [leader, members.members.get(4)!, members.members.get(5)!], 20)
  await members.closeAll()
})

t.test('a change that makes no sense, or is asked of a follower, is refused and leaves nothing behind', async (t) => {
  const members = new Members([1, 2, 3])
  await members.openAll()
  const leader = await members.untilLeader()
  const follower = [...members.members.values()].find((member) => member !== leader)!
  const { lastIndex } = leader.replica.status()
  await t.rejects(follower.replica.changeMembership(auto({ type: 'addLearner', id: 4 })), { code: 'MQ_NOT_LEADER', leaderId: leader.id })
  await t.rejects(leader.replica.changeMembership(auto(...[1, 2, 3].map((id) => ({ type: 'remove', id } as const)))), { code: 'MQ_INVALID_ARGUMENT' }, 'no voter would be left')
  t.equal(leader.replica.status().lastIndex, lastIndex)
  t.equal(await members.add(leader, 1), undefined)
  await members.closeAll()
  await t.rejects(leader.replica.changeMembership(auto({ type: 'addLearner', id: 4 })), { code: 'MQ_CLOSED' })
})

t.test('a change whose leader is cut off is answered like any other write', async (t) => {
  const members = new Members([1, 2, 3])
  await members.openAll()
  const leader = await members.untilLeader()
  const others = [...members.members.values()].filter((member) => member !== leader)
  members.network.isolate(leader.id, members.founders)
  let error: any
  leader.replica.changeMembership(auto({ type: 'addLearner', id: 4 })).catch((cause) => { error = cause })
  await members.clock.runUntil(() => others.some(({ replica }) => replica.status().isLeading), { maxMs: 10_000 })
  members.network.heal()
  await members.clock.runUntil(() => error !== undefined, { maxMs: 10_000 })
  t.match(error, { code: 'MQ_LEADERSHIP_LOST', outcome: 'unknown' })
  t.same(leader.replica.status().confState.learners, [])
  await members.closeAll()
})
