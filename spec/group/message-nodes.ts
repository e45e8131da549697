import type { Test } from 'tap'
import { MemoryDisk, type MemoryKv } from '../../lib/adapters/index.ts'
import type { GroupMember, GroupMemberOptions } from '../../lib/group/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { get, put, wireMessage } from '../engine/wire.ts'
import { DIRECTORY, Nodes } from './nodes.ts'

export const TOPIC = 'orders'
export const LOG = `${DIRECTORY}/log`
const { limits } = checkOpenOptions(DIRECTORY, {})
/** Logs of many small files, states with many small checkpoints. */
export const SMALL = {
  engine: {
    limits: { ...limits, segmentBytes: 4096, tailCacheBytes: 8192, coldCacheBytes: 8192, reserveBytes: 0 },
    storeSettings: { checkpointBytes: 6 * 1024, baseDumpBytes: 16 * 1024, unpersistedBytes: 32 * 1024, pageCacheBytes: 16 * 1024 }
  },
  catchUp: { receiverSettings: { reserveBytes: 0 } }
} as unknown as Partial<GroupMemberOptions>

/** Nodes of a group in whose log numbered messages lie. */
export class MessageNodes extends Nodes {
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

  kv (number: number): MemoryKv { return this.machine(number).kv as MemoryKv }

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

/** Three nodes with that many messages. */
export async function grown (t: Test, messages = 60): Promise<MessageNodes> {
  const world = new MessageNodes([0, 1, 2])
  t.teardown(() => world.closeAll())
  await world.openAll(SMALL)
  await world.send(messages)
  return world
}
