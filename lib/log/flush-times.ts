const WINDOW = 15
/** Below this a flush on the event loop beats a round trip through the thread pool and stalls nobody (speed.md A2). */
const FAST_MS = 0.3

/** The times of the last few small flushes. */
export class FlushTimes {
  readonly #recent: number[] = new Array<number>(WINDOW).fill(0)
  #next = 0
  #fast = WINDOW

  note (elapsedMs: number): void {
    if (this.#recent[this.#next]! < FAST_MS) this.#fast--
    if (elapsedMs < FAST_MS) this.#fast++
    this.#recent[this.#next] = elapsedMs
    this.#next = (this.#next + 1) % WINDOW
  }

  /** Whether their median is small. */
  get areFast (): boolean { return this.#fast * 2 > WINDOW }
}
