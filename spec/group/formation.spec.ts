import t, { type Test } from 'tap'
import { loadChecksum } from '../../lib/base/index.ts'
import type { Engine } from '../../lib/engine/index.ts'
import { incarnationOf, numberOf, readIdentity } from '../../lib/replica/index.ts'
import { get, put, wireMessage } from '../engine/wire.ts'
import { DIRECTORY, Nodes } from './nodes.ts'

function nodes (t: Test, configured: readonly number[] = [0, 1, 2]): Nodes {
  const nodes = new Nodes(configured)
  t.teardown(() => nodes.closeAll())
  return nodes
}

const bodiesOn = (engine: Engine) => get(engine, { topic: 'orders' }).then(({ bodies }) => bodies)

t.test('three empty nodes form a group: one id, each under its number and an incarnation of its own', async (t) => {
  const group = nodes(t)
  const members = await group.openAll()
  const leader = await group.untilLeader()
  await group.run(put(leader.engine, 'orders', wireMessage('a')))
  await group.untilEqual()
  t.equal(new Set(members.map(({ engine }) => Buffer.from(engine.identity.groupId).toString('hex'))).size, 1)
  t.same(members.map(({ nodeId }) => numberOf(nodeId)), [0, 1, 2])
  t.equal(new Set(members.map(({ nodeId }) => incarnationOf(nodeId))).size, 3)
  for (const { engine, nodeId } of members) {
    t.same(engine.identity.founders, members.map(({ nodeId }) => nodeId).sort((a, b) => a - b))
    t.same(await group.run(bodiesOn(engine)), ['a'])
    t.not(incarnationOf(nodeId), 0)
  }
  t.match(leader.members(), [0, 1, 2].map((number) => ({ number, role: 'voter', address: `host${number}:40911`, isSelf: number === leader.number, isLeader: number === leader.number, isActive: true, matchIndex: leader.engine.stats().log.lastIndex })))
})

t.test('while one is down no group is formed, and the others say whom they wait for', async (t) => {
  const group = nodes(t)
  await loadChecksum()
  const opening = [group.start(0), group.start(1)]
  await group.clock.advance(15_000)
  t.equal(group.members.size, 0)
  for (const number of [0, 1]) t.ok(group.logged.some(([who, text]) => who === number && /waiting for n2 \(host2:40911\)/.test(text)), `node ${number}`)
  t.equal(await group.run(readIdentity(group.machine(0).disk, DIRECTORY)), undefined)
  opening.push(group.start(2))
  await group.run(Promise.all(opening))
  await group.untilLeader()
})

t.test('an empty node stops waiting when it is told to', async (t) => {
  const group = nodes(t)
  await loadChecksum()
  const end = new AbortController()
  const { checkOpenOptions } = await import('../../lib/queue/options.ts')
  const opening = group.start(0, { engine: { ...checkOpenOptions(DIRECTORY, {}), directory: DIRECTORY, signal: end.signal } })
  opening.catch(() => {})
  await group.clock.advance(1_000)
  end.abort()
  await t.rejects(group.run(opening), { code: 'MQ_ABORTED' })
})

t.test('all restart: the group goes on', async (t) => {
  const group = nodes(t)
  await group.openAll()
  await group.run(put((await group.untilLeader()).engine, 'orders', wireMessage('a')))
  const ids = [...group.members.values()].map(({ nodeId }) => nodeId)
  await group.closeAll()
  const members = await group.openAll()
  t.same(members.map(({ nodeId }) => nodeId), ids)
  const { engine } = await group.untilLeader()
  await group.run(put(engine, 'orders', wireMessage('b')))
  t.same(await group.run(bodiesOn(engine)), ['a', 'b'])
})

t.test('a wiped node comes back under a new incarnation: learner, caught up, voter in place of its old one', async (t) => {
  const group = nodes(t)
  await group.openAll()
  await group.run(put((await group.untilLeader()).engine, 'orders', wireMessage('a')))
  await group.untilEqual()
  for (const number of [group.leader!.number, (group.leader!.number + 1) % 3]) {
    const old = group.member(number).nodeId
    await group.close(number)
    group.wipe(number)
    await group.untilLeader()
    await group.run(put(group.leader!.engine, 'orders', wireMessage(`while n${number} is gone`)))
    const member = await group.open(number)
    t.not(member.nodeId, old)
    await group.until(() => group.leader?.members().some(({ nodeId, role }) => nodeId === member.nodeId && role === 'voter') === true)
    await group.until(() => group.leader!.members().length === 3)
    t.notOk(group.leader!.members().some(({ nodeId }) => nodeId === old))
    await group.untilEqual()
    t.same(await group.run(bodiesOn(member.engine)), await group.run(bodiesOn(group.leader!.engine)))
  }
  t.same(group.voters, [0, 1, 2])
})

t.test('a directory that was a group of one becomes the first node of three: the empty ones join it', async (t) => {
  const group = nodes(t)
  const other = new Nodes([2], 1)
  await other.open(2)
  await other.closeAll()
  await loadChecksum()
  const opening = [group.start(0), group.start(1)]
  group.machines.set(2, other.machine(2))
  const first = await group.open(2)
  await group.run(Promise.all(opening))
  await group.until(() => group.voters.length === 3)
  t.equal(group.leader, first)
  t.same(first.engine.identity.founders, [first.nodeId])
})

t.test('two groups under one name never mix: a node of another one is refused, and says so', async (t) => {
  const group = nodes(t)
  await group.openAll()
  await group.run(put((await group.untilLeader()).engine, 'orders', wireMessage('a')))
  const victim = group.followerNumber()
  await group.close(victim)
  const other = new Nodes([0, 1, 2], 1)
  await other.openAll()
  await other.untilLeader()
  await other.closeAll()
  group.machines.set(victim, other.machine(victim))
  const stranger = await group.open(victim)
  await group.clock.advance(20_000)
  t.equal(stranger.engine.role.leaderId, 0)
  t.ok(group.logged.some(([who, text]) => who === victim && /founded apart/.test(text)))
  await group.run(put(group.leader!.engine, 'orders', wireMessage('b')))
  t.equal(group.leader!.members().length, 3)
  t.same(stranger.engine.topics(), [])
})

t.test('a directory of another number is refused', async (t) => {
  const group = nodes(t)
  await group.openAll()
  await group.close(2)
  const machine = group.machine(2)
  group.machines.set(1, machine)
  await group.close(1)
  group.machines.set(1, machine)
  await t.rejects(group.open(1), { code: 'MQ_INVALID_ARGUMENT' })
})

t.test('a second node of a number that is alive is not taken in', async (t) => {
  const group = nodes(t)
  await group.openAll()
  await group.untilLeader()
  const number = group.followerNumber()
  const first = group.member(number)
  group.wipe(number)
  const second = await group.open(number, { address: { host: 'elsewhere', port: 1 }, openNetwork: group.networkAt({ host: 'elsewhere', port: 1 }) })
  await group.clock.advance(10_000)
  t.ok(group.leader!.members().some(({ nodeId }) => nodeId === first.nodeId))
  t.notOk(group.leader!.members().some(({ nodeId }) => nodeId === second.nodeId))
  await group.run(first.close())
})

t.test('a node whose vote is gone while its identity is there does not come back under its old name', async (t) => {
  const group = nodes(t)
  await group.openAll()
  await group.run(put((await group.untilLeader()).engine, 'orders', wireMessage('a')))
  await group.untilEqual()
  const number = group.followerNumber()
  const { disk } = group.machine(number)
  await group.close(number)
  await disk.unlink(`${DIRECTORY}/vote`)
  await t.rejects(group.open(number), { code: 'MQ_CORRUPT', message: /vote is missing.*may also be emptied, and the node joins again/ })
  group.wipe(number)
  await group.open(number)
  await group.untilEqual()
  t.same(await bodiesOn(group.member(number).engine), ['a'])
})
