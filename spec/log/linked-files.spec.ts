import t from 'tap'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { Faults } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { allEntries, contentOf, EntryMaker, openLog } from './support.ts'

const BACKUP = '/data/backup'
const OPTIONS = { segmentBytes: 4096 }

/** A log of several files whose closed ones have a second name, as in the backup of an upgrade. */
async function backedUp (): Promise<{ disk: FaultyDisk, backup: ReadonlyMap<string, Uint8Array>, last: number }> {
  const disk = new FaultyDisk({ directories: ['/data', BACKUP] })
  const { log } = await openLog(disk, OPTIONS)
  const maker = new EntryMaker()
  for (let n = 0; n < 30; n++) {
    log.append([maker.next(700)])
    await log.syncThrough(log.lastIndex)
  }
  const last = log.lastIndex
  await log.close()
  const names = disk.paths().filter((path) => path.endsWith('.seg')).slice(0, -1)
  for (const path of names) await disk.link(path, path.replace('/data/log', BACKUP))
  await disk.syncDirectory(BACKUP)
  return { disk, backup: new Map(names.map((path) => [path.replace('/data/log', BACKUP), disk.contents(path)!])), last }
}

function changed (disk: FaultyDisk, backup: ReadonlyMap<string, Uint8Array>): string[] {
  return [...backup].filter(([path, bytes]) => Buffer.compare(disk.contents(path)!, bytes) !== 0).map(([path]) => path)
}

t.test('a cut across files that a backup shares leaves those of the backup as they are, and the log goes on', async (t) => {
  const { disk, backup } = await backedUp()
  const { log } = await openLog(disk, OPTIONS)
  await log.truncateFrom(8)
  const maker = EntryMaker.after(log)
  for (let n = 0; n < 10; n++) log.append([maker.next(600, 2)])
  await log.syncThrough(log.lastIndex)
  t.same(changed(disk, backup), [])
  const entries = (await allEntries(log)).map(contentOf)
  t.equal(entries.length, 17)
  await log.close()
  const again = await openLog(disk, OPTIONS)
  t.same((await allEntries(again.log)).map(contentOf), entries)
  await again.log.close()
  t.same(changed(disk, backup), [])
})

t.test('stopped at any boundary of such a cut: the backup is as it was, and the next start has the log before the cut or after it', async (t) => {
  const { disk, backup, last } = await backedUp()
  const whole = new Faults()
  const { log } = await openLog(disk.kill({ faults: whole }), OPTIONS)
  const first = whole.boundaries
  await log.truncateFrom(8)
  for (let boundary = first + 1; boundary <= whole.boundaries; boundary++) {
    for (const keep of ['none', 'all', 'reorder'] as const) {
      const faults = new Faults()
      const machine = disk.kill({ faults })
      const { log } = await openLog(machine, OPTIONS)
      faults.stopAt(boundary, 'after')
      log.truncateFrom(8).catch(() => {})
      while (!faults.stopped) await new Promise((resolve) => { setImmediate(resolve) })
      const next = machine.powerCut({ keep, random: new SeededRandom(boundary), faults: new Faults() })
      const found = await openLog(next, OPTIONS)
      t.ok(found.log.lastIndex === 7 || found.log.lastIndex === last, `${found.log.lastIndex} at boundary ${boundary}`)
      await found.log.close()
      t.same(changed(next, backup), [], `boundary ${boundary}, ${keep}`)
    }
  }
})
