import type { Clock, Timer } from '../../lib/base/index.ts'
import type { VirtualClock } from '../support/virtual-clock.ts'

/**
 * One process's view of time: runs a little too fast or too slow, stands still while the process is paused (everything
 * that came due meanwhile runs when it goes on), and ends with the process. Its wall clock may be stepped.
 */
export class NodeClock implements Clock {
  readonly #clock: VirtualClock
  readonly #rate: number
  readonly #onRun: () => void
  #wallSkewMs: number
  #dead = false
  #paused = false
  #held: Array<() => void> = []

  /** `onRun` is told before anything runs in the process. */
  constructor (clock: VirtualClock, rate: number, wallSkewMs: number, onRun: () => void = () => {}) {
    this.#clock = clock
    this.#rate = rate
    this.#wallSkewMs = wallSkewMs
    this.#onRun = onRun
  }

  wallMs (): number { return this.#clock.wallMs() + this.#wallSkewMs }
  nowMs (): number { return this.#clock.nowMs() * this.#rate }

  /** The wall clock jumps. */
  step (ms: number): void { this.#wallSkewMs += ms }

  setTimer (delayMs: number, fn: () => void): Timer {
    let cancelled = false
    const timer = this.#clock.setTimer(delayMs / this.#rate, () => { this.run(() => { if (!cancelled) fn() }) })
    return {
      cancel: () => {
        cancelled = true
        timer.cancel()
      }
    }
  }

  defer (fn: () => void): void {
    this.#clock.defer(() => { this.run(fn) })
  }

  /** Runs `fn` in this process: now, after its pause, or never. */
  run (fn: () => void): void {
    if (this.#dead) return
    if (this.#paused) {
      this.#held.push(fn)
      return
    }
    this.#onRun()
    fn()
  }

  pause (): void { this.#paused = true }

  resume (): void {
    if (!this.#paused) return
    this.#paused = false
    const held = this.#held
    this.#held = []
    for (const fn of held) this.defer(fn)
  }

  get isPaused (): boolean { return this.#paused }

  end (): void {
    this.#dead = true
    this.#held = []
  }
}
