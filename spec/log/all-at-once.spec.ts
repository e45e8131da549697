import t from 'tap'
import { isMqError } from '../../lib/base/index.ts'
import { ENTRY_HEADER_BYTES, type LogOptions, type RaftLog } from '../../lib/log/index.ts'
import type { RaftEntry } from '../../lib/raft/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { contentOf, EntryMaker, openLog } from './support.ts'

const STEPS = 120
/** Turns of the loop in which everything ends, unless it never does. */
const ENOUGH_TURNS = 4000

async function turns (count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => { setImmediate(resolve) })
}

/** A disk whose operations take some turns each, a few of them many. */
function unevenDisk (random: SeededRandom): FaultyDisk {
  let waiting: Array<{ readonly at: number, readonly fn: () => void }> = []
  let now = 0
  let isRunning = false
  const run = (): void => {
    now++
    const due = waiting.filter(({ at }) => at <= now)
    waiting = waiting.filter(({ at }) => at > now)
    for (const { fn } of due) fn()
    isRunning = waiting.length > 0
    if (isRunning) setImmediate(run)
  }
  return new FaultyDisk({
    directories: ['/data'],
    schedule: (fn) => {
      waiting.push({ at: now + 1 + (random.chance(0.1) ? random.below(15) : 0), fn })
      if (!isRunning) setImmediate(run)
      isRunning = true
    }
  })
}

/** A log that is written, cut, read, damaged, mended, synced and shortened at the same time; throws what is wrong with it. */
async function lifeOf (seed: number): Promise<void> {
  const random = new SeededRandom(seed)
  const disk = unevenDisk(random)
  /** What was ever appended, by index, and what of it stands there. */
  const known = new Map<number, RaftEntry[]>()
  let entries: RaftEntry[] = []
  /** Through here nothing is cut, and the others have it. */
  let committed = 0
  const options: Partial<LogOptions> = {
    tailCacheBytes: random.pick([1, 3000]),
    coldCacheBytes: random.pick([0, 20_000]),
    segmentBytes: random.pick([2048, 4096, 16384]),
    spareSegments: 2,
    refetch: async ({ from, to }, isGood) => {
      await turns(random.below(20))
      const bytes = Buffer.concat(entries.slice(0, committed).filter(({ physicalOffset }) => physicalOffset >= from && physicalOffset < to).map(contentOf))
      return bytes.length === to - from && isGood(bytes) ? bytes : undefined
    }
  }
  const { log, failures } = await openLog(disk, options)
  const wrong: string[] = []
  const running = new Set<Promise<unknown>>()
  const track = (what: string, action: Promise<unknown>, mayFail: (error: unknown) => boolean): Promise<void> => {
    const done = action.then(() => {}, (error: unknown) => { if (!mayFail(error)) wrong.push(`${what}: ${String(error)}`) })
    running.add(done)
    return done.finally(() => { running.delete(done) })
  }
  let cutting: Promise<void> | undefined
  let term = 1

  const append = (): void => {
    const maker = EntryMaker.after(log)
    const more = maker.batch(Array.from({ length: 1 + random.below(4) }, () => random.below(random.chance(0.1) ? 3000 : 500)), term)
    for (const entry of more) known.set(entry.index, [...known.get(entry.index) ?? [], entry])
    entries.push(...more)
    log.append(more)
  }
  const cut = (): void => {
    if (entries.length === committed) return
    const index = committed + 1 + random.below(entries.length - committed)
    const end = { index: index - 1, term: entries[index - 2]?.term ?? 0, position: entries[index - 1]!.physicalOffset }
    entries = entries.slice(0, index - 1)
    term++
    cutting = track('cut', log.truncateFrom(index, end), () => false).finally(() => { cutting = undefined })
  }
  const commit = (): void => {
    const most = Math.min(log.durableIndex, entries.length)
    if (most > committed) committed += 1 + random.below(most - committed)
  }
  const read = (): void => {
    if (log.lastIndex < log.firstIndex) return
    const from = log.firstIndex + random.below(log.lastIndex + 1 - log.firstIndex)
    const isCommitted = from <= committed
    const check = (read: readonly RaftEntry[]): void => {
      for (const [i, entry] of read.entries()) {
        if (entry.index !== from + i || !known.get(entry.index)?.some((one) => Buffer.compare(contentOf(one), contentOf(entry)) === 0)) throw new Error(`entry ${entry.index} is nothing that was written there`)
      }
    }
    const reading = log.readEntries({ from, to: from + 1 + random.below(4), maxBytes: random.below(3000) }).then(check)
    track(`entry ${from}`, reading, (error) => from < log.firstIndex || (!isCommitted && isMqError(error)))
  }
  const readBytes = (): void => {
    const entry = entries[random.below(Math.max(1, committed))]
    if (committed === 0 || entry!.index < log.firstIndex || entry!.sizeBytes < ENTRY_HEADER_BYTES + 20) return
    const reading = log.read(entry!.physicalOffset + ENTRY_HEADER_BYTES, 10).then((bytes) => {
      if (Buffer.compare(bytes, entry!.bytes.subarray(ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + 10)) !== 0) throw new Error('other bytes')
    })
    track(`bytes of ${entry!.index}`, reading, () => entry!.index < log.firstIndex)
  }
  const damage = (): void => {
    const entry = entries[random.below(Math.max(1, committed - 1))]
    if (committed < 3 || entry!.index < log.firstIndex) return
    const base = Math.max(...disk.paths().map((path) => Number(/(\d{20})\.seg$/.exec(path)?.[1] ?? -1)).filter((base) => base <= entry!.physicalOffset))
    const at = random.chance(0.5) ? random.below(70) : random.below(entry!.sizeBytes)
    disk.flip(`/data/log/${String(base).padStart(20, '0')}.seg`, entry!.physicalOffset - base + at)
  }
  const raiseFloor = (): void => {
    if (committed < 5) return
    log.mayDeleteThrough = committed
    log.setFloor(entries[random.below(committed)]!.physicalOffset)
  }
  const sync = (): void => {
    const index = 1 + random.below(Math.max(1, log.lastIndex))
    if (index <= log.lastIndex) track(`sync of ${index}`, log.syncThrough(index), (error) => isMqError(error, 'MQ_MESSAGE_NOT_FOUND'))
  }
  const change = (): void => { track('flush mode', log.setFlushMode(random.pick(['sync', 'async'])), () => false) }
  const steps = [append, append, append, append, cut, commit, commit, read, read, read, read, readBytes, damage, sync, change, raiseFloor]
  for (let step = 0; step < STEPS; step++) {
    const act = random.pick(steps)
    // the log takes nothing while it is cut
    if (cutting === undefined || ![append, cut, commit].includes(act)) act()
    await turns(random.below(4))
  }

  const untilEnded = async (what: string, action: Promise<unknown>): Promise<void> => {
    const state = { isEnded: false }
    const ended = action.finally(() => { state.isEnded = true })
    for (let i = 0; i < ENOUGH_TURNS && !state.isEnded; i++) await turns(1)
    if (!state.isEnded) throw new Error(`${what} never ends`)
    await ended
  }
  await untilEnded('something', Promise.all(running))
  await untilEnded('close', log.close())
  committed = entries.length
  const { log: again } = await openLog(disk.kill({ schedule: (fn) => { fn() } }), options)
  await assertHolds(again, entries)
  await again.close()
  wrong.push(...failures.map(String))
  // pieces that were read ahead of anybody as well
  if (disk.openHandles > 0) wrong.push(`${disk.openHandles} files are open`)
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
}

async function assertHolds (log: RaftLog, entries: readonly RaftEntry[]): Promise<void> {
  if (log.lastIndex !== entries.length) throw new Error(`it ends with entry ${log.lastIndex}, not ${entries.length}`)
  for (const entry of entries.slice(log.firstIndex - 1)) {
    const [read] = await log.readEntries({ from: entry.index, to: entry.index + 1, maxBytes: 1 })
    if (Buffer.compare(contentOf(read!), contentOf(entry)) !== 0 || log.term(entry.index) !== entry.term) throw new Error(`entry ${entry.index} is another one after the next start`)
  }
}

t.test('a log that is written, cut, read, damaged, mended, synced and shortened at the same time: what is committed is read, everything ends, and nothing is open at the end', async (t) => {
  for (let seed = 1; seed <= 40; seed++) await t.resolves(lifeOf(seed), `seed ${seed}`)
})
