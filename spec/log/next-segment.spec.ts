import t from 'tap'
import type { LogOptions, RaftLog } from '../../lib/log/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { Faults } from '../support/faults.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { allEntries, EntryMaker, openLog } from './support.ts'

const KIB = 1024
const SEGMENT_BYTES = 64 * KIB
/** So large that flushes of one entry are not small, after a few. */
const BODY_BYTES = 4000
const NEXT = '/data/log/next'

function tracedDisk ({ capacityBytes = 2 ** 50 } = {}): { disk: FaultyDisk, faults: Faults, traced: (pattern: RegExp) => number } {
  const faults = new Faults({ trace: true })
  const disk = new FaultyDisk({ faults, directories: ['/data'], alignBytes: 512, capacityBytes })
  return { disk, faults, traced: (pattern) => faults.trace.filter((what) => pattern.test(what)).length }
}

/** Appends and flushes entries one by one until the log ends at `position` or behind it. */
async function fillTo (log: RaftLog, position: number, bodyBytes = BODY_BYTES): Promise<void> {
  const maker = EntryMaker.after(log)
  while (log.endPosition < position) {
    log.append([maker.next(bodyBytes)])
    await log.syncThrough(log.lastIndex)
    await new Promise<void>((resolve) => { setImmediate(resolve) })
  }
}

t.test('while a segment is written the next one is filled with zeros, takes its name when its turn comes, and grows no more', async (t) => {
  const { disk, faults } = tracedDisk()
  const { log } = await openLog(disk, { segmentBytes: SEGMENT_BYTES, inlineFlush: true })
  await fillTo(log, SEGMENT_BYTES * 3 / 4)
  const zeros = disk.contents(NEXT)!
  t.ok(zeros.length >= SEGMENT_BYTES / 4 && zeros.length < SEGMENT_BYTES, `${zeros.length} bytes of zeros at three quarters of the segment`)
  t.ok(zeros.every((byte) => byte === 0))
  await fillTo(log, SEGMENT_BYTES + BODY_BYTES)
  const last = (pattern: RegExp): number => faults.trace.findLastIndex((what) => pattern.test(what))
  t.ok(last(/^write .*next/) < last(/^sync .*next/) && last(/^sync .*next/) < last(/^rename .*next/))
  const second = disk.paths().filter((path) => path.endsWith('.seg'))[1]!
  t.equal(disk.contents(second)!.length, SEGMENT_BYTES)
  await fillTo(log, 2 * SEGMENT_BYTES - 2 * BODY_BYTES)
  t.equal(disk.contents(second)!.length, SEGMENT_BYTES, 'entries overwrite the zeros')
  await log.close()
  t.notOk(disk.paths().includes(NEXT), 'nothing is left behind')
  t.equal(disk.openHandles, 0)
  const { log: after } = await openLog(disk.powerCut({ keep: 'none' }), { segmentBytes: SEGMENT_BYTES })
  t.equal((await allEntries(after)).length, log.lastIndex)
  await after.close()
})

t.test('what a killed process has prepared is removed at the next start', async (t) => {
  const { disk } = tracedDisk()
  const { log } = await openLog(disk, { segmentBytes: SEGMENT_BYTES, inlineFlush: true })
  await fillTo(log, SEGMENT_BYTES * 3 / 4)
  const killed = disk.kill()
  t.ok(killed.paths().includes(NEXT))
  const { log: after } = await openLog(killed, { segmentBytes: SEGMENT_BYTES })
  t.notOk(killed.paths().includes(NEXT))
  t.equal(after.lastIndex, log.lastIndex)
  await after.close()
})

t.test('where there is no room for zeros ahead the log goes on without', async (t) => {
  const { disk, traced, faults } = tracedDisk()
  const { log, failures } = await openLog(disk, { segmentBytes: SEGMENT_BYTES, inlineFlush: true })
  faults.failAt(1, 'ENOSPC', { kinds: ['create'] })
  await fillTo(log, SEGMENT_BYTES + BODY_BYTES)
  t.equal(traced(/^create .*next/), 1, 'not tried again for the same segment')
  t.equal(traced(/^rename .*next/), 0)
  t.same(failures, [])
  await fillTo(log, 2 * SEGMENT_BYTES + BODY_BYTES)
  t.equal(traced(/^rename .*next/), 1, 'but for the next one')
  await log.close()
})

t.test('the same where that is told only when the zeros are synced, and the file is to take its name', async (t) => {
  const { disk, traced, faults } = tracedDisk()
  const { log, failures } = await openLog(disk, { segmentBytes: SEGMENT_BYTES, inlineFlush: true })
  await fillTo(log, SEGMENT_BYTES / 2)
  t.ok(disk.paths().includes(NEXT))
  faults.failAt(1, 'ENOSPC', { kinds: ['sync'], of: '/next', times: 1 })
  // ends the segment at once
  log.append([EntryMaker.after(log).next(SEGMENT_BYTES)])
  await log.syncThrough(log.lastIndex)
  await t.resolves(fillTo(log, 2 * SEGMENT_BYTES))
  t.ok(traced(/^sync .*next/) > 0)
  t.same(failures, [])
  t.equal(log.failure, undefined)
  const { lastIndex } = log
  await log.close()
  const { log: after } = await openLog(disk.powerCut({ keep: 'none' }), { segmentBytes: SEGMENT_BYTES })
  t.equal((await allEntries(after)).length, lastIndex)
  await after.close()
})

const reserved = 2 * SEGMENT_BYTES
const unprepared: ReadonlyArray<{ readonly when: string, readonly capacityBytes?: number, readonly bodyBytes?: number, readonly options?: Partial<LogOptions> }> = [
  { when: 'near the reserve', capacityBytes: reserved + 2 * SEGMENT_BYTES, options: { reserveBytes: reserved } },
  { when: 'while flushes are slow', options: { clock: Object.assign(new VirtualClock(), { nowMs: ((now) => () => now++)(0) }) } },
  { when: 'where flushes do not sync', options: { flush: { mode: 'async' } } },
  { when: 'for small flushes', bodyBytes: 500 }
]

for (const { when, capacityBytes, bodyBytes, options } of unprepared) {
  t.test(`nothing is prepared ${when}`, async (t) => {
    const { disk, traced } = tracedDisk(capacityBytes === undefined ? {} : { capacityBytes })
    const { log } = await openLog(disk, { clock: new VirtualClock(), segmentBytes: SEGMENT_BYTES, inlineFlush: true, ...options })
    await fillTo(log, 3 * KIB, 10)
    await fillTo(log, SEGMENT_BYTES - 8 * KIB, bodyBytes)
    t.equal(traced(/next/), 0)
    await log.close()
  })
}
