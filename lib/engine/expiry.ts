import type { Clock, Timer } from '../base/index.ts'

const AGAIN_MS = 5
const AFTER_REFUSAL_MS = 1000
/** Timers know nothing of the wall clock: it is looked at again so often, as it may be put forward. */
const MOST_WAIT_MS = 30_000

export interface ExpiryOptions {
  readonly clock: Clock
  /** When something ends, in wall time, or earlier; Infinity: never. */
  readonly nextMs: () => number
  /** Proposes the end of what is due by the leader's stamps; resolves when that is applied. */
  readonly expire: () => Promise<unknown>
  /** How long it rests after that at least; default 5. */
  readonly againMs?: number
}

/** Sees to it that what is to end at a time does: proposes it then. One proposal at a time. */
export class Expiry {
  readonly #options: ExpiryOptions
  #timer: Timer | undefined
  #dueMs = Infinity
  #isProposed = false
  #isStopped = false

  constructor (options: ExpiryOptions) {
    this.#options = options
  }

  /** When it looks next; Infinity while it is at work, after which it looks anyway. */
  get dueMs (): number { return this.#dueMs }

  /** Something may be due earlier than known. Cheap: to be called whenever times may have changed. */
  look (leastMs = 0): void {
    if (this.#isProposed || this.#isStopped) return
    const { clock, nextMs } = this.#options
    const dueMs = nextMs()
    if (dueMs >= this.#dueMs) return
    this.#timer?.cancel()
    this.#dueMs = dueMs
    this.#timer = clock.setTimer(Math.max(leastMs, Math.min(dueMs - clock.wallMs(), MOST_WAIT_MS)), () => { this.#expire() })
  }

  stop (): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #expire (): void {
    const { clock, nextMs, expire, againMs = AGAIN_MS } = this.#options
    this.#dueMs = Infinity
    // A timer may come a moment early, and due times are lower bounds.
    if (this.#isStopped || nextMs() > clock.wallMs()) return this.look()
    this.#isProposed = true
    // The leader's stamps may run behind the wall clock for a while: then nothing was due yet.
    expire().then(() => againMs, () => AFTER_REFUSAL_MS).then((leastMs) => {
      this.#isProposed = false
      this.look(leastMs)
    })
  }
}
