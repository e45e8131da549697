import { MqError, viewOf, type Clock } from '../base/index.ts'
import type { RaftEntry } from '../raft/index.ts'
import { setSyncedTo } from './entry.ts'
import { FlushHistory } from './flush-history.ts'
import type { LogPoint } from './log-point.ts'
import type { Segment } from './segment.ts'
import type { SegmentStore } from './segment-store.ts'
import { WritePlan } from './write-plan.ts'
import { zeroBytes, ZERO_STEP_BYTES } from './zeros.ts'

/** One flush takes no more than this: what waits behind it waits no longer than the disk needs for it. */
const MAX_FLUSH_BYTES = 16 * 1024 * 1024
/** Larger flushes never run on the event loop. */
const MAX_INLINE_BYTES = 256 * 1024

export interface WriterOptions {
  readonly segments: SegmentStore
  readonly clock: Clock
  /** The point behind the last entry on disk, synced. */
  readonly start: LogPoint
  /** Sync with every write; otherwise writes are reported at once and `syncDirty` is called by a timer. */
  readonly syncEachWrite: boolean
  readonly inlineFlush: boolean
  readonly isMoreComing: () => boolean
  /** Something was written or synced. */
  onProgress (): void
  /** A segment took its last entry. */
  onSealed (segment: Segment): void
  onFailure (error: unknown): void
}

/**
 * Group commit: everything handed over since the last flush goes out as one write of contiguous bytes and one
 * fdatasync. One flush is under way at a time; the next batch is collected meanwhile and written after,
 * so unsynced bytes always belong to one flush, in one segment.
 */
export class Writer {
  readonly #segments: SegmentStore
  readonly #clock: Clock
  readonly #options: WriterOptions
  readonly #history = new FlushHistory()
  readonly #plan = new WritePlan()
  #pending: RaftEntry[] = []
  #head = 0
  #written: LogPoint
  #durable: LogPoint
  #busy = false
  #holds = 0
  #failed = false
  #syncing: Promise<void> | undefined
  #idleWaiters: Array<() => void> = []

  constructor (options: WriterOptions) {
    this.#options = options
    this.#segments = options.segments
    this.#clock = options.clock
    this.#written = this.#durable = options.start
  }

  /** Behind the last entry the operating system has. */
  get written (): LogPoint { return this.#written }
  /** Behind the last entry a sync covers. */
  get durable (): LogPoint { return this.#durable }
  get dirtyBytes (): number { return this.#written.position - this.#durable.position }
  /** Whether flushes are so small that they gain from files filled with zeros ahead of need. */
  get wantZerosAhead (): boolean { return this.#segments.preallocate && this.#history.areSmall }

  /** Takes entries over. May flush them, and report that, before it returns. */
  append (entries: readonly RaftEntry[]): void {
    for (const entry of entries) this.#pending.push(entry)
    this.#kick()
  }

  /** Drops entries from `index` on that no write has taken yet. */
  forget (index: number): void {
    while (this.#pending.length > this.#head && this.#pending.at(-1)!.index >= index) this.#pending.pop()
  }

  /** Resolves when no write or sync is under way; none begins before `release`. */
  async hold (): Promise<void> {
    this.#holds++
    while (this.#busy || this.#syncing !== undefined) {
      await new Promise<void>((resolve) => this.#idleWaiters.push(resolve))
    }
  }

  release (): void {
    this.#holds--
    this.#kick()
  }

  /** While held: the log on disk now ends at `point`. */
  cutTo (point: LogPoint): void {
    if (point.index < this.#written.index) this.#written = point
    if (point.index < this.#durable.index) this.#durable = point
  }

  /** Syncs what is written so far. One sync at a time: a call while one runs waits for it and then syncs the rest. */
  async syncDirty (): Promise<void> {
    if (this.#holds === 0) await this.#syncWritten()
  }

  async #syncWritten (): Promise<void> {
    while (this.#syncing !== undefined) await this.#syncing
    if (this.dirtyBytes === 0 || this.#failed) return
    const point = this.#written
    const syncing = this.#segments.active.openFile.sync()
      .then(() => { if (point.position > this.#durable.position) this.#durable = point })
      .catch((error: unknown) => { this.#fail(error) })
    this.#syncing = syncing
    await syncing
    this.#syncing = undefined
    this.#wakeIdleWaiters()
    if (!this.#failed) this.#options.onProgress()
  }

  /** Takes no more; what waits is dropped. */
  stop (): void {
    this.#failed = true
    this.#pending = []
    this.#head = 0
  }

  get #isEmpty (): boolean { return this.#head === this.#pending.length }

  #kick (): void {
    if (this.#busy || this.#holds > 0 || this.#failed || this.#isEmpty) return
    this.#busy = true
    try {
      while (!this.#isEmpty && this.#holds === 0 && this.#maybeFlushNow()) this.#options.onProgress()
    } catch (error) {
      this.#fail(error)
    }
    if (this.#isEmpty || this.#holds > 0 || this.#failed) this.#rest()
    else this.#run()
  }

  async #run (): Promise<void> {
    try {
      while (!this.#isEmpty && this.#holds === 0 && !this.#failed) {
        await this.#flush()
        this.#options.onProgress()
      }
    } catch (error) {
      this.#fail(error)
    }
    this.#rest()
  }

  #rest (): void {
    this.#busy = false
    this.#wakeIdleWaiters()
  }

  #wakeIdleWaiters (): void {
    const waiters = this.#idleWaiters
    if (waiters.length === 0) return
    this.#idleWaiters = []
    for (const wake of waiters) wake()
  }

  /** Flushes on the calling thread when that is allowed, small and fast; returns whether it did. */
  #maybeFlushNow (): boolean {
    const { syncEachWrite, inlineFlush, isMoreComing } = this.#options
    if (syncEachWrite && !(inlineFlush && this.#history.areFast && !isMoreComing())) return false
    const segment = this.#segments.active
    if (this.#segments.isFullAt(this.#pending[this.#head]!.physicalOffset)) return false
    if (this.#nextBatchBytes() > MAX_INLINE_BYTES) return false
    const end = this.#endOfNextBatch() - segment.basePosition
    if (this.wantZerosAhead && end > segment.fileBytes) return false
    const plan = this.#collect()
    const file = segment.openFile
    const startedAt = this.#clock.nowMs()
    for (const { bytes, position } of plan.pieces) file.writeNow(bytes, position - segment.basePosition)
    if (syncEachWrite) {
      file.syncNow()
      this.#history.note(this.#clock.nowMs() - startedAt)
    }
    segment.fileBytes = Math.max(segment.fileBytes, end)
    this.#finish(plan)
    return true
  }

  async #flush (): Promise<void> {
    await this.#maybeRoll()
    const plan = this.#collect()
    const segment = this.#segments.active
    const file = segment.openFile
    const startedAt = this.#clock.nowMs()
    for (const { bytes, position } of plan.pieces) await file.write(bytes, position - segment.basePosition)
    const end = plan.endPosition - segment.basePosition
    if (end > segment.fileBytes) segment.fileBytes = end + await this.#writeZerosBehind(end)
    if (this.#options.syncEachWrite) {
      await file.sync()
      if (plan.sizeBytes <= MAX_INLINE_BYTES) this.#history.note(this.#clock.nowMs() - startedAt)
    }
    this.#finish(plan)
  }

  /** Where the file must grow, it grows by a step of zeros: the next small flushes then overwrite written blocks. */
  async #writeZerosBehind (end: number): Promise<number> {
    const step = this.wantZerosAhead ? Math.max(0, Math.min(ZERO_STEP_BYTES, this.#segments.segmentBytes - end)) : 0
    if (step > 0) await this.#segments.active.openFile.write(zeroBytes(step), end)
    return step
  }

  async #maybeRoll (): Promise<void> {
    const { physicalOffset, index, prevTerm } = this.#pending[this.#head]!
    if (!this.#segments.isFullAt(physicalOffset)) return
    // Unsynced bytes must never lie in two segments: recovery takes a segment with a successor for synced.
    await this.#syncWritten()
    if (this.#failed) throw new MqError('MQ_IO', 'the log stopped')
    const sealed = this.#segments.active
    await this.#segments.startNext({ basePosition: physicalOffset, firstIndex: index, prevTerm })
    this.#options.onSealed(sealed)
  }

  #nextBatchBytes (): number {
    return this.#pending.at(-1)!.physicalOffset + this.#pending.at(-1)!.sizeBytes - this.#pending[this.#head]!.physicalOffset
  }

  #endOfNextBatch (): number {
    const last = this.#pending.at(-1)!
    return last.physicalOffset + last.sizeBytes
  }

  /** Moves the entries of the next flush, all of the active segment, from the queue into the write plan. */
  #collect (): WritePlan {
    const plan = this.#plan
    const segment = this.#segments.active
    const syncedTo = this.#durable.position
    plan.begin()
    while (!this.#isEmpty) {
      const entry = this.#pending[this.#head]!
      if (plan.count > 0 && (this.#segments.isFullAt(entry.physicalOffset) || plan.sizeBytes + entry.sizeBytes > MAX_FLUSH_BYTES)) break
      this.#head++
      setSyncedTo(entry.bytes, viewOf(entry.bytes), 0, syncedTo)
      plan.add(entry)
      segment.firstTerm ??= entry.term
      segment.index.note(entry.sizeBytes)
    }
    if (this.#isEmpty) {
      this.#pending = []
    } else {
      this.#pending.splice(0, this.#head)
    }
    this.#head = 0
    plan.end()
    segment.endPosition = plan.endPosition
    return plan
  }

  #finish (plan: WritePlan): void {
    this.#history.noteSize(plan.sizeBytes)
    this.#written = { index: plan.lastIndex, term: plan.lastTerm, position: plan.endPosition }
    if (this.#options.syncEachWrite) this.#durable = this.#written
  }

  #fail (error: unknown): void {
    this.stop()
    this.#options.onFailure(error)
  }
}
