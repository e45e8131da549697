/**
 * The appends on their way to one follower, by the index of their last entry, oldest first. Bounded in number and in
 * bytes; the last one may overrun the bytes, so that an entry larger than the bound can be sent at all.
 */
export class Inflights {
  readonly #maxCount: number
  readonly #maxBytes: number
  /** Rings of `maxCount`, made at the first use: a group of one has none. */
  #indexes: number[] = []
  #sizes: number[] = []
  #start = 0
  count = 0
  bytes = 0

  constructor (maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount
    this.#maxBytes = maxBytes
  }

  get isFull (): boolean { return this.count === this.#maxCount || this.bytes >= this.#maxBytes }

  add (lastIndex: number, sizeBytes: number): void {
    const at = (this.#start + this.count) % this.#maxCount
    this.#indexes[at] = lastIndex
    this.#sizes[at] = sizeBytes
    this.count++
    this.bytes += sizeBytes
  }

  /** The follower holds everything through `index`. */
  freeThrough (index: number): void {
    while (this.count > 0 && this.#indexes[this.#start]! <= index) {
      this.bytes -= this.#sizes[this.#start]!
      this.#start = (this.#start + 1) % this.#maxCount
      this.count--
    }
  }

  reset (): void {
    this.#start = 0
    this.count = 0
    this.bytes = 0
  }
}
