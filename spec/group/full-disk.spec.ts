import t from 'tap'
import { MemoryKv } from '../../lib/adapters/index.ts'
import { loadChecksum } from '../../lib/base/index.ts'
import { get, put, wireMessage } from '../engine/wire.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { Nodes } from './nodes.ts'

const ROOM_BYTES = 2 ** 30

/** Three nodes, each on a disk of a gibibyte. */
async function nodesOnDisks () {
  await loadChecksum()
  const group = new Nodes([0, 1, 2])
  const disks = [0, 1, 2].map(() => new FaultyDisk({ directories: ['/'], capacityBytes: ROOM_BYTES }))
  for (const [number, disk] of disks.entries()) group.machines.set(number, { disk, kv: new MemoryKv() })
  return { group, disks }
}

/** A stranger's file leaves so much. */
const fill = (disk: FaultyDisk, freeBytes: number): void => { disk.takenBytes += disk.freeBytes - freeBytes }

t.test('a leader whose disk is full hands over where a majority of the others has room, and leads again only with room', async (t) => {
  const { group, disks } = await nodesOnDisks()
  t.teardown(() => group.closeAll())
  await group.openAll({ preferredLeaders: [0] })
  await group.until(() => group.leader?.number === 0)
  const leader = group.leader!
  await group.run(put(leader.engine, 'orders', wireMessage('a')))
  fill(disks[0]!, 1000)
  await group.clock.advance(1_000)
  await group.run(t.rejects(put(leader.engine, 'orders', wireMessage('b')), { code: 'MQ_DISK_ROOM', outcome: 'not-applied' }))
  const startMs = group.clock.nowMs()
  await group.until(() => group.leader !== undefined && group.leader !== leader)
  const tookMs = group.clock.nowMs() - startMs
  t.ok(tookMs > 1_000 && tookMs < 5_000, `${tookMs} ms`)
  await group.run(put(group.leader!.engine, 'orders', wireMessage('c')))
  await group.clock.advance(10_000)
  t.not(group.leader, leader, 'though it is preferred')
  disks[0]!.takenBytes = 0
  await group.until(() => group.leader === leader)
  t.same((await group.run(get(leader.engine, { topic: 'orders' }))).bodies, ['a', 'c'])
})

t.test('a preferred leader whose room comes and goes is left once, and leads again when there is room for good', async (t) => {
  const { group, disks } = await nodesOnDisks()
  t.teardown(() => group.closeAll())
  await group.openAll({ preferredLeaders: [0] })
  await group.until(() => group.leader?.number === 0)
  const preferred = group.leader!
  await group.run(put(preferred.engine, 'orders', wireMessage('a')))
  const leaders: number[] = []
  const pass = async (forMs: number): Promise<void> => {
    await group.clock.advance(forMs)
    const leader = group.leader?.number
    if (leader !== undefined && leader !== leaders.at(-1)) leaders.push(leader)
  }
  fill(disks[0]!, 1000)
  await pass(1_000)
  await group.run(t.rejects(put(preferred.engine, 'orders', wireMessage('b')), { code: 'MQ_DISK_ROOM' }))
  await pass(700)
  for (let round = 0; round < 40; round++) {
    await pass(700)
    disks[0]!.takenBytes = 0
    await pass(300)
    fill(disks[0]!, 1000)
  }
  t.same(leaders, [0, leaders[1]])
  disks[0]!.takenBytes = 0
  await group.until(() => group.leader === preferred)
})

t.test('where the disk of the first preferred leader is full, the next one leads', async (t) => {
  const { group, disks } = await nodesOnDisks()
  t.teardown(() => group.closeAll())
  await group.openAll({ preferredLeaders: [0, 1] })
  await group.until(() => group.leader?.number === 0)
  fill(disks[0]!, 1000)
  await group.run(group.leader!.engine.transferLeadership(group.member(2).nodeId))
  await group.until(() => group.leader?.number === 1)
})

t.test('where another disk is full as well, leadership stays, and sends are taken again when there is room', async (t) => {
  const { group, disks } = await nodesOnDisks()
  t.teardown(() => group.closeAll())
  await group.openAll()
  const leader = await group.untilLeader()
  const { term } = leader.engine
  await group.run(put(leader.engine, 'orders', wireMessage('a')))
  const full = [disks[leader.number]!, disks[group.followerNumber()]!]
  for (const disk of full) fill(disk, 1000)
  await group.clock.advance(20_000)
  await group.run(t.rejects(put(leader.engine, 'orders', wireMessage('b')), { code: 'MQ_DISK_ROOM' }))
  t.equal(group.leader, leader)
  t.equal(leader.engine.term, term)
  for (const disk of full) disk.takenBytes = 0
  await group.clock.advance(1_000)
  await group.run(put(leader.engine, 'orders', wireMessage('c')))
})
