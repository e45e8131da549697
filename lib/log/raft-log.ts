import { invariant, loadChecksum, MqError, silentLogger, type Clock, type Disk, type Logger } from '../base/index.ts'
import type { RaftEntry } from '../raft/index.ts'
import type { CutIntent } from './cut-intent.ts'
import { cutFiles } from './cut.ts'
import { EntryReader, type EntryStart } from './entry-reader.ts'
import { seedOfGroup } from './entry.ts'
import type { FloorFile, LogFloor } from './floor-file.ts'
import type { LogOptions } from './log-options.ts'
import { recoverLog, type Recovered } from './recovery.ts'
import type { RecoveryReport } from './recovery-report.ts'
import { SegmentStore } from './segment-store.ts'
import type { SyncMark } from './sync-mark.ts'
import { TailCache } from './tail-cache.ts'
import type { TermTable } from './term-table.ts'
import { Writer, type LogPoint } from './writer.ts'

const MIB = 1024 * 1024
const SCAN_BYTES = 4 * MIB

/**
 * The log of one group on this node: entries in segment files, the last ones also in memory. Appends are collected and
 * flushed together; `onPersisted` tells how far. Any error of a write stops it for good: everything later fails with
 * MQ_IO, and no fsync is ever tried again.
 */
export class RaftLog {
  /** What opening found and did. */
  readonly recovery: RecoveryReport
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #options: LogOptions
  readonly #segments: SegmentStore
  readonly #writer: Writer
  readonly #reader: EntryReader
  readonly #tail: TailCache
  readonly #terms: TermTable
  readonly #mark: SyncMark
  readonly #intent: CutIntent
  readonly #floorFile: FloorFile
  #floor: LogFloor
  #end: LogPoint
  #failure: MqError | undefined
  #closed = false
  #cutting = 0
  /** Truncations, floor moves and the like, one after the other. */
  #upkeep: Promise<void> = Promise.resolve()
  #durableWaiters: Array<{ readonly index: number, readonly resolve: () => void, readonly reject: (error: MqError) => void }> = []

  private constructor (options: LogOptions, segments: SegmentStore, groupSeed: bigint, recovered: Recovered) {
    this.recovery = recovered.report
    this.#disk = options.disk
    this.#clock = options.clock
    this.#logger = options.logger ?? silentLogger
    this.#options = options
    this.#segments = segments
    this.#reader = new EntryReader(groupSeed, options.decodeConfig)
    this.#tail = new TailCache(options.tailCacheBytes ?? 32 * MIB)
    this.#terms = recovered.terms
    this.#mark = recovered.mark
    this.#intent = recovered.intent
    this.#floorFile = recovered.floor
    this.#floor = recovered.floor.floor
    this.#end = recovered.end
    this.#writer = new Writer({
      segments,
      clock: options.clock,
      start: recovered.end,
      syncEachWrite: options.flush?.mode !== 'async',
      inlineFlush: options.inlineFlush ?? false,
      onProgress: () => { this.#handleProgress() },
      onFailure: (error) => { this.#fail(error) }
    })
  }

  /**
   * Opens or makes the log, after recovery (see recovery.ts).
   * @throws MQ_CORRUPT synced bytes are damaged or missing; the message names file and byte
   * @throws MQ_FORMAT_TOO_NEW a newer version wrote it
   */
  static async open (options: LogOptions): Promise<RaftLog> {
    await loadChecksum()
    const { disk, clock, directory } = options
    const logger = options.logger ?? silentLogger
    const groupSeed = seedOfGroup(options.groupId)
    await disk.makeDirectory(directory)
    const owner: { log?: RaftLog } = {}
    const segments = new SegmentStore({
      disk,
      directory,
      logger,
      segmentBytes: options.segmentBytes ?? 64 * MIB,
      preallocate: options.preallocate ?? true,
      onFailure: (error) => { owner.log!.#fail(error) }
    })
    const recovered = await recoverLog({ disk, clock, logger, directory, groupSeed, segments, onDamage: options.onDamage ?? 'refuse', start: options.start })
    owner.log = new RaftLog(options, segments, groupSeed, recovered)
    return owner.log
  }

  get floor (): LogFloor { return this.#floor }
  /** Of the first entry kept; one more than `lastIndex` while there is none. */
  get firstIndex (): number { return this.#floor.index + 1 }
  /** Of the last entry handed over, written or not. */
  get lastIndex (): number { return this.#end.index }
  get lastTerm (): number { return this.#end.term }
  get endPosition (): number { return this.#end.position }
  get durableIndex (): number { return this.#writer.durable.index }
  get durablePosition (): number { return this.#writer.durable.position }
  get writtenIndex (): number { return this.#writer.written.index }
  get failure (): MqError | undefined { return this.#failure }

  /** The term at `index`, the floor's included; undefined outside the log. */
  term (index: number): number | undefined {
    if (index < this.#floor.index || index > this.#end.index) return undefined
    if (index === this.#end.index) return this.#end.term
    return index === this.#floor.index ? this.#floor.term : this.#terms.termAt(index)
  }

  /** Entries [from, to) within `maxBytes`, at least one, from memory; undefined when they are only on disk. */
  entries (from: number, to: number, maxBytes: number): readonly RaftEntry[] | undefined {
    return this.#tail.slice(from, to, maxBytes)
  }

  /** Entries [from, to) within `maxBytes`, at least one; may return fewer, at a segment's end. */
  async readEntries ({ from, to, maxBytes }: { readonly from: number, readonly to: number, readonly maxBytes: number }): Promise<readonly RaftEntry[]> {
    this.#assertUsable()
    if (from >= to) return []
    const cached = this.#tail.slice(from, to, maxBytes)
    if (cached !== undefined) return cached
    if (from < this.firstIndex || from > this.lastIndex) throw new MqError('MQ_INVALID_ARGUMENT', `entry ${from} is outside the log [${this.firstIndex}, ${this.lastIndex}]`)
    const segment = this.#segments.containingIndex(from)!
    return await this.#reader.readFrom(segment, await this.#reader.locateIndex(segment, from), to, maxBytes)
  }

  /** Entries [fromIndex, toIndex) in order, verified: for replay and rebuild. */
  async * scan (fromIndex: number, toIndex: number = this.lastIndex + 1): AsyncGenerator<RaftEntry, void, undefined> {
    for (let index = fromIndex; index < toIndex;) {
      const entries = await this.readEntries({ from: index, to: toIndex, maxBytes: SCAN_BYTES })
      for (const entry of entries) yield entry
      index += entries.length
    }
  }

  /**
   * Takes entries that follow the last one. They are written with what else waits; `onPersisted` tells when.
   * @throws MQ_IO, MQ_CLOSED the log has stopped
   */
  append (entries: readonly RaftEntry[]): void {
    this.#assertUsable()
    invariant(this.#cutting === 0, 'a cut is under way; await truncateFrom before the next append')
    let { index, term, position } = this.#end
    for (const entry of entries) {
      invariant(entry.index === index + 1 && entry.prevTerm === term && entry.physicalOffset === position && entry.bytes.length === entry.sizeBytes,
        `entry ${entry.index} (after term ${entry.prevTerm}, at ${entry.physicalOffset}) does not follow entry ${index} of term ${term} that ends at ${position}`)
      index = entry.index
      term = entry.term
      position += entry.sizeBytes
      this.#tail.push(entry)
      this.#terms.note(index, term)
    }
    this.#end = { index, term, position }
    this.#writer.append(entries)
  }

  /**
   * Cuts the log before entry `index`; await it before the next append. The cut survives a crash at any moment: it is
   * finished at the next start, or never began.
   */
  async truncateFrom (index: number): Promise<void> {
    this.#assertUsable()
    invariant(index > this.#floor.index, `entry ${index} is at or below the floor ${this.#floor.index}`)
    if (index > this.lastIndex) return
    this.#cutting++
    try {
      await this.#serialize(async () => { await this.#cut(index) })
    } finally {
      this.#cutting--
    }
  }

  /** A view on bytes of one entry, if they are in memory; verified, nothing copied. */
  readNow (physicalOffset: number, sizeBytes: number): Uint8Array | undefined {
    return this.#tail.read(physicalOffset, sizeBytes)
  }

  /** Bytes of one entry, from memory or disk, verified. */
  async read (physicalOffset: number, sizeBytes: number): Promise<Uint8Array> {
    const bytes = this.readNow(physicalOffset, sizeBytes)
    if (bytes !== undefined) return bytes
    const entry = await this.entryContaining(physicalOffset)
    const from = physicalOffset - (entry?.physicalOffset ?? 0)
    if (entry === undefined || from + sizeBytes > entry.sizeBytes) throw new MqError('MQ_MESSAGE_NOT_FOUND', `no ${sizeBytes} bytes of one entry at position ${physicalOffset}`)
    return entry.bytes.subarray(from, from + sizeBytes)
  }

  /** The entry whose bytes include that position; undefined outside the log. */
  async entryContaining (physicalOffset: number): Promise<RaftEntry | undefined> {
    this.#assertUsable()
    const cached = this.#tail.containing(physicalOffset)
    if (cached !== undefined) return cached
    if (physicalOffset < this.#floor.physicalOffset || physicalOffset >= this.#end.position) return undefined
    const segment = this.#segments.containing(physicalOffset)
    if (segment === undefined) return undefined
    const start = await this.#reader.locatePosition(segment, physicalOffset)
    return (await this.#reader.readFrom(segment, start, start.index + 1, 0))[0]
  }

  /** Resolves when a sync covers entry `index`. */
  async syncThrough (index: number): Promise<void> {
    this.#assertUsable()
    if (index <= this.durableIndex) return
    const durable = new Promise<void>((resolve, reject) => this.#durableWaiters.push({ index, resolve, reject }))
    if (this.writtenIndex >= index) this.#writer.syncDirty()
    await durable
  }

  /** Writes what waits, syncs, notes how far, and closes the files. */
  async close (): Promise<void> {
    if (this.#closed) return
    if (this.#failure === undefined) await this.syncThrough(this.lastIndex).catch(() => {})
    this.#closed = true
    await this.#upkeep
    await this.#writer.hold()
    if (this.#failure === undefined) await this.#mark.raise(this.durablePosition).catch((error: unknown) => { this.#fail(error) })
    await this.#segments.close()
    await this.#mark.close()
    await this.#intent.close()
    await this.#floorFile.close()
  }

  async #cut (index: number): Promise<void> {
    if (index > this.lastIndex) return
    const position = this.#tail.at(index)?.physicalOffset ?? (await this.#locate(index)).position
    const point: LogPoint = { index: index - 1, term: this.term(index - 1)!, position }
    this.#writer.forget(index)
    await this.#writer.hold()
    try {
      this.#assertUsable()
      this.#tail.truncateFrom(index)
      this.#terms.truncateFrom(index)
      this.#end = point
      if (this.#segments.active.endPosition > position) await this.#cutOnDisk(point)
    } finally {
      this.#writer.release()
    }
  }

  async #cutOnDisk (point: LogPoint): Promise<void> {
    const cut = { from: point.position, to: this.#segments.active.endPosition }
    try {
      await this.#mark.lower(cut.from)
      await this.#intent.set(cut)
      const removed = this.#segments.takeFrom(cut.from)
      for (const segment of removed) await segment.close()
      await cutFiles(this.#disk, this.#options.directory, [this.#segments.active, ...removed.reverse()], cut)
      await this.#intent.clear()
    } catch (error) {
      throw this.#fail(error)
    }
    const { active } = this.#segments
    active.endPosition = cut.from
    active.index.truncate(cut.from, point.index + 1)
    if (active.isEmpty) active.firstTerm = undefined
    this.#writer.cutTo(point)
  }

  async #locate (index: number): Promise<EntryStart> {
    const segment = this.#segments.containingIndex(index)!
    return await this.#reader.locateIndex(segment, index)
  }

  async #serialize (action: () => Promise<void>): Promise<void> {
    const done = this.#upkeep.then(action)
    this.#upkeep = done.catch(() => {})
    await done
  }

  #handleProgress (): void {
    const { written, durable } = this.#writer
    this.#tail.evict(written.index)
    if (this.#durableWaiters.length > 0) this.#wakeDurableWaiters()
    const { index, term } = this.#options.flush?.mode === 'async' ? written : durable
    this.#options.onPersisted({ index, term, written: written.index, durable: durable.index })
  }

  #wakeDurableWaiters (): void {
    const { durable, written } = this.#writer
    const waiting = this.#durableWaiters.filter(({ index, resolve }) => {
      if (index <= durable.index) resolve()
      return index > durable.index
    })
    this.#durableWaiters = waiting
    if (waiting.some(({ index }) => index <= written.index)) this.#writer.syncDirty()
  }

  #assertUsable (): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closed) throw new MqError('MQ_CLOSED', 'the log is closed')
  }

  #fail (cause: unknown): MqError {
    if (this.#failure !== undefined) return this.#failure
    this.#failure = cause instanceof MqError && cause.code !== 'MQ_IO' ? cause : new MqError('MQ_IO', `the log in ${this.#options.directory} stopped: ${(cause as Error).message}`, { cause })
    this.#writer.stop()
    this.#logger.error(this.#failure.message, { cause })
    const waiters = this.#durableWaiters
    this.#durableWaiters = []
    for (const { reject } of waiters) reject(this.#failure)
    this.#options.onFailure(this.#failure)
    return this.#failure
  }
}
