import t, { type Test } from 'tap'
import { HeldSyncs } from './held-syncs.ts'
import { Members, type Member } from './members.ts'

/** Three nodes with a leader, and what a spec does to them. With `patient` the leader notices late that it hears of no majority. */
async function three (settings: object = {}, { patient = false } = {}) {
  const members = new Members([1, 2, 3])
  const syncs = new Map<number, HeldSyncs>()
  for (const id of members.founders) {
    const held = new HeldSyncs()
    const disk = members.disk()
    syncs.set(id, held)
    await members.open(id, disk, { seenBy: held.disk(disk), settings: patient && id === 1 ? { ...settings, electionTicks: 100 } : settings })
  }
  const first = await members.untilLeader()
  if (patient && first.id !== 1) await members.run(first.replica.transferLeadership(1))
  if (patient) await members.run(members.members.get(1)!.replica.whenLeader())
  const leader = patient ? members.members.get(1)! : first
  const followers = [...members.members.values()].filter((member) => member !== leader) as [Member, Member]
  const all = [leader, ...followers]
  return {
    members,
    leader,
    followers,
    syncs: (member: Member) => syncs.get(member.id)!,
    /** Until another node than `old` leads. */
    async successor (old: Member): Promise<Member> {
      const other = () => all.find((member) => member !== old && member.replica.status().isLeading)
      if (!await members.clock.runUntil(() => other() !== undefined, { maxMs: 20_000 })) throw new Error('no successor')
      return other()!
    },
    /** Everybody ends with the same; closes. */
    async finish (t: Test, ids: readonly number[]): Promise<void> {
      members.network.heal()
      for (const held of syncs.values()) held.release()
      await members.clock.advance(5000)
      await members.run((await members.untilLeader()).replica.readBarrier())
      await members.clock.advance(1000)
      for (const { id, machine } of all) {
        t.same(machine.ids, ids, `node ${id}`)
        t.equal(machine.hash, leader.machine.hash)
      }
      await members.closeAll()
      for (const { disk } of all) t.equal(disk.openHandles, 0)
    }
  }
}

t.test('applied by the next leader: settled, where the old one hears of it soon', async (t) => {
  const { members, leader, followers, successor, finish } = await three({}, { patient: true })
  t.equal(await members.add(leader, 1), undefined)
  for (const { id } of followers) members.network.cut(id, leader.id)
  const outcome = members.submit(leader, 2)
  await members.clock.advance(50)
  // Followers have the entry; then they hear nothing any more.
  members.network.isolate(leader.id, members.founders)
  const next = await successor(leader)
  t.notOk(outcome.done)
  t.equal(next.machine.ids.at(-1), 2)
  members.network.heal()
  await members.clock.runUntil(() => outcome.done, { maxMs: 5000 })
  t.same(outcome, { done: true, error: undefined })
  await finish(t, [1, 2])
})

t.test('overwritten by the next leader: not applied, and never will be', async (t) => {
  const { members, leader, successor, finish } = await three({}, { patient: true })
  t.equal(await members.add(leader, 1), undefined)
  members.network.isolate(leader.id, members.founders)
  const outcomes: Array<{ done: boolean, error?: any }> = []
  for (const id of [2, 3, 4]) {
    outcomes.push(members.submit(leader, id))
    await members.clock.advance(5)
  }
  t.equal(leader.replica.status().undecidedProposals, 3)
  const next = await successor(leader)
  // Fewer entries than the old leader has, so that some of its places stay empty for now.
  t.equal(await members.add(next, 5), undefined)
  t.notOk(outcomes.some(({ done }) => done))
  members.network.heal()
  await members.clock.runUntil(() => outcomes.every(({ done }) => done), { maxMs: 5000 })
  for (const { error } of outcomes) t.match(error, { code: 'MQ_OVERWRITTEN', outcome: 'not-applied', retryable: true })
  t.equal(await members.add(next, 2), undefined, 'the request may be made again')
  await finish(t, [1, 5, 2])
})

t.test('a leader that is cut off answers what it has under way as soon as it hears of no majority: unknown, whatever becomes of it', async (t) => {
  const { members, leader, followers, successor, finish } = await three()
  t.equal(await members.add(leader, 1), undefined)
  // Followers hear the leader; their answers are lost.
  for (const { id } of followers) members.network.cut(id, leader.id)
  const outcomes = [2, 3].map((id) => members.submit(leader, id))
  const beganMs = members.clock.nowMs()
  await members.clock.runUntil(() => outcomes.every(({ done }) => done), { maxMs: 10_000 })
  t.ok(members.clock.nowMs() - beganMs <= 2 * 400, 'within two election time-outs')
  t.notOk(leader.replica.status().isLeading)
  for (const { error } of outcomes) t.match(error, { code: 'MQ_LEADERSHIP_LOST', outcome: 'unknown', retryable: false })
  await successor(leader)
  await finish(t, [1, 2, 3])
})

t.test('a deposed leader that hears no more waits an election time-out for what becomes of what it has under way', async (t) => {
  const { members, leader, successor, finish } = await three({}, { patient: true })
  t.equal(await members.add(leader, 1), undefined)
  members.network.isolate(leader.id, members.founders)
  const outcome = members.submit(leader, 2)
  const next = await successor(leader)
  // It hears of the next leader, and nothing that leader says of the log.
  members.network.heal()
  await members.clock.runUntil(() => leader.replica.status().leaderId === next.id, { maxMs: 5_000 })
  members.network.isolate(leader.id, members.founders)
  t.notOk(outcome.done)
  await members.clock.runUntil(() => outcome.done, { maxMs: 6_000 })
  t.match(outcome.error, { code: 'MQ_LEADERSHIP_LOST', outcome: 'unknown' })
  await finish(t, [1])
})

t.test('cut off for longer than decisionTimeoutMs: unknown, whatever becomes of it', async (t) => {
  const { members, leader, successor, finish } = await three({ decisionTimeoutMs: 3000 })
  members.network.isolate(leader.id, members.founders)
  const lost = members.submit(leader, 1)
  const next = await successor(leader)
  t.equal(await members.add(next, 2), undefined)
  await members.clock.runUntil(() => lost.done, { maxMs: 3000 })
  t.match(lost.error, { code: 'MQ_LEADERSHIP_LOST', outcome: 'unknown', retryable: false })
  // Nobody leads there: what is new waits, and is given back as surely not applied.
  const waiting = members.submit(leader, 3)
  t.notOk(waiting.done)
  await members.clock.runUntil(() => waiting.done, { maxMs: 6000 })
  t.match(waiting.error, { code: 'MQ_UNAVAILABLE', outcome: 'not-applied', retryable: true })
  await finish(t, [2])
})

t.test('a leader without the disks of a majority: unknown in time, applied later', async (t) => {
  const { members, leader, followers, syncs, finish } = await three({ decisionTimeoutMs: 2000 })
  for (const follower of followers) syncs(follower).hold()
  const outcome = members.submit(leader, 1)
  await members.clock.advance(1500)
  t.notOk(outcome.done)
  t.ok(leader.replica.status().isLeading, 'heartbeats go on')
  await members.clock.advance(700)
  t.match(outcome.error, { code: 'MQ_TIMEOUT', outcome: 'unknown', retryable: false })
  for (const follower of followers) syncs(follower).release()
  await members.clock.advance(1000)
  t.equal(leader.machine.count, 1)
  await finish(t, [1])
})

t.test('one slow disk of three does not delay a proposal; a leader applies nothing that is not durable on its own', async (t) => {
  const { members, leader, followers, syncs, finish } = await three()
  syncs(followers[0]).hold()
  t.equal(await members.add(leader, 1), undefined)
  syncs(followers[0]).release()
  syncs(leader).hold()
  const outcome = members.submit(leader, 2)
  await members.clock.advance(1000)
  t.notOk(outcome.done)
  t.equal(leader.machine.count, 1)
  syncs(leader).release()
  await members.clock.runUntil(() => outcome.done)
  t.equal(outcome.error, undefined)
  await finish(t, [1, 2])
})

t.test('a follower hands proposals back, naming the leader; a node that finds itself one gives back what it holds', async (t) => {
  const { members, leader, followers, finish } = await three()
  t.match(members.submit(followers[0], 1).error, { code: 'MQ_NOT_LEADER', outcome: 'not-applied', retryable: true, leaderId: leader.id })
  t.equal(members.submit(followers[0], 1).done, true, 'within the call')

  // While leadership is handed over nothing new is sealed.
  const handing = leader.replica.transferLeadership(followers[0].id)
  const waiting = members.submit(leader, 2)
  t.notOk(waiting.done)
  await members.run(handing)
  t.match(waiting.error, { code: 'MQ_NOT_LEADER', leaderId: followers[0].id, outcome: 'not-applied' })
  await members.run(followers[0].replica.whenLeader())
  t.equal(await members.add(followers[0], 2), undefined)
  await t.rejects(members.run(followers[0].replica.transferLeadership(9)), { code: 'MQ_INVALID_ARGUMENT' })
  await finish(t, [2])
})

t.test('a transfer to a node that does not answer is given up, and what waited goes on', async (t) => {
  const { members, leader, followers, finish } = await three()
  members.network.isolate(followers[1].id, members.founders)
  const handing = leader.replica.transferLeadership(followers[1].id)
  const waiting = members.submit(leader, 1)
  await t.rejects(members.run(handing), { code: 'MQ_UNAVAILABLE' })
  await members.clock.runUntil(() => waiting.done, { maxMs: 1000 })
  t.same(waiting, { done: true, error: undefined })
  t.ok(leader.replica.status().isLeading)
  await finish(t, [1])
})

t.test('a transfer ends also when this node stops leading meanwhile, and nobody takes over', async (t) => {
  let stepped = 0
  for (let delayMs = 0; delayMs <= 400; delayMs += 100) {
    const { members, leader, followers } = await three()
    members.network.isolate(leader.id, members.founders)
    await members.clock.advance(delayMs)
    if (!leader.replica.status().isLeading) break
    const handing = leader.replica.transferLeadership(followers[0].id).catch((error: unknown) => error)
    // the others elect one of themselves, of which this node hears nothing
    t.match(await members.run(handing), { code: 'MQ_UNAVAILABLE' }, `after ${delayMs} ms`)
    if (!leader.replica.status().isLeading) stepped++
    await members.closeAll()
  }
  t.ok(stepped > 0)
})

t.test('a transfer ends when a third node leads instead', async (t) => {
  const { members, leader, followers } = await three()
  members.network.isolate(leader.id, members.founders)
  const handing = leader.replica.transferLeadership(followers[0].id).catch((error: unknown) => error)
  members.network.isolate(followers[0].id, members.founders)
  members.network.heal()
  members.network.isolate(followers[0].id, members.founders)
  await members.clock.advance(2000)
  t.match(await members.run(handing), { code: 'MQ_UNAVAILABLE' })
  await members.closeAll()
})

t.test('close hands leadership over: the group has a leader again without an election time-out', async (t) => {
  const { members, leader, followers } = await three()
  const outcomes = [1, 2, 3].map((id) => members.submit(leader, id))
  await members.run(leader.replica.close())
  t.ok(outcomes.every(({ done, error }) => done && error === undefined))
  t.ok(followers.some(({ replica }) => replica.status().role === 'leader'))
  const next = await members.untilLeader()
  t.equal(await members.add(next, 4), undefined)
  t.same(next.machine.ids, [1, 2, 3, 4])
  await members.closeAll()
})

t.test('leadership is told to who listens: the present state first, every change once', async (t) => {
  const { members, leader, followers } = await three()
  const heard: string[] = []
  const stop = leader.replica.onLeadership(({ isLeader, leaderId }) => { heard.push(`${isLeader} ${leaderId}`) })
  t.same(heard, [`true ${leader.id}`])
  await members.run(leader.replica.transferLeadership(followers[0].id))
  t.equal(heard.at(-1), `false ${followers[0].id}`)
  t.equal(leader.machine.leadingTerm, 0)
  stop()
  await members.run(followers[0].replica.transferLeadership(leader.id))
  await members.run(leader.replica.whenLeader())
  t.equal(heard.at(-1), `false ${followers[0].id}`, 'not after it stopped listening')
  const closing = leader.replica.close()
  await members.run(closing)
  await t.rejects(leader.replica.whenLeader(), { code: 'MQ_CLOSED' })
  await members.closeAll()
})
