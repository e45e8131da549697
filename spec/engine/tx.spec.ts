import t from 'tap'
import { PutProposal, type Delivery, type Engine, type PutResult } from '../../lib/engine/index.ts'
import { EngineGroup } from './engine-group.ts'
import { openEngine } from './wire.ts'

const put = (engine: Engine, name: string, text: string) => new PutProposal(engine.topicToBe({ name, queueCount: 1, attributes: {} }), 0, Buffer.from(text), '', '', 0, '', () => {}, () => {})

async function tx (engine: Engine, acks: readonly Delivery[], sends: readonly string[], values: Readonly<Record<string, string | null>>): Promise<PutResult[]> {
  return await new Promise((resolve, reject) => {
    engine.submit(engine.tx({ acks, puts: sends.map((text) => put(engine, 'out', text)), changes: Object.entries(values).map(([key, value]) => ({ key, value })) }, resolve, reject))
  })
}

const pop = (engine: Engine) => engine.pop({ group: 'g', topic: 'out', max: 10, invisibleMs: 3_600_000 })

t.test('in a group: what is done holds after the leader is lost, a message that it had handed out is done at the next one; reads wait for what was confirmed', async (t) => {
  const group = new EngineGroup([1, 2, 3])
  t.teardown(() => group.closeAll())
  await group.openAll()
  const leader = await group.untilLeader()
  await group.run(leader.raiseFormat(3))
  await group.run(tx(leader, [], ['a', 'b'], { x: '1', y: '1' }))
  const [a, b] = await group.run(pop(leader))
  await group.run(tx(leader, [a!], ['c'], { x: '2', y: null }))
  for (const follower of group.followers) {
    t.same(await group.run(Promise.all([follower.valueOf('x'), follower.valueOf('y')])), ['2', undefined], 'a follower asks how far the leader is')
    await t.rejects(group.run(tx(follower, [], [], { x: '3' })), { code: 'MQ_NOT_LEADER', outcome: 'not-applied' })
  }
  await group.close(leader)
  const next = await group.untilLeader()
  t.equal(await group.run(next.valueOf('x')), '2')
  await group.run(tx(next, [b!], ['d'], { x: '4' }))
  await t.rejects(group.run(tx(next, [b!], ['e'], { x: '5' })), { code: 'MQ_LEASE_LOST', outcome: 'not-applied', lost: 1 })
  t.equal(await group.run(next.valueOf('x')), '4')
  t.same((await group.run(pop(next))).map(({ record }) => Buffer.from(record.body).toString()), ['c', 'd'])
  await group.untilEqual()
  t.equal(new Set(await group.run(Promise.all([...group.engines.values()].map((engine) => engine.store.stateHash())))).size, 1)
})

t.test('a leader that is cut off answers no read, and says of a transaction that nobody knows', async (t) => {
  const group = new EngineGroup([1, 2, 3])
  t.teardown(() => group.closeAll())
  await group.openAll()
  const leader = await group.untilLeader()
  await group.run(leader.raiseFormat(3))
  await group.run(tx(leader, [], [], { x: '1' }))
  for (const other of group.followers) group.network.cut(leader.status().nodeId, other.status().nodeId)
  const lost = tx(leader, [], ['a'], { x: '2' })
  const read = leader.valueOf('x')
  await t.rejects(group.run(lost), { code: 'MQ_LEADERSHIP_LOST', outcome: 'unknown' })
  await t.rejects(group.run(read), { code: 'MQ_UNAVAILABLE' })
  t.equal(leader.store.keyed.get('x'), '1')
})

t.test('a group that writes an older data format keeps no values; acknowledgements and messages go together there too', async (t) => {
  const engine = await openEngine(undefined, { formatVersion: 2 })
  t.teardown(() => engine.close())
  await tx(engine, [], ['a'], {})
  const [a] = await pop(engine)
  await t.rejects(tx(engine, [a!], ['b'], { x: '1' }), { code: 'MQ_UNAVAILABLE', outcome: 'not-applied' })
  await tx(engine, [a!], ['b'], {})
  t.equal((await pop(engine)).length, 1)
  t.equal(engine.store.keyed.count, 0)
})

t.test('too much is refused, and what makes it less is not; a checkpoint is due before many changes wait for one', async (t) => {
  const engine = await openEngine(undefined, { limits: { ...limits, maxKeyedBytes: 2000 } })
  t.teardown(() => engine.close())
  await tx(engine, [], [], { a: 'x'.repeat(1500) })
  await t.rejects(tx(engine, [], [], { b: 'x'.repeat(500) }), { code: 'MQ_BUSY', setting: 'maxKeyedBytes', bound: 2000 })
  await tx(engine, [], [], { a: 'x', b: 'x'.repeat(1000) })
  t.equal(engine.store.checkpointDue, false)
  const wide = await openEngine(undefined, { limits, storeSettings: { unpersistedBytes: 100 * 1024 } })
  t.teardown(() => wide.close())
  for (let i = 0; i < 4; i++) {
    await tx(wide, [], [], Object.fromEntries(Array.from({ length: 60 }, (_, j) => [`${i}-${j}`, 'x'])))
    t.ok(wide.store.keyed.unpersistedBytes <= 120 * 1024)
  }
})

const limits = { maxEntryBytes: 1 << 20, maxPendingProposals: 1000, maxPendingBytes: 1 << 20, tailCacheBytes: 1 << 20, coldCacheBytes: 1 << 20, segmentBytes: 1 << 20, maxWaitingConsumers: 10 }
