import t from 'tap'
import type { MqError } from '../../lib/base/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { Faults } from '../support/faults.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { allEntries, contentOf, EntryMaker, openLog } from './support.ts'

const MIB = 1024 * 1024

/** A disk whose asynchronous calls complete in later turns, and a trace of them. */
function slowDisk (): { disk: FaultyDisk, faults: Faults, count: (kind: string, path: string) => number } {
  const faults = new Faults({ trace: true })
  const disk = new FaultyDisk({ faults, directories: ['/data'], schedule: setImmediate })
  return { disk, faults, count: (kind, path) => faults.trace.filter((what) => what.startsWith(kind) && what.includes(path)).length }
}

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

t.test('what is handed over while a flush is under way goes out as one write and one sync', async (t) => {
  const { disk, faults, count } = slowDisk()
  const { log, progress } = await openLog(disk, { segmentBytes: MIB, preallocate: false })
  const maker = new EntryMaker()
  faults.trace.length = 0
  log.append([maker.next(100)])
  await turn()
  const slab = maker.batch(Array.from({ length: 50 }, () => 1000))
  for (const entry of slab) log.append([entry])
  t.equal(log.lastIndex, 51)
  t.equal(log.durableIndex, 0)
  await log.syncThrough(51)
  t.equal(count('write', '.seg'), 2)
  t.equal(count('sync ', '.seg'), 2)
  t.same(progress.map(({ index }) => index), [1, 51])
  await log.close()
})

t.test('entries scattered in memory are copied together, large ones are written as they are', async (t) => {
  const { disk, faults, count } = slowDisk()
  const { log } = await openLog(disk, { segmentBytes: 8 * MIB, preallocate: false })
  const maker = new EntryMaker()
  faults.trace.length = 0
  const entries = [
    ...Array.from({ length: 1000 }, () => maker.next(900)),
    maker.next(200_000),
    ...maker.batch([500, 600, 70_000]),
    ...Array.from({ length: 3 }, () => maker.next(50))
  ]
  log.append([entries[0]!])
  await turn()
  log.append(entries.slice(1))
  await log.syncThrough(entries.length)
  t.equal(count('sync ', '.seg'), 2)
  t.ok(count('write', '.seg') <= 9, `${count('write', '.seg')} writes`)
  await log.close()
  const again = await openLog(disk)
  t.strictSame((await allEntries(again.log)).map(contentOf), entries.map(contentOf))
  await again.log.close()
})

t.test('inline flushes happen before append returns, but not for large batches or on a slow disk', async (t) => {
  const clock = new VirtualClock()
  const disk = new FaultyDisk({ directories: ['/data'], schedule: setImmediate })
  const { log } = await openLog(disk, { segmentBytes: 4 * MIB, inlineFlush: true, clock, preallocate: false })
  const maker = new EntryMaker()
  log.append([maker.next(100)])
  t.equal(log.durableIndex, 1)
  log.append([maker.next(300_000)])
  t.equal(log.durableIndex, 1)
  await log.syncThrough(2)
  let slow = true
  const nowMs = clock.nowMs.bind(clock)
  let extra = 0
  clock.nowMs = () => nowMs() + (slow ? extra++ : extra)
  for (let i = 0; i < 20; i++) {
    log.append([maker.next(100)])
    await log.syncThrough(log.lastIndex)
  }
  log.append([maker.next(100)])
  t.equal(log.durableIndex, 22, 'the last flushes took a millisecond each')
  await log.syncThrough(log.lastIndex)
  slow = false
  for (let i = 0; i < 20; i++) {
    log.append([maker.next(100)])
    await log.syncThrough(log.lastIndex)
  }
  log.append([maker.next(100)])
  t.equal(log.durableIndex, log.lastIndex, 'fast again')
  await log.close()
})

t.test('asynchronous flush mode: written at once, synced by the timer when enough waits or it is time', async (t) => {
  const { disk, faults, count } = slowDisk()
  const clock = new VirtualClock()
  const { log, progress } = await openLog(disk, { segmentBytes: 8 * MIB, clock, preallocate: false, flush: { mode: 'async', timed: true, intervalMs: 500, leastPages: 4, thoroughIntervalMs: 2000 } })
  const maker = new EntryMaker()
  faults.trace.length = 0
  log.append([maker.next(100)])
  t.match(progress.at(-1), { index: 1, written: 1, durable: 0 })
  await clock.advance(1000)
  t.equal(count('sync ', '.seg'), 0, 'less than four pages')
  log.append([maker.next(20_000)])
  await clock.advance(600)
  t.equal(count('sync ', '.seg'), 1)
  t.match(progress.at(-1), { index: 2, written: 2, durable: 2 })
  log.append([maker.next(100)])
  await clock.advance(1000)
  t.equal(log.durableIndex, 2)
  await clock.advance(2000)
  t.equal(log.durableIndex, 3, 'thorough')
  log.append([maker.next(100)])
  await log.syncThrough(4)
  t.equal(log.durableIndex, 4, 'when asked to')
  log.append([maker.next(100)])
  await log.close()
  t.equal(log.durableIndex, 5, 'and on close')
})

t.test('asynchronous flush mode, not timed: synced as soon as enough pages wait', async (t) => {
  const { disk } = slowDisk()
  const clock = new VirtualClock()
  const { log } = await openLog(disk, { segmentBytes: 64 * 1024, clock, flush: { mode: 'async', timed: false, leastPages: 4 } })
  const maker = new EntryMaker()
  log.append([maker.next(100)])
  await clock.advance(1)
  t.equal(log.durableIndex, 0)
  log.append([maker.next(20_000)])
  for (let i = 0; i < 5; i++) await clock.settle()
  t.equal(log.durableIndex, 2)
  // Across segments: a segment with a successor is always synced.
  const entries = Array.from({ length: 30 }, () => maker.next(9000))
  for (const entry of entries) log.append([entry])
  while (log.writtenIndex < log.lastIndex) await clock.settle()
  const { log: after } = await openLog(disk.powerCut({ keep: 'none' }), { segmentBytes: 64 * 1024 })
  t.ok(after.lastIndex >= 2 && after.lastIndex <= log.lastIndex)
  t.strictSame(after.recovery.damaged, [])
  await after.close()
})

t.test('writes are refused while the reserve is not free, and taken again by themselves', async (t) => {
  const disk = new FaultyDisk({ directories: ['/data'], capacityBytes: 4 * MIB })
  const clock = new VirtualClock()
  const { log, failures } = await openLog(disk, { clock, segmentBytes: 256 * 1024, reserveBytes: MIB, inlineFlush: true })
  const maker = new EntryMaker()
  t.ok(log.hasRoom)
  while (log.hasRoom && log.endPosition < 8 * MIB) {
    log.append([maker.next(20_000)])
    await log.syncThrough(log.lastIndex)
    await clock.advance(10)
  }
  t.notOk(log.hasRoom)
  t.ok(log.endPosition > MIB / 2 && log.endPosition < 3 * MIB + 21_000, `an entry into the reserve at most, at ${log.endPosition}`)
  t.strictSame(failures, [])
  await clock.advance(5000)
  t.notOk(log.hasRoom)
  disk.capacityBytes = 16 * MIB
  await clock.advance(1100)
  t.ok(log.hasRoom)
  await log.close()
})

t.test('small flushes are followed by real zeros, which the next ones overwrite; large ones are not', async (t) => {
  const disk = new FaultyDisk({ directories: ['/data'], schedule: setImmediate, alignBytes: 512 })
  const { log } = await openLog(disk, { segmentBytes: 4 * MIB })
  const maker = new EntryMaker()
  const contents = () => disk.contents(disk.paths().find((path) => path.endsWith('.seg'))!)!
  for (let i = 0; i < 8; i++) {
    log.append([maker.next(1000)])
    await log.syncThrough(log.lastIndex)
  }
  const grownBytes = contents().length
  t.ok(grownBytes >= MIB / 2 && contents().subarray(log.endPosition).every((byte) => byte === 0), 'zeros')
  log.append([maker.next(1000)])
  await log.syncThrough(log.lastIndex)
  t.equal(contents().length, grownBytes, 'the next one finds its place')
  for (let i = 0; i < 20; i++) {
    log.append([maker.next(150 * 1024)])
    await log.syncThrough(log.lastIndex)
  }
  t.ok(contents().length < log.endPosition + 512, 'a file of large flushes ends with the last block')
  await log.close()
})

t.test('entries must continue the log', async (t) => {
  const { log } = await openLog(new FaultyDisk({ directories: ['/data'] }))
  const maker = new EntryMaker()
  const [first, second] = [maker.next(10), maker.next(10)]
  t.throws(() => { log.append([second]) }, { code: 'MQ_INVARIANT' })
  log.append([first])
  t.throws(() => { log.append([first]) }, { code: 'MQ_INVARIANT' })
  await log.close()
  t.throws(() => { log.append([second]) }, { code: 'MQ_CLOSED' })
  await log.close()
})

t.test('a cut at every boundary of a power cut: all of the old tail, or none of it', async (t) => {
  for (const cutAt of [5, 12, 20]) {
    for (let boundary = 1; ; boundary++) {
      const disk = new FaultyDisk({ directories: ['/data'] })
      const { log } = await openLog(disk, { segmentBytes: 8192 })
      const maker = new EntryMaker()
      const entries = Array.from({ length: 24 }, () => maker.next(1500))
      log.append(entries)
      await log.syncThrough(24)
      const stopped = new Promise<void>((resolve) => { disk.faults.onStop(resolve) })
      disk.faults.stopAt(disk.faults.boundaries + boundary, (['before', 'middle', 'after'] as const)[boundary % 3]!)
      let done = false
      await Promise.race([stopped, log.truncateFrom(cutAt).then(() => { done = true })])
      for (const keep of ['none', 'all', 'random', 'reorder'] as const) {
        const again = await openLog(disk.powerCut({ keep }), { segmentBytes: 8192 })
        const { lastIndex, recovery } = again.log
        if (recovery.cuts.length > 0 || !(lastIndex === cutAt - 1 || (lastIndex === 24 && !done))) t.fail(`cut at ${cutAt}, boundary ${boundary}, ${keep}: ${lastIndex}, ${JSON.stringify(recovery)}`)
        t.strictSame((await allEntries(again.log)).map(contentOf), entries.slice(0, lastIndex).map(contentOf))
        await again.log.close()
      }
      if (done) break
    }
  }
})

t.test('who waits for the disk to have what is cut off is told, and a log that is closed meanwhile closes', async (t) => {
  for (const mode of ['sync', 'async'] as const) {
    for (const closes of [false, true]) {
      const disk = new FaultyDisk({ directories: ['/data'], schedule: setImmediate })
      const { log } = await openLog(disk, { flush: { mode } })
      const maker = new EntryMaker()
      log.append(maker.batch([100, 100, 100]))
      const [fourth, ...others] = maker.batch([100, 100, 100])
      log.append([fourth!, ...others])
      const cut = log.truncateFrom(5, { index: 4, term: 1, position: others[0]!.physicalOffset })
      const waiting = [4, 6].map((index) => log.syncThrough(index).then(() => 'synced', (error: MqError) => error.code))
      if (closes) await Promise.all([log.close(), cut.catch(() => {})])
      t.same(await Promise.all(waiting), ['synced', 'MQ_MESSAGE_NOT_FOUND'])
      await log.close()
      const { log: again } = await openLog(disk.powerCut({ keep: 'none' }))
      t.equal(again.lastIndex, 4)
      await again.close()
    }
  }
})

t.test('the flush mode changes while entries are written: what is reported in sync mode is on disk, and in async mode at once', async (t) => {
  const { disk, count } = slowDisk()
  const { log, progress } = await openLog(disk, { segmentBytes: MIB, preallocate: false, flush: { timed: true, intervalMs: 60_000 } })
  const maker = new EntryMaker()
  t.equal(log.flushMode, 'sync')
  log.append([maker.next(100)])
  await log.setFlushMode('async')
  t.equal(log.flushMode, 'async')
  t.same([log.writtenIndex, log.durableIndex], [1, 1], 'what was under way was finished')
  const syncs = count('sync ', '.seg')
  for (let n = 0; n < 5; n++) log.append([maker.next(100)])
  while (log.writtenIndex < 6) await turn()
  t.same([progress.at(-1)!.index, log.durableIndex, count('sync ', '.seg')], [6, 1, syncs], 'reported as soon as it is written')
  const switching = log.setFlushMode('sync')
  log.append([maker.next(100)])
  await switching
  t.ok(log.durableIndex >= 6, 'all that was reported is on disk by then')
  await log.syncThrough(7)
  t.equal(progress.at(-1)!.index, 7)
  await log.setFlushMode('sync') // which it is in
  await log.close()
  await t.rejects(log.setFlushMode('async'), { code: 'MQ_CLOSED' })
})
