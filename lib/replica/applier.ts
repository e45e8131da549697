import type { Clock } from '../base/index.ts'
import type { RaftEntry } from '../raft/index.ts'

/** What the applier reads entries from; ranges are [from, to). */
export interface EntrySource {
  entries (from: number, to: number, maxBytes: number): readonly RaftEntry[] | undefined
  readEntries (range: { readonly from: number, readonly to: number, readonly maxBytes: number }): Promise<readonly RaftEntry[]>
}

export interface ApplierOptions {
  readonly clock: Clock
  readonly log: EntrySource
  readonly appliedIndex: number
  readonly sliceBytes: number
  /** Applies one entry; whatever it throws stops the applier. */
  readonly apply: (entry: RaftEntry) => void
  /** After a slice; `appliedIndex` has moved. */
  readonly onSlice: () => void
  readonly onFailure: (error: unknown) => void
}

/**
 * Feeds committed entries to the state machine in order: from memory at once, from disk where they are old, in slices
 * so that a long replay leaves the loop to others in between.
 */
export class Applier {
  readonly #options: ApplierOptions
  #appliedIndex: number
  #committedIndex: number
  #pauses = 0
  /** A slice is being applied, is being read, or waits for its turn. */
  #busy = false
  #readingSinceMs = -1
  #stopped = false

  constructor (options: ApplierOptions) {
    this.#options = options
    this.#appliedIndex = this.#committedIndex = options.appliedIndex
  }

  get appliedIndex (): number { return this.#appliedIndex }
  /** Entries that are committed and wait to be applied. */
  get backlog (): number { return this.#committedIndex - this.#appliedIndex }

  /** How long a read from the disk has been under way; 0: there is none. */
  get readingMs (): number { return this.#readingSinceMs < 0 ? 0 : this.#options.clock.nowMs() - this.#readingSinceMs }

  /** Entries through `index` are committed (and durable here). */
  commitTo (index: number): void {
    if (index > this.#committedIndex) this.#committedIndex = index
    if (!this.#busy) this.#applySlice()
  }

  /** Nothing is applied until a `resume` for each `pause`. */
  pause (): void { this.#pauses++ }

  resume (): void {
    this.#pauses--
    if (!this.#busy) this.#applySlice()
  }

  stop (): void { this.#stopped = true }

  get #mayGoOn (): boolean { return !this.#stopped && this.#pauses === 0 && this.#appliedIndex < this.#committedIndex }

  #applySlice (): void {
    if (!this.#mayGoOn) return
    const { log, sliceBytes } = this.#options
    const from = this.#appliedIndex + 1
    const to = this.#committedIndex + 1
    const entries = log.entries(from, to, sliceBytes)
    if (entries !== undefined && entries.length > 0) {
      this.#applyEntries(entries)
      return
    }
    this.#busy = true
    this.#readingSinceMs = this.#options.clock.nowMs()
    log.readEntries({ from, to, maxBytes: sliceBytes }).then((read) => {
      this.#busy = false
      this.#readingSinceMs = -1
      if (!this.#stopped) this.#applyEntries(read)
    }, (error) => { this.#fail(error) })
  }

  #applyEntries (entries: readonly RaftEntry[]): void {
    this.#busy = true
    try {
      for (const entry of entries) {
        if (!this.#mayGoOn) break
        // Checked here once more: what comes from the disk is not what was handed to it until this holds.
        if (entry.index !== this.#appliedIndex + 1) throw new Error(`entry ${entry.index} came to be applied after ${this.#appliedIndex}`)
        this.#options.apply(entry)
        this.#appliedIndex = entry.index
      }
      this.#options.onSlice()
    } catch (error) {
      this.#fail(error)
      return
    }
    if (this.#mayGoOn) {
      this.#options.clock.defer(() => {
        this.#busy = false
        this.#applySlice()
      })
    } else {
      this.#busy = false
    }
  }

  #fail (error: unknown): void {
    this.#stopped = true
    this.#options.onFailure(error)
  }
}
