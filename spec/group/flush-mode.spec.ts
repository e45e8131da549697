import t from 'tap'
import { CatchUpWorld } from './catch-up-world.ts'

t.test('nodes of a group confirm what is on disk, also when they are told not to wait for it: one that loses its power is none the worse', async (t) => {
  const world = new CatchUpWorld([1, 2, 3], 'memory')
  t.teardown(() => world.closeAll())
  await world.openAll()
  await world.send(20)
  await world.untilEqual()
  const leader = await world.untilLeader()
  const node = [...world.nodes.values()].find((one) => one !== leader)!
  const { term } = leader.engine!
  await world.send(2)
  await world.untilEqual()
  await node.crash({ keep: 'none', seed: 1 })
  await world.run(node.start())
  await world.clock.advance(2000)
  t.equal(node.failure, undefined)
  await world.send(1)
  await world.untilEqual()
  t.equal(leader.engine!.term, term, 'under the leader that knew how far it was')
  t.same(await world.differences(), [])
})

t.test('nothing confirmed is lost with the power of one node and the leader', async (t) => {
  const world = new CatchUpWorld([1, 2, 3], 'memory')
  t.teardown(() => world.closeAll())
  await world.openAll()
  await world.send(20)
  const leader = await world.untilLeader()
  const [one, other] = [...world.nodes.values()].filter((node) => node !== leader)
  await world.run(one!.close())
  await world.send(3)
  await leader.crash()
  await other!.crash({ keep: 'none', seed: 2 })
  await world.run(one!.start())
  await world.run(other!.start())
  await world.untilLeader()
  await world.clock.advance(2000)
  for (const node of [one!, other!]) t.equal((await world.bodies(node)).length, 23)
  await world.run(leader.start())
})
