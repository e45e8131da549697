import { viewOf } from '../base/index.ts'

/**
 * Memory that entries are written into back to back, so that the log writes many of them with one call. A slab is
 * never reused: the log's tail cache, the peers and readers hold views on it, and it goes when the last of them does.
 */
export class Slab {
  readonly #slabBytes: number
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
    this.bytes = new Uint8Array(Math.max(this.#slabBytes, sizeBytes))
    this.view = viewOf(this.bytes)
    this.at = 0
  }

  /** The next `sizeBytes`, which are now taken. */
  take (sizeBytes: number): Uint8Array {
    const from = this.at
    this.at += sizeBytes
    return this.bytes.subarray(from, this.at)
  }
}
