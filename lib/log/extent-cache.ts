import { lastNotAbove } from './position-index.ts'

/** A verified piece of the log that was read back from disk. */
export class Extent {
  readonly from: number
  readonly to: number
  readonly #bytes: Uint8Array
  /** Read by a consumer that goes through the log in order: the piece behind it is wanted soon. */
  readonly isSequential: boolean
  wasUsed: boolean
  lastUse: number

  constructor (from: number, bytes: Uint8Array, isSequential: boolean) {
    this.from = from
    this.to = from + bytes.length
    this.#bytes = bytes
    this.isSequential = isSequential
    this.wasUsed = false
    this.lastUse = 0
  }

  /** Memory it keeps alive. */
  get costBytes (): number { return this.#bytes.buffer.byteLength }
  get memory (): ArrayBufferLike { return this.#bytes.buffer }

  covers (position: number, sizeBytes: number): boolean {
    return position >= this.from && position + sizeBytes <= this.to
  }

  /** What of it lies before `position`. */
  below (position: number): Extent {
    return position >= this.to ? this : new Extent(this.from, this.#bytes.subarray(0, Math.max(0, position - this.from)), this.isSequential)
  }

  view (position: number, sizeBytes: number): Uint8Array {
    return this.#bytes.subarray(position - this.from, position - this.from + sizeBytes)
  }
}

/** The extents used last, up to a number of bytes. No extent lies within another. */
export class ExtentCache {
  readonly #limitBytes: number
  readonly #onFree: (memory: ArrayBufferLike) => void
  #extents: Extent[] = []
  #starts: number[] = []
  #bytes = 0
  #uses = 0

  /** `onFree` is told of the memory of extents that were dropped for want of room. */
  constructor (limitBytes: number, onFree: (memory: ArrayBufferLike) => void) {
    this.#limitBytes = limitBytes
    this.#onFree = onFree
  }

  get sizeBytes (): number { return this.#bytes }
  get count (): number { return this.#extents.length }

  find (position: number, sizeBytes: number): Extent | undefined {
    // Starts and ends are in the same order, so of those that begin before it the last one reaches furthest.
    const extent = this.#extents[lastNotAbove(this.#starts, position)]
    if (extent === undefined || !extent.covers(position, sizeBytes)) return undefined
    extent.lastUse = ++this.#uses
    return extent
  }

  /** Where the next extent above `position` begins. */
  startAfter (position: number): number | undefined {
    return this.#starts[lastNotAbove(this.#starts, position) + 1]
  }

  add (extent: Extent): void {
    const at = lastNotAbove(this.#starts, extent.from)
    if (at >= 0 && this.#extents[at]!.to >= extent.to) return
    let first = at + 1
    if (at >= 0 && this.#starts[at] === extent.from) first = at
    let last = first
    while (last < this.#extents.length && this.#extents[last]!.to <= extent.to) this.#bytes -= this.#extents[last++]!.costBytes
    this.#extents.splice(first, last - first, extent)
    this.#starts.splice(first, last - first, extent.from)
    this.#bytes += extent.costBytes
    extent.lastUse = ++this.#uses
    while (this.#bytes > this.#limitBytes && this.#extents.length > 1) this.#evictOldest()
  }

  /** Forgets what lies at or above `position`: the log was cut there. */
  truncate (position: number): void {
    const keep = this.#extents.filter(({ to }) => to <= position)
    this.#extents = keep
    this.#starts = keep.map(({ from }) => from)
    this.#bytes = keep.reduce((sum, { costBytes }) => sum + costBytes, 0)
  }

  #evictOldest (): void {
    let oldest = 0
    for (let i = 1; i < this.#extents.length; i++) if (this.#extents[i]!.lastUse < this.#extents[oldest]!.lastUse) oldest = i
    const [evicted] = this.#extents.splice(oldest, 1)
    this.#bytes -= evicted!.costBytes
    this.#onFree(evicted!.memory)
    this.#starts.splice(oldest, 1)
  }
}
