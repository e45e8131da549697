import type { Clock, Random, Timer } from '../base/index.ts'

const LONGEST_TIMEOUT_MS = 0x7fff_ffff

/** The clocks and timers of this process. Timers do not keep it alive. */
export class NodeClock implements Clock {
  wallMs (): number { return Date.now() }
  nowMs (): number { return performance.now() }
  defer (fn: () => void): void { setImmediate(fn) }

  setTimer (delayMs: number, fn: () => void): Timer {
    const dueMs = this.nowMs() + delayMs
    let timeout: NodeJS.Timeout
    // setTimeout counts whole ms of the event loop's own time, so it may fire up to 1 ms early, and at once beyond 2^31 ms.
    const wait = (): void => {
      const remainingMs = dueMs - this.nowMs()
      if (remainingMs <= 0) fn()
      else timeout = setTimeout(wait, Math.min(Math.ceil(remainingMs), LONGEST_TIMEOUT_MS)).unref()
    }
    timeout = setTimeout(wait, Math.min(delayMs, LONGEST_TIMEOUT_MS)).unref()
    return { cancel: () => { clearTimeout(timeout) } }
  }
}

/** The process's random source. */
export class NodeRandom implements Random {
  next (): number { return Math.random() }
}
