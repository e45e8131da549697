import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { MemoryDisk } from '../../lib/adapters/memory-disk.ts'
import { NodeDisk } from '../../lib/adapters/node-disk.ts'
import type { Disk } from '../../lib/base/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { allEntries, contentOf, EntryMaker, openLog } from './support.ts'

const root = await mkdtemp(join(tmpdir(), 'ledgermq-log-'))
t.teardown(async () => { await rm(root, { recursive: true, force: true }) })
let directories = 0

const disks: Array<{ name: string, make: () => { disk: Disk, directory: string } }> = [
  { name: 'memory', make: () => ({ disk: new MemoryDisk(), directory: '/data/log' }) },
  { name: 'real', make: () => ({ disk: new NodeDisk(), directory: join(root, String(++directories)) }) }
]

for (const { name, make } of disks) {
  for (const inlineFlush of [true, false]) {
    t.test(`${name} disk, ${inlineFlush ? 'inline' : 'asynchronous'} flush: what was appended is there after reopening, over many segments`, async (t) => {
      const { disk, directory } = make()
      const { log, progress } = await openLog(disk, { directory, inlineFlush })
      const maker = new EntryMaker()
      const entries = Array.from({ length: 40 }, (_, i) => maker.batch([100 + i, 3000, i === 20 ? 200_000 : 5], 1 + Math.floor(i / 10))).flat()
      for (let i = 0; i < entries.length; i += 5) log.append(entries.slice(i, i + 5))
      await log.syncThrough(log.lastIndex)
      t.equal(progress.at(-1)!.durable, entries.length)
      t.equal(progress.at(-1)!.term, 4)
      t.equal(log.durablePosition, maker.position)
      await log.close()

      const again = await openLog(disk, { directory })
      t.strictSame(again.log.recovery.cuts, [])
      t.equal(again.log.lastIndex, entries.length)
      t.equal(again.log.lastTerm, 4)
      t.equal(again.log.endPosition, maker.position)
      t.strictSame((await allEntries(again.log)).map(contentOf), entries.map(contentOf))
      for (const entry of entries) {
        t.equal(again.log.term(entry.index), entry.term)
        const found = await again.log.entryContaining(entry.physicalOffset + 17)
        if (found?.index !== entry.index) t.fail(`entry ${entry.index} not found by position`)
      }
      const next = EntryMaker.after(again.log).next(10)
      again.log.append([next])
      await again.log.syncThrough(next.index)
      t.strictSame(contentOf((await again.log.readEntries({ from: next.index, to: next.index + 1, maxBytes: 1 }))[0]!), contentOf(next))
      await again.log.close()
    })
  }

  t.test(`${name} disk: a cut and what follows it survive reopening`, async (t) => {
    const { disk, directory } = make()
    const { log } = await openLog(disk, { directory })
    const maker = new EntryMaker()
    const entries = Array.from({ length: 60 }, () => maker.next(4000))
    log.append(entries)
    await log.syncThrough(60)
    await log.truncateFrom(25)
    t.equal(log.lastIndex, 24)
    t.equal(log.endPosition, entries[24]!.physicalOffset)
    const replacement = EntryMaker.after(log).next(100, 2)
    log.append([replacement])
    await log.syncThrough(25)
    await log.close()
    const again = await openLog(disk, { directory })
    t.equal(again.log.lastIndex, 25)
    t.equal(again.log.term(25), 2)
    t.strictSame((await allEntries(again.log)).map(contentOf), [...entries.slice(0, 24), replacement].map(contentOf))
    // Now without a tail cache.
    await again.log.truncateFrom(10)
    t.equal(again.log.endPosition, entries[9]!.physicalOffset)
    await again.log.close()
    const third = await openLog(disk, { directory })
    t.equal(third.log.lastIndex, 9)
    await third.log.close()
  })
}

t.test('a cut while a segment begins for entries that it drops', async (t) => {
  for (const alignBytes of [1, 512]) {
    for (const [turns, cutAt] of [[0, 2], [0, 3], [1, 1], [1, 2], [2, 2]] as const) {
      const disk = new FaultyDisk({ directories: ['/data'], schedule: setImmediate, alignBytes })
      const { log, failures } = await openLog(disk, { segmentBytes: 4096 })
      const maker = new EntryMaker()
      const entries = maker.batch([5000, 100, 200])
      log.append(entries.slice(0, 1))
      await log.syncThrough(1)
      log.append(entries.slice(1))
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => { setImmediate(resolve) })
      await log.truncateFrom(cutAt)
      const replacements = EntryMaker.after(log).batch([300, 6000, 5], 2)
      log.append(replacements)
      await log.syncThrough(log.lastIndex)
      await log.close()
      t.strictSame(failures, [])
      const again = await openLog(disk, { segmentBytes: 4096 })
      t.match(again.log.recovery, { cuts: [], damaged: [] })
      t.strictSame((await allEntries(again.log)).map(contentOf), [...entries.slice(0, cutAt - 1), ...replacements].map(contentOf))
      await again.log.close()
    }
  }
})

t.test('a cut among entries that are not synced yet: a power cut in the middle of it is no rot', async (t) => {
  for (let boundary = 1; ; boundary++) {
    const disk = new FaultyDisk({ directories: ['/data'] })
    const first = await openLog(disk)
    const maker = new EntryMaker()
    first.log.append([maker.next(100)])
    await first.log.close()
    const { log } = await openLog(disk, { flush: { mode: 'async' } })
    log.append(maker.batch([100, 200, 300]))
    t.equal(log.durableIndex, 1)
    const stopped = new Promise<void>((resolve) => { disk.faults.onStop(resolve) })
    disk.faults.stopAt(disk.faults.boundaries + boundary, 'before')
    let done = false
    await Promise.race([stopped, log.truncateFrom(4).then(() => { done = true })])
    const again = await openLog(disk.powerCut({ keep: 'none' }))
    t.ok(again.log.lastIndex === 1 || again.log.lastIndex === 3, `boundary ${boundary}: ${again.log.lastIndex} entries`)
    await again.log.close()
    if (done) break
  }
})
