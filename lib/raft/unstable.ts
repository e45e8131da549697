import { IndexedWindow } from './indexed-window.ts'
import { NOTHING } from './ready.ts'
import type { RaftEntry } from './types.ts'

/**
 * The tail of the log that is not known to be durable: entries not yet handed out for writing, and those whose write
 * is under way.
 *
 * A report "durable through (index, term)" must not be taken for entries that a later write replaces or replaced (the
 * ABA race). Take three versions of entry 12, the first and the third being the same entry of term 1:
 *
 *     handed out     1/12   then 2/12   then 1/12 again          report 12 of term 1: of the first or of the third write?
 *
 * So entries that cut others which were handed out before are held back until those have been reported. The disk would
 * wait there anyway: a log cannot be cut under a write. From then on every report is of what is in the window now.
 */
export class UnstableEntries {
  readonly #window: IndexedWindow<RaftEntry>
  /** One past the last entry handed out and not cut since. */
  #handedOutTo: number
  /** What is handed out next cuts entries that were handed out before. */
  #cutDue = false
  /** The last entry handed out, cut since or not. */
  #lastOutIndex = 0
  #lastOutTerm = 0
  /** It was not reported yet. */
  #writeUnderWay = false

  constructor (firstIndex: number) {
    this.#window = new IndexedWindow(firstIndex)
    this.#handedOutTo = firstIndex
  }

  /** Everything before is durable. */
  get firstIndex (): number { return this.#window.firstIndex }
  get endIndex (): number { return this.#window.endIndex }
  get isEmpty (): boolean { return this.#window.length === 0 }
  /** Entries wait for the end of writes that they will cut. */
  get isHeldBack (): boolean { return this.#cutDue && this.#writeUnderWay }
  get hasNew (): boolean { return this.#handedOutTo < this.#window.endIndex && !this.isHeldBack }

  at (index: number): RaftEntry { return this.#window.at(index) }

  append (entry: RaftEntry): void { this.#window.push(entry) }

  /** Drops the entries from `index` on, durable ones included: from now on they are what will be appended next. */
  cut (index: number): void {
    if (index < this.#window.firstIndex) this.#window.restart(index)
    else this.#window.dropFrom(index)
    if (index < this.#handedOutTo) {
      this.#handedOutTo = index
      this.#cutDue = true
    }
  }

  /** Everything is gone; the log goes on at `index`. Reports of older writes must not be passed on after this. */
  restart (index: number): void {
    this.#window.restart(index)
    this.#handedOutTo = index
    this.#cutDue = false
    this.#writeUnderWay = false
  }

  /** Entries [from, end) up to `maxBytes`, at least one. `from` is not past the end. */
  from (from: number, maxBytes: number): readonly RaftEntry[] {
    const window = this.#window
    const end = window.endIndex
    let to = from
    let bytes = 0
    while (to < end) {
      bytes += window.at(to).sizeBytes
      if (bytes > maxBytes && to > from) break
      to++
    }
    return to === from ? NOTHING : window.slice(from, to)
  }

  /** The entries to write next; they count as handed out. */
  takeNew (): readonly RaftEntry[] {
    if (!this.hasNew) return NOTHING
    const end = this.#window.endIndex
    const entries = this.#window.slice(this.#handedOutTo, end)
    this.#handedOutTo = end
    this.#cutDue = false
    this.#lastOutIndex = end - 1
    this.#lastOutTerm = this.#window.at(end - 1).term
    this.#writeUnderWay = true
    return entries
  }

  /** A report from the disk. Returns whether more is durable now. */
  persisted (index: number, term: number): boolean {
    if (index === this.#lastOutIndex && term === this.#lastOutTerm) this.#writeUnderWay = false
    if (index < this.#window.firstIndex || index >= this.#handedOutTo || this.#window.at(index).term !== term) return false
    this.#window.dropBefore(index + 1)
    return true
  }
}
