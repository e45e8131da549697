import t from 'tap'
import type { NodeId } from '../../lib/raft/index.ts'
import { Faults } from '../support/faults.ts'
import { CatchUpWorld, type Node } from './catch-up-world.ts'

t.setTimeout(300_000)

/** What happens while a node is about to ask for a chunk; `askOn`: it asks. */
type Blow = (world: CatchUpWorld, node: Node, donor: Node, nth: number, askOn: () => void) => Promise<void>

const outcomes = [undefined, 'none', 'reorder', 'random'] as const

/** It ends, each time in another way: the process is killed, or the machine loses power and with it some of what was not synced. */
async function endOf (node: Node, nth: number): Promise<void> {
  const keep = outcomes[nth % outcomes.length]
  await node.crash(keep === undefined ? undefined : { keep, seed: nth })
}

const blows: Readonly<Record<string, Blow>> = {
  async 'the node is killed' (world, node, donor, nth) {
    await endOf(node, nth)
    await world.run(node.start())
  },
  async 'its donor is killed' (world, node, donor, nth, askOn) {
    await endOf(donor, nth)
    askOn()
    await world.until(() => node.installs === 1)
    await world.run(donor.start())
  },
  async 'both are killed' (world, node, donor, nth) {
    await endOf(donor, nth)
    await endOf(node, nth + 1)
    await world.run(node.start())
    await world.until(() => node.installs === 1)
    await world.run(donor.start())
  },
  async 'its donor becomes the leader' (world, node, donor, nth, askOn) {
    await world.run((await world.untilLeader()).engine!.transferLeadership(donor.id))
    askOn()
  },
  async 'the leader is killed' (world, node, donor, nth, askOn) {
    const leader = await world.untilLeader()
    await endOf(leader, nth)
    askOn()
    await world.until(() => node.installs === 1)
    await world.run(leader.start())
  }
}

t.test('whatever happens at any chunk, the node comes to hold what the others hold', async (t) => {
  const world = new CatchUpWorld()
  t.teardown(() => world.closeAll())
  const { node } = await world.lag(60, 25)
  const { disk, kv } = node

  /** From the same beginning, until the node is about to ask for its `wanted`-th chunk, or has all; returns how many it asked for, and whom. */
  const startUntil = async (wanted: number): Promise<{ chunks: number, donor: NodeId, askOn: () => void }> => {
    let chunks = 0
    let donor: NodeId = 0
    let askOn = (): void => {}
    const isHeld = new Promise<void>((resolve) => { askOn = resolve })
    node.disk = disk.kill({ faults: new Faults() })
    node.kv = kv.kill({ faults: node.disk.faults })
    node.installs = 0
    node.onCalling = async (method, to) => {
      if (method !== 'catchup.chunk') return
      donor = to
      if (++chunks >= wanted) await isHeld
    }
    await world.run(node.start())
    await world.until(() => chunks >= wanted || node.installs === 1)
    node.onCalling = undefined
    return { chunks, donor, askOn }
  }

  const { chunks } = await startUntil(Infinity)
  await world.untilEqual()
  t.same(await world.differences(), [])
  t.ok(chunks > 3, `${chunks} chunks`)
  for (const [name, blow] of Object.entries(blows)) {
    for (let nth = 1; nth <= chunks; nth++) {
      await world.goneBackInTime(node)
      const { donor, askOn } = await startUntil(nth)
      try {
        await blow(world, node, world.node(donor), nth, askOn)
        await world.untilEqual()
        const wrong = await world.differences()
        if (wrong.length > 0) throw new Error(wrong.join('; '))
        if (node.failure !== undefined) throw node.failure
      } catch (error) {
        t.fail(`${name} at chunk ${nth}: ${(error as Error).message}`)
      }
    }
    t.pass(name)
  }
})
