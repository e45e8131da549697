import t, { type Test } from 'tap'
import { MemoryDisk } from '../../lib/adapters/index.ts'
import type { GroupMember, GroupMemberOptions } from '../../lib/group/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { get, put, wireMessage } from '../engine/wire.ts'
import { DIRECTORY, Nodes } from './nodes.ts'

const TOPIC = 'orders'
const LOG = `${DIRECTORY}/log`
const { limits } = checkOpenOptions(DIRECTORY, {})
const SMALL = {
  engine: {
    limits: { ...limits, segmentBytes: 4096, tailCacheBytes: 8192, coldCacheBytes: 8192, reserveBytes: 0 },
    storeSettings: { checkpointBytes: 6 * 1024, baseDumpBytes: 16 * 1024, unpersistedBytes: 32 * 1024, pageCacheBytes: 16 * 1024 }
  },
  catchUp: { receiverSettings: { reserveBytes: 0 } }
} as unknown as Partial<GroupMemberOptions>

class World extends Nodes {
  sent = 0

  async send (count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const leader = await this.untilLeader()
      await this.run(put(leader.engine, TOPIC, wireMessage(`${this.sent++} ${'.'.repeat(300)}`)))
    }
  }

  /** The number of a follower, closed, whose log has several files. */
  async closedFollower (): Promise<number> {
    await this.untilEqual()
    const number = this.followerNumber()
    await this.close(number)
    return number
  }

  disk (number: number): MemoryDisk { return this.machine(number).disk as MemoryDisk }

  async segments (number: number): Promise<string[]> {
    const names = (await this.disk(number).list(LOG))!.map(({ name }) => name).filter((name) => name.endsWith('.seg'))
    return names.sort().map((name) => `${LOG}/${name}`)
  }

  async raiseFloor (kept: number): Promise<void> {
    const { engine } = await this.untilLeader()
    const { records } = await this.run(get(engine, { topic: TOPIC, fromOffset: this.sent - kept, maxMessages: 1 }))
    const entry = (await this.run(engine.replica.log.entryContaining(records[0]!.physicalOffset)))!
    await this.run(engine.raiseFloor(entry.physicalOffset))
    await this.until(() => this.engines.every(({ replica }) => replica.log.firstIndex > 1))
  }

  async reopened (number: number): Promise<GroupMember> {
    const member = await this.open(number, SMALL)
    await this.untilEqual()
    return member
  }

  /** It holds what the others hold, counts, and can lead. */
  async assertWhole (t: Test, number: number): Promise<void> {
    await this.until(() => !this.member(number).engine.status().inDoubt)
    await this.send(2)
    await this.untilEqual()
    const hashes = await Promise.all(this.engines.map((engine) => this.run(engine.store.stateHash())))
    t.equal(new Set(hashes).size, 1)
    const { engine } = this.member(number)
    await this.run(engine.transferLeadership(engine.identity.nodeId))
    await this.until(() => engine.role.isLeader)
    const queue = engine.store.consumeQueues.find(TOPIC, 0)!
    for (let offset = queue.minOffset; offset < queue.nextOffset;) {
      const { bodies } = await this.run(get(engine, { topic: TOPIC, fromOffset: offset }))
      t.same(bodies.map((body) => body.split(' ')[0]), bodies.map(() => String(offset++)))
    }
  }

  said (number: number, text: RegExp): boolean { return this.logged.some(([who, line]) => who === number && text.test(line)) }
}

async function grown (t: Test, messages = 60): Promise<World> {
  const world = new World([0, 1, 2])
  t.teardown(() => world.closeAll())
  await world.openAll(SMALL)
  await world.send(messages)
  return world
}

const damages: Record<string, (world: World, number: number, segments: readonly string[]) => Promise<void>> = {
  'the first file of the log': async (world, number, [first]) => { await world.disk(number).unlink(first!) },
  'one in the middle': async (world, number, segments) => { await world.disk(number).unlink(segments[2]!) },
  'two of them': async (world, number, segments) => { for (const n of [0, 3]) await world.disk(number).unlink(segments[n]!) },
  'the last one': async (world, number, segments) => { await world.disk(number).unlink(segments.at(-1)!) },
  'all of them': async (world, number, segments) => { for (const path of segments) await world.disk(number).unlink(path) },
  'half of one': async (world, number, segments) => { await (await world.disk(number).open(segments[1]!)).truncate(1500) }
}

t.test('files of the log are gone: the others have what was in them', async (t) => {
  const world = await grown(t)
  for (const [what, damage] of Object.entries(damages)) {
    const number = await world.closedFollower()
    world.logged.length = 0
    await damage(world, number, await world.segments(number))
    const { engine } = await world.reopened(number)
    t.ok(world.said(number, /written anew/), what)
    t.equal(engine.status().inDoubt, false, 'it has again all that it had confirmed')
    await world.assertWhole(t, number)
  }
})

const replaced: Record<string, (world: World, number: number) => Promise<void>> = {
  'the directory of the log': async (world, number) => { await world.disk(number).removeTree(LOG) },
  'how far the log was synced': async (world, number) => { await spoil(world.disk(number), `${LOG}/mark`) },
  'state and base dumps': async (world, number) => {
    await world.machine(number).kv.destroy()
    await world.disk(number).removeTree(`${DIRECTORY}/base`)
    await world.disk(number).unlink(`${DIRECTORY}/applied`)
  }
}

async function spoil (disk: MemoryDisk, path: string): Promise<void> {
  const file = await disk.open(path)
  await file.write(new Uint8Array(await file.sizeBytes()).fill(0x55), 0)
}

t.test('log or state cannot be made whole: those of another node take their place, and it does not count before it has all', async (t) => {
  const world = await grown(t)
  await world.raiseFloor(40)
  for (const [what, damage] of Object.entries(replaced)) {
    const number = await world.closedFollower()
    world.logged.length = 0
    await damage(world, number)
    const member = await world.reopened(number)
    t.ok(world.said(number, /was replaced by what the group had decided on/), what)
    await world.until(() => world.said(number, /counts again/)) // it was in doubt
    t.equal(member.nodeId, world.leader!.members().find((one) => one.number === number)!.nodeId, 'it is who it was')
    await world.assertWhole(t, number)
  }
})

t.test('what is damaged lies below the floor of all others: nobody is waited for, log and state are replaced', async (t) => {
  const world = await grown(t, 60)
  const number = await world.closedFollower()
  const [first] = await world.segments(number)
  await world.disk(number).unlink(first!)
  await world.send(60)
  await world.raiseFloor(20)
  const beganMs = world.clock.nowMs()
  await world.reopened(number)
  t.ok(world.clock.nowMs() - beganMs < 5_000, `${world.clock.nowMs() - beganMs} ms`)
  await world.assertWhole(t, number)
})

t.test('stopped while another node\'s log takes the place of the damaged one, the next start goes on, in doubt', async (t) => {
  const world = await grown(t)
  await world.raiseFloor(40)
  const number = await world.closedFollower()
  const disk = world.disk(number)
  await disk.removeTree(LOG)
  const rename = disk.rename.bind(disk)
  let renames = 0
  disk.rename = async (from, to) => {
    if (from.includes('/incoming/log/') && ++renames > 2) throw Object.assign(new Error('stopped'), { code: 'EIO' })
    await rename(from, to)
  }
  await t.rejects(world.open(number, SMALL), { message: /stopped/ })
  disk.rename = rename
  await world.reopened(number)
  await world.until(() => world.said(number, /counts again/))
  await world.assertWhole(t, number)
})

t.test('without the others it does not start, and nothing is removed', async (t) => {
  const world = await grown(t)
  const number = await world.closedFollower()
  const [first, second] = await world.segments(number)
  await world.disk(number).unlink(first!)
  await world.closeAll()
  await t.rejects(world.open(number, SMALL), { code: 'MQ_CORRUPT', message: /the log must begin at position 0|ends at position 0/ })
  t.ok((await world.segments(number)).includes(second!))
})
