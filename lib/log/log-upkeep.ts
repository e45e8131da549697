import type { Disk, MqError } from '../base/index.ts'
import type { CutIntent } from './cut-intent.ts'
import { cutFile, replaceByHead } from './cut.ts'
import type { EntryReader } from './entry-reader.ts'
import type { FloorFile, LogFloor } from './floor-file.ts'
import type { LogPoint } from './log-point.ts'
import type { Recovered } from './recovery.ts'
import type { Segment } from './segment.ts'
import type { SegmentStore } from './segment-store.ts'
import type { SyncMark } from './sync-mark.ts'
import type { TermTable } from './term-table.ts'
import type { TermsFile } from './terms-file.ts'

export interface UpkeepOptions {
  readonly disk: Disk
  readonly directory: string
  readonly segments: SegmentStore
  readonly reader: EntryReader
  readonly recovered: Recovered
  /** Position through which the log is synced. */
  durablePosition (): number
  /** Stops the log; returns what it stopped with. */
  onFailure (error: unknown): MqError
}

/**
 * What happens to the log beside appends: cuts, the sync mark, the floor and what goes below it, the saved terms. One
 * at a time, in the order they were asked for. A write that fails stops the log.
 */
export class LogUpkeep {
  readonly #options: UpkeepOptions
  readonly #segments: SegmentStore
  readonly #terms: TermTable
  readonly #mark: SyncMark
  readonly #termsFile: TermsFile
  readonly #intent: CutIntent
  readonly #floorFile: FloorFile
  #floor: LogFloor
  #wantedFloor = 0
  #mayDeleteThrough = 0
  #holds = 0
  #last: Promise<void> = Promise.resolve()
  #stopped = false
  #failed = false

  constructor (options: UpkeepOptions) {
    const { recovered } = options
    this.#options = options
    this.#segments = options.segments
    this.#terms = recovered.terms
    this.#mark = recovered.mark
    this.#termsFile = recovered.termsFile
    this.#intent = recovered.intent
    this.#floorFile = recovered.floor
    this.#floor = recovered.floor.floor
  }

  get floor (): LogFloor { return this.#floor }
  get mayDeleteThrough (): number { return this.#mayDeleteThrough }

  setFloor (physicalOffset: number): void {
    this.#wantedFloor = Math.max(this.#wantedFloor, physicalOffset)
    this.#dropHead()
  }

  allowDeletionThrough (index: number): void {
    this.#mayDeleteThrough = Math.max(this.#mayDeleteThrough, index)
    this.#dropHead()
  }

  /** The floor stays until the function returned is called. */
  holdFloor (): () => void {
    this.#holds++
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#holds--
      this.#dropHead()
    }
  }

  /** A segment took its last entry: its terms are saved if it has several. */
  noteSealed (segment: Segment): void {
    this.#inBackground(async () => {
      // Looked up late: a cut may have taken the successor away again.
      const next = this.#segments.after(segment)
      if (next !== undefined && !segment.isRemoved && segment.firstTerm !== next.prevTerm) await this.#termsFile.save(this.#terms, next.firstIndex - 1)
    })
  }

  /** Lets the sync mark vouch for all that is synced. */
  raiseMark (): void {
    this.#inBackground(async () => { await this.#mark.raise(this.#options.durablePosition()) })
  }

  /** Runs `action` after what was asked for before; its errors are the caller's. */
  async inTurn (action: () => Promise<void>): Promise<void> {
    const done = this.#last.then(action)
    this.#last = done.catch(() => {})
    await done
  }

  /**
   * Ends the log on disk behind `point`, while no write is under way: lower the mark and tell the intent, zeros, clear
   * the intent, each durable before the next.
   */
  async cut (point: LogPoint): Promise<void> {
    const { disk, directory, reader, onFailure } = this.#options
    const segments = this.#segments
    const cut = { from: point.position, to: segments.active.endPosition }
    if (cut.from >= cut.to) return
    try {
      await this.#mark.lower(cut.from)
      await this.#termsFile.forgetFrom(point.index + 1)
      await this.#intent.set(cut)
      const removed = segments.takeFrom(cut.from)
      for (const segment of removed) {
        await segment.retire()
        await disk.unlink(segment.path)
      }
      if (removed.length > 0) await disk.syncDirectory(directory)
      const { active } = segments
      if (await disk.isLinked(active.path)) {
        await active.close()
        active.fileBytes = cut.from - active.basePosition
        active.olderTo = 0
        await replaceByHead(disk, active.path, active.fileBytes)
        // a reader may have opened the old one meanwhile
        await active.close()
      } else {
        await cutFile(await active.file(), active.basePosition, cut)
      }
      await this.#intent.clear()
      // It is written to from now on, so its index must reach its end.
      await active.file()
      await reader.coverThrough(active, cut.from)
      active.endPosition = cut.from
      active.index.truncate(cut.from, point.index + 1)
      if (active.isEmpty) active.firstTerm = undefined
    } catch (error) {
      throw onFailure(error)
    }
  }

  /** The log has failed: begins nothing more, also of what waits, and vouches for nothing that a cut may have taken. */
  stop (): void {
    this.#stopped = true
    this.#failed = true
  }

  /** Waits for what is under way, vouches for what is synced unless something has failed, and closes the files. */
  async close (): Promise<void> {
    this.#stopped = true
    await this.#last
    if (!this.#failed) await this.#mark.raise(this.#options.durablePosition()).catch(this.#options.onFailure)
    for (const file of [this.#mark, this.#intent, this.#floorFile]) await file.close()
  }

  #dropHead (): void {
    this.#inBackground(async () => {
      if (this.#holds > 0) return
      const floor = this.#segments.floorFor(this.#wantedFloor, this.#mayDeleteThrough)
      if (floor === undefined || floor.index <= this.#floor.index) return
      await this.#floorFile.save(floor)
      this.#floor = floor
      this.#terms.dropBefore(floor.index + 1)
      this.#segments.dropBelow(floor.physicalOffset)
    })
  }

  #inBackground (action: () => Promise<void>): void {
    if (this.#stopped) return
    this.inTurn(async () => { if (!this.#failed) await action() }).catch(this.#options.onFailure)
  }
}
