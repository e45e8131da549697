const WINDOW = 15
/** Below this a flush on the event loop beats a round trip through the thread pool, and stalls others no longer than a collection does. */
const FAST_MS = 1
/**
 * Smaller flushes gain from zeros that are written along with them, a step at a time: overwriting saves the file system
 * one journal commit a flush. For larger ones such zeros would take as much of the disk as the entries do.
 */
const SMALL_FLUSH_BYTES = 64 * 1024
/** Nor is a flush small that many of do not fit into a segment. */
const SMALL_PART_OF_SEGMENT = 1 / 64
/** Larger ones come while as much again is being sealed: the disk is never idle. */
const LARGE_FLUSH_BYTES = 256 * 1024
/** Weight of the newest flush in their average size. */
const NEWEST = 1 / 16

/** What the last flushes were like: how long the small ones took, how large they are. */
export class FlushHistory {
  readonly #smallBytes: number
  #averageBytes = 0
  readonly #recent: number[] = new Array<number>(WINDOW).fill(0)
  #next = 0
  #fast = WINDOW

  constructor (segmentBytes: number) {
    this.#smallBytes = Math.min(SMALL_FLUSH_BYTES, segmentBytes * SMALL_PART_OF_SEGMENT)
  }

  note (sizeBytes: number): void {
    this.#averageBytes += (sizeBytes - this.#averageBytes) * NEWEST
  }

  /** A small flush that was synced took so long. */
  noteSmall (elapsedMs: number): void {
    if (this.#recent[this.#next]! < FAST_MS) this.#fast--
    if (elapsedMs < FAST_MS) this.#fast++
    this.#recent[this.#next] = elapsedMs
    this.#next = (this.#next + 1) % WINDOW
  }

  /** Whether they are so small that they gain from zeros written along with them. */
  get areSmall (): boolean { return this.#averageBytes < this.#smallBytes }

  /** Whether they are neither small nor so large or slow that the disk has no time for something else between them. */
  get leaveDiskIdle (): boolean { return this.areFast && !this.areSmall && this.#averageBytes < LARGE_FLUSH_BYTES }

  /** Whether their median is small. */
  get areFast (): boolean { return this.#fast * 2 > WINDOW }
}
