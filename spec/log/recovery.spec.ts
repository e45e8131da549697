import t from 'tap'
import { MemoryDisk } from '../../lib/adapters/index.ts'
import { viewOf, type Disk } from '../../lib/base/index.ts'
import { entrySizeBytes, ENTRY_HEADER_BYTES, repairLog, setSyncedTo, type RaftLog } from '../../lib/log/index.ts'
import { hash64 } from '../../lib/base/index.ts'
import type { RaftEntry } from '../../lib/raft/index.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { allEntries, contentOf, editFile, EntryMaker, groupId, groupSeed, openLog } from './support.ts'

const DIRECTORY = '/data/log'
const FIRST = `${DIRECTORY}/00000000000000000000.seg`

/** A log of those bodies, appended one flush each, then left as a killed process leaves it (or closed). */
async function logWith (disk: Disk, bodySizes: readonly number[], { close = false, segmentBytes = 64 * 1024 } = {}): Promise<{ entries: RaftEntry[], log: RaftLog }> {
  const { log } = await openLog(disk, { segmentBytes })
  const maker = EntryMaker.after(log)
  const entries: RaftEntry[] = []
  for (const bodyBytes of bodySizes) {
    const entry = maker.next(bodyBytes)
    entries.push(entry)
    log.append([entry])
    await log.syncThrough(entry.index)
  }
  if (close) await log.close()
  return { entries, log }
}

async function zero (disk: Disk, path: string, from: number, to: number): Promise<void> {
  await editFile(disk, path, async (file) => { await file.write(new Uint8Array(to - from), from) })
}

async function flip (disk: Disk, path: string, at: number): Promise<void> {
  await editFile(disk, path, async (file) => {
    const byte = new Uint8Array(1)
    await file.read(byte, at)
    byte[0]! ^= 0x10
    await file.write(byte, at)
  })
}

t.test('a last entry torn at any length is cut, kept aside and reported; the log goes on there', async (t) => {
  const bodies = [300, 5, 700]
  const lastSize = entrySizeBytes(700)
  for (let left = 0; left < lastSize; left++) {
    const disk = new MemoryDisk()
    const { entries } = await logWith(disk, bodies)
    const last = entries[2]!
    await zero(disk, FIRST, last.physicalOffset + left, last.physicalOffset + lastSize)
    const { log } = await openLog(disk)
    const { cuts, damaged } = log.recovery
    const wrong = log.lastIndex !== 2 || damaged.length > 0 ||
      (left > 0 && (cuts.length !== 1 || cuts[0]!.file !== FIRST || cuts[0]!.fileByte !== last.physicalOffset || (await disk.readFile(cuts[0]!.keptAside))?.length !== cuts[0]!.sizeBytes))
    if (wrong) t.fail(`torn at ${left}: ${JSON.stringify({ lastIndex: log.lastIndex, ...log.recovery })}`)
    const next = EntryMaker.after(log).next(10, 3)
    log.append([next])
    await log.syncThrough(3)
    await log.close()
    const again = await openLog(disk)
    if (again.log.lastIndex !== 3 || again.log.lastTerm !== 3 || again.log.recovery.cuts.length > 0) t.fail(`after the cut at ${left} the log is ${again.log.lastIndex}`)
    await again.log.close()
  }
})

t.test('a file that ends within its last entry is cut there too', async (t) => {
  for (const left of [1, 87, 88, 100]) {
    const disk = new MemoryDisk()
    const { entries } = await logWith(disk, [300, 500])
    await editFile(disk, FIRST, async (file) => { await file.truncate(entries[1]!.physicalOffset + left) })
    const { log } = await openLog(disk)
    t.equal(log.lastIndex, 1)
    t.equal(log.recovery.cuts.length, 1)
    await log.close()
  }
})

t.test('two entries of one flush, the first of them torn: both go, although the second is whole', async (t) => {
  const disk = new MemoryDisk()
  const { log } = await openLog(disk)
  const maker = new EntryMaker()
  const [first, second, third] = [maker.next(100), ...maker.batch([3000, 200])] as [RaftEntry, RaftEntry, RaftEntry]
  log.append([first])
  await log.syncThrough(1)
  log.append([second, third])
  await log.syncThrough(3)
  await zero(disk, FIRST, second.physicalOffset + 500, second.physicalOffset + 700)
  const again = await openLog(disk)
  t.equal(again.log.lastIndex, 1)
  t.equal(again.log.recovery.cuts[0]?.position, second.physicalOffset)
  t.equal(again.log.recovery.cuts[0]?.sizeBytes, second.sizeBytes + third.sizeBytes)
  // The third entry's bytes are gone: what is appended now never meets them.
  const next = EntryMaker.after(again.log).next(3000, 2)
  again.log.append([next])
  await again.log.syncThrough(2)
  const end = again.log.endPosition
  const bytes = (await disk.readFile(FIRST))!
  t.ok(bytes.subarray(end).every((byte) => byte === 0))
  await again.log.close()
})

t.test('damage below what a later entry says was synced is rot: the start is refused, naming file and byte', async (t) => {
  const disk = new MemoryDisk()
  const { entries } = await logWith(disk, [100, 70_000, 100, 100], { segmentBytes: 256 * 1024 })
  const at = entries[1]!.physicalOffset + ENTRY_HEADER_BYTES + 65_536 + 20
  await flip(disk, FIRST, at)
  await t.rejects(openLog(disk), { code: 'MQ_CORRUPT', file: FIRST, position: entries[1]!.physicalOffset + ENTRY_HEADER_BYTES + 65_536, message: /repair/ })
  t.same((await disk.list(DIRECTORY))!.filter(({ name }) => name.endsWith('.torn')), [], 'nothing was cut')

  const { log } = await openLog(disk, { onDamage: 'report' })
  t.match(log.recovery.damaged, [{ file: FIRST, from: entries[1]!.physicalOffset, fromIndex: 2 }])
  t.equal(log.lastIndex, 1)
  t.throws(() => { log.append([EntryMaker.after(log).next(1)]) }, { code: 'MQ_CORRUPT' })
  await log.close()
})

t.test('damage in the last flush is rot when the sync mark vouches for it: after a close, and after some idle time', async (t) => {
  for (const stop of ['close', 'idle'] as const) {
    const disk = new MemoryDisk()
    const clock = new VirtualClock()
    const { log } = await openLog(disk, { clock })
    const maker = new EntryMaker()
    log.append([maker.next(100)])
    await log.syncThrough(1)
    const last = maker.next(100)
    log.append([last])
    await log.syncThrough(2)
    if (stop === 'close') await log.close()
    else await clock.advance(100)
    await flip(disk, FIRST, last.physicalOffset + 90)
    await t.rejects(openLog(disk), { code: 'MQ_CORRUPT', file: FIRST, position: last.physicalOffset + ENTRY_HEADER_BYTES }, stop)
  }
})

t.test('synced bytes that are missing are rot as well: zeros, a shorter file, no file', async (t) => {
  const harm: Array<[string, (disk: Disk, last: RaftEntry) => Promise<void>]> = [
    ['zeros', (disk, last) => zero(disk, FIRST, last.physicalOffset, last.physicalOffset + last.sizeBytes)],
    ['shorter', (disk, last) => editFile(disk, FIRST, (file) => file.truncate(last.physicalOffset))],
    ['no file', (disk) => disk.unlink(FIRST)]
  ]
  for (const [name, doHarm] of harm) {
    const disk = new MemoryDisk()
    const { entries } = await logWith(disk, [100, 200], { close: true })
    await doHarm(disk, entries[1]!)
    await t.rejects(openLog(disk), { code: 'MQ_CORRUPT' }, name)
  }
})

t.test('segments must follow each other: missing or short ones are refused', async (t) => {
  const bodies = Array.from({ length: 30 }, () => 3000)
  const segmentBytes = 16 * 1024
  const names = async (disk: Disk): Promise<string[]> => (await disk.list(DIRECTORY))!.map(({ name }) => name).filter((name) => name.endsWith('.seg')).sort()
  for (const missing of [0, 1, 2, -1]) {
    const disk = new MemoryDisk()
    await logWith(disk, bodies, { close: true, segmentBytes })
    const segments = await names(disk)
    t.ok(segments.length >= 5)
    await disk.unlink(`${DIRECTORY}/${segments.at(missing)!}`)
    await t.rejects(openLog(disk, { segmentBytes }), { code: 'MQ_CORRUPT' }, `without segment ${missing}`)
  }
  const disk = new MemoryDisk()
  const { entries } = await logWith(disk, bodies, { close: true, segmentBytes })
  const second = `${DIRECTORY}/${(await names(disk))[1]!}`
  await editFile(disk, second, (file) => file.truncate(10_000))
  await t.rejects(openLog(disk, { segmentBytes }), { code: 'MQ_CORRUPT', file: second, position: 10_000 })

  const dry = await repairLog({ disk, clock: new VirtualClock(), directory: DIRECTORY, groupId, dryRun: true })
  const expected = entries.find(({ physicalOffset, sizeBytes }) => physicalOffset + sizeBytes > Number((second.slice(DIRECTORY.length + 1, -4))) + 10_000)!
  t.equal(dry.firstLostIndex, expected.index)
  t.same(dry.keptAside, [])
  await t.rejects(openLog(disk, { segmentBytes }), { code: 'MQ_CORRUPT' }, 'a dry run changes nothing')
  const repaired = await repairLog({ disk, clock: new VirtualClock(), directory: DIRECTORY, groupId, dryRun: false })
  t.equal(repaired.firstLostIndex, expected.index)
  t.equal(repaired.keptAside.length, 4)
  const { log } = await openLog(disk, { segmentBytes })
  t.equal(log.lastIndex, expected.index - 1)
  t.strictSame((await allEntries(log)).map(contentOf), entries.slice(0, expected.index - 1).map(contentOf))
  log.append([EntryMaker.after(log).next(10)])
  await log.close()
})

t.test('repair of rot in the last segment cuts there and says what went', async (t) => {
  const disk = new MemoryDisk()
  const { entries } = await logWith(disk, [100, 200, 300, 400], { close: true })
  await flip(disk, FIRST, entries[1]!.physicalOffset + 10)
  const report = await repairLog({ disk, clock: new VirtualClock(), directory: DIRECTORY, groupId, dryRun: false })
  t.match(report, { firstLostIndex: 2, firstLostPosition: entries[1]!.physicalOffset, lostBytes: entries[3]!.physicalOffset + entries[3]!.sizeBytes - entries[1]!.physicalOffset })
  t.equal((await disk.readFile(report.keptAside[0]!))!.length, report.lostBytes)
  const { log } = await openLog(disk)
  t.equal(log.lastIndex, 1)
  await log.close()
})

t.test('junk behind the tail is wiped and reported; entries of another group are junk', async (t) => {
  const disk = new MemoryDisk()
  const { log } = await logWith(disk, [100])
  const other = new EntryMaker({ index: 1, term: 1, position: log.endPosition }).next(50)
  const stranger = Uint8Array.from(other.bytes)
  viewOf(stranger).setBigUint64(64, hash64(stranger.subarray(0, 64), groupSeed + 1n))
  await editFile(disk, FIRST, async (file) => { await file.write(stranger, log.endPosition) })
  const again = await openLog(disk)
  t.equal(again.log.lastIndex, 1)
  t.equal(again.log.recovery.cuts[0]?.sizeBytes, stranger.length)
  await again.log.close()
})

t.test('a whole entry of this group that does not continue the chain is not taken', async (t) => {
  for (const wrong of [{ index: 5, term: 1 }, { index: 1, term: 7 }]) {
    const disk = new MemoryDisk()
    const { log } = await logWith(disk, [100])
    const stale = new EntryMaker({ ...wrong, position: log.endPosition }).next(50, 9)
    setSyncedTo(stale.bytes, viewOf(stale.bytes), 0, 0)
    await editFile(disk, FIRST, async (file) => { await file.write(stale.bytes, log.endPosition) })
    const again = await openLog(disk)
    t.equal(again.log.lastIndex, 1)
    t.equal(again.log.recovery.cuts.length, 1)
    await again.log.close()
  }
})

t.test('an entry, a slot or a version from the future is not damage', async (t) => {
  const disk = new MemoryDisk()
  const { entries } = await logWith(disk, [100, 100], { close: true })
  await editFile(disk, FIRST, async (file) => {
    const header = Uint8Array.from(entries[1]!.bytes.subarray(0, ENTRY_HEADER_BYTES))
    header[4] = 2
    viewOf(header).setBigUint64(64, hash64(header.subarray(0, 64), groupSeed))
    await file.write(header, entries[1]!.physicalOffset)
  })
  await t.rejects(openLog(disk), { code: 'MQ_FORMAT_TOO_NEW', file: FIRST })
})

t.test('both slots of the sync mark bad: refused, and repaired', async (t) => {
  const disk = new MemoryDisk()
  await logWith(disk, [100, 100], { close: true })
  await flip(disk, `${DIRECTORY}/mark`, 20)
  const { log } = await openLog(disk)
  t.equal(log.lastIndex, 2, 'one bad slot is no harm')
  await log.close()
  await flip(disk, `${DIRECTORY}/mark`, 18)
  await flip(disk, `${DIRECTORY}/mark`, 4096 + 18)
  await t.rejects(openLog(disk), { code: 'MQ_CORRUPT', file: `${DIRECTORY}/mark` })
  await repairLog({ disk, clock: new VirtualClock(), directory: DIRECTORY, groupId, dryRun: false })
  const repaired = await openLog(disk)
  t.equal(repaired.log.lastIndex, 2)
  await repaired.log.close()
})

t.test('terms of sealed segments are known again, with the terms file and without it', async (t) => {
  for (const keep of [true, false]) {
    const disk = new MemoryDisk()
    const segmentBytes = 4096
    const { log } = await openLog(disk, { segmentBytes })
    const maker = new EntryMaker()
    const terms = Array.from({ length: 60 }, (_, i) => 1 + Math.floor(i / 3) + Math.floor(i / 20))
    for (const term of terms) log.append([maker.next(500, term)])
    await log.syncThrough(60)
    await log.truncateFrom(41)
    terms.length = 40
    const after = EntryMaker.after(log)
    for (let i = 0; i < 20; i++) {
      terms.push(100 + (i >> 1))
      log.append([after.next(500, terms.at(-1))])
    }
    await log.close()
    if (!keep) await disk.unlink(`${DIRECTORY}/terms`)
    const again = await openLog(disk, { segmentBytes })
    t.strictSame(terms.map((_, i) => again.log.term(i + 1)), terms)
    await again.log.close()
  }
})

// the last entry of the first segment is the 7th
const twoTerms = [1, 1, 1, 2, 2, 2, 2, 2, 2, 2]

async function logOf (terms: readonly number[]): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  const { log } = await openLog(disk, { segmentBytes: 4096 })
  const maker = new EntryMaker()
  for (const term of terms) log.append([maker.next(500, term)])
  await log.syncThrough(terms.length)
  await log.close()
  await disk.unlink(`${DIRECTORY}/terms`).catch(() => {})
  return disk
}

const flipHeader = (disk: MemoryDisk, index: number): Promise<void> => flip(disk, FIRST, (index - 1) * entrySizeBytes(500) + 30)

t.test('behind what cannot be read of a sealed segment terms are known again; one that begins within is not guessed', async (t) => {
  for (const [damaged, terms] of [
    [[4], twoTerms],
    [[1], twoTerms],
    [[7], twoTerms],
    // between two entries of one term there is no other one
    [[2, 3], twoTerms],
    [[5, 6], twoTerms],
    [[3, 4], [1, 1, undefined, 2, 2, 2, 2, 2, 2, 2]],
    [[3, 4, 5, 6, 7], [1, 1, undefined, undefined, undefined, undefined, 2, 2, 2, 2]]
  ] as const) {
    const disk = await logOf(twoTerms)
    for (const index of damaged) await flipHeader(disk, index)
    const again = await openLog(disk, { segmentBytes: 4096 })
    t.strictSame(twoTerms.map((_, i) => again.log.term(i + 1)), terms, `damaged: ${damaged.join(', ')}`)
    await again.log.close()
  }
})

t.test('at the head of a log that begins within a term, what cannot be read is of that term', async (t) => {
  const disk = new MemoryDisk()
  const start = { index: 10, term: 1, physicalOffset: 5000 }
  const { log } = await openLog(disk, { segmentBytes: 4096, start })
  const maker = EntryMaker.after(log)
  for (const term of twoTerms) log.append([maker.next(500, term)])
  await log.syncThrough(20)
  await log.close()
  await flip(disk, `${DIRECTORY}/00000000000000005000.seg`, 30)
  const again = await openLog(disk, { segmentBytes: 4096 })
  t.strictSame(twoTerms.map((_, i) => again.log.term(11 + i)), twoTerms)
  await again.log.close()
})

t.test('where terms are unknown, what cannot be read is mended from others, if it fits what lies behind; then they are known', async (t) => {
  for (const byte of [0, 300]) {
    for (const other of [twoTerms, [1, 1, 1, 1, 1, 1, 1, 2, 2, 2]]) {
      const good = new Uint8Array(8192)
      await editFile(await logOf(other), FIRST, async (file) => { await file.read(good, 0) })
      const disk = await logOf(twoTerms)
      for (const index of [3, 4, 5]) await flipHeader(disk, index)
      // the body of the last one, behind which the next file begins
      if (byte > 0) await flip(disk, FIRST, 6 * entrySizeBytes(500) + byte)
      const { log } = await openLog(disk, { segmentBytes: 4096, refetch: async ({ from, to }, isGood) => [good.slice(from, to)].find(isGood) })
      t.strictSame([3, 4, 5].map((index) => log.term(index)), [undefined, undefined, 2])
      const read = log.readEntries({ from: 3, to: 5, maxBytes: 4096 })
      if (other === twoTerms) {
        t.match((await read).map(({ index, term }) => [index, term]), [[3, 1], [4, 2]])
        t.strictSame([2, 3, 4, 5].map((index) => log.term(index)), [1, 1, 2, 2])
        t.match((await log.readEntries({ from: 7, to: 8, maxBytes: 4096 })).map(({ index, term }) => [index, term]), [[7, 2]])
      } else {
        await t.rejects(read, { code: 'MQ_CORRUPT' }, 'not what others had instead')
        t.equal(log.term(3), undefined)
      }
      await log.close()
    }
  }
})

t.test('power cuts at random moments: what was reported durable is there, in order, and only what was appended', async (t) => {
  const random = new SeededRandom(7)
  for (let round = 0; round < 60; round++) {
    const disk = new FaultyDisk({ directories: ['/data'] })
    disk.faults.stopAt(1 + Math.floor(random.next() * 60), (['before', 'middle', 'after'] as const)[round % 3]!)
    const stopped = new Promise<void>((resolve) => { disk.faults.onStop(resolve) })
    let durable = 0
    const entries: RaftEntry[] = []
    const run = async (): Promise<void> => {
      const { log } = await openLog(disk, { segmentBytes: 8192, onPersisted: (progress) => { durable = progress.durable } })
      const maker = new EntryMaker()
      for (let i = 0; i < 30; i++) {
        const batch = maker.batch(Array.from({ length: 1 + Math.floor(random.next() * 4) }, () => Math.floor(random.next() * 2000)))
        entries.push(...batch)
        log.append(batch)
        if (random.next() < 0.5) await log.syncThrough(log.lastIndex)
      }
      await log.close()
    }
    await Promise.race([run(), stopped])
    for (const keep of ['none', 'all', 'random', 'reorder'] as const) {
      const next = disk.powerCut({ keep, random })
      const { log } = await openLog(next, { segmentBytes: 8192 })
      if (log.lastIndex < durable) t.fail(`round ${round}, ${keep}: ${durable} were durable, ${log.lastIndex} are there`)
      t.strictSame((await allEntries(log)).map(contentOf), entries.slice(0, log.lastIndex).map(contentOf))
      await log.close()
    }
  }
})

t.test('what earlier builds prepared for the next segment is removed, and is no part of the log', async (t) => {
  const disk = new MemoryDisk()
  await logWith(disk, [300, 5], { close: true })
  const spare = await disk.open(`${DIRECTORY}/spare.zeros`, { create: true })
  await spare.write(new Uint8Array(64 * 1024), 0)
  await spare.close()
  const { log } = await openLog(disk)
  t.equal(log.lastIndex, 2)
  t.same((await disk.list(DIRECTORY))!.map(({ name }) => name).filter((name) => name.startsWith('spare')), [])
  await log.close()
})
