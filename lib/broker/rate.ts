/** A sum over a span of time. */
export interface WindowSum {
  readonly sum: number
  /** Per second. */
  readonly tps: number
  /** Per occurrence. */
  readonly average: number
}

/**
 * A count and a sum that grow, with what they were at earlier moments: what came in the last minute, hour and day.
 * Adding costs two additions; `sample` is called every SAMPLE_MS for all.
 * @see RocketMQ StatsItem
 */
export class Rate {
  times = 0
  sum = 0
  readonly #minute = new Samples(7)
  readonly #hour = new Samples(7)
  readonly #day = new Samples(25)
  /** What the sum was when this day and the one before began, as far as it has run since. */
  todayMorning = 0
  yesterdayMorning = 0

  constructor (nowMs: number) { this.sample(0, nowMs) }

  add (sum: number): void {
    this.times++
    this.sum += sum
  }

  /** `number` counts the calls: not every one is of an hour or a day. */
  sample (number: number, nowMs: number): void {
    this.#minute.push(nowMs, this.times, this.sum)
    if (number % PER_TEN_MINUTES === 0) this.#hour.push(nowMs, this.times, this.sum)
    if (number % PER_HOUR === 0) this.#day.push(nowMs, this.times, this.sum)
  }

  /** A day begins. */
  turnDay (): void {
    this.yesterdayMorning = this.todayMorning
    this.todayMorning = this.sum
  }

  get lastMinute (): WindowSum { return this.#minute.window() }
  get lastHour (): WindowSum { return this.#hour.window() }
  get lastDay (): WindowSum { return this.#day.window() }
  /** Since the sample before the last one. */
  get lastSamples (): WindowSum { return this.#minute.window(2) }
}

export const SAMPLE_MS = 10_000
const PER_TEN_MINUTES = 60
const PER_HOUR = 360

/** The last few samples. */
class Samples {
  readonly #most: number
  readonly #atMs: number[] = []
  readonly #times: number[] = []
  readonly #sums: number[] = []

  constructor (most: number) { this.#most = most }

  push (atMs: number, times: number, sum: number): void {
    for (const [list, value] of [[this.#atMs, atMs], [this.#times, times], [this.#sums, sum]] as const) {
      list.push(value)
      if (list.length > this.#most) list.shift()
    }
  }

  /** Between the first and the last of the latest `count` samples. */
  window (count = this.#most): WindowSum {
    const last = this.#atMs.length - 1
    const first = Math.max(0, this.#atMs.length - count)
    if (last <= first) return { sum: 0, tps: 0, average: 0 }
    const sum = this.#sums[last]! - this.#sums[first]!
    const times = this.#times[last]! - this.#times[first]!
    return { sum, tps: sum * 1000 / (this.#atMs[last]! - this.#atMs[first]!), average: times === 0 ? 0 : sum / times }
  }
}
