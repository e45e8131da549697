import type { Clock, Timer } from '../base/index.ts'

/** Calls `onIdle` when nothing was touched for `idleMs`. One timer, however often it is touched. */
export class IdleTimer {
  readonly #clock: Clock
  readonly #idleMs: number
  readonly #onIdle: () => void
  #timer: Timer | undefined
  #touchedAtMs = 0

  constructor (clock: Clock, idleMs: number, onIdle: () => void) {
    this.#clock = clock
    this.#idleMs = idleMs
    this.#onIdle = onIdle
  }

  touch (): void {
    this.#touchedAtMs = this.#clock.nowMs()
    if (this.#timer === undefined) this.#arm(this.#idleMs)
  }

  stop (): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm (delayMs: number): void {
    this.#timer = this.#clock.setTimer(delayMs, () => {
      this.#timer = undefined
      const restMs = this.#touchedAtMs + this.#idleMs - this.#clock.nowMs()
      if (restMs > 0) this.#arm(restMs)
      else this.#onIdle()
    })
  }
}
