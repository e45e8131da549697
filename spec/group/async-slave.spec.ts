import t from 'tap'
import { MemoryKv } from '../../lib/adapters/index.ts'
import type { Engine } from '../../lib/engine/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { get, put, wireMessage } from '../engine/wire.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
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

t.test('nor while the master changes to SYNC_FLUSH, before its disk has done it', async (t) => {
  const nodes = new Nodes([0])
  t.teardown(() => nodes.closeAll())
  const disk = new FaultyDisk({ directories: [DIRECTORY] })
  nodes.machines.set(0, { disk, kv: new MemoryKv() })
  const engine = { ...checkOpenOptions(DIRECTORY, { durability: 'memory', flush: { timed: true, intervalMs: 60_000 } }), directory: DIRECTORY }
  const master = await nodes.open(0, { takesLearners: true, engine: { ...engine, ports: nodes.portsOf(0) } })
  await nodes.until(() => master.engine.role.isLeader && master.engine.status().flushMode === 'async')
  const slave = await nodes.open(1, { role: 'learner', peers: [{ number: 0, address: nodes.addressOf(0) }], address: nodes.addressOf(1), engine: { ...engine, ports: nodes.portsOf(1) } })
  await nodes.until(() => slave.isMember)
  await nodes.run(put(master.engine, 'orders', wireMessage('a')))
  await nodes.run(master.engine.replica.log.syncThrough(master.engine.status().lastIndex))
  await nodes.untilEqual()

  const syncs: Array<() => void> = []
  let isHeld = true
  const mutate = disk.mutate.bind(disk)
  disk.mutate = async (kind, what, ...rest) => {
    if (isHeld && kind === 'sync' && what.includes('.seg')) await new Promise<void>((resolve) => { syncs.push(resolve) })
    return await mutate(kind, what, ...rest)
  }
  await nodes.run(put(master.engine, 'orders', wireMessage('b')))
  const changed = master.engine.setFlushDiskType('SYNC_FLUSH')
  await nodes.until(() => syncs.length > 0)
  await nodes.clock.advance(2_000)
  const { durableIndex, commitIndex } = master.engine.status()
  t.ok(durableIndex < commitIndex, 'confirmed, and not on the disk')
  t.ok(slave.engine.stats().log.appliedIndex <= durableIndex, 'nothing is applied that a loss of power would take from the master')
  t.same(await nodes.run(bodiesOn(slave.engine)), ['a'])
  isHeld = false
  for (const go of syncs) go()
  await nodes.run(changed)
  await nodes.untilEqual()
  t.same(await nodes.run(bodiesOn(slave.engine)), ['a', 'b'])
})
