import { loadChecksum, viewOf, type Clock, type Disk, type DiskFile, type Timer } from '../../lib/base/index.ts'
import { ENTRY_HEADER_BYTES, RaftLog, sealEntry, seedOfGroup, entrySizeBytes, type LogOptions, type LogProgress } from '../../lib/log/index.ts'
import { EntryKind, type RaftEntry } from '../../lib/raft/index.ts'

await loadChecksum()

export const groupId = Uint8Array.from({ length: 16 }, (_, i) => i + 1)
export const groupSeed = seedOfGroup(groupId)

export interface Point { index: number, term: number, position: number }

/** Seals entries one behind the other, as a leader does. */
export class EntryMaker {
  index: number
  term: number
  position: number

  constructor ({ index = 0, term = 0, position = 0 }: Partial<Point> = {}) {
    this.index = index
    this.term = term
    this.position = position
  }

  static after (log: RaftLog): EntryMaker {
    return new EntryMaker({ index: log.lastIndex, term: log.lastTerm, position: log.endPosition })
  }

  /** An entry whose body is `bodyBytes` bytes that depend on its index and term. */
  next (bodyBytes: number, term = Math.max(this.term, 1)): RaftEntry {
    return this.batch([bodyBytes], term)[0]!
  }

  /** Entries back to back in one slab. */
  batch (bodySizes: readonly number[], term = Math.max(this.term, 1)): RaftEntry[] {
    const slab = new Uint8Array(bodySizes.reduce((sum, bodyBytes) => sum + entrySizeBytes(bodyBytes), 0))
    const view = viewOf(slab)
    let at = 0
    return bodySizes.map((bodyBytes) => {
      const index = ++this.index
      const prevTerm = this.term
      const physicalOffset = this.position
      const body = slab.subarray(at + ENTRY_HEADER_BYTES, at + ENTRY_HEADER_BYTES + bodyBytes)
      for (let i = 0; i < bodyBytes; i++) body[i] = (i * 7 + index * 31 + term * 101) & 0xff
      const sizeBytes = sealEntry(slab, view, at, { kind: EntryKind.normal, messageCount: 1, index, term, prevTerm, physicalOffset, storeTimestampMs: index }, bodyBytes, groupSeed)
      const bytes = slab.subarray(at, at + sizeBytes)
      at += sizeBytes
      this.position += sizeBytes
      this.term = term
      return { index, term, prevTerm, kind: EntryKind.normal, physicalOffset, sizeBytes, bytes }
    })
  }
}

/** A clock that stands still; timers run when `tick` is called. */
export class StillClock implements Clock {
  now = 0
  readonly #timers = new Set<{ at: number, fn: () => void }>()
  wallMs (): number { return this.now }
  nowMs (): number { return this.now }
  defer (fn: () => void): void { setImmediate(fn) }
  setTimer (delayMs: number, fn: () => void): Timer {
    const timer = { at: this.now + delayMs, fn }
    this.#timers.add(timer)
    return { cancel: () => { this.#timers.delete(timer) } }
  }

  get timerCount (): number { return this.#timers.size }

  tick (ms: number): void {
    this.now += ms
    for (const timer of [...this.#timers]) {
      if (timer.at <= this.now && this.#timers.delete(timer)) timer.fn()
    }
  }
}

export interface OpenLog {
  readonly log: RaftLog
  readonly progress: LogProgress[]
  readonly failures: Error[]
}

export async function openLog (disk: Disk, options: Partial<LogOptions> = {}): Promise<OpenLog> {
  const progress: LogProgress[] = []
  const failures: Error[] = []
  const log = await RaftLog.open({
    disk,
    clock: new StillClock(),
    directory: '/data/log',
    groupId,
    segmentBytes: 64 * 1024,
    onPersisted: (seen) => { progress.push(seen) },
    onFailure: (error) => { failures.push(error) },
    ...options
  })
  return { log, progress, failures }
}

/** Every entry of the log as the disk has it. */
export async function allEntries (log: RaftLog): Promise<RaftEntry[]> {
  const entries: RaftEntry[] = []
  for await (const entry of log.scan(log.firstIndex)) entries.push(entry)
  return entries
}

/** The bytes of an entry without its local part, which each node fills for itself. */
export function contentOf (entry: RaftEntry): Uint8Array {
  return Uint8Array.from(entry.bytes).fill(0, 72, 88)
}

export async function editFile (disk: Disk, path: string, edit: (file: DiskFile) => Promise<void>): Promise<void> {
  const file = await disk.open(path)
  await edit(file)
  await file.close()
}
