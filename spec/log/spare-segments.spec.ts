import t from 'tap'
import fc from 'fast-check'
import { RaftLog, repairLog, type LogOptions } from '../../lib/log/index.ts'
import type { RaftEntry } from '../../lib/raft/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { Faults } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { allEntries, contentOf, editFile, EntryMaker, groupId, openLog, StillClock } from './support.ts'

t.setTimeout(300_000)

const KIB = 1024
const SEGMENT_BYTES = 8 * KIB
const OPTIONS: Partial<LogOptions> = { segmentBytes: SEGMENT_BYTES, tailCacheBytes: 1 }

interface Reused {
  readonly disk: FaultyDisk
  readonly faults: Faults
  readonly log: RaftLog
  readonly maker: EntryMaker
  readonly failures: Error[]
  readonly entries: RaftEntry[]
  append (count: number, bodyBytes?: number): Promise<void>
  /** All segments but the last are dropped. */
  drop (): Promise<void>
}

const nextTurns = async (count = 50): Promise<void> => { for (let n = 0; n < count; n++) await new Promise((resolve) => { setImmediate(resolve) }) }

async function open ({ alignBytes = 512, schedule, options = {}, watch = () => {} }: { alignBytes?: number, schedule?: (fn: () => void) => void, options?: Partial<LogOptions>, watch?: (disk: FaultyDisk) => void } = {}): Promise<Reused> {
  const faults = new Faults({ trace: true })
  const disk = new FaultyDisk({ faults, directories: ['/data'], alignBytes, schedule })
  watch(disk)
  const { log, failures } = await openLog(disk, { ...OPTIONS, ...options })
  const maker = new EntryMaker()
  const entries: RaftEntry[] = []
  return {
    disk,
    faults,
    log,
    maker,
    failures,
    entries,
    async append (count, bodyBytes = 700) {
      for (let n = 0; n < count; n++) {
        const entry = maker.next(bodyBytes)
        entries.push(entry)
        log.append([entry])
        await log.syncThrough(log.lastIndex)
      }
    },
    async drop () {
      log.mayDeleteThrough = log.lastIndex
      log.setFloor(log.endPosition)
      await nextTurns()
    }
  }
}

const segmentsOf = (disk: FaultyDisk): string[] => disk.paths().filter((path) => path.endsWith('.seg'))
const sparesOf = (disk: FaultyDisk): string[] => disk.paths().filter((path) => path.includes('/spare'))
const reuses = (faults: Faults): number => faults.trace.filter((what) => /^rename .*spare\.\d+ -> .*\.seg$/.test(what)).length
const contents = (entries: readonly RaftEntry[]): Uint8Array[] => entries.map(contentOf)

/** A log whose last segment is a file used again, a few entries into it. */
async function intoReused (alignBytes: number): Promise<Reused> {
  const reused = await open({ alignBytes })
  await reused.append(36)
  await reused.drop()
  while (reuses(reused.faults) === 0) await reused.append(1)
  await reused.append(3)
  return reused
}

t.test('files of dropped segments become the next ones, a few at a time', async (t) => {
  const { disk, faults, log, entries, append, drop } = await open()
  await append(150)
  await drop()
  t.equal(segmentsOf(disk).length, 1)
  t.equal(sparesOf(disk).length, 8, 'no more are kept')
  t.equal(log.spareBytes, sparesOf(disk).reduce((sum, path) => sum + disk.contents(path)!.length, 0))
  const at = (pattern: RegExp): number => faults.trace.findIndex((what) => pattern.test(what))
  t.ok(at(/^rename .*spare\.1$/) < at(/^write .*spare\.1 0/) && at(/^write .*spare\.1 0/) < at(/^sync .*spare\.1/))
  await append(40)
  t.ok(reuses(faults) >= 3)
  t.equal(log.spareBytes, sparesOf(disk).reduce((sum, path) => sum + disk.contents(path)!.length, 0))
  t.same(contents(await allEntries(log)), contents(entries.slice(log.firstIndex - 1)))
  await log.close()
  t.same(sparesOf(disk), [], 'nothing is left behind')
  t.equal(disk.openHandles, 0)
})

for (const alignBytes of [1, 512]) {
  t.test(`the end of a log is found before what an earlier segment has left (blocks of ${alignBytes})`, async (t) => {
    const { disk, log, entries } = await intoReused(alignBytes)
    const path = segmentsOf(disk).at(-1)!
    const killed = disk.kill()
    t.ok(killed.contents(path)!.slice(log.endPosition - Number(path.slice(-24, -4)) + 1000).some((byte) => byte !== 0), 'something is left')
    const { log: after } = await openLog(killed, OPTIONS)
    t.same(after.recovery.cuts, [], 'which is no torn write')
    t.equal(after.lastIndex, log.lastIndex)
    t.same(contents(await allEntries(after)), contents(entries.slice(after.firstIndex - 1)))
    t.equal(killed.contents(path)!.length, after.endPosition - Number(path.slice(-24, -4)), 'and does not stay')
    t.same(sparesOf(killed), [], 'files of an earlier process are not used')
    t.notOk(killed.paths().some((path) => path.endsWith('.torn')))
    await after.close()
  })

  t.test(`a bit flipped anywhere in the last entry of a file that is used again is seen (blocks of ${alignBytes})`, async (t) => {
    const { disk, log, entries } = await intoReused(alignBytes)
    const path = segmentsOf(disk).at(-1)!
    const base = Number(path.slice(-24, -4))
    const last = entries.at(-1)!
    for (let byte = last.physicalOffset - base; byte < log.endPosition - base; byte += 7) {
      const killed = disk.kill()
      killed.flip(path, byte)
      const { log: after } = await openLog(killed, OPTIONS)
      if (after.lastIndex === log.lastIndex) t.ok(byte >= last.physicalOffset - base + 72 && byte < last.physicalOffset - base + 88, `byte ${byte}: only a local part may be bad`)
      else if (after.lastIndex !== log.lastIndex - 1 || after.recovery.cuts.length !== 1) t.fail(`byte ${byte}: ${after.lastIndex} of ${log.lastIndex}, ${after.recovery.cuts.length} reported`)
      await after.close()
    }
  })

  t.test(`damage in a file that is used again is rot where the mark vouches for it, and a repair cuts there (blocks of ${alignBytes})`, async (t) => {
    const { disk, log, entries } = await intoReused(alignBytes)
    const path = segmentsOf(disk).at(-1)!
    const base = Number(path.slice(-24, -4))
    const last = entries.at(-1)!
    await log.close()
    t.ok(disk.contents(path)!.slice(log.endPosition - base + 1000).some((byte) => byte !== 0), 'what is left is there after a close')
    disk.flip(path, last.physicalOffset - base + 20)
    await t.rejects(openLog(disk, OPTIONS), { code: 'MQ_CORRUPT', file: path })
    const report = await repairLog({ disk, clock: new StillClock(), directory: '/data/log', groupId, dryRun: false })
    t.equal(report.firstLostIndex, last.index)
    const { log: repaired } = await openLog(disk, OPTIONS)
    t.equal(repaired.lastIndex, last.index - 1)
    t.same(repaired.recovery.cuts, [])
    await repaired.close()
  })

  t.test(`the last entry torn at any length over what an earlier segment has left is cut and reported (blocks of ${alignBytes})`, async (t) => {
    const { disk, log, entries } = await intoReused(alignBytes)
    const path = segmentsOf(disk).at(-1)!
    const base = Number(path.slice(-24, -4))
    const last = entries.at(-1)!
    const older = Uint8Array.from({ length: 4096 }, (_, i) => i % 251 + 1)
    for (let length = 1; length < last.sizeBytes; length += 13) {
      const killed = disk.kill()
      await editFile(killed, path, async (file) => { await file.write(older.subarray(0, log.endPosition - last.physicalOffset - length), last.physicalOffset - base + length) })
      const { log: after } = await openLog(killed, OPTIONS)
      if (after.lastIndex !== last.index - 1 || after.recovery.cuts.length !== 1) t.fail(`${length} bytes: ${after.lastIndex} of ${last.index}, ${after.recovery.cuts.length} reported`)
      t.equal(killed.contents(path)!.length, last.physicalOffset - base)
      await after.close()
    }
  })
}

t.test('an entry that an earlier segment has left is not taken for the next one, though index, terms and checksums fit', async (t) => {
  const { disk, log, maker } = await intoReused(512)
  const path = segmentsOf(disk).at(-1)!
  const base = Number(path.slice(-24, -4))
  const killed = disk.kill()
  const stale = new EntryMaker({ index: log.lastIndex, term: maker.term, position: base - 20 * KIB }).batch([700, 700])
  await editFile(killed, path, async (file) => { for (const [n, { bytes }] of stale.entries()) await file.write(bytes, log.endPosition - base + n * bytes.length) })
  const { log: after } = await openLog(killed, OPTIONS)
  t.equal(after.lastIndex, log.lastIndex)
  t.same(await after.entryContaining(after.endPosition), undefined)
  await after.close()
})

t.test('a write whose first blocks were lost is cut though the end of the log looks whole, and its entries do not come back', async (t) => {
  const { disk, log, maker, entries } = await intoReused(512)
  const path = segmentsOf(disk).at(-1)!
  const base = Number(path.slice(-24, -4))
  const killed = disk.kill()
  const [lost, kept] = maker.batch([600, 600])
  await editFile(killed, path, async (file) => { await file.write(kept!.bytes, kept!.physicalOffset - base) })
  const { log: after } = await openLog(killed, OPTIONS)
  t.equal(after.lastIndex, log.lastIndex)
  t.equal(after.recovery.cuts.length, 1)
  after.append([lost!])
  await after.syncThrough(after.lastIndex)
  const { log: again } = await openLog(killed.kill(), OPTIONS)
  t.same(contents(await allEntries(again)), contents([...entries.slice(again.firstIndex - 1), lost!]))
})

t.test('files that a backup shares are removed, not used again', async (t) => {
  const { disk, faults, append, drop, log } = await open()
  await append(36)
  await disk.makeDirectory('/data/backup')
  const shared = segmentsOf(disk).slice(0, -1)
  for (const path of shared.slice(0, 1)) await disk.link(path, path.replace('/data/log', '/data/backup'))
  const before = disk.contents(shared[0]!)!
  await drop()
  t.equal(sparesOf(disk).length, shared.length - 1)
  for (const path of sparesOf(disk)) await disk.link(path, path.replace('/data/log', '/data/backup'))
  await append(30)
  t.equal(reuses(faults), 0, 'also when it came to share them later')
  t.same(disk.contents(shared[0]!.replace('/data/log', '/data/backup')), before)
  await log.close()
})

t.test('a file is not used again while somebody reads it, and cannot be read any more afterwards', async (t) => {
  const held: Array<() => void> = []
  let isHeld = false
  const { disk, faults, log, entries, append, drop } = await open({ schedule: (fn) => { if (isHeld) held.push(fn); else setImmediate(fn) }, options: { coldCacheBytes: 1 } })
  await append(40)
  isHeld = true
  const reading = log.readEntries({ from: 1, to: 9, maxBytes: 64 * KIB })
  await nextTurns(3)
  t.ok(held.length > 0, 'the reads are under way')
  isHeld = false
  const underWay = held.splice(0)
  await drop()
  t.equal(log.firstIndex > 9, true)
  t.notOk(faults.trace.some((what) => what.startsWith('rename') && what.includes('00000000000000000000.seg')), 'the first file has its name')
  await append(60)
  for (const fn of underWay) fn()
  t.same(contents(await reading), contents(entries.slice(0, 8)))
  await nextTurns()
  t.ok(faults.trace.some((what) => what.startsWith('rename') && what.includes('00000000000000000000.seg')), 'now it is taken')
  await t.rejects(log.readEntries({ from: 1, to: 9, maxBytes: 64 * KIB }))
  await log.close()
  t.equal(disk.openHandles, 0)
})

t.test('a read of several steps does not go on in a file that was taken between two of them', async (t) => {
  const gates: Array<() => void> = []
  const { faults, log, append, drop } = await open({
    watch (disk) {
      const openFile = disk.open.bind(disk)
      disk.open = async (path, options) => {
        const file = await openFile(path, options)
        if (!path.endsWith('00000000000000000000.seg')) return file
        const read = file.read.bind(file)
        file.read = async (into, position) => {
          await new Promise<void>((resolve) => { gates.push(resolve) })
          return await read(into, position)
        }
        return file
      }
    }
  })
  await append(40)
  const reading = log.readEntries({ from: 4, to: 9, maxBytes: 64 * KIB }).catch((error: unknown) => error)
  await nextTurns()
  t.equal(gates.length, 1, 'it looks for the place of the first')
  await drop()
  gates.shift()!()
  await nextTurns()
  await append(80)
  t.equal(reuses(faults), 3)
  await nextTurns()
  for (const open of gates) open()
  t.match(await reading, { code: 'MQ_MESSAGE_NOT_FOUND' })
  await log.close()
})

t.test('reads that race with retention give what was written or say that it is gone', async (t) => {
  const random = new SeededRandom(11)
  const delayed: Array<() => void> = []
  const step = (): void => { delayed.splice(random.below(delayed.length), 1)[0]?.() }
  const state = { isOver: false }
  const pump = (async () => { while (!state.isOver) { step(); await new Promise((resolve) => { setImmediate(resolve) }) } })()
  const { faults, log, entries, append } = await open({ schedule: (fn) => { delayed.push(fn) }, options: { coldCacheBytes: 1 } })
  let good = 0
  let gone = 0
  const reader = async (): Promise<void> => {
    while (!state.isOver) {
      if (entries.length < 5) { await nextTurns(1); continue }
      const entry = entries[Math.max(0, log.firstIndex - 1) + random.below(4)]
      if (entry === undefined) { await nextTurns(1); continue }
      await nextTurns(random.below(8))
      try {
        const bytes = random.below(2) === 0 ? await log.read(entry.physicalOffset + 88, 100) : (await log.readEntries({ from: entry.index, to: entry.index + 1, maxBytes: 1 }))[0]!.bytes.subarray(88, 188)
        if (Buffer.compare(bytes, entry.bytes.subarray(88, 188)) !== 0) t.fail(`entry ${entry.index} came back with other bytes`)
        good++
      } catch (error) {
        const { code } = error as { code: string }
        if (!['MQ_MESSAGE_NOT_FOUND', 'MQ_INVALID_ARGUMENT'].includes(code)) t.fail(`entry ${entry.index}: ${String(error)}`)
        gone++
      }
    }
  }
  const readers = [reader(), reader(), reader()]
  for (let round = 0; round < 25; round++) {
    await append(12, 1200)
    log.mayDeleteThrough = log.lastIndex
    log.setFloor(log.endPosition)
  }
  state.isOver = true
  const drain = (async () => { for (let n = 0; n < 5000; n++) { step(); await new Promise((resolve) => { setImmediate(resolve) }) } })()
  await Promise.all([pump, ...readers])
  t.ok(reuses(faults) > 15 && good > 50 && gone > 0, `${reuses(faults)} files used again, ${good} reads good, ${gone} gone`)
  await Promise.all([drain, log.close()])
})

t.test('a file that cannot be closed when its segment is dropped does not keep the later ones from going', async (t) => {
  const { disk, log, failures, append, drop } = await open({
    watch (disk) {
      const openFile = disk.open.bind(disk)
      disk.open = async (path, options) => {
        const file = await openFile(path, options)
        if (!path.endsWith('00000000000000000000.seg')) return file
        const close = file.close.bind(file)
        file.close = async () => {
          await close()
          throw Object.assign(new Error('EIO: close'), { code: 'EIO' })
        }
        return file
      }
    }
  })
  await append(60)
  await drop()
  t.same(segmentsOf(disk).filter((path) => Number(path.slice(-24, -4)) > 0).length, 1, 'only the active one and the one that could not be closed are left')
  t.ok(log.spareBytes > 0)
  t.same(failures, [])
  await log.close()
})

t.test('spare files that somebody removes are no loss', async (t) => {
  const { disk, log, failures, entries, append, drop } = await open()
  await append(60)
  await drop()
  for (const path of sparesOf(disk).slice(0, 2)) await disk.unlink(path)
  await append(60)
  t.same(failures, [])
  t.same(contents(await allEntries(log)), contents(entries.slice(log.firstIndex - 1)))
  await log.close()
})

for (const [what, pattern] of [['dropped', /\.seg$/], ['spare', /spare\.\d+$/]] as const) {
  t.test(`a ${what} file that another program holds is not used again, and the log goes on`, async (t) => {
    const { disk, log, failures, entries, faults, append, drop } = await open()
    await append(60)
    const rename = disk.rename.bind(disk)
    let refused = 0
    disk.rename = async (from, to) => {
      if (pattern.test(from) && refused++ < 2) throw Object.assign(new Error('EBUSY: rename'), { code: 'EBUSY' })
      await rename(from, to)
    }
    await drop()
    await append(60)
    t.same(failures, [])
    t.ok(refused > 2 && reuses(faults) > 0)
    t.same(contents(await allEntries(log)), contents(entries.slice(log.firstIndex - 1)))
    await log.close()
  })
}

t.test('a close waits for spare files that are being removed for want of room', async (t) => {
  const clock = new StillClock()
  const { disk, log, append, drop } = await open({ options: { reserveBytes: 64 * KIB, clock } })
  await append(60)
  await drop()
  t.ok(log.spareBytes > 0)
  const unlink = disk.unlink.bind(disk)
  const gates: Array<() => void> = []
  disk.unlink = async (path) => {
    if (path.includes('/spare')) await new Promise<void>((resolve) => { gates.push(resolve) })
    await unlink(path)
  }
  disk.capacityBytes = disk.paths().reduce((sum, path) => sum + disk.contents(path)!.length, 0) + 70 * KIB
  await append(1)
  clock.tick(1000)
  await nextTurns()
  t.equal(log.spareBytes, 0, 'it is short')
  t.ok(sparesOf(disk).length > 0)
  let isClosed = false
  const closing = log.close().then(() => { isClosed = true })
  await nextTurns()
  t.equal(isClosed, false)
  for (let n = 0; n < 20; n++) {
    for (const open of gates.splice(0)) open()
    await nextTurns(5)
  }
  await closing
  t.same(sparesOf(disk), [])
})

t.test('a repair keeps all of a large entry aside that was synced, though older bytes lie behind it', async (t) => {
  const disk = new FaultyDisk({ directories: ['/data'], alignBytes: 512 })
  const large = 256 * KIB
  const options = { ...OPTIONS, segmentBytes: 4096 * KIB }
  const { log } = await openLog(disk, options)
  const maker = new EntryMaker()
  const append = async (count: number, bodyBytes: number): Promise<RaftEntry> => {
    let entry!: RaftEntry
    for (let n = 0; n < count; n++) {
      log.append([entry = maker.next(bodyBytes)])
      await log.syncThrough(log.lastIndex)
    }
    return entry
  }
  await append(18, large)
  log.mayDeleteThrough = log.lastIndex
  log.setFloor(log.endPosition)
  await nextTurns()
  t.ok(log.spareBytes > 0)
  await append(17, large)
  const path = segmentsOf(disk).at(-1)!
  const base = Number(path.slice(-24, -4))
  const last = await append(1, 1536 * KIB)
  await log.close()
  t.ok(log.endPosition - base < disk.contents(path)!.length - 100 * KIB, 'there is something behind it')
  const bytes = disk.contents(path)!.slice(last.physicalOffset - base, log.endPosition - base)
  disk.flip(path, last.physicalOffset - base + 20)
  const report = await repairLog({ disk, clock: new StillClock(), directory: '/data/log', groupId, dryRun: false })
  t.equal(report.firstLostIndex, last.index)
  t.ok(report.lostBytes >= last.sizeBytes, `${report.lostBytes} of ${last.sizeBytes} bytes`)
  bytes[20]! ^= 1
  const aside = disk.contents(report.keptAside[0]!)!
  t.equal(aside.length >= bytes.length && Buffer.compare(aside.slice(100, bytes.length), bytes.slice(100)), 0)
})

t.test('the rest of an older entry behind the end of a log is no torn write', async (t) => {
  const { disk, log, append, drop, faults } = await open()
  await append(8)
  await append(1, 6 * KIB)
  await drop()
  await append(6)
  await drop()
  while (reuses(faults) === 0) await append(1)
  await append(8)
  await log.close()
  const path = segmentsOf(disk).at(-1)!
  t.ok(disk.contents(path)!.slice(log.endPosition - Number(path.slice(-24, -4)) + 600).some((byte) => byte !== 0))
  const { log: after } = await openLog(disk, OPTIONS)
  t.same(after.recovery.cuts, [])
  await after.close()
})

t.test('spare files are given up first where room is short', async (t) => {
  const clock = new StillClock()
  const { disk, log, append, drop } = await open({ options: { reserveBytes: 64 * KIB, clock } })
  disk.capacityBytes = 1024 * KIB
  await append(60)
  await drop()
  t.ok(log.spareBytes > 0)
  const used = disk.paths().reduce((sum, path) => sum + disk.contents(path)!.length, 0)
  disk.capacityBytes = used + 60 * KIB
  await append(1)
  clock.tick(1000)
  await nextTurns()
  t.equal(log.spareBytes, 0)
  t.same(sparesOf(disk), [])
  clock.tick(1000)
  await nextTurns()
  t.ok(log.hasRoom)
  await append(40)
  await drop()
  t.same(sparesOf(disk), [], 'nor are new ones kept')
  await log.close()
})

t.test('any history of a log whose files are used again: after a kill or a power cut it has what was durable and nothing else', async (t) => {
  let used = 0
  await fc.assert(fc.asyncProperty(
    fc.integer({ min: 1, max: 2 ** 30 }),
    fc.constantFrom(1, 512, 4096),
    fc.constantFrom('sync', 'async'),
    fc.array(fc.constantFrom('append', 'append', 'append', 'append', 'large', 'floor', 'floor', 'floor', 'cut', 'kill', 'none', 'reorder', 'random'), { minLength: 20, maxLength: 60, size: 'max' }),
    async (seed, alignBytes, mode, actions) => {
      const random = new SeededRandom(seed)
      const flush = { mode, timed: true, intervalMs: 60_000 } as const
      let faults = new Faults({ trace: true })
      let disk = new FaultyDisk({ directories: ['/data'], alignBytes, faults })
      let { log } = await openLog(disk, { ...OPTIONS, flush })
      let model: RaftEntry[] = []
      let term = 1
      for (const action of actions) {
        if (action === 'append' || action === 'large') {
          const maker = EntryMaker.after(log)
          const made = maker.batch(Array.from({ length: 1 + random.below(8) }, () => action === 'large' ? 2000 + random.below(5000) : random.below(900)), Math.max(term, log.lastTerm))
          log.append(made)
          model.push(...made)
          if (random.below(4) > 0) await log.syncThrough(log.lastIndex)
        } else if (action === 'floor') {
          log.mayDeleteThrough = log.durableIndex
          log.setFloor(log.durablePosition)
          await nextTurns(30)
        } else if (action === 'cut') {
          const from = log.lastIndex - random.below(6)
          if (from <= log.floor.index) continue
          await log.truncateFrom(from)
          model = model.slice(0, from - 1)
          term++
        } else {
          const { durableIndex } = log
          used += reuses(faults)
          faults = new Faults({ trace: true })
          disk = action === 'kill' ? disk.kill({ random, faults }) : disk.powerCut({ keep: action as 'none', random, faults })
          log = (await openLog(disk, { ...OPTIONS, flush })).log
          if (log.lastIndex < durableIndex || log.lastIndex > model.length) throw new Error(`${log.lastIndex} entries after ${action}: ${durableIndex} were durable, ${model.length} written`)
          model = model.slice(0, log.lastIndex)
        }
        const found = await allEntriesWritten(log)
        for (const entry of found) if (Buffer.compare(contentOf(entry), contentOf(model[entry.index - 1]!)) !== 0) throw new Error(`entry ${entry.index} is another one`)
      }
      used += reuses(faults)
      await log.close()
    }
  ), { numRuns: 25, seed: 20 })
  t.ok(used > 20, `${used} files were used again`)
})

async function allEntriesWritten (log: RaftLog): Promise<RaftEntry[]> {
  await log.syncThrough(log.lastIndex)
  return await allEntries(log)
}
