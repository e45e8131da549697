/** What is known of a stretch of the log without looking at its keys. */
export interface BlockBounds {
  /** Positions of the log: all keys of the entries in [from, to) are in it. */
  readonly from: number
  readonly to: number
  /** The last entry in it. */
  readonly lastIndex: number
  readonly lastTerm: number
  /** Of its entries. */
  readonly minStampMs: number
  readonly maxStampMs: number
  /** It has messages that are delivered later than they were stored. */
  readonly hasHidden: boolean
  readonly keyCount: number
}

const FIRST_KEYS = 1024
/** Of messages that share a hash, the latest of a block that are told. */
export const MAX_FOUND_IN_BLOCK = 2048

/** The keys of a stretch of the log in memory, in the order they came. */
export class KeyBlock implements BlockBounds {
  readonly from: number
  to: number
  lastIndex = 0
  lastTerm = 0
  minStampMs = Infinity
  maxStampMs = -Infinity
  hasHidden = false
  keyCount = 0
  hashes = new Uint32Array(FIRST_KEYS)
  /** Where the message of a key begins, from `from` on. */
  offsets = new Uint32Array(FIRST_KEYS)

  constructor (from: number) {
    this.from = this.to = from
  }

  get rangeBytes (): number { return this.to - this.from }

  add (hash: number, position: number): void {
    if (this.keyCount === this.hashes.length) this.#grow()
    this.hashes[this.keyCount] = hash
    this.offsets[this.keyCount++] = position - this.from
  }

  /** The entry whose keys were added. */
  noteEntry (index: number, term: number, stampMs: number, to: number): void {
    this.lastIndex = index
    this.lastTerm = term
    if (stampMs < this.minStampMs) this.minStampMs = stampMs
    if (stampMs > this.maxStampMs) this.maxStampMs = stampMs
    this.to = to
  }

  /** Positions of messages that have a key with that hash, the latest first. */
  find (hash: number): number[] {
    const { hashes, offsets, from } = this
    const found: number[] = []
    for (let i = this.keyCount - 1; i >= 0 && found.length < MAX_FOUND_IN_BLOCK; i--) if (hashes[i] === hash) found.push(from + offsets[i]!)
    return found
  }

  #grow (): void {
    const hashes = new Uint32Array(this.hashes.length * 2)
    const offsets = new Uint32Array(hashes.length)
    hashes.set(this.hashes)
    offsets.set(this.offsets)
    this.hashes = hashes
    this.offsets = offsets
  }
}
