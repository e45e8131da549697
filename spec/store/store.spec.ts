import t from 'tap'
import { MemoryDisk, MemoryKv } from '../../lib/adapters/index.ts'
import { loadChecksum } from '../../lib/base/index.ts'
import { defineCommand, type TopicConfig } from '../../lib/message/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { Leader, MemoryLog, writeBaseDump } from './leader.ts'

await loadChecksum()

const config = (topic: string): TopicConfig => ({ topic, readQueueNums: 4, writeQueueNums: 4, perm: 6, topicSysFlag: 0, order: false, attributes: {} })

async function machine () {
  const disk = new MemoryDisk()
  const database = new MemoryKv()
  const log = new MemoryLog()
  const open = async (settings = {}) => await Leader.open({ disk, database, log, settings })
  return { disk, database, log, open, leader: await open() }
}

/** Some of everything. */
function work (leader: Leader, from = 0, count = 3000): void {
  for (let i = from; i < from + count; i += 10) {
    leader.commit((writer) => {
      for (let j = i; j < i + 10; j++) leader.append(writer, `topic-${j % 3}`, j % 4, { tags: `tag${j % 5}`, stampMs: 1000 + i })
      leader.store.consumerOffsets.commit(writer, 'group', `topic-${i % 3}`, 0, i)
      if (i % 500 === 0) leader.store.metadata.putTopic(writer, config(`topic-${i % 3}`))
    }, { stampMs: 1000 + i })
  }
}

t.test('records and commands of an entry are applied in their order', async (t) => {
  const { leader: { store }, leader } = await machine()
  leader.commit((writer) => {
    store.metadata.putTopic(writer, config('orders'))
    t.equal(leader.append(writer, 'orders'), 0)
    t.equal(leader.append(writer, 'orders'), 1)
    store.deleteTopic(writer, 'orders')
    t.equal(store.metadata.proposedTopic('orders'), undefined)
    t.equal(leader.append(writer, 'orders'), 0, 'the topic made anew starts anew')
  })
  t.equal(store.consumeQueues.find('orders', 0)?.nextOffset, 1)
  t.equal(store.metadata.topic('orders'), undefined)
  t.equal((await leader.units('orders')).length, 1)
})

t.test('a decision counts on what was proposed before it, until the term ends', async (t) => {
  const { leader: { store }, leader } = await machine()
  leader.send('orders')
  const sealed = leader.seal((writer) => {
    t.equal(leader.append(writer, 'orders'), 1)
    store.metadata.putTopic(writer, config('orders'))
  })
  t.equal(store.consumeQueues.proposed('orders', 0).proposedNextOffset, 2)
  t.ok(store.metadata.proposedTopic('orders'))
  t.equal(store.metadata.topic('orders'), undefined)
  store.stopLeading()
  leader.log.entries.pop()
  t.equal(store.consumeQueues.proposed('orders', 0).proposedNextOffset, 1, 'the entry never came')
  t.equal(store.metadata.proposedTopic('orders'), undefined)
  t.equal(sealed.index, 2)
  t.equal(leader.send('orders'), 1)
})

t.test('a proposed deletion that never came leaves the topic as it was', async (t) => {
  const { leader: { store }, leader } = await machine()
  leader.send('orders')
  const before = store.consumeQueues.proposed('orders', 0)
  leader.seal((writer) => { store.deleteTopic(writer, 'orders') })
  t.ok(before.isRetired)
  t.equal(store.consumeQueues.proposed('orders', 0).proposedNextOffset, 0)
  store.stopLeading()
  leader.log.entries.pop()
  t.notOk(before.isRetired)
  t.equal(leader.send('orders'), 1)
})

t.test('an entry whose offsets do not follow is refused', async (t) => {
  const { leader } = await machine()
  leader.send('orders')
  const twice = leader.seal((writer) => { leader.append(writer, 'orders') })
  leader.store.apply(twice)
  t.throws(() => leader.store.apply(twice), { code: 'MQ_INVARIANT' })
  t.throws(() => leader.store.apply({ ...twice, index: twice.index + 1 }), { code: 'MQ_INVARIANT' })
})

t.test('an unknown command is refused before anything of its entry is applied', async (t) => {
  const { leader } = await machine()
  const later = defineCommand({ type: 0x7fff, name: 'later', versions: ['null'] })
  t.throws(() => leader.commit((writer) => {
    leader.append(writer, 'orders')
    writer.addCommand(later.type, later.encode(null))
  }), { code: 'MQ_FORMAT_TOO_NEW' })
  t.equal(leader.store.consumeQueues.find('orders', 0), undefined)
  t.equal(leader.store.appliedIndex, 0)
})

t.test('restart: the checkpoint and the log after it give the same state', async (t) => {
  const { open, leader } = await machine()
  work(leader)
  await leader.store.checkpoint()
  work(leader, 3000, 500)
  leader.store.setConfState({ voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false })
  const hash = await leader.store.stateHash()
  const units = await leader.units('topic-1', 1)
  await leader.store.close()

  const again = await open()
  t.equal(again.store.recovery.isRebuilt, false)
  again.store.setConfState({ voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false })
  t.equal(await again.store.stateHash(), hash)
  t.same(await again.units('topic-1', 1), units)
  await again.store.checkpoint()
  await again.store.close()

  const third = await open()
  t.equal(third.store.appliedIndex, third.log.lastIndex, 'nothing to replay')
  t.same(third.store.confState.voters, [1])
  t.equal(await third.store.stateHash(), hash)
  await third.store.close()
})

t.test('a checkpoint holds the state as of its call, whatever is applied while it is written', async (t) => {
  const { open, leader, log } = await machine()
  work(leader)
  const hash = await leader.store.stateHash()
  const writing = leader.store.checkpoint()
  const { appliedIndex } = leader.store
  work(leader, 3000, 1000)
  await writing
  await leader.store.close()
  // A log that was durable just so far fits it.
  log.entries = log.entries.slice(0, appliedIndex)
  const again = await open()
  t.notOk(again.store.recovery.isRebuilt)
  t.equal(again.store.appliedIndex, appliedIndex)
  t.equal(await again.store.stateHash(), hash)
  await again.store.close()
})

t.test('rebuild: lost, damaged, older or ahead of the log, the state comes back', async (t) => {
  const { disk, database, log, open, leader } = await machine()
  work(leader)
  await leader.store.checkpoint()
  work(leader, 3000, 1000)
  t.equal(await writeBaseDump(leader.store), log.lastIndex)
  work(leader, 4000, 1000)
  await leader.store.checkpoint()
  const hash = await leader.store.stateHash()
  const { appliedIndex } = leader.store
  await leader.store.close()

  const rebuilt = async (reason: RegExp, spoil: () => Promise<void>, baseIndex = 400) => {
    await spoil()
    const again = await open({ unpersistedBytes: 2000 * 24 })
    t.match(again.store.recovery.reason, reason)
    t.equal(again.store.recovery.baseIndex, baseIndex)
    t.equal(again.store.appliedIndex, appliedIndex)
    t.equal(await again.store.stateHash(), hash)
    await again.store.checkpoint()
    t.equal(await again.store.stateHash(), hash)
    await again.store.close()
  }
  await rebuilt(/empty/, () => database.destroy())
  await rebuilt(/opened/, async () => { await disk.open('/data/opening', { create: true }) })
  await rebuilt(/`applied` is damaged/, async () => { await (await disk.open('/data/applied')).write(new Uint8Array(8192), 0) })
  await rebuilt(/fails its checksum/, async () => {
    const db = await database.open()
    const [key, value] = (await db.iterator({ gte: 'm/queue/', lt: 'm/queue0' }).nextv(1))[0]!
    value[value.length - 1]! ^= 1
    await db.put(key, value)
    await db.close()
  })
  await rebuilt(/lost values/, async () => {
    const db = await database.open()
    await db.del('m/offset/group@topic-1')
    await db.close()
  })
  await rebuilt(/went back to entry 200/, async () => {
    const other = new MemoryKv()
    const older = new MemoryLog()
    older.entries = log.entries.slice(0, 200)
    const leader = await Leader.open({ disk: new MemoryDisk(), database: other, log: older })
    await leader.store.checkpoint()
    await leader.store.close()
    const [from, to] = [await other.open(), await database.open()]
    await to.clear()
    for await (const [key, value] of from.iterator()) await to.put(key, value)
    await to.close()
  })
  const ahead = log.entries.splice(-1)
  const shorter = await open()
  t.match(shorter.store.recovery.reason, /log ends at/)
  await shorter.store.close()
  log.entries.push(...ahead)

  // Without any base dump, the log alone.
  for (const { name } of await disk.list('/data/base') ?? []) await disk.unlink(`/data/base/${name}`)
  await database.destroy()
  const alone = await open()
  t.equal(alone.store.recovery.isRebuilt, true)
  t.equal(alone.store.recovery.baseIndex, undefined)
  t.equal(await alone.store.stateHash(), hash)
  await alone.store.close()
})

t.test('a state of which the log cannot tell the term of its entry, as damage hides it, is not taken for that of another log', async (t) => {
  const { log, open, leader } = await machine()
  work(leader, 0, 100)
  await leader.store.checkpoint()
  const { appliedIndex } = leader.store
  work(leader, 100, 100)
  await leader.store.close()
  log.term = (index) => index === appliedIndex ? undefined : 1
  const restarted = await open()
  t.notOk(restarted.store.recovery.isRebuilt)
  await restarted.store.close()
})

t.test('a base dump for which the disk has no room is given up, leaves nothing behind, and is due again later', async (t) => {
  const disk = new FaultyDisk({ directories: ['/data'] })
  const leader = await Leader.open({ disk, database: new MemoryKv(), log: new MemoryLog(), settings: { checkpointBytes: 2_000, baseDumpBytes: 4_000 } })
  work(leader, 0, 300)
  await leader.store.checkpoint()
  t.ok(leader.store.baseDumpDue)
  for (const roomBytes of [0, 7, 100]) {
    disk.capacityBytes = disk.usedBytes + roomBytes
    t.equal(await writeBaseDump(leader.store), undefined, `${roomBytes} bytes`)
    t.same(disk.paths().filter((path) => path.includes('/base/')), [])
    t.notOk(leader.store.baseDumpDue, 'not at once')
    work(leader, 0, 100)
    t.ok(leader.store.baseDumpDue, 'when the state has changed')
  }
  disk.capacityBytes = Infinity
  disk.faults.failAt(1, 'ENOSPC', { kinds: ['create'], of: '.base.new' })
  t.equal(await writeBaseDump(leader.store), undefined, 'not even for its name')
  disk.faults.failAt(1, 'EIO', { kinds: ['write'], of: '.base.new' })
  await t.rejects(writeBaseDump(leader.store), { code: 'EIO' }, 'any other error is one of the disk')
  t.equal(await writeBaseDump(leader.store), leader.store.appliedIndex)
  await leader.store.close()
})

t.test('a base dump leaves half of the reserve to all else that is written', async (t) => {
  const MIB = 2 ** 20
  const disk = new FaultyDisk({ directories: ['/data'] })
  let leastBytes = Infinity
  const room = disk.room.bind(disk)
  disk.room = async () => {
    leastBytes = Math.min(leastBytes, disk.freeBytes)
    return await room()
  }
  const leader = await Leader.open({ disk, database: new MemoryKv(), reserveBytes: 8 * MIB })
  for (let i = 0; i < 64; i++) {
    leader.commit((writer) => { leader.store.metadata.putTopic(writer, { ...config(`topic-${i}`), attributes: { note: 'x'.repeat(2 ** 17) } }) })
  }
  await leader.store.checkpoint()
  disk.capacityBytes = disk.usedBytes + 9 * MIB
  t.equal(await writeBaseDump(leader.store), undefined, 'it takes 8 MiB')
  t.same(disk.paths().filter((path) => path.includes('/base/')), [])
  t.ok(leastBytes > 2 * MIB && leastBytes < 4 * MIB, `${leastBytes} bytes were left`)
  disk.capacityBytes += 4 * MIB
  t.equal(await writeBaseDump(leader.store), leader.store.appliedIndex)
  await leader.store.close()
})

t.test('a small base dump finds room also where the reserve is nearly used up: it is what lets the head of the log go', async (t) => {
  const disk = new FaultyDisk({ directories: ['/data'] })
  const leader = await Leader.open({ disk, database: new MemoryKv(), reserveBytes: 8 * 2 ** 20 })
  work(leader, 0, 300)
  await leader.store.checkpoint()
  disk.capacityBytes = disk.usedBytes + 2 ** 20
  t.equal(await writeBaseDump(leader.store), leader.store.appliedIndex)
  await leader.store.close()
})

t.test('a base dump is written where nobody can tell how much room there is', async (t) => {
  const disk = new FaultyDisk({ directories: ['/data'] })
  const leader = await Leader.open({ disk, database: new MemoryKv(), reserveBytes: 8 * 2 ** 20 })
  work(leader, 0, 300)
  disk.room = async () => { throw new Error('not for this file system') }
  t.equal(await writeBaseDump(leader.store), leader.store.appliedIndex)
  await leader.store.close()
})

t.test('a base dump that found no room is due again after a while, though sends are refused: the head of the log waits for it', async (t) => {
  const disk = new FaultyDisk({ directories: ['/data'] })
  const leader = await Leader.open({ disk, database: new MemoryKv(), log: new MemoryLog(), settings: { baseDumpBytes: 4_000 } })
  work(leader, 0, 300)
  await leader.store.checkpoint()
  disk.capacityBytes = disk.usedBytes
  t.equal(await writeBaseDump(leader.store), undefined)
  disk.capacityBytes = Infinity
  leader.commit((writer) => { leader.store.setFloor(writer, leader.log.entries[20]!.physicalOffset) }, { stampMs: 2_000 })
  t.notOk(leader.store.baseDumpDue)
  leader.commit((writer) => { leader.append(writer, 'topic-0') }, { stampMs: 602_000 })
  t.ok(leader.store.baseDumpDue)
  t.equal(await writeBaseDump(leader.store), leader.store.appliedIndex)
  await leader.store.close()
})

t.test('rebuild after retention removed the head, with clocks that went back', async (t) => {
  const { database, disk, log, open, leader } = await machine()
  for (let i = 0; i < 400; i++) {
    // Every 100 entries a new leader, whose clock is 5 s behind.
    leader.send(`topic-${i % 3}`, i % 2, { stampMs: 100_000 + i * 10 - 5000 * Math.floor(i / 100) })
    if (i === 200) leader.commit((writer) => { leader.store.deleteTopic(writer, 'topic-2') })
  }
  const { physicalOffset, index } = log.entries[150]!
  leader.commit((writer) => { leader.store.setFloor(writer, physicalOffset) })
  t.ok(leader.store.checkpointDue)
  await leader.store.checkpoint()
  t.ok(leader.store.checkpointDue, 'the queues have followed the floor')
  await leader.store.checkpoint()
  t.notOk(leader.store.checkpointDue)
  t.ok(leader.store.baseDumpDue)
  await writeBaseDump(leader.store)
  t.notOk(leader.store.baseDumpDue)
  t.equal(leader.store.baseDumpIndex, leader.store.appliedIndex)
  const queue = leader.store.consumeQueues.find('topic-0', 0)!
  t.equal(queue.minPosition >= physicalOffset && queue.minOffset > 0, true)
  leader.send('topic-1')
  const hash = await leader.store.stateHash()
  await leader.store.close()

  log.cutHead(index)
  const restarted = await open()
  t.notOk(restarted.store.recovery.isRebuilt)
  t.equal(await restarted.store.stateHash(), hash)
  await restarted.store.close()

  await database.destroy()
  const rebuilt = await open()
  t.ok(rebuilt.store.recovery.isRebuilt)
  t.equal(await rebuilt.store.stateHash(), hash)
  await rebuilt.store.close()

  // With no usable base dump it refuses, and touches nothing.
  for (const { name } of await disk.list('/data/base') ?? []) await (await disk.open(`/data/base/${name}`)).write(Uint8Array.of(255), 40)
  await database.destroy()
  await t.rejects(open(), { code: 'MQ_CORRUPT' })
})

t.test('rebuild where all of a queue lies below the floor, and what is left of the log does not tell its time', async (t) => {
  const { database, log, open, leader } = await machine()
  // the leader of `gone` has a clock that is behind
  for (const [topic, stampMs] of [['kept', 10_000], ['gone', 5_000], ['kept', 12_000], ['kept', 7_000]] as const) leader.send(topic, 0, { stampMs })
  const [, head, , floor] = log.entries
  leader.commit((writer) => { leader.store.setFloor(writer, floor!.physicalOffset) }, { stampMs: 12_000 })
  await leader.store.checkpoint()
  await leader.store.checkpoint()
  await writeBaseDump(leader.store)
  const hash = await leader.store.stateHash()
  await leader.store.close()
  log.cutHead(head!.index)
  await database.destroy()
  await t.resolves(open().then(async ({ store }) => {
    t.ok(store.recovery.isRebuilt)
    t.equal(await store.stateHash(), hash)
    await store.close()
  }))
})

t.test('a damaged base dump: the one before it', async (t) => {
  const { database, disk, open, leader } = await machine()
  for (let i = 0; i < 3; i++) {
    work(leader, i * 1000, 1000)
    await writeBaseDump(leader.store)
  }
  const hash = await leader.store.stateHash()
  await leader.store.close()
  const names = (await disk.list('/data/base'))!.map(({ name }) => name).sort()
  t.same(names, ['00000000000000000200.base', '00000000000000000300.base'])
  const bytes = (await disk.readFile(`/data/base/${names[1]}`))!.slice()
  for (let at = 0; at < bytes.length; at += 7) {
    const flipped = bytes.slice()
    flipped[at]! ^= 1 << at % 8
    await (await disk.open(`/data/base/${names[1]}`)).write(flipped, 0)
    if (at % 259 !== 0) continue
    await database.destroy()
    const rebuilt = await open()
    t.equal(rebuilt.store.recovery.baseIndex, 200)
    t.equal(await rebuilt.store.stateHash(), hash)
    await rebuilt.store.close()
  }
})

t.test('a position from a client is a message only where an applied entry has one', async (t) => {
  const { leader, log } = await machine()
  const inside = new Uint8Array(300).fill(7)
  const first = leader.commit((writer) => {
    leader.append(writer, 'orders', 2, { body: 'first', tags: 'a' })
    leader.append(writer, 'orders', 1, { body: inside })
    leader.append(writer, 'orders', 2, { body: 'third' })
  })
  const units = [...await leader.units('orders', 2), ...await leader.units('orders', 1)]
  const starts = new Set(units.map(([position]) => position!))
  const found: number[] = []
  for (let position = first.physicalOffset - 5; position < log.endPosition + 5; position++) {
    const record = await leader.store.locate(position)
    if (record !== undefined) found.push(position)
  }
  t.same(found, [...starts].sort((a, b) => a - b))
  const third = await leader.store.locate(units[1]![0]!)
  t.match(third, { topic: 'orders', queueId: 2, queueOffset: 1 })
  t.equal(third!.record.length, units[1]![1])
  for (const position of [NaN, 1.5, Infinity, -1]) t.equal(await leader.store.locate(position), undefined)
  const later = leader.seal((writer) => { leader.append(writer, 'orders') })
  t.equal(await leader.store.locate(later.physicalOffset + 88), undefined, 'not applied yet')
  leader.store.apply(later)
  t.ok(await leader.store.locate(later.physicalOffset + 88))
  leader.commit((writer) => { leader.store.setFloor(writer, later.physicalOffset) })
  t.equal(await leader.store.locate(units[0]![0]!), undefined, 'below the floor')
})

t.test('consumer offsets: a lower commit is obeyed, one command per key and entry', async (t) => {
  const { leader: { store }, leader } = await machine()
  leader.commit((writer) => {
    store.consumerOffsets.commit(writer, 'g', 'orders', 0, 7)
    store.consumerOffsets.commit(writer, 'g', 'orders', 1, 1)
    store.consumerOffsets.commit(writer, 'g', 'orders', 0, 2 ** 40)
    t.equal(writer.commandCount, 2)
  })
  t.equal(store.consumerOffsets.offset('g', 'orders', 0), 2 ** 40)
  leader.commit((writer) => { store.consumerOffsets.commit(writer, 'g', 'orders', 0, 3) })
  t.equal(store.consumerOffsets.offset('g', 'orders', 0), 3)
  leader.commit((writer) => {
    store.consumerOffsets.commit(writer, 'g', 'orders', 0, 9)
    store.deleteTopic(writer, 'orders')
    store.consumerOffsets.commit(writer, 'g', 'orders', 0, 4)
  })
  t.same([...store.consumerOffsets.offsetsOf('g')].map(([topic, offsets]) => [topic, [...offsets]]), [['orders', [[0, 4]]]])
  leader.commit((writer) => { store.deleteGroup(writer, 'g', { removeOffsets: true }) })
  t.equal(store.consumerOffsets.offset('g', 'orders', 0), undefined)
})
