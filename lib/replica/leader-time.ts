import type { Clock } from '../base/index.ts'

/** A forward step of the wall clock larger than this is not believed at once. */
const MAX_STEP_MS = 1000
/** How long a larger forward step must have lasted to be believed. */
const BELIEVE_AFTER_MS = 5000

/**
 * The time a leader puts into its entries: runs with the monotonic clock and follows the wall clock's small
 * corrections, never goes back, and takes a large forward step only after it has lasted. One wrong reading of the
 * clock would otherwise stamp all later messages of a queue (units carry the maximum so far).
 */
export class LeaderTime {
  readonly #clock: Clock
  #offsetMs: number
  #lastMs = 0
  #aheadSinceMs: number | undefined

  constructor (clock: Clock) {
    this.#clock = clock
    this.#offsetMs = clock.wallMs() - clock.nowMs()
  }

  /** Whole milliseconds since 1970. */
  stampMs (): number {
    const nowMs = this.#clock.nowMs()
    const offsetMs = this.#clock.wallMs() - nowMs
    if (offsetMs - this.#offsetMs <= MAX_STEP_MS) {
      this.#offsetMs = offsetMs
      this.#aheadSinceMs = undefined
    } else {
      this.#aheadSinceMs ??= nowMs
      if (nowMs - this.#aheadSinceMs >= BELIEVE_AFTER_MS) {
        this.#offsetMs = offsetMs
        this.#aheadSinceMs = undefined
      }
    }
    this.#lastMs = Math.max(this.#lastMs, Math.floor(nowMs + this.#offsetMs))
    return this.#lastMs
  }
}
