import t from 'tap'
import type { GroupMember } from '../../lib/group/index.ts'
import { get } from '../engine/wire.ts'
import { grown, TOPIC, type MessageNodes } from './message-nodes.ts'

/** One bit of each value that is in the database is another one. */
async function spoilState (world: MessageNodes, number: number): Promise<void> {
  const db = await world.kv(number).open()
  for (const [key, value] of await db.iterator().all()) {
    value[value.length - 1]! ^= 1
    await db.put(key, value)
  }
}

async function readsFail (world: MessageNodes, member: GroupMember): Promise<void> {
  await world.run(get(member.engine, { topic: TOPIC, fromOffset: 0 })).catch(() => {})
}

t.test('a follower that finds its state damaged while it serves makes it anew by itself', async (t) => {
  const world = await grown(t)
  await world.untilEqual()
  const number = world.followerNumber()
  const member = world.member(number)
  const { engine } = member
  await spoilState(world, number)
  await readsFail(world, member)
  await world.until(() => member.engine !== engine)
  t.ok(member.engine.store.recovery.isRebuilt)
  await world.untilEqual()
  await world.assertWhole(t, number)
})

t.test('a leader hands over first', async (t) => {
  const world = await grown(t)
  const member = await world.untilLeader()
  const { engine } = member
  const { term } = engine
  await spoilState(world, member.number)
  await readsFail(world, member)
  await world.until(() => member.engine !== engine)
  await world.send(3)
  t.ok(world.leader !== member && world.leader!.engine.term === term + 1)
  await world.untilEqual()
  await world.assertWhole(t, member.number)
})

t.test('what a checkpoint finds damaged stops nothing but the old engine', async (t) => {
  const world = await grown(t)
  await world.untilEqual()
  const number = world.followerNumber()
  const member = world.member(number)
  const { engine } = member
  const failures: Error[] = []
  engine.onFailure((error) => { failures.push(error) })
  member.onFailure((error) => { failures.push(error) })
  await spoilState(world, number)
  await world.send(60)
  await world.until(() => member.engine !== engine)
  await world.untilEqual()
  t.same(failures, [])
  await world.assertWhole(t, number)
})

t.test('a state that is damaged again at once: the node gives up, and says so', async (t) => {
  const world = await grown(t)
  await world.untilEqual()
  const number = world.followerNumber()
  const member = world.member(number)
  const failures: Error[] = []
  member.onFailure((error) => { failures.push(error) })
  const { engine } = member
  await spoilState(world, number)
  await readsFail(world, member)
  await world.until(() => member.engine !== engine)
  await spoilState(world, number)
  await readsFail(world, member)
  await world.until(() => failures.length > 0)
  t.match(failures, [{ code: 'MQ_CORRUPT' }])
})
