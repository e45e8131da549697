/**
 * Values of consecutive indexes, added at the end, dropped from either side. Dropping from the front costs nothing per
 * value kept, so a window that slides along the log never copies itself at every step.
 */
export class IndexedWindow<T> {
  #slots: Array<T | undefined> = []
  #head = 0
  /** Index of the first value, or of the next one when empty. */
  firstIndex: number

  constructor (firstIndex: number) {
    this.firstIndex = firstIndex
  }

  get length (): number { return this.#slots.length - this.#head }
  /** One past the last value. */
  get endIndex (): number { return this.firstIndex + this.#slots.length - this.#head }

  /** The value at an index of [firstIndex, endIndex). */
  at (index: number): T { return this.#slots[this.#head + index - this.firstIndex] as T }

  push (value: T): void { this.#slots.push(value) }

  slice (from: number, to: number): T[] {
    const at = this.#head - this.firstIndex
    return this.#slots.slice(at + from, at + to) as T[]
  }

  /** Drops the values before `index`, at most all. */
  dropBefore (index: number): void {
    const end = Math.min(index, this.endIndex)
    for (; this.firstIndex < end; this.firstIndex++) this.#slots[this.#head++] = undefined
    if (this.#head === this.#slots.length) {
      this.#slots.length = 0
      this.#head = 0
    } else if (this.#head >= 64 && this.#head * 2 >= this.#slots.length) {
      this.#slots.splice(0, this.#head)
      this.#head = 0
    }
  }

  /** Drops the values from `index` on, an index of [firstIndex, endIndex]. */
  dropFrom (index: number): void {
    this.#slots.length = this.#head + index - this.firstIndex
  }

  /** Empties it; the next value gets `firstIndex`. */
  restart (firstIndex: number): void {
    this.#slots.length = 0
    this.#head = 0
    this.firstIndex = firstIndex
  }
}
