import t from 'tap'
import { loadChecksum } from '../../lib/base/index.ts'
import { put, wireMessage } from '../engine/wire.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { FaultyKv } from '../support/faulty-kv.ts'
import { Faults, type StopPoint } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { Nodes } from './nodes.ts'

const stopPoints: readonly StopPoint[] = ['before', 'middle', 'after']

/** Three nodes of which one stops at a boundary of its disk, is found after a power cut, and is started again. */
async function crash (victim: number, boundary: number, point: StopPoint): Promise<{ defect: string | undefined, boundaries: number, stopped: boolean }> {
  const group = new Nodes([0, 1, 2], victim * 10_000 + boundary * 10)
  const faults = new Faults()
  faults.stopAt(boundary, point)
  const disk = new FaultyDisk({ faults, directories: ['/'] })
  const kv = new FaultyKv({ faults })
  group.machines.set(victim, { disk, kv } as never)
  for (const number of [0, 1, 2]) if (number !== victim) group.machines.set(number, { disk: new FaultyDisk({ directories: ['/'] }), kv: new FaultyKv() } as never)
  // a stopped machine says nothing more
  faults.onStop(() => { group.unplug(victim) })
  const opening = [0, 1, 2].map((number) => group.start(number))
  for (const one of opening) one.catch(() => {})
  await group.until(() => faults.stopped || (group.members.size === 3 && group.leader !== undefined && group.members.get(victim)!.engine.role.leaderId !== 0))
  const { stopped, boundaries } = faults
  faults.stopAt(Infinity, 'before')
  if (stopped) {
    group.members.delete(victim)
    const seed = boundary * 7 + victim
    const random = new SeededRandom(seed)
    const keep = (['none', 'reorder', 'all'] as const)[seed % 3]!
    group.machines.set(victim, { disk: disk.powerCut({ keep, random, faults: new Faults() }), kv: kv.powerCut({ keep, random, faults: new Faults() }) } as never)
    // the others must not have gone on to a second group in the meantime
    if (boundary % 2 === 0) await group.clock.advance(3_000)
    await group.open(victim)
    await group.until(() => group.members.size === 3)
  }
  const leader = await group.untilLeader()
  await group.run(put(leader.engine, 'orders', wireMessage('a')))
  await group.untilEqual()
  const members = [...group.members.values()]
  const ids = members.map(({ nodeId }) => nodeId).sort((a, b) => a - b)
  const defect = new Set(members.map(({ engine }) => Buffer.from(engine.identity.groupId).toString('hex'))).size !== 1
    ? 'two groups'
    : members.some(({ engine }) => `${[...engine.identity.founders].sort((a, b) => a - b)}` !== `${ids}`)
      ? 'a founder is not who it was when the group was founded'
      : members.some(({ engine }) => `${engine.status().confState.voters}` !== `${ids}`)
        ? 'the voters are not the nodes that run'
        : undefined
  await group.closeAll()
  return { defect, boundaries, stopped }
}

for (const victim of [0, 1, 2]) {
  t.test(`node ${victim} stops at any step of the formation: never two groups, never a voter that is empty`, { timeout: 300_000 }, async (t) => {
    await loadChecksum()
    const { boundaries, defect } = await crash(victim, Infinity, 'before')
    t.equal(defect, undefined)
    t.ok(boundaries > 20, `${boundaries} boundaries`)
    let crashes = 0
    for (let boundary = 1; boundary <= boundaries; boundary++) {
      for (const point of stopPoints) {
        const { defect, stopped } = await crash(victim, boundary, point)
        if (stopped) crashes++
        if (defect !== undefined) t.fail(`stopped ${point} boundary ${boundary}: ${defect}`)
      }
    }
    t.ok(crashes >= boundaries, `${crashes} crashes`)
  })
}
