import t from 'tap'
import type { Engine } from '../../lib/engine/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { get, put, wireMessage } from '../engine/wire.ts'
import { DIRECTORY, Nodes } from './nodes.ts'

const bodiesOn = async (engine: Engine): Promise<string[]> => (await get(engine, { topic: 'orders', fromOffset: 0 })).bodies

t.test('a slave of a master with ASYNC_FLUSH has what is on the master\'s disk, and no more: a loss of power takes nothing from it that the master would lack', async (t) => {
  const nodes = new Nodes([0])
  t.teardown(() => nodes.closeAll())
  const flush = { timed: true, intervalMs: 60_000 }
  const engine = { ...checkOpenOptions(DIRECTORY, { durability: 'memory', flush }), directory: DIRECTORY }
  const master = await nodes.open(0, { takesLearners: true, engine: { ...engine, ports: nodes.portsOf(0) } })
  await nodes.until(() => master.engine.role.isLeader && master.engine.status().flushMode === 'async')
  const slave = await nodes.open(1, { role: 'learner', peers: [{ number: 0, address: nodes.addressOf(0) }], address: nodes.addressOf(1), engine: { ...engine, ports: nodes.portsOf(1) } })
  const sync = async (): Promise<void> => { await nodes.run(master.engine.replica.log.syncThrough(master.engine.status().lastIndex)) }
  await nodes.until(() => slave.isMember)
  await nodes.run(put(master.engine, 'orders', wireMessage('a')))
  await sync()
  await nodes.untilEqual()
  t.equal(slave.engine.status().flushMode, 'async', 'the mode is the group\'s')

  await nodes.run(put(master.engine, 'orders', wireMessage('b')))
  await nodes.clock.advance(2_000)
  t.ok(master.engine.status().lastIndex > master.engine.status().durableIndex, 'confirmed, and not on the disk')
  t.same(await nodes.run(bodiesOn(slave.engine)), ['a'])
  await sync()
  await nodes.untilEqual()
  t.same(await nodes.run(bodiesOn(slave.engine)), ['a', 'b'])

  await nodes.run(master.engine.setFlushDiskType('SYNC_FLUSH'))
  await nodes.until(() => slave.engine.status().flushMode === 'sync')
  await nodes.run(put(master.engine, 'orders', wireMessage('c')))
  await nodes.untilEqual()
  t.same(await nodes.run(bodiesOn(slave.engine)), ['a', 'b', 'c'])
})
