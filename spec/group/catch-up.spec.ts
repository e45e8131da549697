import t, { type Test } from 'tap'
import { CatchUpWorld, type Node } from './catch-up-world.ts'

/** A group whose node `lagging` was away while the others removed what it needs next; it is not running. */
async function lagging (t: Test): Promise<{ world: CatchUpWorld, leader: Node, lagging: Node }> {
  const world = new CatchUpWorld()
  t.teardown(() => world.closeAll())
  await world.openAll()
  await world.send(10)
  await world.untilEqual()
  const leader = await world.untilLeader()
  const lagging = [...world.nodes.values()].find((node) => node !== leader)!
  await world.run(lagging.close())
  await world.send(200)
  await world.raiseFloor(60)
  return { world, leader, lagging }
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
