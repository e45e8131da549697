const TICK_MS = 500

/** Progress belongs on standard error; standard output is the result. */
export function tell (line: string): void {
  console.error(line)
}

export function percentiles (latenciesMs: readonly number[]): string {
  const ascending = Float64Array.from(latenciesMs).sort()
  const at = (part: number): string => (ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * part))] ?? 0).toFixed(2)
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`
}

/** Lines per second over the time in which they moved: from the first to the last of each process's life. */
class Rate {
  #total = 0
  #activeMs = 0
  #lifeStartMs: number | undefined
  #lifeStartCount = 0
  #lastMs = 0
  count = 0

  set (count: number): void {
    if (count === this.count) return
    this.#lastMs = performance.now()
    this.#lifeStartMs ??= this.#lastMs
    if (this.#lifeStartMs === this.#lastMs) this.#lifeStartCount = count
    this.count = count
  }

  endLife (): void {
    if (this.#lifeStartMs !== undefined) {
      this.#total += this.count - this.#lifeStartCount
      this.#activeMs += this.#lastMs - this.#lifeStartMs
    }
    this.#lifeStartMs = undefined
  }

  get perSec (): number {
    return this.#activeMs === 0 ? 0 : Math.round(this.#total / this.#activeMs * 1000)
  }
}

/** Says twice a second how far sending and consuming are. */
export class Ticker {
  readonly #lines: number
  readonly #sent = new Rate()
  readonly #delivered = new Rate()
  #timer: NodeJS.Timeout | undefined

  constructor (lines: number) {
    this.#lines = lines
  }

  start (): void {
    this.#timer = setInterval(() => { this.#print() }, TICK_MS)
  }

  stop (): void {
    clearInterval(this.#timer)
    this.#print()
    this.#sent.endLife()
    this.#delivered.endLife()
  }

  sent (count: number): void { this.#sent.set(count) }
  delivered (count: number): void { this.#delivered.set(count) }

  get sentLines (): number { return this.#sent.count }
  get sendPerSec (): number { return this.#sent.perSec }
  get consumePerSec (): number { return this.#delivered.perSec }

  #print (): void {
    const percent = (count: number): string => `${count.toLocaleString('en-US')} (${this.#lines === 0 ? 100 : Math.floor(count / this.#lines * 100)} %)`
    tell(`  sent ${percent(this.#sent.count)}, consumed ${percent(this.#delivered.count)}`)
  }
}
