import { MqError, viewOf, type Clock, type Disk } from '../base/index.ts'
import type { RaftEntry } from '../raft/index.ts'
import { setSyncedTo } from './entry.ts'
import { AlignedFlush } from './aligned-flush.ts'
import { BufferedFlush } from './buffered-flush.ts'
import type { Flush } from './flush.ts'
import { FlushHistory } from './flush-history.ts'
import type { LogPoint } from './log-point.ts'
import type { Segment } from './segment.ts'
import type { SegmentStore } from './segment-store.ts'
import { ZERO_STEP_BYTES } from './zeros.ts'

/** Larger flushes never run on the event loop. */
const MAX_INLINE_BYTES = 256 * 1024

export interface WriterOptions {
  readonly disk: Disk
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
  readonly #history: FlushHistory
  #flush: Flush
  #syncEachWrite: boolean
  /** Small writes may be flushed on the calling thread, while that is fast and nothing more comes. */
  inlineFlush: boolean
  #pending: RaftEntry[] = []
  #head = 0
  #written: LogPoint
  #durable: LogPoint
  #busy = false
  #holds = 0
  #failed = false
  #syncing: Promise<void> | undefined
  /** Somebody asked for a sync that could not begin. */
  #isSyncWanted = false
  #idleWaiters: Array<() => void> = []
  /** When the write or sync under way began; -1: none is. */
  #flushingSinceMs = -1
  /** The same of a sync alone: writes go on meanwhile, and go to memory. */
  #syncingSinceMs = -1
  #lastFlushMs = 0

  constructor (options: WriterOptions) {
    this.#options = options
    this.#segments = options.segments
    this.#clock = options.clock
    this.#history = new FlushHistory(options.segments.segmentBytes)
    const { syncEachWrite, inlineFlush } = options
    this.inlineFlush = inlineFlush
    this.#syncEachWrite = syncEachWrite
    this.#flush = this.#flushFor(syncEachWrite)
    this.#written = this.#durable = options.start
  }

  /** Behind the last entry the operating system has. */
  get written (): LogPoint { return this.#written }
  /** Behind the last entry a sync covers. */
  get durable (): LogPoint { return this.#durable }
  get syncsEachWrite (): boolean { return this.#syncEachWrite }
  /** Between two flushes the disk has time for something else. */
  get leavesDiskIdle (): boolean { return this.#syncEachWrite && this.#history.leaveDiskIdle }
  get dirtyBytes (): number { return this.#written.position - this.#durable.position }

  /** How long the last write or sync took, or the one under way has taken by now if that is longer. */
  get flushMs (): number {
    const nowMs = this.#clock.nowMs()
    const underWayMs = [this.#flushingSinceMs, this.#syncingSinceMs].map((sinceMs) => sinceMs < 0 ? 0 : nowMs - sinceMs)
    return Math.max(this.#lastFlushMs, ...underWayMs)
  }

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
    if (this.#isSyncWanted) this.syncDirty().catch(() => {})
    this.#kick()
  }

  /** While held: the log on disk now ends at `point`. */
  cutTo (point: LogPoint): void {
    if (point.index < this.#written.index) this.#written = point
    if (point.index < this.#durable.index) this.#durable = point
  }

  /** Sync with every write from now on, what is written already included; or no more. */
  async switchTo (syncEachWrite: boolean): Promise<void> {
    await this.hold()
    try {
      if (syncEachWrite) await this.#syncWritten()
      if (this.#failed) return
      this.#syncEachWrite = syncEachWrite
      this.#flush = this.#flushFor(syncEachWrite)
    } finally {
      this.release()
    }
  }

  /** Syncs what is written so far, or once nothing is held any more. One sync at a time: a call while one runs waits for it and then syncs the rest. */
  async syncDirty (): Promise<void> {
    this.#isSyncWanted = this.#holds > 0
    if (!this.#isSyncWanted) await this.#syncWritten()
  }

  async #syncWritten (): Promise<void> {
    while (this.#syncing !== undefined) await this.#syncing
    if (this.dirtyBytes === 0 || this.#failed) return
    const point = this.#written
    const startedAt = this.#syncingSinceMs = this.#clock.nowMs()
    const syncing = this.#segments.active.openFile.sync()
      .then(() => { if (point.position > this.#durable.position) this.#durable = point })
      .catch((error: unknown) => { this.#fail(error) })
    this.#syncing = syncing
    await syncing
    this.#syncing = undefined
    this.#syncingSinceMs = -1
    this.#lastFlushMs = this.#clock.nowMs() - startedAt
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
        await this.#flushNext()
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
    const { isMoreComing } = this.#options
    if (this.#syncEachWrite && !(this.inlineFlush && this.#history.areFast && !isMoreComing())) return false
    const segment = this.#segments.active
    if (this.#segments.isFullAt(this.#pending[this.#head]!.physicalOffset)) return false
    if (this.#nextBatchBytes() > MAX_INLINE_BYTES) return false
    const end = this.#endOfNextBatch() - segment.basePosition
    if (this.#zerosBehind > 0 && end > segment.fileBytes) return false
    this.#collect()
    const startedAt = this.#clock.nowMs()
    this.#flush.writeNow()
    this.#finish(this.#clock.nowMs() - startedAt)
    return true
  }

  async #flushNext (): Promise<void> {
    // Before the first await, where nothing has to roll: the flush is under way when the call returns.
    if (this.#segments.isFullAt(this.#pending[this.#head]!.physicalOffset)) {
      this.#flushingSinceMs = this.#clock.nowMs()
      await this.#roll()
      this.#flushingSinceMs = -1
      // A cut may have dropped all that waited.
      if (this.#isEmpty) return
    }
    this.#collect()
    const startedAt = this.#flushingSinceMs = this.#clock.nowMs()
    await this.#flush.write(this.#zerosBehind)
    this.#finish(this.#clock.nowMs() - startedAt)
  }

  /** Where the file must grow, it grows by a step of zeros: the next small flushes then overwrite written blocks. */
  get #zerosBehind (): number {
    const { active, segmentBytes } = this.#segments
    return this.#segments.preallocate && this.#history.areSmall ? Math.max(0, Math.min(ZERO_STEP_BYTES, segmentBytes - active.usedBytes)) : 0
  }

  async #roll (): Promise<void> {
    const { physicalOffset, index, prevTerm } = this.#pending[this.#head]!
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

  /** Moves the entries of the next flush, all of the active segment, out of the queue. */
  #collect (): void {
    const flush = this.#flush
    const segment = this.#segments.active
    const syncedTo = this.#durable.position
    const { end, sizeBytes } = this.#nextFlush()
    flush.begin(segment, this.#pending[this.#head]!, sizeBytes)
    for (; this.#head < end; this.#head++) {
      const entry = this.#pending[this.#head]!
      setSyncedTo(entry.bytes, viewOf(entry.bytes), 0, syncedTo)
      flush.add(entry)
      segment.firstTerm ??= entry.term
      segment.index.note(entry.sizeBytes)
    }
    if (this.#isEmpty) this.#pending = []
    else this.#pending.splice(0, this.#head)
    this.#head = 0
    segment.endPosition = flush.endPosition
  }

  /** Where in the queue the next flush ends, and the bytes of its entries; the first is part of it in any case. */
  #nextFlush (): { readonly end: number, readonly sizeBytes: number } {
    let end = this.#head + 1
    let { sizeBytes } = this.#pending[this.#head]!
    for (; end < this.#pending.length; end++) {
      const entry = this.#pending[end]!
      if (this.#segments.isFullAt(entry.physicalOffset) || sizeBytes + entry.sizeBytes > this.#flush.maxBytes) break
      sizeBytes += entry.sizeBytes
    }
    return { end, sizeBytes }
  }

  #finish (elapsedMs: number): void {
    const { sizeBytes, lastIndex, lastTerm, endPosition } = this.#flush
    const syncEachWrite = this.#syncEachWrite
    this.#flushed(elapsedMs)
    this.#history.note(sizeBytes)
    if (syncEachWrite && sizeBytes <= MAX_INLINE_BYTES) this.#history.noteSmall(elapsedMs)
    this.#written = { index: lastIndex, term: lastTerm, position: endPosition }
    if (syncEachWrite) this.#durable = this.#written
  }

  #flushed (elapsedMs: number): void {
    this.#lastFlushMs = elapsedMs
    this.#flushingSinceMs = -1
  }

  #flushFor (syncEachWrite: boolean): Flush {
    const { disk, segments } = this.#options
    return syncEachWrite && disk.alignBytes > 1 ? new AlignedFlush(disk, segments.segmentBytes) : new BufferedFlush(syncEachWrite)
  }

  #fail (error: unknown): void {
    this.stop()
    this.#options.onFailure(error)
  }
}
