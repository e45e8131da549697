import { dirname } from 'node:path'
import { invariant, isMqError, loadChecksum, MqError, silentLogger, type Logger } from '../base/index.ts'
import type { RaftEntry } from '../raft/index.ts'
import { ColdReader } from './cold-reader.ts'
import { DiskRoom } from './disk-room.ts'
import { EntryReader, type EntryStart } from './entry-reader.ts'
import { seedOfGroup } from './entry.ts'
import type { LogFloor } from './floor-file.ts'
import { IdleTimer } from './idle-timer.ts'
import type { FlushMode, LogOptions } from './log-options.ts'
import type { LogPoint } from './log-point.ts'
import { LogUpkeep } from './log-upkeep.ts'
import { MAX_PLACES, Mending } from './mending.ts'
import { recoverLog, type Recovered } from './recovery.ts'
import type { RecoveryReport } from './recovery-report.ts'
import { refetchDamage } from './refetch.ts'
import type { Segment } from './segment.ts'
import { SegmentStore } from './segment-store.ts'
import { SyncSchedule } from './sync-schedule.ts'
import { TailCache } from './tail-cache.ts'
import type { TermTable } from './term-table.ts'
import { Writer } from './writer.ts'

const MIB = 1024 * 1024
/** As many as one base dump lets go at once, with segments of their usual size. */
export const MAX_SPARE_SEGMENTS = 8
const SCAN_BYTES = 4 * MIB
const NEARLY = 15 / 16
/** After so long without a flush the sync mark vouches for the last entries. */
const IDLE_MS = 20

export interface LogMemory {
  /** The last entries, those that are not written included. */
  readonly tailBytes: number
  readonly unwrittenBytes: number
  readonly coldBytes: number
  readonly coldPieces: number
}

/**
 * The log of one group on this node: entries in segment files, the last ones also in memory. Appends are collected and
 * flushed together; `onPersisted` tells how far. Any error of a write stops it for good: everything later fails with
 * MQ_IO, and no fsync is ever tried again.
 */
export class RaftLog {
  /** What opening found and did. */
  readonly recovery: RecoveryReport
  readonly #logger: Logger
  readonly #options: LogOptions
  readonly #segments: SegmentStore
  readonly #writer: Writer
  readonly #reader: EntryReader
  readonly #tail: TailCache
  readonly #cold: ColdReader
  readonly #room: DiskRoom
  readonly #idle: IdleTimer
  readonly #syncSchedule: SyncSchedule
  readonly #terms: TermTable
  readonly #upkeep: LogUpkeep
  readonly #mending: Mending | undefined
  #end: LogPoint
  /** Position through which `written` was last reported. */
  #written: number
  #failure: MqError | undefined
  #closed = false
  #cutting = 0
  /** The first entry that the cut under way takes; Infinity: there is none. */
  #cutFrom = Infinity
  /** Reads under way, and the first entry that any cut has taken meanwhile. */
  readonly #reading = new Set<{ cutFrom: number }>()
  #durableWaiters: Array<{ readonly index: number, readonly resolve: () => void, readonly reject: (error: MqError) => void }> = []

  private constructor (options: LogOptions, segments: SegmentStore, groupSeed: bigint, recovered: Recovered) {
    this.recovery = recovered.report
    this.#logger = options.logger ?? silentLogger
    this.#options = options
    this.#segments = segments
    this.#reader = new EntryReader(segments.opened, groupSeed, options.decodeConfig)
    this.#cold = new ColdReader(segments, this.#reader, options.clock, groupSeed, options.coldCacheBytes ?? 8 * MIB)
    this.#tail = new TailCache(options.tailCacheBytes ?? 16 * MIB, options.onMemoryFree)
    this.#terms = recovered.terms
    this.#end = recovered.end
    this.#writer = new Writer({
      disk: options.disk,
      segments,
      clock: options.clock,
      start: recovered.end,
      syncEachWrite: options.flush?.mode !== 'async',
      inlineFlush: options.inlineFlush ?? false,
      isMoreComing: () => options.isMoreComing?.() ?? false,
      onProgress: () => { this.#handleProgress() },
      onSealed: (segment) => { this.#upkeep.noteSealed(segment) },
      onFailure: (error) => { this.#fail(error) }
    })
    const { clock, disk, directory, flush, reserveBytes = 0 } = options
    this.#upkeep = new LogUpkeep({
      disk,
      directory,
      segments,
      reader: this.#reader,
      recovered,
      durablePosition: () => this.durablePosition,
      onFailure: (error) => this.#fail(error)
    })
    this.#mending = options.refetch && new Mending({ refetch: options.refetch, logger: this.#logger, groupSeed, segments, writer: this.#writer, upkeep: this.#upkeep, term: (index) => this.term(index), onFailure: (error) => this.#fail(error) })
    this.#syncSchedule = new SyncSchedule(clock, this.#writer, flush ?? {})
    this.#room = new DiskRoom({ disk, clock, logger: this.#logger, directory, reserveBytes, onLook: () => { this.#giveRoomBack() } })
    this.#idle = new IdleTimer(clock, IDLE_MS, () => { this.#upkeep.raiseMark() })
    this.#written = recovered.end.position
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
    await disk.syncDirectory(dirname(directory))
    const owner: { log?: RaftLog } = {}
    const newSegments = () => new SegmentStore({
      disk,
      directory,
      logger,
      segmentBytes: options.segmentBytes ?? 64 * MIB,
      preallocate: options.preallocate ?? true,
      spareSegments: options.spareSegments ?? (options.preallocate === false ? 0 : MAX_SPARE_SEGMENTS),
      hasRoomForSpares: () => owner.log !== undefined && owner.log.#hasRoomAhead,
      onFailure: (error) => { if (owner.log !== undefined) owner.log.#fail(error) }
    })
    let segments = newSegments()
    const recover = () => recoverLog({ disk, clock, logger, directory, groupSeed, segments, onDamage: options.onDamage ?? 'refuse', start: options.start })
    let recovered: Recovered | undefined
    for (let places = 0; recovered === undefined; places++) {
      try {
        recovered = await recover()
      } catch (error) {
        const { refetch, groupId, raiseTerm = async () => {} } = options
        await segments.close({ failed: true })
        if (refetch === undefined || places === MAX_PLACES || !isMqError(error, 'MQ_CORRUPT') || !await refetchDamage({ disk, clock, logger, directory, groupId, refetch, raiseTerm })) throw error
        segments = newSegments()
      }
    }
    owner.log = new RaftLog(options, segments, groupSeed, recovered)
    await owner.log.#room.check()
    owner.log.#idle.touch()
    return owner.log
  }

  get floor (): LogFloor { return this.#upkeep.floor }
  /** Of the first entry kept; one more than `lastIndex` while there is none. */
  get firstIndex (): number { return this.floor.index + 1 }
  /** Of the last entry handed over, written or not. */
  get lastIndex (): number { return this.#end.index }
  get lastTerm (): number { return this.#end.term }
  get endPosition (): number { return this.#end.position }
  get durableIndex (): number { return this.#writer.durable.index }
  get durablePosition (): number { return this.#writer.durable.position }
  get writtenIndex (): number { return this.#writer.written.index }
  /** Where the segment begins that is written to, once it is nearly full. */
  get nearlyFullSegment (): number | undefined {
    const { active, segmentBytes } = this.#segments
    return active.usedBytes >= segmentBytes * NEARLY ? active.basePosition : undefined
  }

  get failure (): MqError | undefined { return this.#failure }
  /** How long the last write or sync took, or the one under way has taken by now if that is longer, ms. */
  get flushMs (): number { return this.#writer.flushMs }
  /** What `onPersisted` reports and when entries are synced: see FlushOptions. */
  get flushMode (): FlushMode { return this.#writer.syncsEachWrite ? 'sync' : 'async' }

  /** Resolves when it is in force; with `sync`, when all that was reported is on disk. Appends go on meanwhile. */
  async setFlushMode (mode: FlushMode): Promise<void> {
    this.#assertUsable()
    await this.#upkeep.inTurn(async () => { if (mode !== this.flushMode) await this.#writer.switchTo(mode === 'sync') })
    this.#assertUsable()
  }

  /** Without it no flush runs on the event loop, whatever `inlineFlush` allows. */
  get mayFlushInline (): boolean { return this.#writer.inlineFlush }
  set mayFlushInline (may: boolean) { this.#writer.inlineFlush = may && this.#options.inlineFlush === true }

  /** False while the file system has less than `reserveBytes` left: propose nothing then. Turns true again by itself. */
  get hasRoom (): boolean { return this.#room.hasRoom }
  /** What it holds in memory, each in bytes; at least one piece of what was read back stays, whatever its size. */
  get memory (): LogMemory {
    // while it is cut it ends before what was written
    const unwrittenBytes = Math.max(0, this.#end.position - this.#writer.written.position)
    return { tailBytes: this.#tail.sizeBytes, unwrittenBytes, coldBytes: this.#cold.sizeBytes, coldPieces: this.#cold.pieces }
  }

  /** Of files that retention has dropped and that are kept to become segments; given up when room is short. */
  get spareBytes (): number { return this.#segments.spareBytes }
  /** Whether entries of so many bytes would leave the reserve alone. Once it was false, it turns true by itself when there is room for them. */
  hasRoomFor (sizeBytes: number): boolean { return this.#room.hasRoomFor(sizeBytes) }

  /** The reserve is touched, or entries were refused for which there is still no room. */
  get isShortOfRoom (): boolean { return this.#room.isShort }
  /** How long ago a look last found it short of room, ms; Infinity: never. */
  get roomyMs (): number { return this.#room.roomyMs }
  /** Looks how much room there is, less the reserve, bytes; Infinity: nobody watches. */
  async lookForRoom (): Promise<number> {
    await this.#room.check()
    return this.#room.roomBytes
  }

  /** Entries through this index are covered by a base dump, so their segments may go when they are below the floor. */
  get mayDeleteThrough (): number { return this.#upkeep.mayDeleteThrough }
  set mayDeleteThrough (index: number) { this.#upkeep.allowDeletionThrough(index) }

  /** The term at `index`, the floor's included; undefined outside the log. */
  term (index: number): number | undefined {
    if (index < this.floor.index || index > this.#end.index) return undefined
    if (index === this.#end.index) return this.#end.term
    return index === this.floor.index ? this.floor.term : this.#terms.termAt(index)
  }

  /**
   * Entries [from, to) within `maxBytes`, at least one, from memory; undefined when they are only on disk. Their bytes
   * stay as they are until the next append: copy what is kept.
   */
  entries (from: number, to: number, maxBytes: number): readonly RaftEntry[] | undefined {
    return from < this.firstIndex ? undefined : this.#tail.slice(from, to, maxBytes)
  }

  /**
   * Entries [from, to) within `maxBytes`, at least one; may return fewer, at a segment's end.
   * @throws MQ_CORRUPT the first of them is damaged; MQ_MESSAGE_NOT_FOUND it was cut off or removed meanwhile
   */
  async readEntries ({ from, to, maxBytes }: { readonly from: number, readonly to: number, readonly maxBytes: number }): Promise<readonly RaftEntry[]> {
    this.#assertUsable()
    if (from >= to) return []
    if (from < this.firstIndex || from > this.lastIndex) throw new MqError('MQ_INVALID_ARGUMENT', `entry ${from} is outside the log [${this.firstIndex}, ${this.lastIndex}]`)
    const cached = this.entries(from, to, maxBytes)
    if (cached !== undefined) return cached.map(copyOf)
    const segment = this.#segments.containingIndex(from)!
    const read = () => this.#readUncut(from, () => this.#readFrom(segment, from, to, maxBytes))
    // what cannot be mended may have been cut off while others were asked for it
    const entries = this.#mending === undefined ? await read() : await this.#readUncut(from, () => this.#mending!.reading(read))
    if (this.#terms.hasUnknown) this.#learnTerms(entries)
    return entries
  }

  /** What could not be read at the start was mended. What was cut off meanwhile is not in the log, or its place has a term that is known. */
  #learnTerms (entries: readonly RaftEntry[]): void {
    for (const { index, term } of entries) if (index <= this.lastIndex) this.#terms.learn(index, term)
  }

  async #readFrom (segment: Segment, from: number, to: number, maxBytes: number): Promise<readonly RaftEntry[]> {
    return await this.#reader.readFrom(segment, await this.#reader.locateIndex(segment, from), to, maxBytes)
  }

  /** Reads once more where the log was cut meanwhile, so long as entry `from` lies before the cut. */
  async #readUncut<T> (from: number, read: () => Promise<T>): Promise<T> {
    for (;;) {
      const reading = { cutFrom: this.#cutFrom }
      this.#reading.add(reading)
      try {
        return await read()
      } catch (error) {
        if (reading.cutFrom === Infinity) throw error
        if (from >= reading.cutFrom) throw new MqError('MQ_MESSAGE_NOT_FOUND', `entry ${from} was cut off meanwhile`, { cause: error })
      } finally {
        this.#reading.delete(reading)
      }
      // not again and again while the cut is under way
      await this.#upkeep.inTurn(async () => {})
    }
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
    const [damage] = this.recovery.damaged
    if (damage !== undefined) throw new MqError('MQ_CORRUPT', `${damage.file}: byte ${damage.fileByte}: ${damage.reason}; the log takes nothing until it is repaired`, { file: damage.file, position: damage.fileByte })
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
   * finished at the next start, or never began. `end`: where what is kept ends, for whoever knows; else it is looked up,
   * which needs what is cut to be readable.
   */
  async truncateFrom (index: number, end?: LogPoint): Promise<void> {
    this.#assertUsable()
    invariant(index > this.floor.index, `entry ${index} is at or below the floor ${this.floor.index}`)
    if (index > this.lastIndex) return
    this.#cutting++
    try {
      await this.#upkeep.inTurn(async () => { await this.#cut(index, end) })
    } finally {
      this.#cutting--
    }
  }

  /**
   * Nothing below that position is needed any more. Whole segments below it go in the background, as far as
   * `mayDeleteThrough` allows, never the active one; `floor` tells what is left, and is durable before anything goes.
   */
  setFloor (physicalOffset: number): void {
    this.#upkeep.setFloor(physicalOffset)
  }

  /** A view on bytes within one entry, if they are in memory; verified, nothing copied. Valid until the next append: copy what is kept. */
  readNow (physicalOffset: number, sizeBytes: number): Uint8Array | undefined {
    return this.#tail.read(physicalOffset, sizeBytes) ?? this.#cold.readNow(physicalOffset, sizeBytes)
  }

  /**
   * Bytes within one entry's body, from memory or disk, verified. Valid until the next turn of the event loop: copy what is kept.
   * @throws MQ_CORRUPT they are damaged; `error.file`, `error.position` (the byte in it), and `error.resumePosition`, where the log can be read again
   * @throws MQ_MESSAGE_NOT_FOUND they are outside the log, or not within one entry
   */
  async read (physicalOffset: number, sizeBytes: number): Promise<Uint8Array> {
    this.#assertUsable()
    const bytes = this.#tail.read(physicalOffset, sizeBytes)
    if (bytes !== undefined) return bytes.slice()
    const isInLog = physicalOffset >= this.floor.physicalOffset && physicalOffset + sizeBytes <= this.#end.position
    if (!isInLog || this.#tail.containing(physicalOffset) !== undefined) {
      throw new MqError('MQ_MESSAGE_NOT_FOUND', `no ${sizeBytes} bytes of one entry at position ${physicalOffset}`)
    }
    if (this.#mending === undefined) return await this.#cold.read(physicalOffset, sizeBytes)
    return await this.#mending.reading(() => this.#cold.read(physicalOffset, sizeBytes))
  }

  /**
   * The log's bytes from that position on as they are on disk, not verified, none that is not durable: up to `maxBytes`,
   * fewer at the end of a segment.
   * @throws MQ_MESSAGE_NOT_FOUND there is nothing durable at that position
   */
  async readRaw (physicalOffset: number, maxBytes: number): Promise<Uint8Array> {
    this.#assertUsable()
    const segment = this.#segments.containing(physicalOffset)
    const sizeBytes = segment === undefined ? 0 : Math.min(maxBytes, segment.endPosition - physicalOffset, this.durablePosition - physicalOffset)
    if (sizeBytes <= 0) throw new MqError('MQ_MESSAGE_NOT_FOUND', `the log has no durable bytes at position ${physicalOffset}`)
    const bytes = new Uint8Array(sizeBytes)
    return await this.#segments.opened.use(segment!, async (file) => bytes.subarray(0, await file.read(bytes, physicalOffset - segment!.basePosition)))
  }

  /** Keeps the head of the log where it is until the function returned is called: somebody copies the log. */
  holdFloor (): () => void { return this.#upkeep.holdFloor() }

  /** The entry whose bytes include that position; undefined outside the log. */
  async entryContaining (physicalOffset: number): Promise<RaftEntry | undefined> {
    this.#assertUsable()
    const cached = this.#tail.containing(physicalOffset)
    if (cached !== undefined) return copyOf(cached)
    if (physicalOffset < this.floor.physicalOffset || physicalOffset >= this.#end.position) return undefined
    const segment = this.#segments.containing(physicalOffset)
    if (segment === undefined) return undefined
    const read = async () => {
      const start = await this.#reader.locatePosition(segment, physicalOffset)
      return (await this.#reader.readFrom(segment, start, start.index + 1, 0))[0]
    }
    return await (this.#mending?.reading(read) ?? read())
  }

  /** Resolves when a sync covers entry `index`. @throws MQ_MESSAGE_NOT_FOUND it was cut off meanwhile */
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
    // the end may be cut off while it is waited for
    while (this.#failure === undefined && !this.#closed && this.durableIndex < this.lastIndex) await this.syncThrough(this.lastIndex).catch(() => {})
    this.#closed = true
    this.#stopTimers()
    await this.#room.close()
    await this.#upkeep.close()
    await this.#writer.hold()
    await this.#segments.close({ failed: this.#failure !== undefined })
  }

  async #cut (index: number, end: LogPoint | undefined): Promise<void> {
    if (index > this.lastIndex) return
    const position = this.#tail.at(index)?.physicalOffset ?? end?.position ?? (await this.#locate(index)).position
    const point: LogPoint = { index: index - 1, term: this.term(index - 1) ?? end!.term, position }
    invariant(end === undefined || (end.index === point.index && end.term === point.term && end.position === position), `entry ${index} begins at ${position} after term ${point.term}, not where the log is to be cut`)
    this.#cutFrom = index
    for (const reading of this.#reading) reading.cutFrom = Math.min(reading.cutFrom, index)
    this.#writer.forget(index)
    await this.#writer.hold()
    try {
      this.#assertUsable()
      this.#tail.truncateFrom(index)
      this.#cold.truncate(position)
      this.#terms.truncateFrom(index)
      this.#end = point
      this.#tellCutOff(index)
      await this.#upkeep.cut(point)
      this.#cold.truncate(position)
      this.#writer.cutTo(point)
    } finally {
      this.#cutFrom = Infinity
      this.#writer.release()
    }
  }

  /** Nobody else would tell who waits for the disk to have an entry from `from` on. */
  #tellCutOff (from: number): void {
    const waiting = this.#durableWaiters
    this.#durableWaiters = waiting.filter(({ index }) => index < from)
    for (const { index, reject } of waiting) if (index >= from) reject(new MqError('MQ_MESSAGE_NOT_FOUND', `entry ${index} was cut off meanwhile`))
  }

  async #locate (index: number): Promise<EntryStart> {
    const segment = this.#segments.containingIndex(index)!
    return await this.#reader.locateIndex(segment, index)
  }

  #handleProgress (): void {
    // A flush that was under way when another file failed may end well; nothing is promised any more all the same.
    if (this.#failure !== undefined) return
    const { written, durable } = this.#writer
    // First: while what was flushed is applied and answered, the disk has nothing else to do.
    if (this.#mayPrepare) this.#segments.prepareNext()
    this.#tail.evict(written.index)
    if (written.position > this.#written) this.#room.noteWritten(written.position - this.#written)
    this.#written = written.position
    if (!this.#closed) {
      if (!this.#writer.syncsEachWrite) this.#syncSchedule.noteWritten()
      this.#idle.touch()
    }
    if (this.#durableWaiters.length > 0) this.#wakeDurableWaiters()
    const { index, term } = this.#writer.syncsEachWrite ? durable : written
    this.#options.onPersisted({ index, term, written: written.index, durable: durable.index })
  }

  /** Zeros ahead must neither hold up flushes nor use up the room that is left for entries. */
  get #mayPrepare (): boolean {
    return this.#segments.preallocate && !this.#closed && this.#writer.leavesDiskIdle && this.#hasRoomAhead
  }

  /** There is more room than the entries to come may need soon. */
  get #hasRoomAhead (): boolean { return this.#room.roomBytes > 2 * this.#segments.segmentBytes }

  /** Where room is short, the first to go is what only saves time. */
  #giveRoomBack (): void {
    if (this.#segments.spareBytes === 0 || this.#hasRoomAhead || this.#failure !== undefined) return
    this.#segments.removeSpares().then(() => this.#room.check()).catch(() => {})
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

  #stopTimers (): void {
    this.#idle.stop()
    this.#syncSchedule.stop()
  }

  #fail (cause: unknown): MqError {
    if (this.#failure !== undefined) return this.#failure
    this.#failure = cause instanceof MqError && cause.code !== 'MQ_IO' ? cause : new MqError('MQ_IO', `the log in ${this.#options.directory} stopped: ${(cause as Error).message}`, { cause })
    this.#writer.stop()
    this.#segments.stop()
    this.#upkeep.stop()
    this.#stopTimers()
    this.#logger.error(this.#failure.message, { cause })
    const waiters = this.#durableWaiters
    this.#durableWaiters = []
    for (const { reject } of waiters) reject(this.#failure)
    this.#options.onFailure(this.#failure)
    return this.#failure
  }
}

function copyOf (entry: RaftEntry): RaftEntry {
  return { ...entry, bytes: entry.bytes.slice() }
}
