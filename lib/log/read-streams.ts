const MAX_STREAMS = 64
const FIRST_BYTES = 128 * 1024
const MOST_BYTES = 512 * 1024
/** A consumer may skip what is not its own and is still reading in order. */
const MAX_SKIP_BYTES = 1024 * 1024

interface Stream { end: number, wantBytes: number, lastUse: number }

export interface ReadSize {
  readonly wantBytes: number
  readonly isSequential: boolean
}

/** Tells sequential readers, several at a time, from random ones, and how much to read for each. */
export class ReadStreams {
  readonly #cacheBytes: number
  readonly #streams: Stream[] = []
  #uses = 0

  constructor (cacheBytes: number) {
    this.#cacheBytes = cacheBytes
  }

  /** How much to read for a miss at `position`. */
  sizeFor (position: number): ReadSize {
    const stream = this.#streams.find(({ end }) => position >= end - FIRST_BYTES && position < end + MAX_SKIP_BYTES)
    if (stream === undefined) return { wantBytes: FIRST_BYTES, isSequential: false }
    const most = Math.max(FIRST_BYTES, Math.min(MOST_BYTES, this.#cacheBytes / (4 * this.#streams.length)))
    return { wantBytes: Math.min(most, stream.wantBytes * 2), isSequential: true }
  }

  /** Notes what was read for a miss at `position`. */
  note (position: number, end: number, { wantBytes, isSequential }: ReadSize): void {
    let stream = isSequential ? this.#streams.find((stream) => position >= stream.end - FIRST_BYTES && position < stream.end + MAX_SKIP_BYTES) : undefined
    if (stream === undefined) {
      stream = { end, wantBytes, lastUse: 0 }
      this.#streams.push(stream)
      if (this.#streams.length > MAX_STREAMS) this.#dropOldest()
    }
    stream.end = Math.max(stream.end, end)
    stream.wantBytes = wantBytes
    stream.lastUse = ++this.#uses
  }

  #dropOldest (): void {
    let oldest = 0
    for (let i = 1; i < this.#streams.length; i++) if (this.#streams[i]!.lastUse < this.#streams[oldest]!.lastUse) oldest = i
    this.#streams.splice(oldest, 1)
  }
}
