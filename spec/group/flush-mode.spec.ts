import t, { type Test } from 'tap'
import { put, wireMessage } from '../engine/wire.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { CatchUpWorld, type Node } from './catch-up-world.ts'

const LOST = { keep: 'none', seed: 1 } as const

/** Three nodes that confirm what is written and sync once a minute; 20 messages sent, and on the disk of all. */
async function asyncWorld (t: Test): Promise<{ world: CatchUpWorld, leader: Node, others: readonly [Node, Node] }> {
  const world = new CatchUpWorld([1, 2, 3], 'memory')
  t.teardown(() => world.closeAll())
  await world.openAll()
  await world.until(() => [...world.nodes.values()].every(({ engine }) => engine!.status().flushMode === 'async'))
  await world.send(20)
  await world.untilEqual()
  await syncAll(world)
  const leader = await world.untilLeader()
  const [one, other] = [...world.nodes.values()].filter((node) => node !== leader)
  return { world, leader, others: [one!, other!] }
}

async function syncAll (world: CatchUpWorld): Promise<void> {
  for (const { engine } of world.nodes.values()) await world.run(engine!.replica.log.syncThrough(engine!.replica.log.lastIndex))
}

/** Until the node has confirmed what is not on its disk: a full segment and a checkpoint are reasons to sync. */
async function sendUnsynced (world: CatchUpWorld, { engine }: Node): Promise<{ lastIndex: number, durableIndex: number }> {
  for (;;) {
    await world.send(1)
    await world.untilEqual()
    const { lastIndex, durableIndex } = engine!.status()
    if (lastIndex > durableIndex) return { lastIndex, durableIndex }
  }
}

const inDoubt = ({ engine }: Node): boolean | undefined => engine?.status().inDoubt
const counts = ({ log }: Node): number => log.filter((line) => line.includes('may be lost')).length

t.test('a node that lost its power lacks what it had confirmed: it counts again when it has it', async (t) => {
  const { world, leader, others: [node] } = await asyncWorld(t)
  const { term } = leader.engine!
  const { lastIndex } = await sendUnsynced(world, node)
  await node.crash(LOST)
  await world.run(node.start())
  t.same([inDoubt(node), node.engine!.status().lastIndex < lastIndex], [true, true])
  await world.until(() => inDoubt(node) === false)
  t.ok(node.engine!.status().durableIndex >= lastIndex)
  await world.until(() => leader.engine!.status().peers.find(({ id }) => id === node.id)!.inDoubt === false)
  await world.send(1)
  await world.untilEqual()
  t.same([leader.engine!.term, node.failure], [term, undefined], 'under the same leader')
  t.same(await world.differences(), [])
  t.equal(counts(leader), 0)
})

t.test('the end of a process leaves nobody in doubt, whoever it is', async (t) => {
  const { world } = await asyncWorld(t)
  await world.send(3)
  for (const node of world.nodes.values()) await node.crash()
  for (const node of world.nodes.values()) {
    await world.run(node.start())
    t.equal(inDoubt(node), false)
  }
  await world.send(1)
  await world.untilEqual()
  t.same(await world.differences(), [])
})

t.test('nor does a power cut after a close', async (t) => {
  const { world, others: [node] } = await asyncWorld(t)
  await world.send(3)
  await world.untilEqual()
  await world.run(node.close())
  await node.crash({ keep: 'none', seed: 2 })
  await world.run(node.start())
  t.equal(inDoubt(node), false)
})

t.test('the vote of one in doubt does not help one that lacks what was confirmed', async (t) => {
  const { world, leader, others: [one, other] } = await asyncWorld(t)
  await world.run(one.close())
  await world.send(3)
  await leader.crash()
  await other.crash(LOST)
  await world.run(one.start())
  await world.run(other.start())
  await world.clock.advance(10_000)
  t.equal(world.leader, undefined, 'nobody else has what the two had confirmed')
  t.equal(inDoubt(other), true)
  await world.run(leader.start())
  await world.until(() => inDoubt(other) === false)
  await world.send(1)
  await world.untilEqual()
  t.same(await world.differences(), [])
})

t.test('nor does its copy', async (t) => {
  const { world, leader, others: [one, other] } = await asyncWorld(t)
  await world.run(one.close())
  await other.crash(LOST)
  await world.run(other.start())
  other.syncs.hold()
  const { commitIndex } = leader.engine!.status()
  let isSent = false
  const sent = put(leader.engine!, 'orders', wireMessage('one more')).then(() => { isSent = true })
  await world.clock.advance(3_000)
  t.same([isSent, inDoubt(other), leader.engine!.status().commitIndex], [false, true, commitIndex])
  t.equal(leader.engine!.status().peers.find(({ id }) => id === other.id)!.matchIndex, leader.engine!.status().lastIndex, 'though it has it')
  other.syncs.release()
  await world.run(sent)
  t.equal(inDoubt(other), false)
})

t.test('the leader loses its power, the others go on with all that was confirmed, and it comes back', async (t) => {
  const { world, leader } = await asyncWorld(t)
  await world.send(3)
  await leader.crash(LOST)
  await world.send(2)
  await world.run(leader.start())
  await world.untilEqual()
  await world.until(() => inDoubt(leader) === false)
  t.same(await world.differences(), [])
  t.equal([...world.nodes.values()].reduce((sum, node) => sum + counts(node), 0), 0)
})

t.test('all lose their power: the longest log that is left leads, and says that something may be lost', async (t) => {
  const { world } = await asyncWorld(t)
  await world.send(5)
  await world.untilEqual()
  // one of them had more on its disk
  const [one, two, three] = [...world.nodes.values()]
  await world.run(two!.engine!.replica.log.syncThrough(two!.engine!.status().lastIndex))
  await world.send(3)
  await world.untilEqual()
  for (const node of world.nodes.values()) await node.crash(LOST)
  await world.run(one!.start())
  await world.run(three!.start())
  await world.clock.advance(10_000)
  t.equal(world.leader, undefined, 'not without having heard all')
  await world.run(two!.start())
  const leader = await world.untilLeader()
  t.equal(counts(leader), 1)
  world.sent = 25
  await world.send(1)
  await world.untilEqual()
  t.same([...world.nodes.values()].map(inDoubt), [false, false, false])
  t.same(await world.differences(), [], 'what one of them had is there')
})

t.test('all lose their power again and again, with anything left of what was not synced', async (t) => {
  const { world } = await asyncWorld(t)
  for (let round = 1; round <= 6; round++) {
    await world.send(round)
    for (const node of world.nodes.values()) await node.crash({ keep: round % 2 === 0 ? 'random' : 'reorder', seed: round * 10 + node.id })
    for (const node of world.nodes.values()) await world.run(node.start())
    await world.untilLeader()
    await world.untilEqual()
    const hashes = new Set<bigint>()
    for (const { engine } of world.nodes.values()) hashes.add(await world.run(engine!.store.stateHash()))
    t.equal(hashes.size, 1)
    world.sent = (await world.bodies([...world.nodes.values()][0]!)).length
    t.ok(world.sent >= 20)
  }
})

t.test('the group keeps the mode it has agreed on, and changes it live', async (t) => {
  const { world, leader } = await asyncWorld(t)
  await t.rejects([...world.nodes.values()].find((node) => node !== leader)!.engine!.setFlushDiskType('SYNC_FLUSH'), { code: 'MQ_NOT_LEADER' })
  await world.run(leader.engine!.setFlushDiskType('SYNC_FLUSH'))
  await world.until(() => [...world.nodes.values()].every(({ engine }) => engine!.status().flushMode === 'sync'))
  await world.send(5)
  for (const node of world.nodes.values()) await node.crash(LOST)
  for (const node of world.nodes.values()) {
    await world.run(node.start())
    t.equal(inDoubt(node), false)
  }
  await world.untilLeader()
  await world.untilEqual()
  t.same(await world.differences(), [], 'nothing is lost')
  for (const { engine } of world.nodes.values()) t.equal(engine!.flushDiskType, 'SYNC_FLUSH', 'whatever their files say')
  await world.run(world.leader!.engine!.setFlushDiskType('ASYNC_FLUSH'))
  await world.until(() => [...world.nodes.values()].every(({ engine }) => engine!.status().flushMode === 'async'))
  await world.send(3)
  await world.untilEqual()
  const node = [...world.nodes.values()].find((one) => one !== world.leader)!
  await node.crash(LOST)
  await world.run(node.start())
  t.equal(inDoubt(node), true)
  await world.untilEqual()
  t.same(await world.differences(), [])
})

t.test('a node in doubt that has fallen below the log\'s head catches up and counts again', async (t) => {
  const { world, leader, others: [node] } = await asyncWorld(t)
  await world.send(3)
  await world.untilEqual()
  await node.crash(LOST)
  await world.send(120)
  await world.raiseFloor(40)
  await world.run(node.start())
  t.equal(inDoubt(node), true)
  await world.untilEqual()
  await world.until(() => inDoubt(node) === false)
  t.ok(node.installs > 0)
  t.same([await world.differences(), leader.failure], [[], undefined])
})

t.test('what is sent after the change to SYNC_FLUSH counts on disk alone, also where a new leader cannot obey yet', async (t) => {
  const { world, leader, others: [next, third] } = await asyncWorld(t)
  const marks: Array<() => void> = []
  let isHeld = true
  const mutate = next.disk.mutate.bind(next.disk)
  next.disk.mutate = async (kind, what, ...rest) => {
    if (isHeld && what.includes('/log/mark')) await new Promise<void>((resolve) => { marks.push(resolve) })
    return await mutate(kind, what, ...rest)
  }
  await world.send(1)
  await world.until(() => marks.length > 0)
  await world.run(leader.engine!.setFlushDiskType('SYNC_FLUSH'))
  await world.run(leader.engine!.transferLeadership(next.id))
  await world.run(leader.close())
  await world.until(() => next.engine!.role.isLeader)
  t.same([next.engine!.flushDiskType, next.engine!.status().flushMode, third.engine!.status().flushMode], ['SYNC_FLUSH', 'async', 'sync'])
  let isSent = false
  const sent = put(next.engine!, 'orders', wireMessage('one more')).then(() => { isSent = true })
  await world.clock.advance(2_000)
  const { lastIndex, durableIndex } = next.engine!.status()
  t.same([isSent, third.engine!.status().durableIndex, durableIndex < lastIndex], [false, lastIndex, true], 'one of three has it on its disk')
  isHeld = false
  for (const go of marks) go()
  await world.run(sent)
  t.equal(next.engine!.status().flushMode, 'sync')
  await world.run(leader.start())
})

/** Syncs of that node's log are held back now and then, until the function returned is called. */
function slowSyncs (world: CatchUpWorld, { syncs }: Node, random: SeededRandom): () => void {
  let isOver = false
  const again = (): void => {
    if (!isOver && random.chance(0.5)) syncs.hold()
    else syncs.release()
    if (!isOver) world.clock.setTimer(random.below(400), again)
  }
  again()
  return () => {
    isOver = true
    syncs.release()
  }
}

/** Asks whoever leads, until it is done. */
async function changeTo (world: CatchUpWorld, flushDiskType: 'SYNC_FLUSH' | 'ASYNC_FLUSH'): Promise<void> {
  for (let isDone = false; !isDone;) {
    const { engine } = await world.untilLeader()
    isDone = await world.run(engine!.setFlushDiskType(flushDiskType).then(() => true, () => false))
  }
}

t.test('the mode changes while disks are slow, leaders change and are killed, and all lose their power: of what was sent after a change to SYNC_FLUSH nothing is lost', async (t) => {
  for (const seed of [1, 2, 3]) {
    const random = new SeededRandom(seed)
    const { world } = await asyncWorld(t)
    const nodes = [...world.nodes.values()]
    const confirmed = new Set(Array.from({ length: 20 }, (_, i) => String(i)))
    const sendOne = (body: string): void => {
      const engine = world.leader?.engine
      if (engine !== undefined) put(engine, 'orders', wireMessage(`${body}${'.'.repeat(300)}`)).then(() => { confirmed.add(body) }, () => {})
    }
    for (let round = 0; round < 3; round++) {
      const ends = nodes.map((node) => slowSyncs(world, node, random))
      await changeTo(world, 'ASYNC_FLUSH')
      await changeTo(world, 'SYNC_FLUSH')
      if (random.chance(0.5)) (await world.untilLeader()).engine!.transferLeadership(random.pick(nodes).id).catch(() => {})
      const isKilledAt = random.below(20)
      for (let i = 0; i < 10; i++) {
        sendOne(`${round} ${i}`)
        await world.clock.advance(random.below(80))
        if (i === isKilledAt) await world.leader?.crash()
      }
      await world.clock.advance(random.below(1_500))
      for (const end of ends) end()
      for (const node of nodes) await node.crash({ keep: random.pick(['none', 'random', 'all'] as const), seed: seed * 10 + round })
      for (const node of nodes) await world.run(node.start())
      await world.untilLeader()
      await world.untilEqual()
      const bodies = new Set(await world.bodies(world.leader!))
      t.same([...confirmed].filter((body) => !bodies.has(body)), [], `${seed}, round ${round}: of ${confirmed.size}`)
    }
    t.ok(confirmed.size > 25)
    await world.closeAll()
  }
})
