import { invariant } from '../base/index.ts'

/** Offsets of a lease that a command names: bit i of word i/32 is `firstOffset + i`. Null: all that are still held. */
export type LeasePositions = readonly number[] | null

/** A lease covers at most so many offsets from its first, so that its bits stay small however far apart the offsets lie. */
export const MAX_LEASE_SPAN = 1024

export interface LeaseFields {
  readonly id: number
  readonly firstOffset: number
  /** Offsets [firstOffset, firstOffset + span); which of them are held is told by bits. */
  readonly span: number
  /** Which delivery this is, from 1; the same for all offsets of the lease. */
  readonly attempts: number
  readonly invisibleUntilMs: number
  /** Session that holds it; all leases of a session can be ended at once. May be empty. */
  readonly owner: string
  /** Names the request that took it, so that an ordered consumer can repeat that request. May be empty. */
  readonly attemptId: string
}

/** Offsets of one queue checked out by one pop, all with the same delivery count: a record of its own and a bit for each. */
export class Lease implements LeaseFields {
  readonly id: number
  readonly firstOffset: number
  readonly span: number
  readonly attempts: number
  invisibleUntilMs: number
  readonly owner: string
  readonly attemptId: string
  heldCount = 0
  #low = 0
  #more: Int32Array | undefined

  constructor ({ id, firstOffset, span, attempts, invisibleUntilMs, owner, attemptId }: LeaseFields) {
    invariant(span > 0 && span <= MAX_LEASE_SPAN, `a lease spans ${span} offsets`)
    this.id = id
    this.firstOffset = firstOffset
    this.span = span
    this.attempts = attempts
    this.invisibleUntilMs = invisibleUntilMs
    this.owner = owner
    this.attemptId = attemptId
    this.#more = span > 32 ? new Int32Array(((span + 31) >>> 5) - 1) : undefined
  }

  get wordCount (): number { return this.#more === undefined ? 1 : this.#more.length + 1 }

  /** The offset behind the last one covered. */
  get endOffset (): number { return this.firstOffset + this.span }

  /** Smallest offset still held; `endOffset` when none is. */
  get firstHeld (): number {
    for (let i = 0; i < this.wordCount; i++) {
      const word = this.word(i)
      if (word !== 0) return this.firstOffset + i * 32 + lowestBit(word)
    }
    return this.endOffset
  }

  word (i: number): number { return i === 0 ? this.#low : this.#more![i - 1]! }

  holds (offset: number): boolean {
    const at = offset - this.firstOffset
    return at >= 0 && at < this.span && (this.word(at >>> 5) & (1 << (at & 31))) !== 0
  }

  /** Marks `count` offsets from `first` as held. They must lie within the span and not be held yet. */
  hold (first: number, count: number): void {
    const from = first - this.firstOffset
    invariant(from >= 0 && count > 0 && from + count <= this.span, 'offsets lie outside their lease')
    for (let i = from >>> 5; i * 32 < from + count; i++) this.#setWord(i, this.word(i) | wordMask(i, from, from + count))
    this.heldCount += count
  }

  /** Sets a word as it was saved. */
  holdWord (i: number, word: number): void {
    this.heldCount += bitCount(word) - bitCount(this.word(i))
    this.#setWord(i, word)
  }

  /** Lets go of the named offsets; returns how many of them were held. */
  clear (positions: LeasePositions): number {
    let cleared = 0
    for (let i = 0; i < this.wordCount; i++) {
      const word = this.word(i)
      const gone = positions === null ? word : word & (positions[i] ?? 0)
      if (gone === 0) continue
      cleared += bitCount(gone)
      this.#setWord(i, word & ~gone)
    }
    this.heldCount -= cleared
    return cleared
  }

  /** Adds those of `count` offsets from `first` that are held to `positions`; returns how many were added. */
  select (first: number, count: number, positions: number[]): number {
    const from = Math.max(0, first - this.firstOffset)
    const to = Math.min(this.span, first + count - this.firstOffset)
    let added = 0
    for (let i = from >>> 5; i * 32 < to; i++) {
      while (positions.length <= i) positions.push(0)
      const word = this.word(i) & wordMask(i, from, to) & ~positions[i]!
      positions[i]! |= word
      added += bitCount(word)
    }
    return added
  }

  /** Calls `each` for every run of neighbouring held offsets among the named ones, ascending. */
  forEachHeld (positions: LeasePositions, each: (first: number, count: number) => void): void {
    let first = 0
    let count = 0
    for (let i = 0; i < this.wordCount; i++) {
      let word = positions === null ? this.word(i) : this.word(i) & (positions[i] ?? 0)
      while (word !== 0) {
        const bit = lowestBit(word)
        const ones = ~(word >>> bit)
        const length = ones === 0 ? 32 : lowestBit(ones)
        const offset = this.firstOffset + i * 32 + bit
        if (count > 0 && offset === first + count) {
          count += length
        } else {
          if (count > 0) each(first, count)
          first = offset
          count = length
        }
        word &= ~bitRange(bit, bit + length)
      }
    }
    if (count > 0) each(first, count)
  }

  copy (): Lease {
    const lease = new Lease(this)
    lease.heldCount = this.heldCount
    lease.#low = this.#low
    lease.#more?.set(this.#more!)
    return lease
  }

  #setWord (i: number, word: number): void {
    if (i === 0) this.#low = word
    else this.#more![i - 1] = word
  }
}

/** Bits [from, to) of one word, 0 <= from < to <= 32. */
function bitRange (from: number, to: number): number {
  return to - from === 32 ? -1 : ((1 << (to - from)) - 1) << from
}

/** The part of positions [from, to) that lies in word `i`. */
function wordMask (i: number, from: number, to: number): number {
  const low = Math.max(0, from - i * 32)
  const high = Math.min(32, to - i * 32)
  return low < high ? bitRange(low, high) : 0
}

function lowestBit (word: number): number {
  return 31 - Math.clz32(word & -word)
}

function bitCount (word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555)
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333)
  return Math.imul((bits + (bits >>> 4)) & 0x0F0F0F0F, 0x01010101) >>> 24
}
