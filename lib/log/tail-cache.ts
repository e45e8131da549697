import type { RaftEntry } from '../raft/index.ts'

/**
 * The last entries of the log as they were handed over, up to `limitBytes`. What is not written yet always stays. Reads
 * copy nothing: they are views on the sealer's memory, which is reused once it was dropped here (`onFree`).
 */
export class TailCache {
  readonly #limitBytes: number
  readonly #onFree: ((memory: ArrayBufferLike) => void) | undefined
  #entries: Array<RaftEntry | undefined> = []
  #head = 0
  #bytes = 0

  /** `onFree` is told of memory when the last entry in it was evicted. Entries that were cut never free any. */
  constructor (limitBytes: number, onFree?: (memory: ArrayBufferLike) => void) {
    this.#limitBytes = limitBytes
    this.#onFree = onFree
  }

  get sizeBytes (): number { return this.#bytes }
  get firstIndex (): number | undefined { return this.#entries[this.#head]?.index }

  push (entry: RaftEntry): void {
    this.#entries.push(entry)
    this.#bytes += entry.sizeBytes
  }

  /** Drops the oldest entries while over the limit, none above `writtenIndex`. */
  evict (writtenIndex: number): void {
    while (this.#bytes > this.#limitBytes) {
      const entry = this.#entries[this.#head]
      if (entry === undefined || entry.index > writtenIndex) break
      this.#entries[this.#head++] = undefined
      this.#bytes -= entry.sizeBytes
      const next = this.#entries[this.#head]
      if (this.#onFree !== undefined && next !== undefined && next.bytes.buffer !== entry.bytes.buffer) this.#onFree(entry.bytes.buffer)
    }
    if (this.#head > 512 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
  }

  truncateFrom (index: number): void {
    while (this.#entries.length > this.#head && this.#entries.at(-1)!.index >= index) {
      this.#bytes -= this.#entries.pop()!.sizeBytes
    }
  }

  at (index: number): RaftEntry | undefined {
    const first = this.#entries[this.#head]
    if (first === undefined || index < first.index) return undefined
    return this.#entries[this.#head + index - first.index]
  }

  /** Entries [from, to), at least one and no more than `maxBytes` unless the first alone is larger; undefined when `from` is not here. */
  slice (from: number, to: number, maxBytes: number): RaftEntry[] | undefined {
    const first = this.#entries[this.#head]
    if (first === undefined || from < first.index) return undefined
    const result: RaftEntry[] = []
    let bytes = 0
    const start = this.#head + from - first.index
    const end = Math.min(this.#entries.length, start + to - from)
    for (let i = start; i < end; i++) {
      const entry = this.#entries[i]!
      bytes += entry.sizeBytes
      if (bytes > maxBytes && result.length > 0) break
      result.push(entry)
    }
    return result
  }

  /** The entry that contains the byte at `position`. */
  containing (position: number): RaftEntry | undefined {
    let low = this.#head
    let high = this.#entries.length
    if (low === high || position < this.#entries[low]!.physicalOffset) return undefined
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.#entries[middle]!.physicalOffset <= position) low = middle
      else high = middle
    }
    const entry = this.#entries[low]!
    return position < entry.physicalOffset + entry.sizeBytes ? entry : undefined
  }

  /** A view on [position, position + sizeBytes); undefined when that is not here, or not within one entry. */
  read (position: number, sizeBytes: number): Uint8Array | undefined {
    const entry = this.containing(position)
    if (entry === undefined) return undefined
    const from = position - entry.physicalOffset
    return from + sizeBytes <= entry.sizeBytes ? entry.bytes.subarray(from, from + sizeBytes) : undefined
  }
}
