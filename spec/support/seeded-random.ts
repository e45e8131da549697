import type { Random } from '../../lib/base/index.ts'

/** A repeatable source: the same seed gives the same numbers on every machine (mulberry32). */
export class SeededRandom implements Random {
  #state: number

  constructor (seed: number) { this.#state = seed >>> 0 }

  next (): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }

  /** A whole number in [0, below). */
  below (below: number): number { return Math.floor(this.next() * below) }

  /** True with that probability. */
  chance (probability: number): boolean { return this.next() < probability }

  pick<T> (from: readonly T[]): T { return from[this.below(from.length)]! }

  shuffle<T> (items: T[]): T[] {
    for (let at = items.length - 1; at > 0; at--) {
      const other = this.below(at + 1);
      [items[at], items[other]] = [items[other]!, items[at]!]
    }
    return items
  }

  bytes (length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at++) bytes[at] = this.below(256)
    return bytes
  }
}
