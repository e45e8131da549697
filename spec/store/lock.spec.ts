import t from 'tap'
import fc from 'fast-check'
import { MemoryDisk, MemoryKv } from '../../lib/adapters/index.ts'
import { loadChecksum } from '../../lib/base/index.ts'
import { LOCK_TTL_MS, LockMachine, LOST_CONNECTION_TTL_MS } from '../../lib/store/index.ts'
import { Leader } from './leader.ts'

await loadChecksum()

const newLeader = () => Leader.open({ disk: new MemoryDisk(), database: new MemoryKv() })
const queues = (...ids: number[]) => ids.map((queueId) => ({ topic: 't', queueId }))

t.test('one client of a group holds a queue until it gives it back or is silent for a minute', async (t) => {
  const leader = await newLeader()
  const { locks } = leader.store
  const lock = (owner: string, ids: number[], stampMs: number, group = 'g') => {
    let held: number[] = []
    leader.commit((writer) => { held = locks.lock(writer, group, owner, queues(...ids), stampMs).map(({ queueId }) => queueId) }, { stampMs })
    return held
  }
  t.same(lock('a', [0, 1], 1000), [0, 1])
  t.same(lock('b', [0, 1, 2], 2000), [2])
  t.same(lock('b', [0], 2000, 'other group'), [0])
  t.same([0, 1, 2].map((id) => locks.ownerOf('g', 't', id)), ['a', 'a', 'b'])
  t.same(lock('a', [0, 1], 50_000), [0, 1], 'renewed')
  t.same(lock('b', [0], 50_000 + LOCK_TTL_MS - 1), [])
  t.same(lock('b', [0], 50_000 + LOCK_TTL_MS), [0])
  leader.commit((writer) => { locks.unlock(writer, 'g', 'a', queues(0, 1), 111_000) }, { stampMs: 111_000 })
  t.same([0, 1, 2].map((id) => locks.ownerOf('g', 't', id)), ['b', undefined, 'b'], 'only what it held')
  leader.commit((writer) => { t.equal(locks.releaseOwner(writer, 'b', 'g', 111_000, 100), false) }, { stampMs: 111_000 })
  t.same([0, 1, 2].map((id) => locks.ownerOf('g', 't', id)), [undefined, undefined, undefined])
  t.equal(locks.ownerOf('other group', 't', 0), 'b')
})

t.test('a renewal writes nothing', async (t) => {
  const leader = await newLeader()
  const { locks } = leader.store
  leader.commit((writer) => { locks.lock(writer, 'g', 'a', queues(0, 1), 1000) })
  leader.commit((writer) => {
    t.equal(locks.lock(writer, 'g', 'a', queues(0, 1), 2000).length, 2)
    t.ok(writer.isEmpty)
  })
})

interface Lock { owner: string, untilMs: number }

const client = fc.constantFrom('a', 'b', 'c')
const group = fc.constantFrom('g', 'h')
const someQueues = fc.uniqueArray(fc.record({ topic: fc.constantFrom('t', 'u'), queueId: fc.integer({ min: 0, max: 2 }) }), { selector: ({ topic, queueId }) => topic + queueId, maxLength: 4 })
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant('lock' as const), group, client, queues: someQueues }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('unlock' as const), group, client, queues: someQueues }) },
  fc.record({ type: fc.constant('release' as const), client, group: fc.option(group, { nil: undefined }), maxLocks: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ type: fc.constant('lost' as const), client }),
  fc.record({ type: fc.constant('expire' as const), maxLocks: fc.integer({ min: 1, max: 4 }) }),
  { weight: 3, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 45_000 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('apply' as const) }) },
  fc.record({ type: fc.constant('takeOver' as const) }),
  fc.record({ type: fc.constant('deleteTopic' as const), topic: fc.constantFrom('t', 'u') }),
  fc.record({ type: fc.constant('deleteGroup' as const), group })
)

t.test('against a naive twin: decisions ahead of what is applied, new leaders, deletions, restarts', async (t) => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
    const leader = await newLeader()
    const { store, log } = leader
    const { locks } = store
    const twin = new Map<string, Lock>()
    const textOf = (group: string, topic: string, queueId: number) => `${group}@${topic}@${queueId}`
    let nowMs = 1000
    const applyAll = () => leader.replay()
    for (const step of steps) {
      switch (step.type) {
        case 'lock':
          leader.seal((writer) => {
            const held = locks.lock(writer, step.group, step.client, step.queues, nowMs)
            const expected = step.queues.filter(({ topic, queueId }) => {
              const key = textOf(step.group, topic, queueId)
              const lock = twin.get(key)
              if (lock !== undefined && lock.owner !== step.client && lock.untilMs > nowMs) return false
              twin.set(key, { owner: step.client, untilMs: nowMs + LOCK_TTL_MS })
              return true
            })
            t.same(held, expected)
          }, { stampMs: nowMs })
          break
        case 'unlock':
          leader.seal((writer) => { locks.unlock(writer, step.group, step.client, step.queues, nowMs) }, { stampMs: nowMs })
          for (const { topic, queueId } of step.queues) if (twin.get(textOf(step.group, topic, queueId))?.owner === step.client) twin.delete(textOf(step.group, topic, queueId))
          break
        case 'release':
          for (let isMore = true; isMore;) leader.seal((writer) => { isMore = locks.releaseOwner(writer, step.client, step.group, nowMs, step.maxLocks) }, { stampMs: nowMs })
          for (const [key, { owner }] of twin) if (owner === step.client && (step.group === undefined || key.startsWith(`${step.group}@`))) twin.delete(key)
          break
        case 'lost':
          locks.connectionLost(step.client, nowMs)
          for (const lock of twin.values()) if (lock.owner === step.client) lock.untilMs = Math.min(lock.untilMs, nowMs + LOST_CONNECTION_TTL_MS)
          break
        case 'expire':
          while (locks.nextExpiryMs <= nowMs) leader.seal((writer) => { locks.expire(writer, nowMs, step.maxLocks) }, { stampMs: nowMs })
          for (const [key, { untilMs }] of twin) if (untilMs <= nowMs) twin.delete(key)
          break
        case 'wait':
          nowMs += step.ms
          break
        case 'apply':
          applyAll()
          break
        case 'takeOver':
          applyAll()
          store.startLeading()
          for (const lock of twin.values()) lock.untilMs = nowMs + LOCK_TTL_MS
          locks.holderOf({ group: 'g', topic: 't', queueId: 0 }, nowMs)
          break
        case 'deleteTopic':
          leader.seal((writer) => { store.deleteTopic(writer, step.topic) }, { stampMs: nowMs })
          for (const key of [...twin.keys()]) if (key.includes(`@${step.topic}@`)) twin.delete(key)
          break
        case 'deleteGroup':
          leader.seal((writer) => { store.deleteGroup(writer, step.group, { removeOffsets: false }) }, { stampMs: nowMs })
          for (const key of [...twin.keys()]) if (key.startsWith(`${step.group}@`)) twin.delete(key)
      }
      for (const group of ['g', 'h']) {
        for (const topic of ['t', 'u']) {
          for (let queueId = 0; queueId < 3; queueId++) {
            const lock = twin.get(textOf(group, topic, queueId))
            t.equal(locks.holderOf({ group, topic, queueId }, nowMs), lock !== undefined && lock.untilMs > nowMs ? lock.owner : undefined)
          }
        }
      }
    }
    applyAll()
    const owners = () => [...locks.values()].map(({ key, value }) => [key, Buffer.from(value).toString('hex')]).sort()
    const again = new LockMachine()
    for (const { key, value } of locks.values()) again.load(key, value)
    for (const [key, { owner }] of twin) {
      const [group, topic, queueId] = key.split('@') as [string, string, string]
      t.equal(locks.ownerOf(group, topic, Number(queueId)), owner)
      t.equal(again.ownerOf(group, topic, Number(queueId)), owner)
    }
    for (const group of ['g', 'h']) {
      const holds = [...twin.keys()].some((key) => key.startsWith(`${group}@`))
      t.equal(locks.holdsAny(group), holds)
      t.equal(again.holdsAny(group), holds)
    }
    const hash = await store.stateHash()
    const replayed = await Leader.open({ disk: new MemoryDisk(), database: new MemoryKv(), log })
    t.equal(await replayed.store.stateHash(), hash)
    t.same([...replayed.store.locks.values()].map(({ key, value }) => [key, Buffer.from(value).toString('hex')]).sort(), owners())
  }), { numRuns: 60 })
})
