import type { Clock } from '../base/index.ts'

/** A state that is found damaged so soon after it was made anew has a disk that cannot be relied on. */
const LEAST_APART_MS = 10 * 60_000

/** How often the state of a node that runs was made anew, because its database was found damaged. */
export class StateRebuilds {
  readonly #clock: Clock
  #lastMs = -Infinity

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** One is due: whether it is to be expected to help. */
  mayHelp (): boolean {
    const nowMs = this.#clock.nowMs()
    const mayHelp = nowMs - this.#lastMs >= LEAST_APART_MS
    this.#lastMs = nowMs
    return mayHelp
  }
}
