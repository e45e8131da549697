import t from 'tap'
import type { MemoryDisk } from '../../lib/adapters/index.ts'
import { grown, LOG, SMALL, type MessageNodes } from './message-nodes.ts'
import { DIRECTORY } from './nodes.ts'

const damages: Record<string, (world: MessageNodes, number: number, segments: readonly string[]) => Promise<void>> = {
  'the first file of the log': async (world, number, [first]) => { await world.disk(number).unlink(first!) },
  'one in the middle': async (world, number, segments) => { await world.disk(number).unlink(segments[2]!) },
  'two of them': async (world, number, segments) => { for (const n of [0, 3]) await world.disk(number).unlink(segments[n]!) },
  'the last one': async (world, number, segments) => { await world.disk(number).unlink(segments.at(-1)!) },
  'all of them': async (world, number, segments) => { for (const path of segments) await world.disk(number).unlink(path) },
  'half of one': async (world, number, segments) => { await (await world.disk(number).open(segments[1]!)).truncate(1500) }
}

t.test('files of the log are gone: the others have what was in them', async (t) => {
  const world = await grown(t)
  for (const [what, damage] of Object.entries(damages)) {
    const number = await world.closedFollower()
    world.logged.length = 0
    await damage(world, number, await world.segments(number))
    const { engine } = await world.reopened(number)
    t.ok(world.said(number, /written anew/), what)
    t.equal(engine.status().inDoubt, false, 'it has again all that it had confirmed')
    await world.assertWhole(t, number)
  }
})

const replaced: Record<string, (world: MessageNodes, number: number) => Promise<void>> = {
  'the directory of the log': async (world, number) => { await world.disk(number).removeTree(LOG) },
  'how far the log was synced': async (world, number) => { await spoil(world.disk(number), `${LOG}/mark`) },
  'state and base dumps': async (world, number) => {
    await world.machine(number).kv.destroy()
    await world.disk(number).removeTree(`${DIRECTORY}/base`)
    await world.disk(number).unlink(`${DIRECTORY}/applied`)
  }
}

async function spoil (disk: MemoryDisk, path: string): Promise<void> {
  const file = await disk.open(path)
  await file.write(new Uint8Array(await file.sizeBytes()).fill(0x55), 0)
}

t.test('log or state cannot be made whole: those of another node take their place, and it does not count before it has all', async (t) => {
  const world = await grown(t)
  await world.raiseFloor(40)
  for (const [what, damage] of Object.entries(replaced)) {
    const number = await world.closedFollower()
    world.logged.length = 0
    await damage(world, number)
    const member = await world.reopened(number)
    t.ok(world.said(number, /was replaced by what the group had decided on/), what)
    await world.until(() => world.said(number, /counts again/)) // it was in doubt
    t.equal(member.nodeId, world.leader!.members().find((one) => one.number === number)!.nodeId, 'it is who it was')
    await world.assertWhole(t, number)
  }
})

t.test('what is damaged lies below the floor of all others: nobody is waited for, log and state are replaced', async (t) => {
  const world = await grown(t, 60)
  const number = await world.closedFollower()
  const [first] = await world.segments(number)
  await world.disk(number).unlink(first!)
  await world.send(60)
  await world.raiseFloor(20)
  const beganMs = world.clock.nowMs()
  await world.reopened(number)
  t.ok(world.clock.nowMs() - beganMs < 5_000, `${world.clock.nowMs() - beganMs} ms`)
  await world.assertWhole(t, number)
})

t.test('an older copy of the log in the place of the log: the state tells that entries are missing, and the node does not count before it has all', async (t) => {
  const world = await grown(t, 20)
  const number = await world.closedFollower()
  const disk = world.disk(number)
  const names = (await disk.list(LOG))!.map(({ name }) => name)
  const older = new Map(await Promise.all(names.map(async (name) => [name, (await disk.readFile(`${LOG}/${name}`))!.slice()] as const)))
  await world.reopened(number)
  await world.send(40)
  await world.untilEqual()
  await world.close(number)
  await disk.removeTree(LOG)
  await disk.makeDirectory(LOG)
  for (const [name, bytes] of older) await (await disk.open(`${LOG}/${name}`, { create: true })).write(bytes, 0)
  world.logged.length = 0
  await world.reopened(number)
  await world.until(() => world.said(number, /counts again/)) // it was in doubt
  await world.assertWhole(t, number)
})

t.test('an older vote in the place of the vote: the node does not start, it might vote twice', async (t) => {
  const world = await grown(t, 5)
  const number = await world.closedFollower()
  const disk = world.disk(number)
  const older = (await disk.readFile(`${DIRECTORY}/vote`))!.slice()
  const member = await world.reopened(number)
  await world.until(() => member.engine.role.leaderId !== 0)
  await world.run(member.engine.transferLeadership(member.nodeId))
  await world.until(() => member.engine.role.isLeader)
  await world.send(3)
  await world.untilEqual()
  await world.close(number)
  const file = await disk.open(`${DIRECTORY}/vote`)
  await file.write(older, 0)
  await t.rejects(world.open(number, SMALL), { code: 'MQ_CORRUPT', message: /the vote file knows term/ })
})

t.test('stopped while another node\'s log takes the place of the damaged one, the next start goes on, in doubt', async (t) => {
  const world = await grown(t)
  await world.raiseFloor(40)
  const number = await world.closedFollower()
  const disk = world.disk(number)
  await disk.removeTree(LOG)
  const rename = disk.rename.bind(disk)
  let renames = 0
  disk.rename = async (from, to) => {
    if (from.includes('/incoming/log/') && ++renames > 2) throw Object.assign(new Error('stopped'), { code: 'EIO' })
    await rename(from, to)
  }
  await t.rejects(world.open(number, SMALL), { message: /stopped/ })
  disk.rename = rename
  await world.reopened(number)
  await world.until(() => world.said(number, /counts again/))
  await world.assertWhole(t, number)
})

t.test('without the others it does not start, and nothing is removed', async (t) => {
  const world = await grown(t)
  const number = await world.closedFollower()
  const [first, second] = await world.segments(number)
  await world.disk(number).unlink(first!)
  await world.closeAll()
  await t.rejects(world.open(number, SMALL), { code: 'MQ_CORRUPT', message: /the log must begin at position 0|ends at position 0/ })
  t.ok((await world.segments(number)).includes(second!))
})
