import { viewOf } from '../base/index.ts'

/** Freed slabs kept for use again; more go to the collector. */
const MAX_FREE = 4

/**
 * Memory that entries are written into back to back, so that the log writes many of them with one call. While nobody but
 * the log refers to it, a slab is used again once the log has let go of it: new ones cost page faults, and old ones
 * collections.
 */
export class Slab {
  readonly #slabBytes: number
  #free: Uint8Array[] = []
  bytes: Uint8Array = new Uint8Array(0)
  view: DataView = viewOf(this.bytes)
  /** Where the next entry goes. */
  at = 0

  constructor (slabBytes: number) {
    this.#slabBytes = slabBytes
  }

  /** Afterwards at least `sizeBytes` are free from `at`. */
  reserve (sizeBytes: number): void {
    if (this.bytes.length - this.at >= sizeBytes) return
    this.bytes = (sizeBytes <= this.#slabBytes ? this.#free.pop() : undefined) ?? new Uint8Array(Math.max(this.#slabBytes, sizeBytes))
    this.view = viewOf(this.bytes)
    this.at = 0
  }

  /** The next `sizeBytes`, which are now taken. */
  take (sizeBytes: number): Uint8Array {
    const from = this.at
    this.at += sizeBytes
    return this.bytes.subarray(from, this.at)
  }

  /** Takes memory back that nobody refers to any more; memory that is none of its own, or in use, is left alone. */
  giveBack (memory: ArrayBufferLike): void {
    if (memory.byteLength !== this.#slabBytes || memory === this.bytes.buffer || this.#free.length >= MAX_FREE) return
    this.#free.push(new Uint8Array(memory))
  }
}
