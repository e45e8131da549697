import t from 'tap'
import { VirtualClock } from '../../lib/adapters/index.ts'
import { MqError, silentLogger } from '../../lib/base/index.ts'
import type { Engine } from '../../lib/engine/index.ts'
import { LeaderRounds } from '../../lib/group/leader-rounds.ts'
import { LeaderWatch, type LeaderWatchOptions } from '../../lib/group/leader-watch.ts'
import { health, METHODS, room } from '../../lib/group/messages.ts'
import { defaultGroupSettings } from '../../lib/group/settings.ts'
import { numberOf } from '../../lib/replica/index.ts'

interface Watched {
  readonly flushMs?: number | ((nowMs: number) => number)
  readonly isShortOfRoom?: boolean
  /** Its disk does not even say how much room there is. */
  readonly hangs?: boolean
  /** Somebody else hands leadership to that node. */
  readonly transfereeId?: number
  /** Others whose disks are full. */
  readonly full?: readonly number[]
  /** Whom the others would not elect. */
  readonly unelectable?: readonly number[]
  readonly inDoubt?: readonly number[]
  /** By node, as far as they are not 1 ms. */
  readonly flushMsOf?: Readonly<Record<number, number>>
  /** Nodes of an earlier version. */
  readonly unaware?: readonly number[]
  readonly voters?: readonly number[]
  readonly votersOutgoing?: readonly number[]
  readonly preferredLeaders?: readonly number[]
}

/** The watch of a leader, 1, beside 2 and 3, which have room. */
async function watchOf (watched: Watched, transfer: (to: number) => void = () => {}): Promise<string[]> {
  const { flushMs = 1, isShortOfRoom = false, hangs = false, transfereeId = 0, full = [], unelectable = [], inDoubt = [], flushMsOf = {}, unaware = [], voters = [1, 2, 3], votersOutgoing = [], preferredLeaders = [] } = watched
  const clock = new VirtualClock()
  const calls: string[] = []
  const engine = {
    role: { isLeader: true },
    get flushMs () { return typeof flushMs === 'number' ? flushMs : flushMs(clock.nowMs()) },
    isShortOfRoom,
    async hasRoomToLead () { return hangs ? await new Promise<boolean>(() => {}) : !isShortOfRoom },
    status: () => ({ nodeId: 1, lastIndex: 10, transfereeId, confState: { voters, votersOutgoing }, peers: [[2, 9], [3, 8]].map(([id, matchIndex]) => ({ id, matchIndex, recentlyActive: true, inDoubt: inDoubt.includes(id!) })) }),
    async transferLeadership (to: number) {
      calls.push(`transfer to ${to}`)
      transfer(to)
      this.role.isLeader = false
    },
    leaveTo (to: number) {
      calls.push(`leave to ${to}`)
      return !unelectable.includes(to)
    }
  }
  const network = {
    async call (id: number, method: string) {
      if (method === METHODS.health) return health.encode({ flushMs: flushMsOf[id] ?? 1 })
      if (method !== METHODS.room || unaware.includes(id)) throw new MqError('MQ_INVALID_ARGUMENT', `the node has no method '${method}'`)
      return room.encode({ hasRoom: !full.includes(id) })
    }
  }
  const { watchIntervalMs, diskStallTimeoutMs } = defaultGroupSettings
  const options = { clock, logger: silentLogger, settings: defaultGroupSettings, network, engine: () => engine as unknown as Engine, preferredLeaders: () => preferredLeaders }
  const watch = new LeaderWatch(options as unknown as LeaderWatchOptions)
  watch.leadershipChanged(true)
  await clock.advance(2 * watchIntervalMs + diskStallTimeoutMs + (hangs ? 4_000 : 0))
  await watch.stop()
  return calls
}

t.test('a node in doubt does not keep a leader with a stuck disk from leaving to another one', async (t) => {
  t.same(await watchOf({ flushMs: 5_000, inDoubt: [2] }), ['transfer to 3'])
  t.same(await watchOf({ flushMs: 5_000, inDoubt: [2, 3] }), [])
})

t.test('a leader with a stuck disk leaves where a transfer does not come about', async (t) => {
  t.same(await watchOf({ flushMs: 5_000 }, () => { throw new MqError('MQ_UNAVAILABLE', 'did not take over') }), ['transfer to 2', 'leave to 2'])
})

t.test('a leader with a stuck disk leaves to a node without room where nobody else takes its place', async (t) => {
  t.same(await watchOf({ flushMs: 5_000, full: [2] }), ['transfer to 3'])
  t.same(await watchOf({ flushMs: 5_000, full: [2], flushMsOf: { 3: 5_000 } }), ['transfer to 2'])
  const failing = (to: number): void => { if (to === 3) throw new MqError('MQ_UNAVAILABLE', 'did not take over') }
  t.same(await watchOf({ flushMs: 5_000, full: [2], unelectable: [3] }, failing), ['transfer to 3', 'leave to 3', 'transfer to 2'])
})

t.test('whom somebody hands leadership to gets it, whatever the disk', async (t) => {
  t.same(await watchOf({ isShortOfRoom: true, transfereeId: 3 }), [])
  t.same(await watchOf({ preferredLeaders: [numberOf(2)], transfereeId: 3 }), [])
})

t.test('a full disk that does not say any more how much room it has is left as a stuck one', async (t) => {
  t.same(await watchOf({ isShortOfRoom: true, hangs: true, flushMs: (nowMs) => nowMs < 4_000 ? 1 : nowMs }), ['transfer to 2'])
})

t.test('a leader with a full disk leaves to a node whose disk moves', async (t) => {
  t.same(await watchOf({ isShortOfRoom: true }), ['transfer to 2'])
  t.same(await watchOf({ isShortOfRoom: true, flushMsOf: { 2: 5_000 } }), ['transfer to 3'])
  t.same(await watchOf({ isShortOfRoom: true, flushMsOf: { 2: 5_000, 3: 5_000 } }), [])
})

t.test('a leader with a full disk stays where no majority says that it has room, and while the members change', async (t) => {
  t.same(await watchOf({ isShortOfRoom: true, unaware: [2] }), [])
  t.same(await watchOf({ isShortOfRoom: true, voters: [1, 2] }), [], 'the other one of two, beside a learner')
  t.same(await watchOf({ isShortOfRoom: true, votersOutgoing: [1, 2, 4] }), [])
})

t.test('a node that does not say whether it has room is preferred all the same', async (t) => {
  t.same(await watchOf({ unaware: [2, 3], preferredLeaders: [numberOf(3)] }), ['transfer to 3'])
})

t.test('looks stay one at a time when leadership is lost and comes back while one is under way', async (t) => {
  const clock = new VirtualClock()
  let running = 0
  let most = 0
  let looks = 0
  const rounds = new LeaderRounds({
    clock,
    intervalMs: 100,
    look: async () => {
      looks++
      most = Math.max(most, ++running)
      await new Promise<void>((resolve) => { clock.setTimer(150, resolve) })
      running--
    },
    onFailure: (error) => { t.fail(String(error)) }
  })
  rounds.leadershipChanged(true)
  await clock.advance(110)
  rounds.leadershipChanged(false)
  rounds.leadershipChanged(true)
  await clock.advance(1000)
  t.equal(most, 1)
  t.equal(looks, 5)
  const stopped = rounds.stop()
  await clock.advance(200)
  await stopped
  await clock.advance(1000)
  t.equal(running, 0)
})
