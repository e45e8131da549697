import t from 'tap'
import { MemoryDisk } from '../../lib/adapters/index.ts'
import type { Disk } from '../../lib/base/index.ts'
import { ENTRY_HEADER_BYTES, type LogOptions, type RaftLog } from '../../lib/log/index.ts'
import type { RaftEntry } from '../../lib/raft/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { allEntries, contentOf, editFile, EntryMaker, openLog } from './support.ts'

const KIB = 1024
const FIRST = '/data/log/00000000000000000000.seg'
const settings = { segmentBytes: 512 * KIB, tailCacheBytes: 64 * KIB, coldCacheBytes: 512 * KIB }

/** A log of entries of many sizes, of which only the last ones are in memory. */
async function writtenLog (disk: Disk, bodySizes: readonly number[], options = {}): Promise<{ log: RaftLog, entries: RaftEntry[] }> {
  const { log } = await openLog(disk, { ...settings, ...options })
  const maker = new EntryMaker()
  const entries = bodySizes.map((bodyBytes) => maker.next(bodyBytes))
  for (const entry of entries) log.append([entry])
  await log.syncThrough(log.lastIndex)
  return { log, entries }
}

/** The same, opened again: nothing is in memory, nor where the entries stand. */
async function coldLog (disk: Disk, bodySizes: readonly number[], options = {}): Promise<{ log: RaftLog, entries: RaftEntry[] }> {
  const { log, entries } = await writtenLog(disk, bodySizes, options)
  await log.close()
  const again = await openLog(disk, { ...settings, ...options })
  return { log: again.log, entries }
}

const mixedSizes = (random: SeededRandom, count: number): number[] =>
  Array.from({ length: count }, () => Math.floor(random.next() < 0.9 ? random.next() * 4000 : random.next() * 600 * KIB))

function expected ({ physicalOffset, bytes }: RaftEntry, position: number, sizeBytes: number): Uint8Array {
  return bytes.subarray(position - physicalOffset, position - physicalOffset + sizeBytes)
}

t.test('random and sequential readers at the same time get the bytes that were written', async (t) => {
  const random = new SeededRandom(3)
  const { log, entries } = await coldLog(new MemoryDisk(), mixedSizes(random, 400))
  const withBody = entries.filter(({ sizeBytes }) => sizeBytes > ENTRY_HEADER_BYTES + 20)
  const readSome = async (entry: RaftEntry): Promise<void> => {
    const bodyBytes = entry.sizeBytes - ENTRY_HEADER_BYTES - 8 * Math.ceil((entry.sizeBytes - ENTRY_HEADER_BYTES) / (64 * KIB + 8))
    const from = Math.floor(random.next() * bodyBytes)
    const sizeBytes = Math.floor(random.next() * Math.min(bodyBytes - from, 100 * KIB))
    const position = entry.physicalOffset + ENTRY_HEADER_BYTES + from
    const bytes = log.readNow(position, sizeBytes) ?? await log.read(position, sizeBytes)
    if (Buffer.compare(bytes, expected(entry, position, sizeBytes)) !== 0) t.fail(`wrong bytes at ${position}+${sizeBytes} of entry ${entry.index}`)
  }
  const sequential = async (from: number, step: number): Promise<void> => {
    for (let i = from; i < withBody.length; i += step) await readSome(withBody[i]!)
  }
  const anywhere = async (): Promise<void> => {
    for (let i = 0; i < 200; i++) await readSome(withBody[Math.floor(random.next() * withBody.length)]!)
  }
  await Promise.all([sequential(0, 1), sequential(1, 3), sequential(100, 2), anywhere(), anywhere()])
  await log.close()
})

t.test('what a reader has kept with slice stays as it was, however much is read after it', async (t) => {
  const { log, entries } = await coldLog(new MemoryDisk(), Array.from({ length: 4000 }, () => 1000))
  const kept: Uint8Array[] = []
  for (const { physicalOffset } of entries) {
    kept.push((await log.read(physicalOffset + ENTRY_HEADER_BYTES, 900)).slice())
    // memory that was let go of is used again from the next turn on
    if (kept.length % 100 === 0) await new Promise((resolve) => { setImmediate(resolve) })
  }
  const scanned: Uint8Array[] = []
  for await (const { bytes } of log.scan(1)) scanned.push(bytes.slice())
  entries.forEach((entry, i) => {
    if (Buffer.compare(kept[i]!, expected(entry, entry.physicalOffset + ENTRY_HEADER_BYTES, 900)) !== 0) t.fail(`entry ${entry.index} as it was read changed later`)
    if (Buffer.compare(scanned[i]!.subarray(88), entry.bytes.subarray(88)) !== 0) t.fail(`entry ${entry.index} as it was scanned changed later`)
  })
  t.equal(kept.length, 4000)
  await log.close()
})

t.test('a reader in order needs few reads of the disk, several readers too', async (t) => {
  const disk = new FaultyDisk({ directories: ['/data'] })
  const { log, entries } = await coldLog(disk, Array.from({ length: 2000 }, () => 1000))
  const before = disk.faults.reads
  const readAll = async (part: readonly RaftEntry[]): Promise<void> => {
    for (const { physicalOffset } of part) {
      const position = physicalOffset + ENTRY_HEADER_BYTES
      if (log.readNow(position, 1000) === undefined) await log.read(position, 1000)
    }
  }
  await Promise.all([readAll(entries), readAll(entries.slice(1000))])
  t.ok(disk.faults.reads - before < 60, `${disk.faults.reads - before} reads for 3 MB in all`)
  await log.close()
})

t.test('entries by index and by position, memory and disk alike', async (t) => {
  const random = new SeededRandom(5)
  const { log, entries } = await coldLog(new MemoryDisk(), mixedSizes(random, 200))
  const more = EntryMaker.after(log).batch([10, 20, 30])
  log.append(more)
  const all = [...entries, ...more]
  t.equal(log.entries(1, 2, 1), undefined, 'not in memory')
  t.equal(log.entries(more[0]!.index, more[0]!.index + 9, 1)?.length, 1, 'at least one')
  t.equal(log.entries(more[0]!.index, more[0]!.index + 9, 1e6)?.length, 3)
  for (let i = 0; i < 100; i++) {
    const from = 1 + Math.floor(random.next() * all.length)
    const maxBytes = Math.floor(random.next() * 200 * KIB)
    const read = await log.readEntries({ from, to: from + 20, maxBytes })
    t.ok(read.length >= 1 && read.length <= 20)
    const total = read.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    if (read.length > 1 && total > maxBytes) t.fail(`${total} bytes are more than ${maxBytes}`)
    read.forEach((entry, at) => { if (Buffer.compare(contentOf(entry), contentOf(all[from - 1 + at]!)) !== 0) t.fail(`entry ${from + at} differs`) })
    const entry = all[from - 1]!
    const found = await log.entryContaining(entry.physicalOffset + Math.floor(random.next() * entry.sizeBytes))
    t.equal(found?.index, entry.index)
  }
  t.equal(await log.entryContaining(log.endPosition), undefined)
  await t.rejects(log.read(log.endPosition, 1), { code: 'MQ_MESSAGE_NOT_FOUND' })
  await t.rejects(log.read(more[0]!.physicalOffset + ENTRY_HEADER_BYTES, more[0]!.sizeBytes), { code: 'MQ_MESSAGE_NOT_FOUND' }, 'beyond the entry')
  await t.rejects(log.readEntries({ from: 1000, to: 1001, maxBytes: 1 }), { code: 'MQ_INVALID_ARGUMENT' })
  await log.close()
})

t.test('rot found on a cold read: those messages are refused with file and byte, the rest is served', async (t) => {
  for (const [where, isCold] of (['first header', 'header', 'body', 'block'] as const).flatMap((where) => [[where, true], [where, false]] as const)) {
    const disk = new MemoryDisk()
    const sizes = [...Array.from({ length: 30 }, () => 1000), 300 * KIB, ...Array.from({ length: 600 }, () => 1000)]
    const { log, entries } = await (isCold ? coldLog : writtenLog)(disk, sizes)
    const bad = entries[where === 'block' ? 30 : where === 'first header' ? 0 : 12]!
    const path = '/data/log/00000000000000000000.seg'
    const at = bad.physicalOffset + (where.endsWith('header') ? 20 : ENTRY_HEADER_BYTES + (where === 'block' ? 70 * KIB : 100))
    await editFile(disk, path, async (file) => { await file.write(Uint8Array.of(255, 254, 253), at) })
    for (const fromStart of [true, false]) {
      for (const entry of fromStart ? entries : entries.toReversed()) {
        const position = entry.physicalOffset + ENTRY_HEADER_BYTES
        if (entry === bad && where !== 'block') {
          await t.rejects(log.read(position, 500), { code: 'MQ_CORRUPT', file: path, physicalOffset: bad.physicalOffset, resumePosition: bad.physicalOffset + bad.sizeBytes, resumeIndex: bad.index + 1 }, `${where}, entry ${entry.index}`)
        } else if (Buffer.compare(await log.read(position, 500), expected(entry, position, 500)) !== 0) {
          t.fail(`wrong bytes of entry ${entry.index}`)
        }
      }
    }
    if (where === 'block') {
      await t.rejects(log.read(at - 10, 20), { code: 'MQ_CORRUPT', file: path, position: bad.physicalOffset + ENTRY_HEADER_BYTES + 64 * KIB })
      const after = bad.physicalOffset + ENTRY_HEADER_BYTES + 130 * KIB
      t.ok(Buffer.compare(await log.read(after, 5000), expected(bad, after, 5000)) === 0)
    }
    const scanned: number[] = []
    await t.rejects(async () => { for await (const { index } of log.scan(1)) scanned.push(index) }, { code: 'MQ_CORRUPT', file: path, index: bad.index, resumeIndex: bad.index + 1 })
    t.equal(scanned.length, bad.index - 1)
    for await (const { index } of log.scan(bad.index + 1)) scanned.push(index)
    t.equal(scanned.length, entries.length - 1)
    await log.close()
  }
})

t.test('a cold read that fails is told to its reader only', async (t) => {
  const disk = new FaultyDisk({ directories: ['/data'] })
  const { log, entries } = await coldLog(disk, [5000, 600 * KIB, 5000])
  disk.faults.failReadAt(1, 'EIO')
  await t.rejects(log.read(entries[0]!.physicalOffset + 100, 10), { code: 'EIO' })
  t.equal((await log.read(entries[0]!.physicalOffset + 100, 10)).length, 10)
  t.equal(log.failure, undefined)
  await log.close()
})

t.test('the head goes by whole segments, as far as a base dump allows; what is gone is not found, the terms before the head are known', async (t) => {
  const disk = new MemoryDisk()
  const { log, entries } = await coldLog(disk, Array.from({ length: 100 }, () => 3000), { segmentBytes: 32 * KIB })
  const segments = async (): Promise<number> => (await disk.list('/data/log'))!.filter(({ name }) => name.endsWith('.seg')).length
  const before = await segments()
  log.setFloor(entries[50]!.physicalOffset)
  await log.syncThrough(log.lastIndex)
  t.equal(log.firstIndex, 1, 'no base dump covers anything yet')
  log.mayDeleteThrough = 25
  log.mayDeleteThrough = 80
  await log.close()
  const again = await openLog(disk, { ...settings, segmentBytes: 32 * KIB })
  const { floor, firstIndex } = again.log
  t.ok(firstIndex > 40 && firstIndex <= 51 && await segments() < before - 3)
  t.same(floor, { index: firstIndex - 1, term: 1, physicalOffset: entries[firstIndex - 1]!.physicalOffset })
  t.equal(again.log.term(firstIndex - 1), 1)
  t.equal(again.log.term(firstIndex - 2), undefined)
  await t.rejects(again.log.read(entries[0]!.physicalOffset + 100, 10), { code: 'MQ_MESSAGE_NOT_FOUND' })
  t.equal(await again.log.entryContaining(0), undefined)
  t.equal((await again.log.readEntries({ from: firstIndex, to: firstIndex + 1, maxBytes: 1 })).length, 1)
  await t.rejects(again.log.truncateFrom(floor.index), { code: 'MQ_INVARIANT' })
  await again.log.close()
})

t.test('a log may begin anywhere: behind a base dump', async (t) => {
  const disk = new MemoryDisk()
  const start = { index: 500, term: 7, physicalOffset: 123_456 }
  const { log } = await openLog(disk, { start })
  t.equal(log.firstIndex, 501)
  t.equal(log.lastIndex, 500)
  t.equal(log.lastTerm, 7)
  log.append([EntryMaker.after(log).next(100, 8)])
  await log.close()
  const again = await openLog(disk)
  t.equal(again.log.lastIndex, 501)
  t.same(again.log.floor, start)
  await again.log.close()
})

t.test('a cut back into a segment that was not read yet: what follows is written and found', async (t) => {
  for (const cutAt of [3, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 60]) {
    const disk = new MemoryDisk()
    const { log, entries } = await coldLog(disk, Array.from({ length: 80 }, () => 3000), { segmentBytes: 32 * KIB })
    await log.truncateFrom(cutAt)
    const maker = EntryMaker.after(log)
    const more = Array.from({ length: 30 }, () => maker.next(2000, 5))
    for (const entry of more) log.append([entry])
    await log.close()
    const again = await openLog(disk, { ...settings, segmentBytes: 32 * KIB })
    const all = [...entries.slice(0, cutAt - 1), ...more]
    for (const opened of [again.log]) {
      t.equal(opened.lastIndex, all.length)
      for (const entry of all.toReversed()) {
        const [read] = await opened.readEntries({ from: entry.index, to: entry.index + 1, maxBytes: 1 })
        if (Buffer.compare(contentOf(read!), contentOf(entry)) !== 0) t.fail(`cut at ${cutAt}: entry ${entry.index} differs`)
      }
    }
    await again.log.close()
  }
})

t.test('a cut back into a cold segment, read without reopening and without a tail cache', async (t) => {
  const disk = new MemoryDisk()
  const { log, entries } = await coldLog(disk, Array.from({ length: 80 }, () => 3000), { segmentBytes: 32 * KIB, tailCacheBytes: 0 })
  for (const cutAt of [70, 33, 5]) {
    await log.truncateFrom(cutAt)
    const maker = EntryMaker.after(log)
    const more = Array.from({ length: 30 }, () => maker.next(2000, log.lastTerm + 1))
    for (const entry of more) log.append([entry])
    await log.syncThrough(log.lastIndex)
    entries.splice(cutAt - 1, Infinity, ...more)
    for (const entry of entries) {
      const [read] = await log.readEntries({ from: entry.index, to: entry.index + 1, maxBytes: 1 })
      if (Buffer.compare(contentOf(read!), contentOf(entry)) !== 0) t.fail(`cut at ${cutAt}: entry ${entry.index} differs`)
      const position = entry.physicalOffset + ENTRY_HEADER_BYTES
      if (Buffer.compare(await log.read(position, 100), expected(entry, position, 100)) !== 0) t.fail(`cut at ${cutAt}: bytes of entry ${entry.index} differ`)
    }
  }
  await log.close()
})

t.test('entries that are cut off while they are read are gone, not damaged', async (t) => {
  for (const isWrittenAgain of [false, true]) {
    let held: Array<() => void> | undefined
    const disk = new FaultyDisk({ directories: ['/data'], schedule: (fn) => { if (held === undefined) setImmediate(fn); else held.push(fn) } })
    const { log } = await openLog(disk, { tailCacheBytes: 1 })
    log.append(new EntryMaker().batch([500, 500, 500, 500]))
    await log.syncThrough(4)
    held = []
    const reading = log.readEntries({ from: 3, to: 5, maxBytes: 4 * KIB }).catch((error: unknown) => error)
    await new Promise((resolve) => { setImmediate(resolve) })
    const underWay = held
    held = undefined
    await log.truncateFrom(3)
    if (isWrittenAgain) log.append([EntryMaker.after(log).next(500, 2)])
    for (const fn of underWay) fn()
    t.match(await reading, { code: 'MQ_MESSAGE_NOT_FOUND' })
    await log.close()
  }
})

t.test('what lies before a cut is read, or damaged, whatever the cut takes while it is read', async (t) => {
  for (const isDamaged of [false, true]) {
    let held: Array<() => void> | undefined
    const disk = new FaultyDisk({ directories: ['/data'], schedule: (fn) => { if (held === undefined) setImmediate(fn); else held.push(fn) } })
    const { log } = await openLog(disk, { tailCacheBytes: 1 })
    const entries = new EntryMaker().batch([500, 500, 500, 500])
    log.append(entries)
    await log.syncThrough(4)
    if (isDamaged) disk.flip('/data/log/00000000000000000000.seg', entries[1]!.physicalOffset + ENTRY_HEADER_BYTES + 50)
    held = []
    const reading = log.readEntries({ from: 2, to: 5, maxBytes: 4 * KIB }).catch((error: unknown) => error)
    await new Promise((resolve) => { setImmediate(resolve) })
    const underWay = held
    held = undefined
    await log.truncateFrom(3)
    for (const fn of underWay) fn()
    if (isDamaged) t.match(await reading, { code: 'MQ_CORRUPT' })
    else t.strictSame((await reading as RaftEntry[]).map(({ index }) => index), [2])
    await log.close()
  }
})

t.test('a read that fails while the log is cut is tried again when it was cut, and not before', async (t) => {
  let held: Array<() => void> | undefined
  const disk = new FaultyDisk({ directories: ['/data'], schedule: (fn) => { if (held === undefined) setImmediate(fn); else held.push(fn) } })
  const { log } = await openLog(disk, { tailCacheBytes: 1, segmentBytes: 4 * KIB })
  const entries = new EntryMaker().batch(Array.from({ length: 12 }, () => 1000))
  log.append(entries)
  await log.syncThrough(12)
  await log.close()
  const { log: again } = await openLog(disk, { tailCacheBytes: 1, segmentBytes: 4 * KIB })
  held = []
  const cut = again.truncateFrom(11, { index: 10, term: 1, position: entries[10]!.physicalOffset })
  for (let i = 0; i < 50; i++) await Promise.resolve()
  let failed = 0
  const open = disk.open.bind(disk)
  disk.open = async (path, options) => {
    if (path.endsWith('/00000000000000000000.seg') && ++failed < 100) throw Object.assign(new Error('not now'), { code: 'EMFILE' })
    return await open(path, options)
  }
  const reading = again.readEntries({ from: 1, to: 2, maxBytes: 1 }).catch((error: unknown) => error)
  for (let i = 0; i < 1000; i++) await Promise.resolve()
  t.equal(failed, 1, 'while the disk is at it')
  disk.open = open
  const underWay = held
  held = undefined
  for (const fn of underWay) fn()
  await cut
  t.match(await reading, [{ index: 1 }])
  await again.close()
})

t.test('a cut whose place is known needs nothing of what it takes to be readable', async (t) => {
  for (const isKnown of [true, false]) {
    const disk = new FaultyDisk({ directories: ['/data'] })
    const { log } = await openLog(disk, { tailCacheBytes: 1 })
    const entries = new EntryMaker().batch([500, 500, 500, 500])
    log.append(entries)
    await log.syncThrough(4)
    for (const { physicalOffset } of entries.slice(2)) disk.flip('/data/log/00000000000000000000.seg', physicalOffset + 20)
    if (isKnown) {
      await log.truncateFrom(3, { index: 2, term: 1, position: entries[2]!.physicalOffset })
      const other = EntryMaker.after(log).next(700, 2)
      log.append([other])
      await log.syncThrough(3)
      await log.close()
      const again = await openLog(disk)
      t.strictSame((await allEntries(again.log)).map(contentOf), [...entries.slice(0, 2), other].map(contentOf))
      await again.log.close()
    } else {
      await t.rejects(log.truncateFrom(3), { code: 'MQ_CORRUPT' })
      t.equal(log.lastIndex, 4)
      await log.close()
    }
  }
})

t.test('what was read while the log was cut is not taken for what stands there since', async (t) => {
  const disk = new FaultyDisk({ directories: ['/data'], schedule: setImmediate })
  const { log } = await openLog(disk, { tailCacheBytes: 1 })
  const first = new EntryMaker().batch([500, 500, 500, 500])
  log.append(first)
  await log.syncThrough(4)
  const bodyOf = ({ bytes }: RaftEntry): Uint8Array => bytes.slice(ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + 300)
  const read = ({ physicalOffset }: RaftEntry): Promise<Uint8Array> => log.read(physicalOffset + ENTRY_HEADER_BYTES, 300).then((bytes) => bytes.slice())
  const cut = log.truncateFrom(3).then(() => true)
  // each read takes along what lies behind
  do t.strictSame(await read(first[0]!), bodyOf(first[0]!))
  while (!await Promise.race([cut, new Promise<boolean>((resolve) => { setImmediate(resolve, false) })]))
  const maker = EntryMaker.after(log)
  const others = [maker.next(900, 2), maker.next(700, 2), maker.next(500, 2)]
  log.append(others)
  await log.syncThrough(5)
  for (const entry of [...first.slice(0, 2), ...others]) t.strictSame(await read(entry), bodyOf(entry))
  t.strictSame((await allEntries(log)).map(contentOf), [...first.slice(0, 2), ...others].map(contentOf))
  await log.close()
})

t.test('what is written behind damage, where the log was cut, is found without it', async (t) => {
  for (const isCold of [false, true]) {
    const disk = new FaultyDisk({ directories: ['/data'] })
    const options = { tailCacheBytes: 1, segmentBytes: 64 * KIB }
    let { log } = await openLog(disk, options)
    const entries = new EntryMaker().batch(Array.from({ length: 80 }, () => 1000))
    log.append(entries)
    await log.syncThrough(80)
    if (isCold) {
      await log.close()
      log = (await openLog(disk, options)).log
    }
    disk.flip(FIRST, entries[9]!.physicalOffset + 20)
    const { physicalOffset: end } = entries[10]!
    await log.truncateFrom(11, { index: 10, term: 1, position: end })
    const more = EntryMaker.after(log).batch([700, 800, 900], 2)
    log.append(more)
    await log.syncThrough(13)
    for (const entry of more) {
      t.strictSame((await log.readEntries({ from: entry.index, to: entry.index + 1, maxBytes: 1 })).map(contentOf), [contentOf(entry)])
      const position = entry.physicalOffset + ENTRY_HEADER_BYTES
      t.strictSame((await log.read(position, 10)).slice(), expected(entry, position, 10).slice())
    }
    await t.rejects(log.readEntries({ from: 10, to: 11, maxBytes: 1 }), { code: 'MQ_CORRUPT', index: 10, resumePosition: end, resumeIndex: 11 })
    await log.close()
  }
})

/** A disk whose operations wait where the function says so, until they are let go. */
function gatedDisk () {
  const disk = new FaultyDisk({ directories: ['/data'] })
  const gates: Array<() => void> = []
  const gate = {
    holds: (_what: string): boolean => false,
    next: async (): Promise<() => void> => {
      while (gates.length === 0) await new Promise((resolve) => { setImmediate(resolve) })
      return gates.shift()!
    }
  }
  const pass = async (what: string): Promise<void> => {
    if (gate.holds(what)) await new Promise<void>((resolve) => { gates.push(resolve) })
  }
  const read = disk.read.bind(disk)
  disk.read = async (what) => {
    await pass(what)
    await read(what)
  }
  const mutate = disk.mutate.bind(disk)
  disk.mutate = async (kind, what, ...rest) => {
    await pass(what)
    return await mutate(kind, what, ...rest)
  }
  return { disk, gate }
}

/** A log of 30 entries that an earlier process has written. */
async function reopened (disk: FaultyDisk, options: Partial<LogOptions>): Promise<{ readonly entries: RaftEntry[], readonly log: RaftLog }> {
  const { log: first } = await openLog(disk, options)
  const entries = new EntryMaker().batch(Array.from({ length: 30 }, () => 600))
  first.append(entries)
  await first.syncThrough(30)
  await first.close()
  const { log } = await openLog(disk, options)
  return { entries, log }
}

t.test('where a cut has left zeros nothing is skipped that is written there later', async (t) => {
  const { disk, gate } = gatedDisk()
  const options = { tailCacheBytes: 1, coldCacheBytes: 0, segmentBytes: 8 * KIB }
  const { entries, log } = await reopened(disk, options)
  const isRead = (what: string): boolean => what.startsWith(`${FIRST} `)
  gate.holds = isRead
  const reading = log.readEntries({ from: 9, to: 10, maxBytes: 1 }).catch((error: unknown) => error)
  const walk = await gate.next()
  const { physicalOffset: end } = entries[4]!
  gate.holds = (what) => what.includes('intent') && disk.contents(FIRST)!.subarray(end, end + 100).every((byte) => byte === 0)
  const cut = log.truncateFrom(5, { index: 4, term: 1, position: end })
  const clear = await gate.next()
  gate.holds = isRead
  walk()
  // it looks for the next entry behind what it cannot read
  const search = await gate.next()
  gate.holds = () => false
  clear()
  await cut
  search()
  t.match(await reading, { code: 'MQ_MESSAGE_NOT_FOUND' })
  const maker = EntryMaker.after(log)
  const more = Array.from({ length: 12 }, (_, i) => maker.next(i === 9 ? 30_000 : 300, 2))
  for (const entry of more) log.append([entry])
  await log.syncThrough(log.lastIndex)
  const position = more[9]!.physicalOffset + 20_000
  t.strictSame(await log.read(position, 50).then((bytes) => bytes.slice(), (error: unknown) => error), expected(more[9]!, position, 50).slice())
  t.strictSame((await allEntries(log)).map(contentOf), [...entries.slice(0, 4), ...more].map(contentOf))
  await log.close()
})

t.test('who reads a file that a cut is about to remove leaves it closed', async (t) => {
  const { disk, gate } = gatedDisk()
  const options = { tailCacheBytes: 1, segmentBytes: 4 * KIB }
  const { entries, log } = await reopened(disk, options)
  const { physicalOffset: base } = entries[6]!
  const path = `/data/log/${String(base).padStart(20, '0')}.seg`
  t.ok(disk.paths().includes(path))
  gate.holds = (what) => what.startsWith(`${path} `)
  const reading = log.readEntries({ from: 9, to: 10, maxBytes: 1 }).catch((error: unknown) => error)
  const walk = await gate.next()
  gate.holds = (what) => what === path
  const cut = log.truncateFrom(5, { index: 4, term: 1, position: entries[4]!.physicalOffset })
  // until it waits for who reads
  await new Promise((resolve) => { setImmediate(resolve) })
  walk()
  const remove = await gate.next()
  t.match(await reading, { code: 'MQ_MESSAGE_NOT_FOUND' })
  remove()
  await cut
  await log.close()
  t.equal(disk.openHandles, 0)
})

t.test('who reads a log that is closed meanwhile leaves no file open', async (t) => {
  const { disk, gate } = gatedDisk()
  const { log: first } = await openLog(disk, { segmentBytes: 4 * KIB })
  first.append(new EntryMaker().batch(Array.from({ length: 30 }, () => 600)))
  await first.close()
  const { log } = await openLog(disk, { segmentBytes: 4 * KIB })
  gate.holds = (what) => what.startsWith(`${FIRST} `)
  const reading = log.readEntries({ from: 3, to: 4, maxBytes: 1 }).catch((error: unknown) => error)
  const walk = await gate.next()
  gate.holds = () => false
  const closing = log.close()
  await new Promise((resolve) => { setImmediate(resolve) })
  walk()
  await closing
  t.match(await reading, { code: 'MQ_CLOSED' })
  t.equal(disk.openHandles, 0)
})

t.test('what is cut off while others are asked for it is gone, and what lies before it is mended', async (t) => {
  for (const isCutOff of [true, false]) {
    const disk = new FaultyDisk({ directories: ['/data'] })
    const asked: Array<{ readonly from: number, readonly to: number, readonly answer: (bytes?: Uint8Array) => void }> = []
    const { log, failures } = await openLog(disk, { tailCacheBytes: 1, refetch: (range) => new Promise((resolve) => { asked.push({ ...range, answer: resolve }) }) })
    const entries = new EntryMaker().batch([500, 500, 500, 500])
    log.append(entries)
    await log.syncThrough(4)
    const good = disk.contents(FIRST)!
    const index = isCutOff ? 3 : 2
    const { physicalOffset: from } = entries[index - 1]!
    if (isCutOff) disk.flip(FIRST, from + ENTRY_HEADER_BYTES + 20)
    // what cannot be told apart ends behind the cut
    else for (const { physicalOffset } of entries.slice(1, 3)) disk.flip(FIRST, physicalOffset + 20)
    const reading = log.readEntries({ from: index, to: 5, maxBytes: 1 }).catch((error: unknown) => error)
    await new Promise((resolve) => { setImmediate(resolve) })
    const { physicalOffset: end } = entries[2]!
    await log.truncateFrom(3, { index: 2, term: 1, position: end })
    asked[0]!.answer()
    if (isCutOff) {
      t.match(await reading, { code: 'MQ_MESSAGE_NOT_FOUND' })
    } else {
      await new Promise((resolve) => { setImmediate(resolve) })
      t.match(asked, [{ from, to: entries[3]!.physicalOffset }, { from, to: end }])
      asked[1]?.answer(good.slice(from, end))
      t.match(await reading, [{ index: 2 }])
    }
    t.same(failures, [])
    await log.close()
  }
})
