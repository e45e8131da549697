import t, { type Test } from 'tap'
import { CatchUpWorld, type Node } from './catch-up-world.ts'

t.setTimeout(300_000)

/** A group whose node `lagging` was away while the others removed what it needs next; it is not running. */
async function lagging (t: Test): Promise<{ world: CatchUpWorld, leader: Node, lagging: Node }> {
  const world = new CatchUpWorld()
  t.teardown(() => world.closeAll())
  const { leader, node } = await world.lag(200)
  return { world, leader, lagging: node }
}

t.test('a follower below the head of the log catches up while messages are sent', async (t) => {
  const { world, leader, lagging: node } = await lagging(t)
  t.ok(leader.engine!.replica.log.firstIndex > 12, 'what it needs next is gone')
  await world.run(node.start())
  for (let n = 0; n < 30; n++) await world.send(1)
  await world.untilEqual()
  t.equal(node.installs, 1)
  t.same(await world.differences(), [])
  await world.send(5)
  await world.untilEqual()
  t.same(await world.differences(), [])
  t.notOk(node.disk.paths().some((path) => path.includes('incoming')), 'nothing is left over')
  t.equal(node.failure, undefined)
})

t.test('killed at each chunk, on a machine that loses power or not, it goes on with what had come', async (t) => {
  const { world, lagging: node } = await lagging(t)
  const hang = new Promise<void>(() => {})
  let chunks = 0
  let wanted = Infinity
  node.onCalling = (method) => {
    if (method !== 'catchup.chunk') return
    chunks++
    if (chunks > wanted) return hang
  }
  /** Chunks asked for in each life, which ended at its `lived`-th. */
  const asked: number[] = []
  for (let life = 1; node.installs === 0; life++) {
    if (life > 60) throw new Error('it never gets there')
    chunks = 0
    wanted = 3
    await world.run(node.start())
    await world.until(() => chunks > wanted || node.installs > 0)
    asked.push(Math.min(chunks, wanted))
    if (node.installs > 0) break
    await node.crash(life % 2 === 0 ? undefined : { keep: life % 4 === 1 ? 'reorder' : 'random', seed: life })
  }
  t.ok(asked.length > 4, `${asked.length} lives`)
  wanted = Infinity
  await world.untilEqual()
  t.same(await world.differences(), [])
})

t.test('a process that is killed loses no whole entry that had come', async (t) => {
  const { world, lagging: node } = await lagging(t)
  const hang = new Promise<void>(() => {})
  let chunks = 0
  let logBytes = 0
  node.onAnswer = (method, answer) => {
    if (method === 'catchup.chunk') logBytes += answer.length
    return answer
  }
  node.onCalling = (method) => method === 'catchup.chunk' && ++chunks > 4 ? hang : undefined
  await world.run(node.start())
  await world.until(() => chunks > 5)
  const before = logBytes
  await node.crash()
  node.onCalling = undefined
  await world.run(node.start())
  await world.untilEqual()
  const { endPosition, firstPosition } = { endPosition: node.engine!.store.baseDump!.position, firstPosition: node.engine!.replica.log.floor.physicalOffset }
  const baseBytes = node.disk.contents(node.engine!.store.baseDump!.path)!.length
  t.ok(before > 8_000)
  t.ok(logBytes < endPosition - firstPosition + baseBytes + 6_000, `${logBytes} bytes came for ${endPosition - firstPosition} of log and ${baseBytes} of state`)
})

t.test('a damaged chunk is asked for again', async (t) => {
  const { world, lagging: node } = await lagging(t)
  let chunks = 0
  node.onAnswer = (method, answer) => {
    if (method !== 'catchup.chunk' || ++chunks % 3 !== 0) return answer
    const damaged = answer.slice()
    damaged[Math.floor(answer.length / 2)]! ^= 4
    return damaged
  }
  await world.run(node.start())
  await world.untilEqual()
  t.same(await world.differences(), [])
  t.equal(node.installs, 1)
})

t.test('a donor whose log has rotted is left for another one', async (t) => {
  const { world, lagging: node } = await lagging(t)
  const donor = world.donorOf(node)
  await world.until(() => donor.engine!.replica.log.firstIndex > 12)
  donor.disk.flip(donor.disk.paths().find((path) => path.endsWith('.seg'))!, 700)
  await world.run(node.start())
  await world.untilEqual()
  t.same((await world.differences()).filter((text) => !text.startsWith(`node ${donor.id} `)), [])
  t.equal(node.installs, 1)
  t.ok(node.log.some((text) => /came damaged/.test(text)))
})

t.test('a donor whose disk has no room for a base dump is left for another one, and its disk not filled again and again', async (t) => {
  const world = new CatchUpWorld()
  t.teardown(() => world.closeAll())
  await world.openAll()
  const leader = await world.untilLeader()
  const [node, donor] = [...world.nodes.values()].filter((one) => one !== leader) as [Node, Node]
  const dumps = (): number => donor.log.filter((text) => text.includes('no room for a base dump')).length
  donor.disk.faults.failAt(1, 'ENOSPC', { kinds: ['write'], of: '.base.new', times: Infinity })
  await world.send(10)
  await world.untilEqual()
  await world.run(node.close())
  await world.send(200)
  await world.raiseFloor(60)
  const before = dumps()
  await world.run(node.start())
  await world.until(() => node.installs > 0, 60_000)
  await world.untilEqual()
  t.same(await world.differences(), [])
  t.ok(node.log.some((text) => text.includes(`catching up from node ${donor.id}`) && text.includes('no room')), node.log.join('; '))
  t.ok(dumps() - before <= 2, `${dumps() - before} dumps were tried`)
  t.equal(donor.failure, undefined)
})

t.test('retention waits for a node that copies, and goes on when it has come back or is gone', async (t) => {
  const { world, lagging: node } = await lagging(t)
  const donor = world.donorOf(node)
  const hang = new Promise<void>(() => {})
  let chunks = 0
  node.onCalling = (method) => method === 'catchup.chunk' && ++chunks > 4 ? hang : undefined
  await world.run(node.start())
  await world.until(() => chunks > 4)
  const { log } = donor.engine!.replica
  const { firstIndex } = log
  t.equal(donor.catchUp.donor!.offers, 1)
  await world.send(100)
  await world.raiseFloor(10)
  await world.clock.advance(2_000)
  t.equal(log.firstIndex, firstIndex, 'the head stays')
  t.ok(donor.disk.paths().filter((path) => path.endsWith('.base')).length > 2, 'so does its base dump')
  await node.crash()
  await world.clock.advance(100_000)
  t.equal(donor.catchUp.donor!.offers, 0)
  await world.until(() => log.firstIndex > firstIndex)
  node.onCalling = undefined
  await world.run(node.start())
  await world.send(20)
  await world.untilEqual()
  t.same(await world.differences(), [])
})
