import type { Clock, Timer } from '../base/index.ts'

/**
 * Regular ticks on monotonic time. A tick that comes late counts once, and only after what was ready meanwhile (the
 * leader's heartbeats, for one) has been served: a stalled process must not take its own stall for the leader's. Several
 * may pass at once, while there is nothing that a finer look would show.
 */
export class Ticker {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #onTicks: (ticks: number, sinceLastMs: number) => number
  #timer: Timer | undefined
  #running = false
  #lastAtMs = 0

  /** `onTicks` is told how many ticks have passed, and says how many are to pass until it is told again. */
  constructor (clock: Clock, intervalMs: number, onTicks: (ticks: number, sinceLastMs: number) => number) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#onTicks = onTicks
  }

  /** Starts or stops; fine when it is so already. */
  run (running: boolean): void {
    if (running === this.#running) return
    this.#running = running
    if (running) {
      this.#lastAtMs = this.#clock.nowMs()
      this.#wait(1)
    } else {
      this.#timer?.cancel()
      this.#timer = undefined
    }
  }

  #wait (ticks: number): void {
    const timer = this.#timer = this.#clock.setTimer(ticks * this.#intervalMs, () => {
      this.#clock.defer(() => {
        if (this.#timer !== timer) return
        const nowMs = this.#clock.nowMs()
        const sinceLastMs = nowMs - this.#lastAtMs
        this.#lastAtMs = nowMs
        const next = this.#onTicks(ticks, sinceLastMs)
        // it may have stopped, or begun anew
        if (this.#timer === timer) this.#wait(next)
      })
    })
  }
}
