import type { Clock, Timer } from '../base/index.ts'

/**
 * Regular ticks on monotonic time. A tick that comes late counts once, and only after what was ready meanwhile (the
 * leader's heartbeats, for one) has been served: a stalled process must not take its own stall for the leader's.
 */
export class Ticker {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #onTick: (sinceLastMs: number) => void
  #timer: Timer | undefined
  #running = false
  #lastAtMs = 0

  constructor (clock: Clock, intervalMs: number, onTick: (sinceLastMs: number) => void) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#onTick = onTick
  }

  /** Starts or stops; fine when it is so already. */
  run (running: boolean): void {
    if (running === this.#running) return
    this.#running = running
    if (running) {
      this.#lastAtMs = this.#clock.nowMs()
      this.#wait()
    } else {
      this.#timer?.cancel()
      this.#timer = undefined
    }
  }

  #wait (): void {
    const timer = this.#timer = this.#clock.setTimer(this.#intervalMs, () => {
      this.#clock.defer(() => {
        if (this.#timer !== timer) return
        const nowMs = this.#clock.nowMs()
        const sinceLastMs = nowMs - this.#lastAtMs
        this.#lastAtMs = nowMs
        this.#wait()
        this.#onTick(sinceLastMs)
      })
    })
  }
}
