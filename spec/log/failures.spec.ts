import t, { type Test } from 'tap'
import { silentLogger } from '../../lib/base/index.ts'
import { VoteFile } from '../../lib/log/index.ts'
import { SlotFile, SlotKind } from '../../lib/log/slot-file.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { Faults, type FaultCode, type FaultKind } from '../support/faults.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { allEntries, EntryMaker, openLog, StillClock } from './support.ts'

const fatal: readonly FaultKind[] = ['write', 'sync', 'truncate', 'create', 'rename', 'makeDirectory', 'syncDirectory']

/** Appends, rolls, cuts, drops the head and closes; stops at the first thing that fails. Returns what was acknowledged after the fault. */
async function workload (t: Test, faults: Faults, disk: FaultyDisk, inlineFlush: boolean): Promise<{ failed: boolean, ackedAfterFault: number, failures: number, boundaries: number }> {
  let isFaulty = false
  let ackedAfterFault = 0
  const clock = new VirtualClock()
  const watch = faults.admit.bind(faults)
  faults.admit = (kind, what) => {
    const verdict = watch(kind, what)
    // From when the caller can know: an asynchronous call has to return first.
    if (verdict === 'EIO' || verdict === 'ENOSPC') reactions(16).then(() => { isFaulty = true }, () => {})
    return verdict
  }
  const opened = await openLog(disk, {
    segmentBytes: 8192,
    inlineFlush,
    clock,
    onPersisted: () => { if (isFaulty) ackedAfterFault++ }
  }).catch(() => undefined)
  if (opened === undefined) return { failed: true, ackedAfterFault, failures: 1, boundaries: faults.boundaries }
  const { log, failures } = opened
  try {
    for (let i = 0; i < 12; i++) {
      const maker = EntryMaker.after(log)
      log.append(maker.batch([300, 1500]))
      await log.syncThrough(log.lastIndex)
      if (i === 4) await clock.advance(50)
      if (i === 7) await log.truncateFrom(9)
      if (i === 9) {
        log.mayDeleteThrough = 6
        log.setFloor(log.endPosition)
      }
    }
    await log.close()
    return { failed: failures.length > 0, ackedAfterFault, failures: failures.length, boundaries: faults.boundaries }
  } catch (error) {
    t.match(error, { code: 'MQ_IO', cause: { code: /EIO|ENOSPC/ } })
    t.throws(() => { log.append([EntryMaker.after(log).next(1)]) }, { code: 'MQ_IO' })
    await t.rejects(log.syncThrough(1e9), { code: 'MQ_IO' })
    await t.rejects(log.readEntries({ from: 1, to: 2, maxBytes: 1 }), { code: 'MQ_IO' })
    await log.close()
    return { failed: true, ackedAfterFault, failures: failures.length, boundaries: faults.boundaries }
  }
}

/** Time passes until it is done. */
async function inTime<T> (clock: VirtualClock, action: Promise<T>): Promise<T> {
  let isDone = false
  const done = action.finally(() => { isDone = true })
  await clock.runUntil(() => isDone)
  return await done
}

async function reactions (count: number): Promise<void> {
  for (let i = 0; i < count; i++) await undefined
}

for (const inlineFlush of [true, false]) {
  t.test(`${inlineFlush ? 'inline' : 'asynchronous'} flush: an error of the n-th call, for every n: reported once, nothing acknowledged afterwards, and the log opens again`, async (t) => {
    let faulty = 0
    const all = new Faults()
    const { boundaries, failed } = await workload(t, all, new FaultyDisk({ faults: all, directories: ['/data'] }), inlineFlush)
    t.notOk(failed)
    for (const code of ['EIO', 'ENOSPC'] as FaultCode[]) {
      for (const kinds of fatal) {
        for (let n = 1; n <= boundaries; n++) {
          const faults = new Faults()
          const disk = new FaultyDisk({ faults, directories: ['/data'] })
          faults.failAt(n, code, { kinds: [kinds] })
          const outcome = await workload(t, faults, disk, inlineFlush)
          if (!outcome.failed) break
          faulty++
          if (outcome.ackedAfterFault > 0 || outcome.failures !== 1) t.fail(`${code} at ${kinds} ${n}: ${JSON.stringify(outcome)}`)
          const { log } = await openLog(disk.kill(), { segmentBytes: 8192 })
          const entries = await allEntries(log)
          if (entries.length !== log.lastIndex - log.firstIndex + 1) t.fail(`${code} at ${kinds} ${n}: the log does not read`)
          await log.close()
        }
      }
    }
    t.ok(faulty > 100, `${faulty} faults`)
  })
}

t.test('a segment that cannot be removed is no failure; the next start removes it', async (t) => {
  const faults = new Faults()
  const disk = new FaultyDisk({ faults, directories: ['/data'] })
  const count = (): number => disk.paths().filter((path) => path.endsWith('.seg')).length
  const { log, failures } = await openLog(disk, { segmentBytes: 8192, spareSegments: 0 })
  log.append(new EntryMaker().batch(Array.from({ length: 20 }, () => 2000)))
  await log.syncThrough(20)
  const before = count()
  faults.failAt(1, 'EIO', { kinds: ['unlink'] })
  log.mayDeleteThrough = 10
  log.setFloor(log.endPosition)
  await log.close()
  t.same(failures, [])
  const { floor } = log
  t.equal(count(), before - 1, 'one of two is gone')
  const again = await openLog(disk, { segmentBytes: 8192 })
  t.equal(count(), before - 2)
  t.same(again.log.floor, floor)
  t.equal(again.log.firstIndex, floor.index + 1)
  await again.log.close()
})

t.test('a vote that could not be saved is not saved later either', async (t) => {
  const faults = new Faults()
  const disk = new FaultyDisk({ faults, directories: ['/data'] })
  const vote = await VoteFile.open(disk, '/data/vote', silentLogger)
  await vote.save({ term: 3, vote: 1 })
  faults.failAt(1, 'EIO', { kinds: ['sync'] })
  await t.rejects(vote.save({ term: 4, vote: 2 }), { code: 'MQ_IO', cause: { code: 'EIO' } })
  await t.rejects(vote.save({ term: 5, vote: 2 }), { code: 'MQ_IO' })
  await vote.close()
})

t.test('a vote survives a power cut at every boundary, or was never answered', async (t) => {
  for (let boundary = 1; boundary < 40; boundary++) {
    for (const point of ['before', 'middle', 'after'] as const) {
      const faults = new Faults()
      const disk = new FaultyDisk({ faults, directories: ['/data'] })
      faults.stopAt(boundary, point)
      const stopped = new Promise<void>((resolve) => { faults.onStop(resolve) })
      let [asked, saved] = [0, 0]
      const run = async (): Promise<void> => {
        const vote = await VoteFile.open(disk, '/data/vote', silentLogger)
        for (let term = 1; term <= 4; term++) {
          asked = term
          await vote.save({ term, vote: term })
          saved = term
        }
      }
      await Promise.race([run(), stopped])
      for (const keep of ['none', 'all', 'random', 'reorder'] as const) {
        const { hardState } = await VoteFile.open(disk.powerCut({ keep }), '/data/vote', silentLogger)
        if (hardState.term < saved || hardState.term > asked || hardState.vote !== hardState.term) t.fail(`${point} ${boundary}, ${keep}: ${JSON.stringify({ hardState, asked, saved })}`)
      }
    }
  }
})

t.test('a vote file with both slots bad, or one that must be there and is not, refuses', async (t) => {
  const disk = new FaultyDisk({ directories: ['/data'] })
  await t.rejects(VoteFile.open(disk, '/data/vote', silentLogger, { mustExist: true }), { code: 'MQ_CORRUPT', file: '/data/vote' })
  const vote = await VoteFile.open(disk, '/data/vote', silentLogger)
  await vote.save({ term: 3, vote: 1 })
  await vote.close()
  disk.flip('/data/vote', 17)
  t.same((await VoteFile.open(disk, '/data/vote', silentLogger)).hardState, { term: 3, vote: 1 })
  disk.flip('/data/vote', 17)
  disk.flip('/data/vote', 4096 + 17)
  await t.rejects(VoteFile.open(disk, '/data/vote', silentLogger), { code: 'MQ_CORRUPT', file: '/data/vote' })
})

t.test('a slot that was torn by a failed write stays the only one: what was asked for meanwhile is not written to the other', async (t) => {
  const disk = new FaultyDisk({ directories: ['/data'] })
  const format = { kind: SlotKind.syncMark, valueCount: 1, seed: 1n }
  const slots = await SlotFile.open(disk, '/data/mark', format)
  await slots.writeBoth([7])
  disk.faults.failAt(1, 'EIO', { kinds: ['write'] })
  const raised = slots.writeNext([8])
  await t.rejects(raised, { code: 'EIO' })
  const { boundaries } = disk.faults
  await t.rejects(slots.writeNext([9]), { code: 'EIO' })
  await t.rejects(slots.writeBoth([9]), { code: 'EIO' })
  t.equal(disk.faults.boundaries, boundaries, 'nothing more was written')
  const found = await SlotFile.open(disk.kill(), '/data/mark', format)
  t.same({ values: found.values, badSlots: found.badSlots }, { values: [7], badSlots: [0] })
})

t.test('what a failed sync took for clean is written again by the next process, before that counts it as durable', async (t) => {
  for (const isTorn of [false, true]) {
    const disk = new FaultyDisk({ directories: ['/data'] })
    const first = await openLog(disk)
    const maker = EntryMaker.after(first.log)
    first.log.append([maker.next(100)])
    await first.log.syncThrough(1)
    // The process dies of the failure; its machine goes on, and shows the next one what the medium never saw.
    disk.faults.failAt(1, 'EIO', { kinds: ['sync'] })
    first.log.append(maker.batch([2000, 300]))
    await t.rejects(first.log.syncThrough(3), { code: 'MQ_IO' })
    const shown = disk.kill({ faults: new Faults() })
    // Bytes behind the last entry take recovery's other way, the cut of a torn tail.
    if (isTorn) shown.flip('/data/log/00000000000000000000.seg', maker.position - 10)
    const { log } = await openLog(shown)
    t.equal(log.durableIndex, isTorn ? 2 : 3)
    const next = EntryMaker.after(log).next(50)
    log.append([next])
    await log.syncThrough(next.index)
    const { log: last } = await openLog(shown.powerCut({ keep: 'none', faults: new Faults() }))
    t.equal(last.lastIndex, next.index)
    t.same((await allEntries(last)).map(({ index }) => index), Array.from({ length: next.index }, (_, i) => i + 1))
    await last.close()
  }
})

t.test('a disk that hangs is seen by how long the flush takes, wherever it hangs: also where the next segment begins', async (t) => {
  for (let served = 0, isDone = false; !isDone; served++) {
    let left = Infinity
    const disk = new FaultyDisk({ directories: ['/data'], schedule: (fn) => { if (left-- > 0) fn() } })
    const clock = new StillClock()
    const { log } = await openLog(disk, { segmentBytes: 8192, preallocate: false, clock })
    const maker = new EntryMaker()
    log.append([maker.next(9000)])
    await log.syncThrough(1)
    left = served
    log.append([maker.next(9000)])
    await reactions(200)
    clock.tick(5_000)
    isDone = log.durableIndex === 2
    t.equal(log.flushMs, isDone ? 0 : 5_000, `after ${served} operations`)
    if (isDone) t.ok(served > 3, 'the segment was created, named durably, and written')
  }
})

t.test('a disk that fails while damage is mended stops the log, as with any other write', async (t) => {
  for (const [kind, code] of [['write', 'ENOSPC'], ['sync', 'EIO']] as const) {
    const disk = new FaultyDisk({ directories: ['/data'] })
    const { log: before } = await openLog(disk, { segmentBytes: 4096 })
    const maker = new EntryMaker()
    for (let i = 0; i < 12; i++) before.append([maker.next(1000)])
    await before.syncThrough(12)
    await before.close()
    const path = disk.paths().find((path) => path.endsWith('.seg'))!
    const good = disk.contents(path)!
    disk.flip(path, 300)
    const { log, failures } = await openLog(disk, { segmentBytes: 4096, tailCacheBytes: 1000, refetch: async ({ from, to }, isGood) => [good.slice(from, to)].find(isGood) })
    disk.faults.failAt(1, code, { kinds: [kind], of: path })
    await t.rejects(log.readEntries({ from: 1, to: 2, maxBytes: 1 }), { code: 'MQ_IO', cause: { code } })
    t.match(failures, [{ code: 'MQ_IO' }])
    t.throws(() => { log.append([EntryMaker.after(log).next(1)]) }, { code: 'MQ_IO' })
    await log.close()
  }
})

t.test('where there is no room to save terms for a fast start, the log goes on without', async (t) => {
  for (const kind of ['create', 'truncate', 'write', 'sync'] as const) {
    const disk = new FaultyDisk({ directories: ['/data'] })
    const { log, failures } = await openLog(disk, { segmentBytes: 4096 })
    const maker = new EntryMaker()
    const entries = Array.from({ length: 20 }, (_, i) => maker.next(900, 1 + Math.floor(i / 3)))
    disk.faults.failAt(2, 'ENOSPC', { kinds: [kind], of: '/terms', times: 2 })
    for (const entry of entries) {
      log.append([entry])
      await log.syncThrough(entry.index)
    }
    t.same(failures, [])
    await log.close()
    const { log: again } = await openLog(disk.powerCut({ keep: 'none' }), { segmentBytes: 4096 })
    t.same(entries.map(({ index }) => again.term(index)), entries.map(({ term }) => term))
    await again.close()
  }
})

t.test('an error of any operation of a cut: nothing vouches any more for what may be cut off, whether the log was closed meanwhile or rested; it opens again', async (t) => {
  let isDone = false
  for (let n = 1; !isDone; n++) {
    for (const meanwhile of ['closed', 'at rest']) {
      const clock = new VirtualClock()
      const disk = new FaultyDisk({ directories: ['/data'], schedule: (fn) => { clock.setTimer(10, fn) } })
      const { log, failures } = await inTime(clock, openLog(disk, { segmentBytes: 4096, preallocate: false, clock }))
      log.append(new EntryMaker().batch(Array<number>(8).fill(1000)))
      await inTime(clock, log.syncThrough(8))
      disk.faults.failAt(n, 'EIO')
      const cut = log.truncateFrom(3).catch(() => {})
      await (meanwhile === 'closed' ? clock.advance(25) : inTime(clock, cut))
      await inTime(clock, Promise.all([cut, log.close()]))
      isDone = failures.length === 0
      const next = await openLog(disk.kill({ schedule: (fn) => { fn() } }), { segmentBytes: 4096 }).then(({ log }) => log, (error: Error) => { t.fail(`operation ${n}, ${meanwhile}: ${error.message}`) })
      if (next === undefined) continue
      t.ok(next.lastIndex === 2 || (!isDone && next.lastIndex === 8), `operation ${n}, ${meanwhile}: ${next.lastIndex} entries`)
      await next.close()
    }
  }
})
