import t from 'tap'
import { seedOfGroup } from '../../lib/log/index.ts'
import { readBaseFile } from '../../lib/store/base-file.ts'
import { machineKey } from '../../lib/store/checkpoints.ts'
import type { Machine, Store } from '../../lib/store/index.ts'
import { put, wireMessage } from '../engine/wire.ts'
import { CatchUpWorld, type Node } from './catch-up-world.ts'

t.setTimeout(120_000)

/** What changes with nearly every entry: messages, those that wait, offsets, topics that come and go. */
async function work (world: CatchUpWorld, rounds: number): Promise<void> {
  for (let n = 0; n < rounds; n++) {
    const engine = world.leader!.engine!
    await world.send(1)
    await world.run(put(engine, 'later', wireMessage(`later-${world.sent}`, { delayMs: 60_000 + world.sent })))
    engine.offsets.commit({ group: 'g', topic: 'orders', queueId: 0 }, world.sent)
    await world.run(engine.createTopic({ name: `topic-${world.sent}`, queueCount: 1, attributes: {} }))
    // every third stays
    if (world.sent % 3 !== 0) await world.run(engine.deleteTopic(`topic-${world.sent}`))
  }
}

/** As a base dump has them. */
function valuesOf ({ metadata, locks, delays, dedupe, halves, keyed, consumerOffsets }: Store): Map<string, string> {
  const machines: Machine[] = [metadata, locks, delays, dedupe, halves, keyed, consumerOffsets]
  return new Map(machines.flatMap((machine) => [...machine.values()].map(({ key, value }) => [machineKey(machine, key), Buffer.from(value).toString('hex')])))
}

async function dumpOf ({ disk, engine }: Node, seed: bigint): Promise<Map<string, string>> {
  const values = new Map<string, string>()
  for await (const [key, value] of readBaseFile(disk, engine!.store.baseDump!.path, seed)) values.set(key, Buffer.from(value).toString('hex'))
  return values
}

t.test('a base dump is of one state, however many checkpoints are written beside it, and who installs it comes to the state of all', async (t) => {
  const world = new CatchUpWorld()
  t.teardown(() => world.closeAll())
  await world.openAll()
  await work(world, 10)
  await world.untilEqual()
  const lagging = [...world.nodes.values()].find((node) => node !== world.leader)!
  await world.run(lagging.close())
  await work(world, 20)
  const donors = [...world.nodes.values()].filter((node) => node !== lagging)
  // both, so that it is that dump whichever of them is asked; once nothing is under way
  await world.until(() => donors.every(({ applied }) => applied === donors[0]!.applied))
  for (const { engine, dumpWrites } of donors) {
    dumpWrites.hold()
    await world.until(() => engine!.store.baseDumpDue === false || dumpWrites.waiting > 0)
    if (dumpWrites.waiting === 0) engine!.replica.demandBaseDump()
  }
  await world.until(() => donors.every(({ dumpWrites }) => dumpWrites.waiting === 1))
  const before = donors.map(({ engine }) => ({ index: engine!.store.appliedIndex, values: valuesOf(engine!.store), dump: engine!.store.baseDumpIndex }))
  const checkpoints = donors.map(() => 0)
  donors.forEach(({ engine }, i) => {
    const { store } = engine!
    const checkpoint = store.checkpoint.bind(store)
    store.checkpoint = async () => {
      await checkpoint()
      checkpoints[i]!++
    }
  })
  let overdue = 0
  for (let round = 0; round < 40; round++) {
    await work(world, 1)
    if (donors.some(({ engine }) => engine!.store.isCheckpointOverdue)) overdue++
  }
  t.ok(checkpoints.every((count) => count >= 3), `${checkpoints.join()} checkpoints were written meanwhile`)
  t.equal(overdue, 0, 'no more waits for the next one than without a dump')
  for (const [i, { engine, dumpWrites }] of donors.entries()) {
    t.equal(engine!.store.baseDumpIndex, before[i]!.dump, 'the dump is not there yet')
    // write by write, as the next one is due and begins at once
    await world.until(() => {
      if (engine!.store.baseDump!.index === before[i]!.index) return true
      dumpWrites.release()
      dumpWrites.hold()
      return false
    })
  }
  for (const [i, donor] of donors.entries()) {
    const dump = await world.run(dumpOf(donor, seedOfGroup(world.groupId)))
    t.ok(before[i]!.values.size > 10)
    for (const [key, value] of before[i]!.values) if (dump.get(key) !== value) t.fail(`${key} is not as it was at entry ${before[i]!.index}`)
    const kinds = new Set([...before[i]!.values.keys()].map((key) => key.split('/')[1]))
    t.same([...dump.keys()].filter((key) => key.startsWith('m/') && kinds.has(key.split('/')[1]) && !before[i]!.values.has(key)), [], 'nothing that came later')
  }
  // what the follower needs next goes
  await world.raiseFloor(50)
  await world.run(lagging.start())
  await world.until(() => lagging.installs === 1 && lagging.engine !== undefined)
  t.ok(before.some(({ index }) => index === lagging.engine!.store.baseDump!.index), 'it has that dump')
  for (const { dumpWrites } of donors) dumpWrites.release()
  await work(world, 3)
  await world.untilEqual()
  t.same(await world.differences(), [])
  t.same(valuesOf(lagging.engine!.store), valuesOf(world.leader!.engine!.store))
})
