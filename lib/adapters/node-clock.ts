import type { Clock, Random, Timer } from '../base/index.ts'

const LONGEST_TIMEOUT_MS = 0x7fff_ffff

/** The clocks and timers of this process. Timers do not keep it alive. */
export class NodeClock implements Clock {
  wallMs (): number { return Date.now() }
  nowMs (): number { return performance.now() }
  defer (fn: () => void): void { setImmediate(fn) }

  setTimer (delayMs: number, fn: () => void): Timer {
    if (delayMs <= LONGEST_TIMEOUT_MS) {
      const timeout = setTimeout(fn, delayMs).unref()
      return { cancel: () => { clearTimeout(timeout) } }
    }
    // setTimeout fires at once beyond 2^31 ms: go there in stages.
    let stage = this.setTimer(LONGEST_TIMEOUT_MS, () => { stage = this.setTimer(delayMs - LONGEST_TIMEOUT_MS, fn) })
    return { cancel: () => { stage.cancel() } }
  }
}

/** The process's random source. */
export class NodeRandom implements Random {
  next (): number { return Math.random() }
}
