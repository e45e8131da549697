const SPACING_BYTES = 64 * 1024

/**
 * Sparse index of one segment: about one (index, position) of an entry's start per 64 KiB, so that any entry is found
 * by walking a few headers. It covers the segment from its start through `coveredTo` without holes.
 */
export class PositionIndex {
  readonly #positions: number[] = []
  readonly #indexes: number[] = []
  /** How often the log was cut in this segment: what was read before may not be there any more. */
  cuts = 0
  /** End of the last entry noted: where a scan that extends the index goes on, with the entry `nextIndex`. */
  coveredTo: number
  nextIndex: number

  constructor (position: number, index: number) {
    this.coveredTo = position
    this.nextIndex = index
  }

  /** Notes the entry at `coveredTo`. */
  note (sizeBytes: number): void {
    const last = this.#positions.length - 1
    if (last < 0 || this.coveredTo - this.#positions[last]! >= SPACING_BYTES) this.#startHere()
    this.coveredTo += sizeBytes
    this.nextIndex++
  }

  /** Start of an entry at or before `position` to walk from. */
  before (position: number): { readonly position: number, readonly index: number } {
    return this.#at(lastNotAbove(this.#positions, position))
  }

  /** Start of the entry `index` or one before it to walk from. */
  beforeIndex (index: number): { readonly position: number, readonly index: number } {
    return this.#at(lastNotAbove(this.#indexes, index))
  }

  /** Leaves [coveredTo, position) out: nothing there can be read. */
  skipTo (position: number, index: number): void {
    if (this.#positions.length === 0) this.#startHere()
    this.coveredTo = position
    this.nextIndex = index
    this.#startHere()
  }

  /** An entry within what is covered, behind one that cannot be read. */
  noteStart (position: number, index: number): void {
    const slot = lastNotAbove(this.#positions, position)
    if (this.#positions[slot] === position) return
    this.#positions.splice(slot + 1, 0, position)
    this.#indexes.splice(slot + 1, 0, index)
  }

  #startHere (): void {
    this.#positions.push(this.coveredTo)
    this.#indexes.push(this.nextIndex)
  }

  /** The first noted start behind `position`: behind a gap it is where entries begin again. */
  after (position: number): { readonly position: number, readonly index: number } {
    return this.#at(lastNotAbove(this.#positions, position) + 1)
  }

  /** The log was cut at `position`, the start of entry `index`; it is covered through there. What comes is found without what lies before, which may be damaged. */
  truncate (position: number, index: number): void {
    this.cuts++
    const keep = lastNotAbove(this.#positions, position - 1) + 1
    this.#positions.length = keep
    this.#indexes.length = keep
    this.coveredTo = position
    this.nextIndex = index
    this.#startHere()
  }

  #at (slot: number): { position: number, index: number } {
    if (slot < 0 || slot >= this.#positions.length) return { position: this.coveredTo, index: this.nextIndex }
    return { position: this.#positions[slot]!, index: this.#indexes[slot]! }
  }
}

/** Slot of the last value <= `value` in an ascending array, or -1. */
export function lastNotAbove (ascending: readonly number[], value: number): number {
  let low = 0
  let high = ascending.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ascending[middle]! <= value) low = middle + 1
    else high = middle
  }
  return low - 1
}
