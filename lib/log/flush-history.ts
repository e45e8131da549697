const WINDOW = 15
/** Below this a flush on the event loop beats a round trip through the thread pool, and stalls others no longer than a collection does. */
const FAST_MS = 1
/**
 * Flushes of this size gain nothing from zeros written ahead: overwriting saves the file system one journal commit a
 * flush, but the zeros take as much of the disk as the entries do.
 */
const LARGE_FLUSH_BYTES = 64 * 1024
/** Weight of the newest flush in their average size. */
const NEWEST = 1 / 16

/** What the last flushes were like: how long the small ones took, how large they are. */
export class FlushHistory {
  #averageBytes = 0
  readonly #recent: number[] = new Array<number>(WINDOW).fill(0)
  #next = 0
  #fast = WINDOW

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

  /** Whether they are so small that they gain from zeros written ahead. */
  get gainFromZeros (): boolean { return this.#averageBytes < LARGE_FLUSH_BYTES }

  /** Whether their median is small. */
  get areFast (): boolean { return this.#fast * 2 > WINDOW }
}
