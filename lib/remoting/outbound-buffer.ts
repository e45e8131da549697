/** Most responses of one turn fit into one slab. */
export const SLAB_BYTES = 64 * 1024
/** Slabs kept for the next use. */
const MAX_FREE_SLABS = 64

/** Memory that frames are encoded into, shared by all connections of a server or client. */
export class SlabPool {
  readonly #free: Buffer[] = []

  take (): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES)
  }

  /** Gives a slab back whose bytes have left; others than SLAB_BYTES are forgotten. */
  release (slab: Buffer): void {
    if (slab.length === SLAB_BYTES && this.#free.length < MAX_FREE_SLABS) this.#free.push(slab)
  }
}

/**
 * What one connection sends at the end of this turn of the event loop, as a rule one piece of memory. Encoders ask for room
 * and write: `out.reserve(n)`, then up to n bytes from `out.bytes[out.at]` on, then `out.at += written`. A connection at
 * rest holds no memory.
 */
export class OutboundBuffer {
  readonly #pool: SlabPool
  readonly #full: Buffer[] = []
  #fullBytes = 0
  #slab: Buffer = none
  /** Where to write; another one after each `reserve`. */
  bytes: Buffer = none
  at = 0

  constructor (pool: SlabPool = new SlabPool()) {
    this.#pool = pool
  }

  get sizeBytes (): number { return this.#fullBytes + this.at }

  /** Makes room for that many bytes in one piece. */
  reserve (sizeBytes: number): void {
    if (this.bytes.length - this.at >= sizeBytes) return
    this.#closeSlab()
    this.#slab = sizeBytes <= SLAB_BYTES ? this.#pool.take() : Buffer.allocUnsafeSlow(sizeBytes)
    this.bytes = this.#slab
  }

  /** Takes out all that was written, in order. The pieces are the taker's until `release`. */
  take (): Buffer[] {
    this.#closeSlab()
    this.#fullBytes = 0
    return this.#full.splice(0)
  }

  /** Gives back the memory of pieces whose bytes have left. */
  release (pieces: readonly Buffer[]): void {
    for (const piece of pieces) this.#pool.release(piece.length === piece.buffer.byteLength ? piece : Buffer.from(piece.buffer))
  }

  #closeSlab (): void {
    if (this.at > 0) {
      this.#full.push(this.#slab.subarray(0, this.at))
      this.#fullBytes += this.at
    } else if (this.#slab !== none) {
      this.#pool.release(this.#slab)
    }
    this.#slab = this.bytes = none
    this.at = 0
  }
}

const none = Buffer.alloc(0)
