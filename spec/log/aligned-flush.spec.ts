import t from 'tap'
import { AlignedFlush } from '../../lib/log/aligned-flush.ts'
import { Segment } from '../../lib/log/segment.ts'
import { EntryKind, type RaftEntry } from '../../lib/raft/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const BASE = 10_007
const MIB = 1024 * 1024

function entryAt (index: number, physicalOffset: number, sizeBytes: number): RaftEntry {
  const bytes = new Uint8Array(sizeBytes).fill(1 + index % 250)
  return { index, term: 1, prevTerm: 1, kind: EntryKind.normal, physicalOffset, sizeBytes, bytes }
}

async function openSegment (disk: FaultyDisk): Promise<Segment> {
  return new Segment(disk, '/d/seg', { basePosition: BASE, firstIndex: 1, prevTerm: 1 }, 0, await disk.open('/d/seg', { create: true }))
}

t.test('flushes of any sizes leave the entries one after the other, zeros behind them, whole blocks, all of it durable', async (t) => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new SeededRandom(seed)
    const disk = new FaultyDisk({ directories: ['/d'], alignBytes: random.pick([512, 4096]) })
    // in a log of small segments most of these flushes are larger than one
    const segmentBytes = random.pick([1000, 16 * 1024, 64 * MIB])
    let segment = await openSegment(disk)
    let flush = new AlignedFlush(disk, segmentBytes)
    let wanted = new Uint8Array(0)
    let index = 0
    for (let round = 0; round < 20; round++) {
      // a cut now and then, or another process that goes on where this one stopped
      if (wanted.length > 0 && random.chance(0.2)) {
        const keepBytes = Math.floor(random.next() * wanted.length)
        await segment.openFile.write(new Uint8Array(wanted.length - keepBytes), keepBytes)
        await segment.openFile.sync()
        wanted = wanted.slice(0, keepBytes)
        if (random.chance(0.5)) {
          segment = await openSegment(disk)
          flush = new AlignedFlush(disk, segmentBytes)
        }
      }
      const entries: RaftEntry[] = []
      let end = BASE + wanted.length
      for (let count = 1 + Math.floor(random.next() * 4); count > 0; count--) {
        const entry = entryAt(++index, end, 1 + Math.floor(random.next() * random.pick([20, 700, 9000])))
        entries.push(entry)
        end += entry.sizeBytes
      }
      flush.begin(segment, entries[0]!, end - BASE - wanted.length)
      for (const entry of entries) flush.add(entry)
      if (random.chance(0.5)) await flush.write(random.pick([0, 5000]))
      else flush.writeNow()
      wanted = new Uint8Array(Buffer.concat([wanted, ...entries.map(({ bytes }) => bytes)]))
      const found = (await disk.readFile('/d/seg'))!
      if (Buffer.compare(found.subarray(0, wanted.length), wanted) !== 0) t.fail(`seed ${seed}, round ${round}: the entries are not what was written`)
      if (found.subarray(wanted.length).some((byte) => byte !== 0)) t.fail(`seed ${seed}, round ${round}: something lies behind the entries`)
      if (found.length < segment.fileBytes || found.length % disk.alignBytes !== 0) t.fail(`seed ${seed}, round ${round}: ${found.length} bytes of a file that has ${segment.fileBytes}`)
      if (flush.endPosition !== end || flush.lastIndex !== index) t.fail(`seed ${seed}, round ${round}: the flush does not tell its end`)
    }
    await disk.syncDirectory('/d')
    const durable = (await disk.powerCut({ keep: 'none' }).readFile('/d/seg'))!
    if (Buffer.compare(durable.subarray(0, wanted.length), wanted) !== 0) t.fail(`seed ${seed}: something was not durable`)
  }
  t.pass('all seeds')
})

t.test('an entry larger than any flush, and a small one behind it in the same block', async (t) => {
  const disk = new FaultyDisk({ directories: ['/d'], alignBytes: 4096 })
  const segment = await openSegment(disk)
  const flush = new AlignedFlush(disk, 64 * MIB)
  const large = entryAt(1, BASE, flush.maxBytes + 5000)
  const small = entryAt(2, BASE + large.sizeBytes, 100)
  for (const entry of [large, small]) {
    flush.begin(segment, entry, entry.sizeBytes)
    flush.add(entry)
    await flush.write(0)
  }
  const found = (await disk.readFile('/d/seg'))!
  t.ok(Buffer.compare(found.subarray(0, large.sizeBytes), large.bytes) === 0)
  t.ok(Buffer.compare(found.subarray(large.sizeBytes, large.sizeBytes + small.sizeBytes), small.bytes) === 0)
})
