import t, { type Test } from 'tap'
import { Faults } from '../support/faults.ts'
import { CatchUpWorld, type Node } from './catch-up-world.ts'

t.setTimeout(300_000)

async function group (t: Test, messages: number): Promise<{ world: CatchUpWorld, leader: Node, node: Node }> {
  const world = new CatchUpWorld()
  t.teardown(() => world.closeAll())
  await world.openAll()
  await world.send(messages)
  await world.untilEqual()
  const leader = await world.untilLeader()
  return { world, leader, node: [...world.nodes.values()].find((one) => one !== leader)! }
}

const segmentsOf = (node: Node) => node.disk.paths().filter((path) => path.endsWith('.seg'))
/** Behind the last byte that is not zero. */
function usedBytes (node: Node, path: string): number {
  const bytes = node.disk.contents(path)!
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return end
}

t.test('what has rotted in an old segment is mended by other nodes when it is read', async (t) => {
  const { world, node } = await group(t, 100)
  const [first, second] = segmentsOf(node)
  node.disk.flip(first!, 1500)
  node.disk.flip(second!, 2000, 0xff)
  t.same(await world.differences(), [], 'consumers get every message')
  t.ok(node.log.filter((text) => /written anew/.test(text)).length === 2)
  await node.crash()
  node.log.length = 0
  await world.run(node.start())
  await world.untilEqual()
  t.same(await world.differences(), [])
  t.notOk(node.log.some((text) => /written anew/.test(text)), 'for good')
})

t.test('the leader mends its own log, too', async (t) => {
  const { world, leader } = await group(t, 60)
  leader.disk.flip(segmentsOf(leader)[0]!, 900)
  t.same(await world.differences(), [])
})

t.test('whatever has rotted of what a start must read is mended before the node takes part', async (t) => {
  const { world, node } = await group(t, 43)
  await world.run(node.close())
  const path = segmentsOf(node).at(-1)!
  const used = usedBytes(node, path)
  const { disk, kv } = node
  t.ok(used > 1000)
  let mended = 0
  for (let byte = 0; byte < used; byte += 37) {
    node.disk = disk.kill({ faults: new Faults() })
    node.kv = kv.kill({ faults: node.disk.faults })
    node.disk.flip(path, byte, 1 << (byte % 8))
    node.log.length = 0
    try {
      await world.assertComesBack(node)
    } catch (error) {
      t.fail(`byte ${byte} of ${used}: ${(error as Error).message}`)
    }
    if (node.log.some((text) => /written anew/.test(text))) mended++
    await world.run(node.close())
  }
  t.ok(mended > 10, `${mended} times`)
  await world.run(node.start())
})

t.test('stopped at any boundary while it is mended, the next start goes on', async (t) => {
  const { world, node } = await group(t, 43)
  await world.run(node.close())
  const path = segmentsOf(node).at(-1)!
  node.disk.flip(path, 700)
  const { disk, kv } = node
  const whole = new Faults({ trace: true })
  node.disk = disk.kill({ faults: whole })
  node.kv = kv.kill({ faults: whole })
  await world.run(node.start())
  const { boundaries } = whole
  await node.crash()
  t.comment(`${boundaries} boundaries`)
  for (let boundary = 1; boundary <= boundaries; boundary++) {
    const faults = new Faults()
    faults.stopAt(boundary, boundary % 2 === 0 ? 'middle' : 'after')
    node.disk = disk.kill({ faults })
    node.kv = kv.kill({ faults })
    node.start().catch(() => {})
    await world.clock.runUntil(() => faults.stopped, { maxMs: 5_000 })
    await node.crash(boundary % 3 === 0 ? undefined : { keep: boundary % 3 === 1 ? 'reorder' : 'none', seed: boundary })
    try {
      await world.assertComesBack(node)
    } catch (error) {
      t.fail(`stopped at ${whole.trace[boundary - 1]} (${boundary}): ${(error as Error).message}`)
    }
    await node.crash()
  }
  await world.run(node.start())
})

t.test('nobody there who could mend it: the node does not start', async (t) => {
  const { world, node } = await group(t, 43)
  await world.run(node.close())
  node.disk.flip(segmentsOf(node).at(-1)!, 700)
  for (const other of world.nodes.values()) if (other !== node) await world.run(other.close())
  await t.rejects(world.run(node.start()), { code: 'MQ_CORRUPT' })
})
