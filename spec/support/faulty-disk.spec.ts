import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mkdtemp, rm } from 'node:fs/promises'
import t from 'tap'
import { MemoryDisk, NodeDisk } from '../../lib/adapters/index.ts'
import { diskConformance } from './conformance.ts'
import { FaultyDisk, type FaultyDiskOptions } from './faulty-disk.ts'
import { Faults, type Keep, type StopPoint } from './faults.ts'
import { SeededRandom } from './seeded-random.ts'
import { VirtualClock, settle } from './virtual-clock.ts'

const bytes = (content: string) => new Uint8Array(Buffer.from(content, 'latin1'))
const textOf = (disk: FaultyDisk, path: string) => {
  const content = disk.contents(path)
  return content === undefined ? undefined : Buffer.from(content).toString('latin1')
}
const filled = (letter: string, length: number) => bytes(letter.repeat(length))

/** A disk with one durable file `/d/f`. */
async function diskWith (content: string, options: FaultyDiskOptions = {}) {
  const disk = new FaultyDisk({ directories: ['/d'], ...options })
  disk.plant('/d/f', bytes(content))
  return { disk, file: await disk.open('/d/f') }
}

t.test('faulty disk keeps the disk contract', async (t) => {
  diskConformance(t, async () => ({ disk: new FaultyDisk({ directories: ['/d'] }), directory: '/d' }))
})

t.test('faulty disk with latency keeps the disk contract', async (t) => {
  diskConformance(t, async () => ({ disk: new FaultyDisk({ directories: ['/d'], schedule: setImmediate, alignBytes: 512 }), directory: '/d' }))
})

t.test('memory disk keeps the disk contract', async (t) => {
  diskConformance(t, async () => {
    const disk = new MemoryDisk()
    await disk.makeDirectory('/d')
    return { disk, directory: '/d' }
  })
})

t.test('the real disk keeps the disk contract', async (t) => {
  diskConformance(t, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'ledgermq-disk-'))
    t.teardown(() => rm(directory, { recursive: true, force: true }))
    return { disk: new NodeDisk(), directory }
  })
})

t.test('power cut: bytes that were not synced are gone, synced ones stay', async (t) => {
  const { disk, file } = await diskWith('0000000000')
  await file.write(bytes('11'), 0)
  await file.sync()
  await file.write(bytes('22'), 2)
  await file.write(bytes('33'), 10)
  t.ok(disk.hasUnsynced('/d/f'))
  t.equal(textOf(disk, '/d/f'), '112200000033')
  t.equal(textOf(disk.powerCut({ keep: 'none' }), '/d/f'), '1100000000')
  t.equal(textOf(disk.powerCut({ keep: 'all' }), '/d/f'), '112200000033')
})

t.test('power cut: a truncation that was not synced is undone', async (t) => {
  const { disk, file } = await diskWith('0123456789')
  await file.truncate(4)
  t.equal(textOf(disk.powerCut({ keep: 'none' }), '/d/f'), '0123456789')
  t.equal(textOf(disk.powerCut({ keep: 'all' }), '/d/f'), '0123')
})

t.test('a sync covers what had been written when it started, no more', async (t) => {
  const clock = new VirtualClock({ deferred: 'stepped' })
  const { disk, file } = await whileStepping(clock, diskWith('0000', { schedule: (fn) => { clock.setTimer(1, fn) } }))
  const first = file.write(bytes('1'), 0)
  await clock.advance(2)
  await first
  const synced = file.sync()
  const second = file.write(bytes('2'), 1)
  await clock.advance(2)
  await Promise.all([synced, second])
  t.equal(textOf(disk, '/d/f'), '1200')
  t.equal(textOf(disk.powerCut({ keep: 'none' }), '/d/f'), '1000')
})

t.test('names: create, rename, unlink and directories are lost unless their directory was synced', async (t) => {
  const { disk } = await diskWith('old')
  const made = await disk.open('/d/new', { create: true })
  await made.write(bytes('content'), 0)
  await made.sync()
  await disk.makeDirectory('/d/sub')
  await disk.unlink('/d/f')
  t.same(disk.paths(), ['/d/new'])
  const lost = disk.powerCut({ keep: 'none' })
  t.same(lost.paths(), ['/d/f'], 'synced bytes under a name that was not are unreachable')
  t.equal(await lost.list('/d/sub'), undefined)
  const kept = disk.powerCut({ keep: 'all' })
  t.same(kept.paths(), ['/d/new'])
  t.same(await kept.list('/d/sub'), [])
})

t.test('names: a synced directory keeps them, a file below a lost directory goes with it', async (t) => {
  const disk = new FaultyDisk({ directories: ['/d'] })
  await disk.makeDirectory('/d/a')
  for (const path of ['/d/a/f', '/d/g']) {
    const file = await disk.open(path, { create: true })
    await file.write(bytes('1'), 0)
    await file.sync()
  }
  await disk.syncDirectory('/d/a')
  t.same(disk.powerCut({ keep: 'none' }).paths(), [], 'nobody synced /d')
  const other = new FaultyDisk({ directories: ['/d'] })
  await other.makeDirectory('/d/a')
  await (await other.open('/d/a/f', { create: true })).sync()
  await other.syncDirectory('/d/a')
  await other.rename('/d/a/f', '/d/a/h')
  await other.syncDirectory('/d')
  t.same(other.powerCut({ keep: 'none' }).paths(), ['/d/a/f'])
  t.same(other.powerCut({ keep: 'all' }).paths(), ['/d/a/h'])
})

t.test('a rename over another file shows the one or the other, never neither', async (t) => {
  for (const keep of ['none', 'all', 'random', 'reorder'] as const) {
    for (let seed = 0; seed < 20; seed++) {
      const { disk } = await diskWith('old')
      const made = await disk.open('/d/tmp', { create: true })
      await made.write(bytes('new'), 0)
      await made.sync()
      await disk.syncDirectory('/d')
      await disk.rename('/d/tmp', '/d/f')
      t.ok(['old', 'new'].includes(textOf(disk.powerCut({ keep, random: new SeededRandom(seed) }), '/d/f')!))
    }
  }
})

t.test('kill: all that was written is there, and can still be lost to a power cut', async (t) => {
  const { disk, file } = await diskWith('0000')
  await file.write(bytes('11'), 0)
  await disk.open('/d/g', { create: true })
  const next = disk.kill()
  t.equal(textOf(next, '/d/f'), '1100')
  t.same(next.paths(), ['/d/f', '/d/g'])
  t.equal(await next.bootId(), await disk.bootId())
  const later = next.powerCut({ keep: 'none' })
  t.equal(textOf(later, '/d/f'), '0000')
  t.same(later.paths(), ['/d/f'])
  t.not(await later.bootId(), await disk.bootId())
})

t.test('kill, then a sync by the next process: durable', async (t) => {
  const { disk, file } = await diskWith('0000')
  await file.write(bytes('11'), 0)
  const next = disk.kill()
  await (await next.open('/d/f')).sync()
  t.equal(textOf(next.powerCut({ keep: 'none' }), '/d/f'), '1100')
})

t.test('sectors: whole ones survive alone, in any order, and never mixed within one', async (t) => {
  const outcomes = new Set<string>()
  for (let seed = 0; seed < 300; seed++) {
    const { disk, file } = await diskWith('....'.repeat(3), { sectorBytes: 4 })
    await file.write(bytes('AAAAAAAAAAAA'), 0)
    await file.write(bytes('BB'), 4)
    const found = textOf(disk.powerCut({ keep: 'reorder', random: new SeededRandom(seed) }), '/d/f')!
    for (const sector of [found.slice(0, 4), found.slice(8, 12)]) t.ok(['....', 'AAAA'].includes(sector), sector)
    t.ok(['....', 'AAAA', 'BBAA'].includes(found.slice(4, 8)), 'the later change never without the earlier')
    outcomes.add(found)
  }
  t.equal(outcomes.size, 12, 'every combination comes up')
})

t.test('random: pieces are kept, dropped and torn', async (t) => {
  const outcomes = new Set<string>()
  for (let seed = 0; seed < 300; seed++) {
    const { disk, file } = await diskWith('', { sectorBytes: 4 })
    await file.write(bytes('AAAAAAAA'), 0)
    await file.write(bytes('BBBB'), 8)
    outcomes.add(textOf(disk.powerCut({ keep: 'random', random: new SeededRandom(seed) }), '/d/f')!)
  }
  for (const wanted of ['', 'AAAAAAAABBBB', 'AAAA', 'AAAAAAAA', '\0\0\0\0\0\0\0\0BBBB', 'AAAA\0\0\0\0BBBB']) t.ok(outcomes.has(wanted), JSON.stringify(wanted))
  t.equal(outcomes.size, 6)
})

t.test('synced bytes survive whatever is kept of the rest', async (t) => {
  for (const keep of ['none', 'all', 'random', 'reorder'] as const) {
    for (let seed = 0; seed < 50; seed++) {
      const { disk, file } = await diskWith('')
      await file.write(filled('A', 3000), 0)
      await file.sync()
      await file.write(filled('B', 3000), 3000)
      const found = textOf(disk.powerCut({ keep, random: new SeededRandom(seed) }), '/d/f')!
      t.equal(found.slice(0, 3000), 'A'.repeat(3000), keep)
    }
  }
})

t.test('stop before, in the middle of and after each operation', async (t) => {
  const left = async (point: StopPoint, keep: Keep, act: (disk: FaultyDisk) => Promise<unknown>) => {
    const { disk } = await diskWith('0000')
    disk.faults.stopAt(1, point)
    let returned = false
    act(disk).then(() => { returned = true }, () => { returned = true })
    await settle()
    t.notOk(returned, 'the caller hears nothing')
    t.ok(disk.faults.stopped)
    return disk.powerCut({ keep })
  }
  const write = async (disk: FaultyDisk) => (await disk.open('/d/f')).write(bytes('1111'), 0)
  t.equal(textOf(await left('before', 'all', write), '/d/f'), '0000')
  t.equal(textOf(await left('middle', 'all', write), '/d/f'), '1100')
  t.equal(textOf(await left('after', 'all', write), '/d/f'), '1111')
  t.equal(textOf(await left('after', 'none', write), '/d/f'), '0000')
  const unlink = (disk: FaultyDisk) => disk.unlink('/d/f')
  t.same((await left('before', 'all', unlink)).paths(), ['/d/f'])
  t.same((await left('after', 'all', unlink)).paths(), [])
  t.same((await left('after', 'none', unlink)).paths(), ['/d/f'])
  const create = (disk: FaultyDisk) => disk.open('/d/g', { create: true })
  t.same((await left('before', 'all', create)).paths(), ['/d/f'])
  t.same((await left('after', 'all', create)).paths(), ['/d/f', '/d/g'])
})

t.test('stop in the middle of a sync: part of it is durable', async (t) => {
  const { disk, file } = await diskWith('0000')
  await file.write(bytes('1'), 0)
  await file.write(bytes('2'), 1)
  disk.faults.stopAt(3, 'middle')
  file.sync().then(() => t.fail('answered'), () => t.fail('answered'))
  await settle()
  t.equal(textOf(disk.powerCut({ keep: 'none' }), '/d/f'), '1000')
})

t.test('a stopped machine: calls on this thread throw, others hang or reject, nothing has an effect any more', async (t) => {
  const { disk, file } = await diskWith('0000', { faults: new Faults({ afterStop: 'reject' }) })
  disk.faults.stop()
  t.throws(() => { file.writeNow(bytes('1'), 0) }, { code: 'MACHINE_STOPPED' })
  t.throws(() => { file.syncNow() }, { code: 'MACHINE_STOPPED' })
  t.throws(() => file.readNow(new Uint8Array(1), 0), { code: 'MACHINE_STOPPED' })
  await t.rejects(file.write(bytes('1'), 0), { code: 'MACHINE_STOPPED' })
  await t.rejects(file.read(new Uint8Array(1), 0), { code: 'MACHINE_STOPPED' })
  await t.rejects(disk.unlink('/d/f'), { code: 'MACHINE_STOPPED' })
  t.equal(textOf(disk.powerCut({ keep: 'all' }), '/d/f'), '0000')
  t.equal(disk.faults.boundaries, 0, 'and is not counted')
})

t.test('boundaries: every change of bytes or names counts once, reads do not', async (t) => {
  const faults = new Faults({ trace: true })
  const disk = new FaultyDisk({ faults })
  await disk.makeDirectory('/d/e')
  const file = await disk.open('/d/f', { create: true })
  await file.write(bytes('1'), 0)
  file.writeNow(bytes('1'), 0)
  await file.sync()
  file.syncNow()
  await file.truncate(0)
  await file.read(new Uint8Array(1), 0)
  await disk.readFile('/d/f')
  await disk.list('/d')
  await (await disk.open('/d/f', { create: true })).close()
  await disk.rename('/d/f', '/d/g')
  await disk.syncDirectory('/d')
  await disk.unlink('/d/g')
  await disk.removeTree('/d')
  t.same(faults.trace.map((line) => line.split(' ')[0]), ['makeDirectory', 'makeDirectory', 'create', 'write', 'write', 'sync', 'sync', 'truncate', 'rename', 'syncDirectory', 'unlink', 'unlink', 'unlink'])
  t.equal(faults.boundaries, 13)
})

t.test('failAt: the chosen call fails, a failed write leaves half, calls after it work', async (t) => {
  const { disk, file } = await diskWith('0000')
  disk.faults.failAt(2, 'ENOSPC')
  await file.write(bytes('1'), 0)
  await t.rejects(file.write(bytes('22'), 1), { code: 'ENOSPC' })
  t.equal(textOf(disk, '/d/f'), '1200')
  await file.write(bytes('3'), 3)
  t.equal(textOf(disk, '/d/f'), '1203')
  disk.faults.failAt(1, 'EIO', { kinds: ['rename'], times: Infinity })
  await file.sync()
  await t.rejects(disk.rename('/d/f', '/d/g'), { code: 'EIO' })
  await t.rejects(disk.rename('/d/f', '/d/g'), { code: 'EIO' })
  t.same(disk.paths(), ['/d/f'])
  disk.faults.failReadAt(2, 'EIO')
  await file.read(new Uint8Array(1), 0)
  t.throws(() => file.readNow(new Uint8Array(1), 0), { code: 'EIO' })
  t.equal(file.readNow(new Uint8Array(1), 0), 1)
})

t.test('a failed sync loses its bytes for good: trying again reports success and saves nothing', async (t) => {
  const { disk, file } = await diskWith('0000')
  await file.write(bytes('11'), 0)
  disk.faults.failAt(1, 'EIO')
  await t.rejects(file.sync(), { code: 'EIO' })
  await file.sync()
  t.ok(disk.hasUnsynced('/d/f'))
  t.equal(textOf(disk, '/d/f'), '1100')
  t.equal(textOf(disk.powerCut({ keep: 'none' }), '/d/f'), '0000')
})

t.test('room: a write beyond the capacity fails, freed space can be used', async (t) => {
  const { disk, file } = await diskWith('0000', { capacityBytes: 10 })
  t.same(await disk.room(), { freeBytes: 6, totalBytes: 10 })
  await t.rejects(file.write(bytes('1234567'), 4), { code: 'ENOSPC' })
  t.equal(textOf(disk, '/d/f'), '0000123456', 'what there is room for is written')
  await t.rejects(file.truncate(11), { code: 'ENOSPC' })
  await file.write(bytes('9999'), 0)
  disk.capacityBytes = 20
  disk.takenBytes = 10
  t.equal((await disk.room()).freeBytes, 0, 'the rest is taken by others')
  disk.takenBytes = 0
  await file.write(bytes('1234567'), 4)
  t.equal((await disk.room()).freeBytes, 9)
  disk.takenBytes = 8
  t.equal(disk.kill().freeBytes, 1, 'what others take is theirs after the end of the process, too')
})

t.test('a flip shows to this process and after a power cut', async (t) => {
  const { disk } = await diskWith('AAAA')
  disk.flip('/d/f', 2, 0x02)
  t.equal(textOf(disk, '/d/f'), 'AACA')
  t.equal(textOf(disk.powerCut({ keep: 'none' }), '/d/f'), 'AACA')
})

t.test('the disk watches its caller', async (t) => {
  const clock = new VirtualClock({ deferred: 'stepped' })
  const { file } = await whileStepping(clock, diskWith('0000', { schedule: (fn) => { clock.setTimer(1, fn) } }))
  const buffer = bytes('11')
  const changed = file.write(buffer, 0)
  changed.catch(() => {})
  await t.rejects(file.write(bytes('22'), 1), /two writes of the same bytes/)
  buffer[0] = 0
  await clock.advance(5)
  await t.rejects(changed, /the buffer changed while it was being written/)
})

t.test('a write under way at a power cut may leave nothing, a part or all', async (t) => {
  const outcomes = new Set<string>()
  for (let seed = 0; seed < 60; seed++) {
    const clock = new VirtualClock({ deferred: 'stepped' })
    const { disk, file } = await whileStepping(clock, diskWith('00000000', { sectorBytes: 4, schedule: (fn) => { clock.setTimer(1, fn) } }))
    file.write(bytes('11111111'), 0).catch(() => {})
    t.equal(textOf(disk.powerCut({ keep: 'none' }), '/d/f'), '00000000')
    outcomes.add(textOf(disk.powerCut({ keep: 'random', random: new SeededRandom(seed) }), '/d/f')!)
  }
  t.same([...outcomes].sort(), ['00000000', '11110000', '11111111'])
})

/** The result of work that waits for a clock nobody else runs. */
async function whileStepping<T> (clock: VirtualClock, work: Promise<T>): Promise<T> {
  let done = false
  work.then(() => { done = true }, () => { done = true })
  await clock.runUntil(() => done)
  return work
}
