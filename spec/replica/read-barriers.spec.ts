import t from 'tap'
import type { RaftMessage } from '../../lib/raft/index.ts'
import { Members } from './members.ts'

async function three (settings: object = {}) {
  const members = new Members([1, 2, 3])
  for (const id of members.founders) await members.open(id, members.disk(), { settings })
  const leader = await members.untilLeader()
  const followers = [...members.members.values()].filter((member) => member !== leader)
  return { members, leader, follower: followers[0]!, other: followers[1]! }
}

/** Follows a promise: what became of it so far. */
function watch (promise: Promise<void>): { state: 'waiting' | 'resolved' | 'rejected', error?: any } {
  const seen: ReturnType<typeof watch> = { state: 'waiting' }
  promise.then(() => { seen.state = 'resolved' }, (error) => {
    seen.state = 'rejected'
    seen.error = error
  })
  return seen
}

t.test('alone, a barrier needs nobody and makes no entry', async (t) => {
  const members = new Members([1])
  const member = await members.open(1)
  await members.run(member.replica.whenLeader())
  await members.add(member, 1)
  const { lastIndex } = member.replica.status()
  const startMs = members.clock.nowMs()
  await members.run(member.replica.readBarrier())
  t.equal(members.clock.nowMs(), startMs)
  t.equal(member.replica.status().lastIndex, lastIndex)
  await members.closeAll()
  await t.rejects(member.replica.readBarrier(), { code: 'MQ_CLOSED' })
})

t.test('a barrier asked before anybody leads is answered once somebody does', async (t) => {
  for (const founders of [[1], [1, 2, 3]]) {
    const members = new Members(founders)
    for (const id of founders) await members.open(id, members.disk())
    const barriers = [...members.members.values()].map(({ replica }) => watch(replica.readBarrier()))
    await members.clock.runUntil(() => barriers.every(({ state }) => state !== 'waiting'), { maxMs: 20_000 })
    t.same(barriers.map(({ state }) => state), founders.map(() => 'resolved'))
    await members.closeAll()
  }
})

t.test('a barrier on a follower waits until what was acknowledged before is applied there', async (t) => {
  const { members, leader, follower } = await three()
  for (let id = 0; id < 50; id++) {
    t.equal(await members.add(leader, id), undefined)
    await members.run(follower.replica.readBarrier())
    if (follower.machine.count <= id) t.fail(`${follower.machine.count} of ${id + 1} applied`)
  }
  // Entries reach it late, its barrier all the more.
  let held = true
  const late: RaftMessage[] = []
  members.network.filter = (message) => {
    if (!held || message.to !== follower.id || message.type !== 'appendEntries') return true
    late.push(message)
    return false
  }
  t.equal(await members.add(leader, 50), undefined)
  const barrier = watch(follower.replica.readBarrier())
  await members.clock.advance(200)
  t.equal(barrier.state, 'waiting')
  t.equal(follower.machine.count, 50)
  t.ok(late.length > 0)
  held = false
  await members.clock.runUntil(() => barrier.state !== 'waiting', { maxMs: 5000 })
  t.equal(barrier.state, 'resolved')
  t.equal(follower.machine.count, 51)
  await members.closeAll()
})

t.test('barriers of one turn share one question', async (t) => {
  const { members, follower } = await three()
  let questions = 0
  members.network.filter = ({ type }) => {
    if (type === 'readIndex') questions++
    return true
  }
  await members.run(Promise.all(Array.from({ length: 100 }, () => follower.replica.readBarrier())))
  t.equal(questions, 1)
  await members.closeAll()
})

t.test('a lost question is asked again after readRetryMs, and answered once', async (t) => {
  const { members, follower } = await three({ readRetryMs: 300 })
  let questions = 0
  members.network.filter = ({ type }) => type !== 'readIndex' || ++questions > 1
  const startMs = members.clock.nowMs()
  await members.run(follower.replica.readBarrier())
  t.equal(questions, 2)
  t.ok(members.clock.nowMs() - startMs >= 300)
  await members.closeAll()
})

t.test('a leader that is cut off answers no read, before its group elects another and after', async (t) => {
  const { members, leader, follower, other } = await three({ leaderTimeoutMs: 2000 })
  t.equal(await members.add(leader, 1), undefined)
  members.network.isolate(leader.id, members.founders)
  const stale = watch(leader.replica.readBarrier())
  await members.clock.runUntil(() => follower.replica.status().isLeading || other.replica.status().isLeading, { maxMs: 10_000 })
  const next = follower.replica.status().isLeading ? follower : other
  t.equal(await members.add(next, 2), undefined)
  t.not(stale.state, 'resolved')
  t.equal(leader.machine.count, 1)
  await members.clock.runUntil(() => stale.state !== 'waiting', { maxMs: 5000 })
  t.match(stale.error, { code: 'MQ_UNAVAILABLE', outcome: 'not-applied' })
  // Back in the group, it reads what it has missed.
  const again = watch(leader.replica.readBarrier())
  await members.clock.advance(500)
  t.equal(again.state, 'waiting')
  members.network.heal()
  await members.clock.runUntil(() => again.state !== 'waiting', { maxMs: 5000 })
  t.equal(again.state, 'resolved')
  t.equal(leader.machine.count, 2)
  await members.closeAll()
})

t.test('a new leader answers once the no-op of its term is committed', async (t) => {
  const { members, leader, follower, other } = await three()
  t.equal(await members.add(leader, 1), undefined)
  members.network.filter = ({ type }) => type !== 'appendEntriesReply'
  await members.run(leader.replica.transferLeadership(follower.id))
  t.equal(follower.replica.status().role, 'leader')
  const barriers = [follower, other].map(({ replica }) => watch(replica.readBarrier()))
  await members.clock.advance(200)
  t.same(barriers.map(({ state }) => state), ['waiting', 'waiting'])
  members.network.filter = undefined
  await members.clock.runUntil(() => barriers.every(({ state }) => state !== 'waiting'), { maxMs: 5000 })
  t.same(barriers.map(({ state }) => state), ['resolved', 'resolved'])
  t.equal(other.machine.count, 1)
  await members.closeAll()
})

t.test('close answers the barriers that still wait', async (t) => {
  const { members, leader, follower } = await three()
  members.network.isolate(follower.id, members.founders)
  const barrier = watch(follower.replica.readBarrier())
  await members.clock.advance(10)
  await members.run(follower.replica.close())
  t.match(barrier, { state: 'rejected', error: { code: 'MQ_CLOSED' } })
  t.ok(leader)
  await members.closeAll()
})
