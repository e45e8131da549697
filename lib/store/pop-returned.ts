import { invariant } from '../base/index.ts'

/** Neighbouring offsets that came back with the same history. Never changed once made, so copies may share it. */
export interface ReturnedRun {
  readonly first: number
  readonly count: number
  /** How often they were delivered so far. */
  readonly attempts: number
  /** From when on they may be delivered again; 0 = at once. */
  readonly visibleAtMs: number
}

/** Offsets of a queue that were checked out and came back: expired, given back, or put off. Runs in ascending order. */
export class ReturnedOffsets {
  #runs: ReturnedRun[]
  #count = 0
  #earliestVisibleMs = Infinity

  constructor (runs: ReturnedRun[] = []) {
    this.#runs = runs
    for (const run of runs) {
      this.#count += run.count
      if (run.visibleAtMs < this.#earliestVisibleMs) this.#earliestVisibleMs = run.visibleAtMs
    }
  }

  get runs (): readonly ReturnedRun[] { return this.#runs }
  /** Offsets in all runs. */
  get count (): number { return this.#count }
  /** No run is visible before; some may have left since it was noted. */
  get earliestVisibleMs (): number { return this.#earliestVisibleMs }

  copy (): ReturnedOffsets { return new ReturnedOffsets(this.#runs.slice()) }

  /** The run that `offset` is in. */
  find (offset: number): ReturnedRun | undefined {
    const run = this.#runs[this.#indexBehind(offset) - 1]
    return run !== undefined && offset < run.first + run.count ? run : undefined
  }

  /** Adds offsets that are in no run yet. */
  insert ({ first, count, attempts, visibleAtMs }: ReturnedRun): void {
    let at = this.#indexBehind(first)
    const before = this.#runs[at - 1]
    const after = this.#runs[at]
    invariant((before === undefined || before.first + before.count <= first) && (after === undefined || first + count <= after.first), 'an offset came back twice')
    let replaced = 0
    let run: ReturnedRun = { first, count, attempts, visibleAtMs }
    if (before !== undefined && before.first + before.count === first && alike(before, run)) {
      run = { ...before, count: before.count + count }
      at--
      replaced++
    }
    if (after !== undefined && after.first === first + count && alike(after, run)) {
      run = { ...run, count: run.count + after.count }
      replaced++
    }
    this.#runs.splice(at, replaced, run)
    this.#count += count
    if (visibleAtMs < this.#earliestVisibleMs) this.#earliestVisibleMs = visibleAtMs
  }

  /** Takes `count` offsets from `first` out, all of which must be here; calls `each` for every piece of equal attempts. */
  remove (first: number, count: number, each: (first: number, count: number, attempts: number) => void): void {
    const end = first + count
    const from = this.#indexBehind(first) - 1
    const rest: ReturnedRun[] = []
    let at = first
    let to = from
    for (; at < end; to++) {
      const run = this.#runs[to]
      invariant(run !== undefined && run.first <= at && at < run.first + run.count, `offset ${at} is taken but was not returned`)
      const runEnd = run.first + run.count
      const pieceEnd = Math.min(end, runEnd)
      if (run.first < at) rest.push({ ...run, count: at - run.first })
      if (pieceEnd < runEnd) rest.push({ ...run, first: pieceEnd, count: runEnd - pieceEnd })
      each(at, pieceEnd - at, run.attempts)
      at = pieceEnd
    }
    this.#runs.splice(from, to - from, ...rest)
    this.#count -= count
    if (this.#runs.length === 0) this.#earliestVisibleMs = Infinity
  }

  /** Forgets what lies below `offset`. */
  dropBelow (offset: number): void {
    let gone = 0
    while (gone < this.#runs.length && this.#runs[gone]!.first < offset) {
      const run = this.#runs[gone]!
      const end = run.first + run.count
      this.#count -= Math.min(end, offset) - run.first
      if (end > offset) {
        this.#runs[gone] = { ...run, first: offset, count: end - offset }
        break
      }
      gone++
    }
    if (gone > 0) this.#runs.splice(0, gone)
  }

  /** Notes again from when on the first of them is visible. */
  refreshEarliestVisible (): void {
    this.#earliestVisibleMs = this.#runs.reduce((earliest, run) => Math.min(earliest, run.visibleAtMs), Infinity)
  }

  /** Index of the first run that starts behind `offset`. */
  #indexBehind (offset: number): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#runs[middle]!.first > offset) high = middle
      else low = middle + 1
    }
    return low
  }
}

function alike (a: ReturnedRun, b: ReturnedRun): boolean {
  return a.attempts === b.attempts && a.visibleAtMs === b.visibleAtMs
}
