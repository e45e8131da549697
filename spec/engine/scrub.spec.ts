import t from 'tap'
import { VirtualClock } from '../../lib/adapters/index.ts'
import { MqError, silentLogger } from '../../lib/base/index.ts'
import { Scrub, type ScrubOptions } from '../../lib/engine/scrub.ts'
import type { RaftEntry } from '../../lib/raft/index.ts'

const HOUR_MS = 3_600_000
const ENTRY_BYTES = 100_000

/** A log of entries of one size, two a step, some of them damaged. */
class FakeLog {
  firstIndex = 3
  readonly damaged = new Set<number>()
  readonly unreadable = new Set<number>()
  readonly reads: number[] = []

  async readEntries ({ from, to }: { readonly from: number, readonly to: number }): Promise<readonly RaftEntry[]> {
    this.reads.push(from)
    if (this.unreadable.has(from)) throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })
    if (this.damaged.has(from)) throw new MqError('MQ_CORRUPT', 'a block fails its checksum', { resumePosition: (from + 1) * ENTRY_BYTES, index: from })
    const count = Math.min(2, to - from, this.damaged.has(from + 1) ? 1 : 2)
    return Array.from({ length: count }, (_, i) => ({ index: from + i, sizeBytes: ENTRY_BYTES }) as RaftEntry)
  }

  async entryContaining (position: number): Promise<RaftEntry> { return { index: position / ENTRY_BYTES } as RaftEntry }
}

t.test('all of the log is read once a day at that rate, and what is damaged reported', async (t) => {
  const clock = new VirtualClock()
  const log = new FakeLog()
  const reported: string[] = []
  const rules = { bytesPerSecond: ENTRY_BYTES }
  const logger = { ...silentLogger, error: (text: string) => { reported.push(text) } }
  const scrub = new Scrub({ clock, logger, log: log as unknown as ScrubOptions['log'], rules, appliedIndex: () => 12 })
  const pass = async (ms: number): Promise<void> => {
    await clock.advance(ms)
    for (let turn = 0; turn < 20; turn++) await clock.settle()
  }
  log.damaged.add(8)
  await pass(HOUR_MS - 1)
  t.same(log.reads, [])
  for (let second = 0; second <= 4; second++) await pass(1000)
  t.same(log.reads, [3, 5, 7], 'two entries take two seconds')
  for (let second = 0; second < 10; second++) await pass(1000)
  t.same(log.reads, [3, 5, 7, 8, 9, 11], 'it goes on behind what is damaged')
  t.match(reported, ['the log is damaged: a block fails its checksum'])

  log.reads.length = 0
  log.firstIndex = 9
  await pass(23 * HOUR_MS)
  t.same(log.reads, [])
  for (let hour = 0; hour < 2; hour++) await pass(HOUR_MS)
  t.same(log.reads[0], 9)

  await scrub.stop()
  log.reads.length = 0
  await pass(48 * HOUR_MS)
  t.same(log.reads, [])
})

t.test('what the disk does not give is reported, and neither ends a pass nor keeps the next one from coming', async (t) => {
  const clock = new VirtualClock()
  const log = new FakeLog()
  const reported: string[] = []
  const logger = { ...silentLogger, error: (text: string) => { reported.push(text) } }
  const scrub = new Scrub({ clock, logger, log: log as unknown as ScrubOptions['log'], rules: { bytesPerSecond: 1_000_000 }, appliedIndex: () => 100 })
  const pass = async (beforeMs: number): Promise<void> => {
    log.reads.length = reported.length = 0
    for (const ms of [beforeMs, ...Array.from({ length: 60 }, () => 1000)]) {
      await clock.advance(ms)
      for (let turn = 0; turn < 20; turn++) await clock.settle()
    }
  }
  log.unreadable.add(7)
  await pass(HOUR_MS)
  t.match(reported, ['the log cannot be read: Error: EIO'])
  t.ok(log.reads.at(-1)! >= 99, 'the rest was read')

  for (let index = 20; index < 100; index++) log.unreadable.add(index)
  await pass(24 * HOUR_MS)
  t.match(reported.at(-1), /not read through to its end/)
  t.ok(reported.length < 20, `${reported.length} reports of a disk that gives nothing any more`)
  log.unreadable.clear()
  await pass(24 * HOUR_MS)
  t.same(reported, [])
  t.ok(log.reads.at(-1)! >= 99)
  await scrub.stop()
})
