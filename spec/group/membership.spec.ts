import t, { type Test } from 'tap'
import { loadChecksum } from '../../lib/base/index.ts'
import { Engine } from '../../lib/engine/index.ts'
import { GroupMember } from '../../lib/group/index.ts'
import { joinRequest, METHODS } from '../../lib/group/messages.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { numberOf } from '../../lib/replica/index.ts'
import { get, put, topicConfig, wireMessage } from '../engine/wire.ts'
import { Load } from './load.ts'
import { DIRECTORY, Nodes } from './nodes.ts'

function nodes (t: Test, configured: readonly number[] = [0, 1, 2]): Nodes {
  const nodes = new Nodes(configured)
  t.teardown(() => nodes.closeAll())
  return nodes
}

/** A node that knows of itself and of node 0 only. */
const joining = (group: Nodes, number: number) => ({ peers: [0, number].map((one) => ({ number: one, address: group.addressOf(one) })) })

const voters = (group: Nodes, numbers: readonly number[]) => () => `${group.voters}` === `${numbers}` && group.leader!.members().length === numbers.length

t.test('from one node to three, to five, back to three, under load: nothing acknowledged is lost, the number of voters is odd', { timeout: 120_000 }, async (t) => {
  const group = nodes(t, [0])
  const { engine } = await group.open(0)
  await group.untilLeader()
  const counts = new Set<number>()
  const watch = (one: Engine) => one.onMembership(({ voters, votersOutgoing }) => { if (votersOutgoing.length === 0) counts.add(voters.length) })
  watch(engine)
  const load = new Load(group)
  for (const pair of [[1, 2], [3, 4]]) {
    for (const number of pair) await group.run(group.leader!.addPeer(number, `host${number}:40911`))
    const [first, second] = pair as [number, number]
    watch((await group.open(first, joining(group, first))).engine)
    await group.until(() => group.leader!.members().some(({ number, role }) => number === first && role === 'learner'))
    await group.clock.advance(2_000)
    t.equal(group.leader!.members().find(({ number }) => number === first)!.role, 'learner', 'an even number of voters is no gain')
    watch((await group.open(second, joining(group, second))).engine)
    await group.until(voters(group, [0, 1, 2, ...(first === 3 ? [3, 4] : [])]))
  }
  const before = load.acked.size
  const leading = group.leader!
  const removed = [leading.number, leading.number === 1 ? 2 : 1]
  const nodeIds = leading.members().filter(({ number }) => removed.includes(number)).map(({ nodeId }) => nodeId)
  await t.rejects(group.run(leading.remove(nodeIds)), { code: 'MQ_NOT_LEADER' }, 'a leader that is to go hands over')
  t.not(await group.untilLeader(), leading)
  await group.run(group.leader!.remove(nodeIds))
  const left = [0, 1, 2, 3, 4].filter((number) => !removed.includes(number))
  for (const number of removed) await group.close(number)
  await group.until(voters(group, left))
  await group.until(() => load.acked.size > before + 200)
  await load.stop()
  await group.untilEqual()
  for (const one of group.engines) t.equal(await load.defectOn(one), undefined)
  t.ok(load.acked.size > 500, `${load.acked.size} messages`)
  t.same([...counts].sort(), [1, 3, 5])
})

t.test('a node that was removed stays away, says so, and comes back when it is emptied', async (t) => {
  const group = nodes(t)
  await group.openAll()
  const leader = await group.untilLeader()
  const number = group.followerNumber()
  const gone = group.member(number)
  await group.run(leader.remove([gone.nodeId]))
  await group.clock.advance(20_000)
  t.equal(group.voters.length, 2)
  t.ok(group.logged.some(([who, text]) => who === number && /was removed/.test(text)))
  await group.close(number)
  group.wipe(number)
  await group.open(number)
  await group.until(voters(group, [0, 1, 2]))
})

t.test('a node that asks to join while it is being removed does not slip in again', async (t) => {
  const group = nodes(t, [0, 1, 2, 3, 4])
  await group.openAll()
  const leader = await group.untilLeader()
  const gone = [...group.members.values()].filter((member) => member !== leader).slice(0, 2)
  const removing = leader.remove(gone.map(({ nodeId }) => nodeId))
  const body = joinRequest.encode({ groupId: leader.engine.identity.groupId, address: 'host1:40911', wantsVote: true })
  const asking = gone[0]!.peers.callAddress(group.addressOf(leader.number), METHODS.join, body, { timeoutMs: 5_000 })
  await group.run(Promise.all([removing, t.rejects(asking, { code: 'MQ_INVALID_ARGUMENT', isRemoved: true })]))
  await group.clock.advance(10_000)
  t.same(leader.members().map(({ role }) => role), ['voter', 'voter', 'voter'])
  for (const { number } of gone) t.ok(group.logged.some(([who, text]) => who === number && /was removed/.test(text)))
})

t.test('a leader that loses its place in the middle of a change says that it does not know how it ended, or finds out', async (t) => {
  for (const isCut of [true, false]) {
    const group = nodes(t, [0, 1, 2, 3, 4])
    await group.openAll()
    const leader = await group.untilLeader()
    const gone = leader.members().filter(({ isLeader }) => !isLeader).slice(0, 2).map(({ nodeId }) => nodeId)
    const left = leader.members().map(({ number }) => number).filter((number) => !gone.some((id) => numberOf(id) === number))
    // both halves decide from the moment on when it applies that; it is cut off before they have left the old one
    const unlisten = leader.engine.onMembership(({ votersOutgoing }) => {
      if (votersOutgoing.length > 0) group.network.isolate(leader.nodeId, leader.members().map(({ nodeId }) => nodeId))
    })
    const outcome = leader.remove(gone).then(() => 'done', (error: unknown) => error)
    await group.until(() => [...group.members.values()].some((member) => member !== leader && member.engine.role.isLeader))
    unlisten()
    if (!isCut) group.network.heal()
    const found = await group.run(outcome)
    if (isCut) t.match(found, { code: 'MQ_LEADERSHIP_LOST', outcome: 'unknown' })
    else t.equal(found, 'done')
    group.network.heal()
    await group.until(voters(group, left))
    await group.closeAll()
  }
})

t.test('who would leave behind a group that could decide nothing is not removed', async (t) => {
  const group = nodes(t)
  await group.openAll()
  const leader = await group.untilLeader()
  const [dead, alive] = [...group.members.values()].filter((member) => member !== leader)
  await group.close(dead!.number)
  await t.rejects(group.run(leader.remove([alive!.nodeId])), { code: 'MQ_UNAVAILABLE' })
  t.same(group.voters, [0, 1, 2])
  await group.run(put(leader.engine, 'orders', wireMessage('a')))
  await group.run(leader.remove([dead!.nodeId]))
  t.equal(group.voters.length, 2)
  await group.run(put(leader.engine, 'orders', wireMessage('b')))
})

t.test('a node that is removed while it is to take the place of its old incarnation does not come back', async (t) => {
  const group = nodes(t)
  await group.openAll()
  const leader = await group.untilLeader()
  const number = group.followerNumber()
  const old = group.member(number)
  await group.close(number)
  group.wipe(number)
  const again = await group.open(number, { role: 'learner' })
  await group.until(() => leader.members().length === 4)
  await group.run(leader.remove([again.nodeId, old.nodeId]))
  await group.clock.advance(10_000)
  t.equal(leader.members().length, 2)
  t.ok(group.logged.some(([who, text]) => who === number && /was removed/.test(text)))
})

t.test('where a node listens that was added live is what the group was told last, whatever files say', async (t) => {
  const group = nodes(t)
  await group.openAll()
  const leader = await group.untilLeader()
  const number = group.followerNumber()
  await group.run(leader.remove([group.member(number).nodeId]))
  await group.close(number)
  group.wipe(number)
  await group.run(leader.addPeer(number, 'elsewhere:40911'))
  const address = { host: 'elsewhere', port: 40911 }
  await group.open(number, { peers: [0, 1, 2].map((one) => ({ number: one, address: one === number ? address : group.addressOf(one) })), openNetwork: group.networkAt(address) })
  await group.until(voters(group, [0, 1, 2]))
  for (const member of group.members.values()) t.equal(member.members().find((one) => one.number === number)!.address, 'elsewhere:40911')
  t.equal(leader.peers.linkStats().find(({ nodeId }) => nodeId === group.member(number).nodeId)!.address!.host, 'elsewhere')
})

t.test('a learner that has just gone is not made a voter', async (t) => {
  const group = nodes(t, [0])
  await group.open(0)
  const leader = await group.untilLeader()
  for (const number of [1, 2]) await group.run(leader.addPeer(number, `host${number}:40911`))
  await group.open(1, joining(group, 1))
  await group.until(() => leader.members().length === 2)
  await group.close(1)
  await group.open(2, joining(group, 2))
  await group.until(() => leader.members().length === 3)
  await group.clock.advance(2_000)
  t.same(group.voters, [0], 'one of two that are there would be all that is left to decide')
  await group.open(1, joining(group, 1))
  await group.until(voters(group, [0, 1, 2]))
})

t.test('who has not been named may not join, unless classic slaves are taken, as learners', async (t) => {
  const group = nodes(t, [0])
  await group.open(0)
  await group.untilLeader()
  await group.open(1, joining(group, 1))
  await group.clock.advance(5_000)
  t.equal(group.leader!.members().length, 1)
  t.ok(group.logged.some(([who, text]) => who === 1 && /not among the nodes/.test(text)))
  const other = nodes(t, [0])
  await other.open(0, { takesLearners: true })
  await other.run(put((await other.untilLeader()).engine, 'orders', wireMessage('a')))
  const slave = await other.open(1, { ...joining(other, 1), role: 'learner' })
  await other.untilEqual()
  t.same((await other.run(get(slave.engine, { topic: 'orders' }))).bodies, ['a'])
  await other.clock.advance(5_000)
  t.match(other.leader!.members(), [{ number: 0, role: 'voter' }, { number: 1, role: 'learner' }])
  t.same(slave.members().map(({ role }) => role), ['voter', 'learner'])
})

t.test('promote, replace and transfer by hand; a follower refuses to change anything', async (t) => {
  const group = nodes(t)
  await group.openAll()
  const leader = await group.untilLeader()
  const follower = group.member(group.followerNumber())
  await t.rejects(group.run(follower.remove([leader.nodeId])), { code: 'MQ_NOT_LEADER', leaderId: leader.nodeId })
  await group.run(leader.addPeer(3, 'host3:40911'))
  const fourth = await group.open(3, { ...joining(group, 3), role: 'learner' })
  await group.until(() => leader.members().some(({ number, role }) => number === 3 && role === 'learner'))
  await group.untilEqual()
  await group.run(leader.replace(follower.nodeId, fourth.nodeId))
  await group.until(() => group.voters.includes(3) && !group.voters.includes(follower.number) && leader.engine.status().confState.votersOutgoing.length === 0)
  await group.run(leader.transferLeader(fourth.nodeId))
  await group.until(() => fourth.engine.role.isLeader)
  await t.rejects(group.run(fourth.transferLeader(follower.nodeId)), { code: 'MQ_INVALID_ARGUMENT' })
})

t.test('the preferred node leads as soon as it can, and not before it has caught up', async (t) => {
  const group = nodes(t)
  await group.openAll({ preferredLeaders: [2, 1] })
  await group.until(() => group.leader?.number === 2)
  await group.close(2)
  await group.until(() => group.leader?.number === 1)
  await group.run(put(group.leader!.engine, 'orders', wireMessage('a')))
  await group.open(2, { preferredLeaders: [2, 1] })
  await group.until(() => group.leader?.number === 2)
  t.same((await group.run(get(group.leader!.engine, { topic: 'orders' }))).bodies, ['a'])
})

t.test('an embedded group of one grows live, and goes on when its first node is gone', { timeout: 120_000 }, async (t) => {
  await loadChecksum()
  const group = nodes(t, [0])
  const options = { ...checkOpenOptions(DIRECTORY, {}), directory: DIRECTORY, ports: group.portsOf(0) }
  const engine = await group.run(Engine.open(options))
  for (let i = 0; i < 200; i++) await group.run(put(engine, 'load', wireMessage(`before${i}`), topicConfig('load', 1)))
  const first = await group.run(GroupMember.attach(engine, { groupName: 'group', number: 0, peers: [{ number: 0, address: group.addressOf(0) }], openNetwork: group.networkAt(group.addressOf(0)), engine: options }))
  group.members.set(0, first)
  const sent: string[] = []
  for (const number of [1, 2]) {
    await group.run(first.addPeer(number, `host${number}:40911`))
    await group.open(number, joining(group, number))
    sent.push(`while n${number} joins`)
    await group.run(put(engine, 'load', wireMessage(sent.at(-1)!), topicConfig('load', 1)))
  }
  await group.until(voters(group, [0, 1, 2]))
  await group.close(0)
  const next = await group.untilLeader()
  sent.push('after')
  await group.run(put(next.engine, 'load', wireMessage('after'), topicConfig('load', 1)))
  t.equal(next.engine.reads.rangeOf('load', 0).maxOffset, 203)
  t.same((await group.run(get(next.engine, { topic: 'load', fromOffset: 200 }))).bodies, sent)
  const again = await group.open(0, { peers: [0, 1, 2].map((number) => ({ number, address: group.addressOf(number) })) })
  await group.until(() => again.engine.stats().log.appliedIndex === group.leader!.engine.stats().log.appliedIndex)
  t.equal(again.engine.reads.rangeOf('load', 0).maxOffset, 203)
})
