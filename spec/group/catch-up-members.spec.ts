import t from 'tap'
import type { GroupMemberOptions } from '../../lib/group/index.ts'
import type { Engine, EngineOptions } from '../../lib/engine/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { get, put, wireMessage } from '../engine/wire.ts'
import { DIRECTORY, Nodes } from './nodes.ts'

t.setTimeout(300_000)

const { limits } = checkOpenOptions(DIRECTORY, {})
const engine = {
  ...checkOpenOptions(DIRECTORY, {}),
  directory: DIRECTORY,
  limits: { ...limits, segmentBytes: 4096, reserveBytes: 0 },
  storeSettings: { checkpointBytes: 6 * 1024, baseDumpBytes: 16 * 1024 }
} satisfies EngineOptions
const options: Partial<GroupMemberOptions> = { engine, catchUp: { receiverSettings: { chunkBytes: 3000, reserveBytes: 0 } } }

/** 150 messages are sent, and all but the last few are gone from the log of every node. */
async function sendAndDropHead (nodes: Nodes): Promise<void> {
  const { engine } = await nodes.untilLeader()
  for (let n = 0; n < 150; n++) await nodes.run(put(engine, 'orders', wireMessage(`${n}${'.'.repeat(300)}`)))
  const { records } = await nodes.run(get(engine, { topic: 'orders', fromOffset: 130, maxMessages: 1 }))
  const entry = (await nodes.run(engine.replica.log.entryContaining(records[0]!.physicalOffset)))!
  await nodes.run(engine.raiseFloor(entry.physicalOffset))
  await nodes.untilEqual()
  await nodes.until(() => nodes.engines.every(({ replica }) => replica.log.firstIndex > 1))
}

const hashesOf = (nodes: Nodes) => nodes.run(Promise.all(nodes.engines.map((engine) => engine.store.stateHash())))

t.test('a wiped node gets back what the others hold, also where the beginning of the log is gone', async (t) => {
  const nodes = new Nodes([0, 1, 2])
  t.teardown(() => nodes.closeAll())
  await nodes.openAll(options)
  await sendAndDropHead(nodes)

  const number = nodes.followerNumber()
  const { nodeId: old } = nodes.member(number)
  await nodes.close(number)
  nodes.wipe(number)
  const engines: Engine[] = []
  const back = await nodes.open(number, options)
  back.onEngine((engine) => { engines.push(engine) })
  await nodes.until(() => nodes.voters.length === 3 && nodes.leader!.members().every(({ nodeId }) => nodeId !== old))
  await nodes.untilEqual()
  t.equal(engines.length, 2, 'the engine was opened again on what had come')
  t.not(back.nodeId, old)
  t.equal(new Set(await hashesOf(nodes)).size, 1)
  const { bodies } = await nodes.run(get(back.engine, { topic: 'orders', fromOffset: 140 }))
  t.equal(bodies.length, 10)
  await nodes.run(put((await nodes.untilLeader()).engine, 'orders', wireMessage('after')))
  await nodes.untilEqual()
})

t.test('a node that is closed while it catches up goes on when it is opened again', async (t) => {
  const nodes = new Nodes([0, 1, 2])
  t.teardown(() => nodes.closeAll())
  await nodes.openAll(options)
  await nodes.untilLeader()
  const number = nodes.followerNumber()
  await nodes.close(number)
  await sendAndDropHead(nodes)
  for (let run = 0; run < 4; run++) {
    await nodes.open(number, options)
    await nodes.clock.advance(run === 0 ? 300 : 20)
    await nodes.close(number)
  }
  await nodes.open(number, options)
  await nodes.untilEqual()
  t.equal(new Set(await hashesOf(nodes)).size, 1)
})

t.test('a node whose disk fails while it takes up what has come closes, and says so to whoever runs it', async (t) => {
  const nodes = new Nodes([0, 1, 2])
  t.teardown(() => nodes.closeAll())
  await nodes.openAll(options)
  await sendAndDropHead(nodes)
  const number = nodes.followerNumber()
  await nodes.close(number)
  nodes.wipe(number)
  const { disk } = nodes.machine(number)
  const rename = disk.rename.bind(disk)
  disk.rename = async (from, to) => {
    if (from.includes('incoming') && to.endsWith('.seg')) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
    await rename(from, to)
  }
  const back = await nodes.open(number, options)
  const failures: Error[] = []
  back.onFailure((error) => { failures.push(error) })
  await nodes.until(() => failures.length > 0)
  t.match(failures, [/EIO/])
})
