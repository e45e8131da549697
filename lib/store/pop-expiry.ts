/**
 * When the leader has to look at which queue: a binary heap of (dueMs, queue number), at most one valid item for each
 * queue. Due times are lower bounds: an acknowledged lease is not taken out, its queue is merely looked at in vain once.
 */
export class ExpirySchedule {
  readonly #due: number[] = []
  readonly #numbers: number[] = []
  readonly #noted = new Map<number, number>()

  /** The earliest noted time; Infinity when there is none. */
  get nextMs (): number {
    this.#dropStale()
    return this.#due[0] ?? Infinity
  }

  /** The queue is to be looked at no later than `dueMs`. */
  note (number: number, dueMs: number): void {
    if (dueMs >= (this.#noted.get(number) ?? Infinity)) return
    this.#noted.set(number, dueMs)
    this.#push(dueMs, number)
  }

  forget (number: number): void {
    this.#noted.delete(number)
  }

  /** Takes out a queue that is due at `nowMs`, if there is one. */
  takeDue (nowMs: number): number | undefined {
    if (this.nextMs > nowMs) return undefined
    const number = this.#numbers[0]!
    this.#noted.delete(number)
    this.#pop()
    return number
  }

  #dropStale (): void {
    while (this.#due.length > 0 && this.#noted.get(this.#numbers[0]!) !== this.#due[0]) this.#pop()
  }

  #push (dueMs: number, number: number): void {
    let at = this.#due.push(dueMs) - 1
    this.#numbers.push(number)
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (this.#due[parent]! <= dueMs) break
      this.#move(parent, at)
      at = parent
    }
    this.#due[at] = dueMs
    this.#numbers[at] = number
  }

  #pop (): void {
    const dueMs = this.#due.pop()!
    const number = this.#numbers.pop()!
    const length = this.#due.length
    if (length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= length) break
      if (child + 1 < length && this.#due[child + 1]! < this.#due[child]!) child++
      if (this.#due[child]! >= dueMs) break
      this.#move(child, at)
      at = child
    }
    this.#due[at] = dueMs
    this.#numbers[at] = number
  }

  #move (from: number, to: number): void {
    this.#due[to] = this.#due[from]!
    this.#numbers[to] = this.#numbers[from]!
  }
}
