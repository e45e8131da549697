import t, { type Test } from 'tap'
import { silentLogger } from '../../lib/base/index.ts'
import { installReceived, type Received } from '../../lib/replica/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { Faults, type Keep, type StopPoint } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { CatchUpWorld, DIRECTORY, type Node } from './catch-up-world.ts'

/** A group with a node on whose disk all has come that it needs, stopped before the switch; its machine can be taken up many times. */
async function received (t: Test): Promise<{ world: CatchUpWorld, node: Node, received: Received }> {
  const world = new CatchUpWorld()
  t.teardown(() => world.closeAll())
  const { node } = await world.lag(120)
  let received: Received | undefined
  await world.run(node.start({ onReceived: (what) => { received = what } }))
  await world.until(() => received !== undefined)
  return { world, node, received: received! }
}

t.setTimeout(300_000)

interface Outcome {
  readonly name: string
  readonly powerCut: { readonly keep: Keep, readonly seed: number } | undefined
}

const outcomesOf = (boundary: number): Outcome[] => [
  { name: 'power cut, none kept', powerCut: { keep: 'none', seed: boundary } },
  { name: 'power cut, reordered', powerCut: { keep: 'reorder', seed: boundary } },
  { name: 'power cut, random', powerCut: { keep: 'random', seed: boundary } },
  { name: 'process kill', powerCut: undefined }
]

t.test('stopped at any boundary of the switch, the node has its old log or the new one, and catches up', async (t) => {
  const { world, node, received: what } = await received(t)
  await node.crash()
  const { disk, kv } = node
  /** The machine as it was when all had come, doing the switch until the plan of faults stops it. */
  const switchUntil = async (faults: Faults): Promise<FaultyDisk> => {
    const own = disk.kill({ faults })
    let done = false
    installReceived({ disk: own, directory: DIRECTORY, logger: silentLogger }, what).then(() => { done = true }, () => {})
    await world.clock.runUntil(() => done || faults.stopped, { maxMs: 1000 })
    return own
  }
  const whole = new Faults({ trace: true })
  await switchUntil(whole)
  const { boundaries, trace } = whole
  t.comment(`${boundaries} boundaries`)
  for (const wanted of [/^rename .*install/, /^rename .*\.seg/, /^rename .*\.base/, /^unlink .*\.seg/, /^unlink .*\/install/]) t.ok(trace.some((line) => wanted.test(line)), `the switch does ${wanted.source}`)

  let crashes = 0
  for (let boundary = 1; boundary <= boundaries; boundary++) {
    for (const point of ['before', 'middle', 'after'] as const satisfies StopPoint[]) {
      const faults = new Faults()
      faults.stopAt(boundary, point)
      const stopped = await switchUntil(faults)
      const { name, powerCut } = outcomesOf(boundary)[(boundary + crashes) % 4]!
      node.disk = foundAfter(stopped, powerCut)
      node.kv = kv.kill({ faults: node.disk.faults })
      node.installs = 0
      try {
        await world.run(node.start())
        await world.untilEqual()
        const wrong = await world.differences()
        if (wrong.length > 0) throw new Error(wrong.join('; '))
        if (node.failure !== undefined) throw node.failure
      } catch (error) {
        t.fail(`stopped ${point} ${trace[boundary - 1]} (${boundary}), ${name}: ${(error as Error).message}`)
      }
      await world.goneBackInTime(node)
      crashes++
    }
  }
  await world.run(node.start())
  t.pass(`${crashes} crashes`)
})

t.test('stopped at any boundary of the first opening behind a switch that had begun', async (t) => {
  const { world, node, received: what } = await received(t)
  await node.crash()
  const { disk, kv } = node
  const begun = new Faults()
  const machine = disk.kill({ faults: begun })
  // The intent is durable, and nothing of the switch is done.
  const whole = new Faults({ trace: true })
  installReceived({ disk: disk.kill({ faults: whole }), directory: DIRECTORY, logger: silentLogger }, what).catch(() => {})
  await world.clock.advance(10)
  begun.stopAt(whole.trace.findIndex((line) => /^rename .*install/.test(line)) + 2, 'after')
  installReceived({ disk: machine, directory: DIRECTORY, logger: silentLogger }, what).catch(() => {})
  await world.clock.runUntil(() => begun.stopped, { maxMs: 1000 })

  const opening = new Faults({ trace: true })
  node.disk = machine.powerCut({ keep: 'none', faults: opening })
  node.kv = kv.powerCut({ keep: 'none', faults: opening })
  await world.run(node.start())
  const { boundaries } = opening
  await world.untilEqual()
  t.same(await world.differences(), [])
  t.equal(node.installs, 0, 'the opening alone brought it there')
  await world.goneBackInTime(node)
  t.comment(`${boundaries} boundaries`)
  for (let boundary = 1; boundary <= boundaries; boundary++) {
    const faults = new Faults()
    faults.stopAt(boundary, boundary % 3 === 0 ? 'before' : boundary % 3 === 1 ? 'middle' : 'after')
    node.disk = machine.powerCut({ keep: 'none', faults })
    node.kv = kv.powerCut({ keep: 'none', faults })
    node.start().catch(() => {})
    await world.clock.runUntil(() => faults.stopped, { maxMs: 1000 })
    const { name, powerCut } = outcomesOf(boundary)[boundary % 4]!
    await node.crash(powerCut)
    try {
      await world.assertComesBack(node)
    } catch (error) {
      t.fail(`stopped at ${opening.trace[boundary - 1]} (${boundary}), ${name}: ${(error as Error).message}`)
    }
    await world.goneBackInTime(node)
  }
  await world.run(node.start())
  t.pass(`${boundaries} crashes`)
})

function foundAfter (disk: FaultyDisk, powerCut: Outcome['powerCut']): FaultyDisk {
  const faults = new Faults()
  return powerCut === undefined ? disk.kill({ faults }) : disk.powerCut({ keep: powerCut.keep, random: new SeededRandom(powerCut.seed), faults })
}
