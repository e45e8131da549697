import type { Clock, Timer } from '../base/index.ts'

export interface AbsenceOptions {
  readonly clock: Clock
  readonly goneAfterMs: number
  readonly onGone: () => void
}

/**
 * Whether the process of a peer has ended: all its links were closed, as the system does for a process that ends, and
 * where it was found before nobody listens any more. One that only lost its links makes new ones meanwhile.
 */
export class Absence {
  readonly #options: AbsenceOptions
  /** The peer was met at the address that is dialled. */
  isFoundThere = false
  #timer: Timer | undefined
  #isLong = false
  #isNobodyThere = false
  #isGone = false

  constructor (options: AbsenceOptions) {
    this.#options = options
  }

  /** The last link was lost. */
  begin (): void {
    if (!this.isFoundThere) return
    this.#timer?.cancel()
    this.#isLong = this.#isNobodyThere = false
    this.#timer = this.#options.clock.setTimer(this.#options.goneAfterMs, () => {
      this.#timer = undefined
      this.#isLong = true
      this.#look()
    })
  }

  /** An attempt to connect has shown it. */
  nobodyListens (): void {
    this.#isNobodyThere = true
    this.#look()
  }

  /** There is a link. Returns whether the peer was taken for gone. */
  end (): boolean {
    const wasGone = this.#isGone
    this.#timer?.cancel()
    this.#timer = undefined
    this.#isLong = this.#isGone = false
    return wasGone
  }

  /** It is to be found elsewhere, or no peer any more. */
  forget (): void {
    this.end()
    this.isFoundThere = false
  }

  #look (): void {
    if (this.#isGone || !this.#isLong || !this.#isNobodyThere) return
    this.#isGone = true
    this.#options.onGone()
  }
}
