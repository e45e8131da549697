import { invariant, type Clock, type Timer } from '../base/index.ts'

/** One thing that will run: at `atMs`, and among equals in the order it was asked for. */
interface Due {
  readonly atMs: number
  readonly sequence: number
  readonly fn: () => void
}

export interface VirtualClockOptions {
  /** Wall time at the start, ms since 1970. */
  readonly wallMs?: number
  /** Monotonic time at the start. */
  readonly nowMs?: number
  /**
   * Who runs deferred work. `'soon'` (the default): the event loop, so that only timers wait for `advance` and an
   * awaited call on a queue just works. `'stepped'`: the owner of the clock, through `runNext`, `advance` and
   * `runUntil`, so that every step of a simulation is in its hands.
   */
  readonly deferred?: 'soon' | 'stepped'
}

/** More steps than this without time moving on means that something defers itself for ever. */
const maxStepsAtOneTime = 1_000_000

/**
 * Time that moves only when it is told to. Timers run in the order of their due time, equal ones in the order they
 * were set; deferred runs come first, in the order they were asked for. After each run all promise reactions that are
 * ready are served before the next one, as on a real event loop.
 */
export class VirtualClock implements Clock {
  readonly #stepped: boolean
  #nowMs: number
  #wallOffsetMs: number
  #sequence = 0
  #deferred: Array<() => void> = []
  #nextDeferred = 0
  /** A binary heap, earliest first; cancelled timers stay in it until they come up. */
  readonly #heap: Due[] = []
  readonly #live = new Set<Due>()

  constructor ({ wallMs = 1_700_000_000_000, nowMs = 0, deferred = 'soon' }: VirtualClockOptions = {}) {
    this.#nowMs = nowMs
    this.#wallOffsetMs = wallMs - nowMs
    this.#stepped = deferred === 'stepped'
  }

  wallMs (): number { return Math.floor(this.#nowMs + this.#wallOffsetMs) }

  nowMs (): number { return this.#nowMs }

  setTimer (delayMs: number, fn: () => void): Timer {
    const due: Due = { atMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence++, fn }
    this.#push(due)
    this.#live.add(due)
    return { cancel: () => { this.#live.delete(due) } }
  }

  defer (fn: () => void): void {
    if (this.#stepped) this.#deferred.push(fn)
    else setImmediate(fn)
  }

  /** Timers and (when stepped) deferred runs that wait. */
  get waiting (): number { return this.#live.size + this.#deferred.length - this.#nextDeferred }

  /** When the earliest timer is due, or undefined. */
  get nextTimerAtMs (): number | undefined { return this.#peek()?.atMs }

  /** Sets wall time; may go back. Monotonic time and timers do not notice. */
  setWallMs (wallMs: number): void { this.#wallOffsetMs = wallMs - this.#nowMs }

  /**
   * Runs the next deferred run, or else moves time on to the earliest timer and runs that. Serves no promises: for
   * owners that do so themselves (`settle`). False when nothing waits.
   */
  runNext (): boolean {
    const fn = this.#takeDeferred() ?? this.#takeTimer(Infinity)
    fn?.()
    return fn !== undefined
  }

  /** Serves promise reactions and ticks until none is ready. */
  async settle (): Promise<void> {
    await new Promise<void>((resolve) => { setImmediate(resolve) })
  }

  /** Moves time on by `ms` and runs all that comes due on the way, also what is set by what runs. */
  async advance (ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    await this.settle()
    for (let steps = 0, atMs = this.#nowMs; ; steps++) {
      if (this.#nowMs !== atMs) [steps, atMs] = [0, this.#nowMs]
      invariant(steps < maxStepsAtOneTime, `virtual time stands still at ${atMs} ms: something defers itself for ever`)
      const fn = this.#takeDeferred() ?? this.#takeTimer(untilMs)
      if (fn === undefined) break
      fn()
      await this.settle()
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs)
  }

  /**
   * Runs what waits, moving time on as needed, until `condition` holds. False when it does not hold after `maxMs` of
   * virtual time, or when nothing waits any more.
   */
  async runUntil (condition: () => boolean, { maxMs = 3_600_000 }: { readonly maxMs?: number } = {}): Promise<boolean> {
    const untilMs = this.#nowMs + maxMs
    await this.settle()
    for (let steps = 0, atMs = this.#nowMs; !condition(); steps++) {
      if (this.#nowMs !== atMs) [steps, atMs] = [0, this.#nowMs]
      invariant(steps < maxStepsAtOneTime, `virtual time stands still at ${atMs} ms: something defers itself for ever`)
      const fn = this.#takeDeferred() ?? this.#takeTimer(untilMs)
      if (fn === undefined) return false
      fn()
      await this.settle()
    }
    return true
  }

  #takeDeferred (): (() => void) | undefined {
    const fn = this.#deferred[this.#nextDeferred]
    if (fn === undefined) return undefined
    if (++this.#nextDeferred === this.#deferred.length) [this.#deferred, this.#nextDeferred] = [[], 0]
    return fn
  }

  #takeTimer (untilMs: number): (() => void) | undefined {
    const due = this.#peek()
    if (due === undefined || due.atMs > untilMs) return undefined
    this.#pop()
    this.#live.delete(due)
    this.#nowMs = Math.max(this.#nowMs, due.atMs)
    return due.fn
  }

  #peek (): Due | undefined {
    while (this.#heap.length > 0 && !this.#live.has(this.#heap[0]!)) this.#pop()
    return this.#heap[0]
  }

  #push (due: Due): void {
    const heap = this.#heap
    let at = heap.push(due) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(due, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = due
  }

  #pop (): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

const before = (a: Due, b: Due) => a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)
