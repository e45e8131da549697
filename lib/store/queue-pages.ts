import { invariant, isMqError } from '../base/index.ts'
import type { Change, Kv } from '../kv/index.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import { SlicedWrites } from './sliced-writes.ts'
import { encodeUnits, PAGE_UNITS, UnitPage } from './unit-page.ts'
import { pageKey, pageRange, queueRange, type UnitReader } from './unit-reader.ts'

/** Pieces of an unfinished page that may be in the kv before they are made one. */
const MAX_DELTAS = 8
/** More units in memory than this after a checkpoint, and all queues let go of theirs, not only idle ones. */
const RESIDENT_BYTES = 8 * 1024 * 1024

/** One piece to be written: the units [from, to) of a page; together with those the kv holds from `mergeFrom` on, if given. */
interface PieceWrite {
  readonly queue: ConsumeQueue
  readonly page: UnitPage
  readonly from: number
  readonly to: number
  readonly mergeFrom: number | undefined
  /** Pieces that this one makes superfluous. */
  readonly replaces: readonly number[]
}

/** What a checkpoint writes of the units, as of its freeze. */
export interface FrozenPages {
  /** Whole pages: writing them twice or early does no harm. */
  readonly whole: readonly PieceWrite[]
  /** Pieces that belong into the checkpoint's last batch. */
  readonly pieces: readonly PieceWrite[]
  readonly persistedTo: ReadonlyArray<readonly [ConsumeQueue, number]>
  readonly garbage: ReadonlyArray<{ readonly gte: string, readonly lt: string }>
}

/**
 * Brings units from memory to the kv. A page that is full is one value. What is there of an unfinished page at a
 * checkpoint is written as a delta, the piece since the last one; pieces are merged when the page is full or when they
 * become many, with the kv's help when the queue was idle and its older pieces have left memory.
 */
export class QueuePages {
  readonly #kv: Kv
  readonly #reader: UnitReader
  #dirty = new Set<ConsumeQueue>()
  /** Queues with pages in memory. */
  readonly #resident = new Set<ConsumeQueue>()
  /** Queues appended to since the last freeze, and before it. */
  #recent = new Set<ConsumeQueue>()
  #removed = new Set<ConsumeQueue>()
  /** Units that are in memory only. */
  unpersistedUnits = 0

  constructor (kv: Kv, reader: UnitReader) {
    this.#kv = kv
    this.#reader = reader
  }

  markAppended (queue: ConsumeQueue): void {
    if (queue.isRecent) return
    queue.isRecent = true
    this.markChanged(queue)
    this.#resident.add(queue)
    this.#recent.add(queue)
  }

  markChanged (queue: ConsumeQueue): void {
    queue.isDirty = true
    this.#dirty.add(queue)
  }

  /** The queue's topic was deleted; its pages go after the checkpoint that knows about it. */
  remove (queue: ConsumeQueue): void {
    this.#resident.delete(queue)
    this.#recent.delete(queue)
    this.#removed.add(queue)
    // Its head leaves the kv with the next freeze.
    this.#dirty.add(queue)
  }

  /** The queues whose heads changed; call `freeze` first, which decides how units are stored. */
  takeDirty (): Iterable<ConsumeQueue> {
    const dirty = this.#dirty
    this.#dirty = new Set()
    for (const queue of dirty) queue.isDirty = false
    return dirty
  }

  /** Decides what is to be written; from here on the queues count it as written. */
  freeze (): FrozenPages {
    const frozen = { whole: [] as PieceWrite[], pieces: [] as PieceWrite[], persistedTo: [] as Array<readonly [ConsumeQueue, number]>, garbage: [] as Array<{ gte: string, lt: string }> }
    for (const queue of this.#dirty) {
      if (this.#removed.has(queue)) continue
      const from = queue.persistedTo
      const to = queue.nextOffset
      for (const page of queue.pages) if (page.endOffset > from) this.#planPiece(queue, page, from, to, frozen)
      if (to > from) frozen.persistedTo.push([queue, to])
      const keptPage = Math.floor(queue.minOffset / PAGE_UNITS)
      if (keptPage > queue.discardedPages) {
        frozen.garbage.push(pageRange(queue.number, 0, keptPage))
        queue.discardedPages = keptPage
      }
    }
    for (const { number } of this.#removed) frozen.garbage.push(queueRange(number))
    this.#removed = new Set()
    for (const queue of this.#recent) queue.isRecent = false
    this.#recent = new Set()
    this.unpersistedUnits = 0
    return frozen
  }

  #planPiece (queue: ConsumeQueue, page: UnitPage, fromOffset: number, toOffset: number, { whole, pieces }: { whole: PieceWrite[], pieces: PieceWrite[] }): void {
    const first = page.pageNumber * PAGE_UNITS
    const from = Math.max(fromOffset - first, page.start)
    const to = Math.min(toOffset - first, PAGE_UNITS)
    const deltas = from > 0 && queue.deltas !== undefined ? queue.deltas : []
    const isFull = to === PAGE_UNITS
    if (deltas.length === 0) {
      const write = { queue, page, from, to, mergeFrom: undefined, replaces: deltas }
      if (isFull) whole.push(write)
      else pieces.push(write)
      queue.deltas = isFull ? undefined : [from]
    } else if (isFull || deltas.length >= MAX_DELTAS) {
      const start = deltas[0]!
      const isResident = page.start <= start
      pieces.push({ queue, page, from: isResident ? start : from, to, mergeFrom: isResident ? undefined : start, replaces: deltas.slice(1) })
      queue.deltas = isFull ? undefined : [start]
    } else {
      pieces.push({ queue, page, from, to, mergeFrom: undefined, replaces: [] })
      queue.deltas = [...deltas, from]
    }
  }

  /** Writes the whole pages in slices. */
  async writeWhole ({ whole }: FrozenPages): Promise<void> {
    const writes = new SlicedWrites(this.#kv)
    for (const { queue, page, from, to } of whole) await writes.add(pageKey(queue.number, page.pageNumber, from), encodeUnits(page, from, to))
    await writes.finish()
  }

  /** The other pieces, for the checkpoint's last batch. */
  async pieceChanges ({ pieces }: FrozenPages): Promise<Change[]> {
    const changes: Change[] = []
    for (const { queue, page, from, to, mergeFrom, replaces } of pieces) {
      const { number } = queue
      const { pageNumber } = page
      if (mergeFrom === undefined) {
        changes.push({ key: pageKey(number, pageNumber, from), value: encodeUnits(page, from, to) })
      } else {
        const merged = await this.#reader.loadPieces(number, pageNumber, from)
        invariant(merged.start === mergeFrom && merged.end >= from, 'pieces of a consume queue page are not where they were written')
        if (merged.end < to) merged.append(page, merged.end, to)
        changes.push({ key: pageKey(number, pageNumber, mergeFrom), value: encodeUnits(merged, mergeFrom, to) })
      }
      for (const start of replaces) changes.push({ key: pageKey(number, pageNumber, start), value: undefined })
    }
    return changes
  }

  /** All that was frozen is durable: lets go of what need not stay in memory, and of what nobody reads any more. */
  async finish ({ persistedTo, garbage }: FrozenPages): Promise<void> {
    for (const [queue, offset] of persistedTo) queue.persistedTo = offset
    const written = new Set(persistedTo.map(([queue]) => queue))
    for (const queue of this.#resident) this.#release(queue, !written.has(queue) && !this.#recent.has(queue))
    let residentBytes = 0
    for (const queue of this.#resident) for (const page of queue.pages) residentBytes += page.memoryBytes
    if (residentBytes > RESIDENT_BYTES) for (const queue of this.#resident) this.#release(queue, true)
    for (const range of garbage) await this.#kv.discard(range)
  }

  /** Full pages that are in the kv leave for the cache; the last one too if the queue is `idle`. */
  #release (queue: ConsumeQueue, isIdle: boolean): void {
    let count = 0
    for (const page of queue.pages) {
      if (page.endOffset > queue.persistedTo || !(page.isFull || isIdle)) break
      this.#reader.cache.set(queue.number, page)
      count++
    }
    queue.forgetPages(count)
    if (queue.pages.length === 0) this.#resident.delete(queue)
  }

  /** Raises a queue's minOffset to its first unit at or above the floor; returns whether it moved. */
  async raiseMinOffset (queue: ConsumeQueue, floorPosition: number): Promise<boolean> {
    const found = await this.#firstAtOrAbove(queue, floorPosition)
    if (found === undefined || this.#removed.has(queue) || found.offset <= queue.minOffset) return false
    queue.minOffset = found.offset
    queue.minPosition = found.position
    this.markChanged(queue)
    return true
  }

  /** Units follow the log only roughly, so every page is looked at, from the first on; each once in its life. */
  async #firstAtOrAbove (queue: ConsumeQueue, floorPosition: number): Promise<{ readonly offset: number, readonly position: number } | undefined> {
    let offset = queue.maxPosition < floorPosition ? queue.nextOffset : queue.minOffset
    while (offset < queue.nextOffset) {
      const units = await this.#reader.units(queue, offset, PAGE_UNITS).catch((error: unknown) => {
        if (isMqError(error, 'MQ_OFFSET_TOO_SMALL')) return undefined // deleted meanwhile
        throw error
      })
      if (units === undefined) return undefined
      const { page, from, to } = units
      const unit = page.maxPosition < floorPosition ? to : firstUnitFrom(page, from, to, floorPosition)
      if (unit < to) return { offset: offset + unit - from, position: page.physicalOffsetOf(unit) }
      offset += to - from
    }
    return { offset, position: Infinity }
  }

  clear (): void {
    this.#dirty.clear()
    this.#resident.clear()
    this.#recent.clear()
    this.#removed.clear()
    this.unpersistedUnits = 0
  }
}

function firstUnitFrom (page: UnitPage, from: number, to: number, floorPosition: number): number {
  let unit = from
  while (unit < to && page.physicalOffsetOf(unit) < floorPosition) unit++
  return unit
}
