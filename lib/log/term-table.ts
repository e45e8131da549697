import { lastNotAbove } from './position-index.ts'

/** No entry has this term. */
const UNKNOWN = 0

/** Which term an index has, as (term, first index of that term): a handful of numbers for millions of entries. */
export class TermTable {
  readonly #terms: number[] = []
  readonly #firstIndexes: number[] = []

  get size (): number { return this.#terms.length }

  /** Notes that the entry at `index` has `term`; indexes come in order, terms never fall. */
  note (index: number, term: number): void {
    if (this.#terms.at(-1) === term) return
    this.#terms.push(term)
    this.#firstIndexes.push(index)
  }

  /** Entries from `index` on cannot be read: their terms are unknown, up to the next one that is noted. */
  noteUnknown (index: number): void { this.note(index, UNKNOWN) }

  /** Notes the terms another table has for [from, to). */
  noteAll (other: TermTable, from: number, to: number): void {
    for (const { term, firstIndex } of other.entries()) {
      if (firstIndex < to && firstIndex >= from) this.note(firstIndex, term)
      else if (firstIndex < from && other.termAt(from) === term) this.note(from, term)
    }
  }

  /** The entry at `index` is among those whose terms are unknown, and could be read after all. */
  learn (index: number, term: number): void {
    const at = lastNotAbove(this.#firstIndexes, index)
    if (at < 0 || this.#terms[at] !== UNKNOWN) return
    const from = this.#firstIndexes[at]!
    const to = this.#firstIndexes[at + 1] ?? Infinity
    const runs = [[UNKNOWN, from, index], [term, index, index + 1], [UNKNOWN, index + 1, to]].filter(([, first, end]) => first! < end!)
    this.#terms.splice(at, 1, ...runs.map(([term]) => term!))
    this.#firstIndexes.splice(at, 1, ...runs.map(([, first]) => first!))
  }

  get hasUnknown (): boolean { return this.#terms.includes(UNKNOWN) }

  /** The term at `index`, as far as noted: right for every index from the first noted to the last, or undefined. */
  termAt (index: number): number | undefined {
    const at = lastNotAbove(this.#firstIndexes, index)
    const term = at < 0 ? UNKNOWN : this.#terms[at]
    return term === UNKNOWN ? undefined : term
  }

  hasUnknownThrough (index: number): boolean { return this.#terms.some((term, i) => term === UNKNOWN && this.#firstIndexes[i]! <= index) }

  truncateFrom (index: number): void {
    const keep = lastNotAbove(this.#firstIndexes, index - 1) + 1
    this.#terms.length = keep
    this.#firstIndexes.length = keep
  }

  /** Forgets terms that ended before `index`. */
  dropBefore (index: number): void {
    const first = lastNotAbove(this.#firstIndexes, index)
    if (first > 0) {
      this.#terms.splice(0, first)
      this.#firstIndexes.splice(0, first)
    }
  }

  entries (): ReadonlyArray<{ readonly term: number, readonly firstIndex: number }> {
    return this.#terms.map((term, i) => ({ term, firstIndex: this.#firstIndexes[i]! }))
  }
}
