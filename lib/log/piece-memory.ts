import type { Clock } from '../base/index.ts'

const STEP_BYTES = 64 * 1024
/** A piece may leave a third of the memory it gets unused. */
const MAX_EXCESS = 1.5
/** Kept for use again; more goes to the collector. */
const MAX_FREE_BYTES = 2 * 1024 * 1024

/**
 * Memory for pieces of the log that are read back. Pieces come and go by the megabyte, which would make the collector
 * run all the time; so what one has left is used for the next. Not in the same turn of the event loop, though: whoever
 * was just handed a view may look at it until then.
 */
export class PieceMemory {
  readonly #clock: Clock
  readonly #free: ArrayBufferLike[] = []
  #freeBytes = 0

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** Bytes with any content, at least `sizeBytes` in the underlying memory. */
  take (sizeBytes: number): Uint8Array {
    const capacity = Math.ceil(sizeBytes / STEP_BYTES) * STEP_BYTES
    const slot = this.#free.findIndex(({ byteLength }) => byteLength >= capacity && byteLength <= MAX_EXCESS * capacity)
    // No Buffer: `slice` of one copies nothing, and whoever keeps what was read keeps it with `slice`.
    if (slot < 0) return new Uint8Array(Buffer.allocUnsafeSlow(capacity).buffer, 0, sizeBytes)
    const [memory] = this.#free.splice(slot, 1)
    this.#freeBytes -= memory!.byteLength
    return new Uint8Array(memory!, 0, sizeBytes)
  }

  /** Nothing refers to `memory` any more, views handed out in this turn excepted. */
  giveBack (memory: ArrayBufferLike): void {
    if (memory.byteLength % STEP_BYTES !== 0 || this.#freeBytes + memory.byteLength > MAX_FREE_BYTES) return
    this.#freeBytes += memory.byteLength
    this.#clock.defer(() => { this.#free.push(memory) })
  }
}
