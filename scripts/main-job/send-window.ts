const SAMPLE_EVERY = 16

/** Bounds how many sends are unconfirmed, counts the confirmed ones and times one in sixteen. */
export class SendWindow {
  confirmed = 0
  #open = 0
  #begun = 0
  #failure: unknown
  #wake: (() => void) | undefined
  #latenciesMs: number[] = []
  readonly #most: number
  readonly #reportEvery: number
  readonly #report: () => void

  /** `report` is called after every `reportEvery` confirmations. */
  constructor (most: number, reportEvery: number, report: () => void) {
    this.#most = most
    this.#reportEvery = reportEvery
    this.#report = report
  }

  get isFull (): boolean { return this.#open >= this.#most }

  /** Notes one more send; what it returns is to be called when the send is confirmed. */
  opened (): () => void {
    this.#open++
    if (this.#begun++ % SAMPLE_EVERY !== 0) return this.#confirm
    const startMs = performance.now()
    return () => {
      this.#latenciesMs.push(performance.now() - startMs)
      this.#confirm()
    }
  }

  readonly fail = (error: unknown): void => {
    this.#failure ??= error
    this.#wake?.()
  }

  takeLatencies (): number[] {
    const latencies = this.#latenciesMs
    this.#latenciesMs = []
    return latencies
  }

  /** Resolves when another send may begin. @throws what a send failed with */
  room (): Promise<void> { return this.#below(this.#most) }

  /** Resolves when all are confirmed. @throws what a send failed with */
  emptied (): Promise<void> { return this.#below(1) }

  async #below (limit: number): Promise<void> {
    while (this.#open >= limit && this.#failure === undefined) await new Promise<void>((resolve) => { this.#wake = resolve })
    if (this.#failure !== undefined) throw this.#failure
  }

  readonly #confirm = (): void => {
    this.#open--
    if (++this.confirmed % this.#reportEvery === 0) this.#report()
    if (this.#open < this.#most) this.#wake?.()
  }
}
