import { FrameType, PREFIX_BYTES, writePrefix } from './frame.ts'
import type { HeaderCodecs } from './headers.ts'

const ARENA_BYTES = 16 * 1024

/**
 * Memory that heads of frames are written into, one behind the other, never again: shared by all links of a node. The
 * collector has it when the last of them has left.
 */
export class HeadArena {
  bytes: Buffer = Buffer.alloc(0)
  view = new DataView(this.bytes.buffer)
  at = 0

  /** Starts a new piece of memory with at least that much room. */
  renew (sizeBytes: number): void {
    this.bytes = Buffer.allocUnsafeSlow(Math.max(ARENA_BYTES, sizeBytes))
    this.view = new DataView(this.bytes.buffer)
    this.at = 0
  }
}

/**
 * Frames that one link sends next, as pieces of memory: heads out of the arena, payloads where they are, without a copy.
 */
export class FrameWriter {
  readonly #arena: HeadArena
  #pieces: Uint8Array[] = []
  #sizeBytes = 0
  /** The heads at [headFrom, headTo) of this memory are no piece yet. */
  #heads: Buffer | undefined
  #headFrom = 0
  #headTo = 0

  constructor (arena: HeadArena) {
    this.#arena = arena
  }

  get sizeBytes (): number { return this.#sizeBytes }

  /**
   * Adds a frame. `tailBytes` of memory behind the header are part of the head, to be filled in by `writeTail` at once.
   * The payload's memory must stay as it is until it has left. @throws what the header's fields are not of their types
   */
  add (codecs: HeaderCodecs, type: FrameType, header: object, payload: Uint8Array | readonly Uint8Array[] | undefined, payloadBytes: number, tailBytes = 0, writeTail?: (view: DataView, at: number) => void): void {
    const arena = this.#arena
    let end = codecs.encode(type, header, arena.bytes, arena.at + PREFIX_BYTES)
    if (end < 0 || end + tailBytes > arena.bytes.length) {
      arena.renew((end < 0 ? arena.bytes.length - end : end) - arena.at + tailBytes)
      end = codecs.encode(type, header, arena.bytes, PREFIX_BYTES)
    }
    const at = arena.at
    arena.at = end + tailBytes
    writePrefix(arena.bytes, at, type, arena.at - at - PREFIX_BYTES, payloadBytes)
    writeTail?.(arena.view, end)
    if (this.#heads === arena.bytes && this.#headTo === at) {
      this.#headTo = arena.at
    } else {
      this.#closeHeads()
      this.#heads = arena.bytes
      this.#headFrom = at
      this.#headTo = arena.at
    }
    this.#sizeBytes += arena.at - at + payloadBytes
    if (payloadBytes === 0 || payload === undefined) return
    this.#closeHeads()
    if (payload instanceof Uint8Array) this.#pieces.push(payload)
    else for (const piece of payload) this.#pieces.push(piece)
  }

  addRaw (bytes: Uint8Array): void {
    this.#closeHeads()
    this.#pieces.push(bytes)
    this.#sizeBytes += bytes.length
  }

  /** Takes out all that was added. */
  take (): readonly Uint8Array[] {
    this.#closeHeads()
    const pieces = this.#pieces
    this.#pieces = []
    this.#sizeBytes = 0
    return pieces
  }

  #closeHeads (): void {
    if (this.#heads === undefined) return
    this.#pieces.push(this.#heads.subarray(this.#headFrom, this.#headTo))
    this.#heads = undefined
  }
}
