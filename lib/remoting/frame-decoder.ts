import { invariant } from '../base/index.ts'
import { checkPrefix, RemotingFrame } from './frame.ts'

/** RocketMQ's default: what may follow the length word of a frame. */
export const DEFAULT_MAX_FRAME_BYTES = 16 * 1024 * 1024

/** An assembled frame starts with this much room (its own size, if that is less) and doubles as bytes arrive. */
const FIRST_ROOM_BYTES = 1024

/**
 * Cuts a stream of bytes into frames. Whole frames inside a chunk are views on it; a frame that comes in several chunks is
 * put together in memory of its own, which grows with what has arrived, never by what a length promises: at most 1 KiB or
 * twice the bytes received so far, and each byte is copied less than three times.
 *
 *     decoder.push(chunk)
 *     for (let frame; (frame = decoder.next()) !== undefined;) handle(frame)
 *
 * A chunk belongs to the decoder from `push` on: its owner must neither write to it nor use it again (see RemotingFrame).
 * After an error the stream has lost its frames: the connection must be closed, every later call throws the same error.
 */
export class FrameDecoder {
  readonly #maxFrameBytes: number
  #chunk: Uint8Array = empty
  #at = 0
  /** The beginning of a frame that goes on in later chunks; its memory has room for more. */
  #partial: Uint8Array | undefined
  #partialBytes = 0
  #error: unknown

  constructor (maxFrameBytes: number = DEFAULT_MAX_FRAME_BYTES) {
    this.#maxFrameBytes = maxFrameBytes
  }

  /** True between the first and the last byte of a frame. */
  get isInsideFrame (): boolean { return this.#partial !== undefined || this.#at < this.#chunk.length }

  /** Memory held for a frame that is not complete. */
  get heldBytes (): number { return (this.#partial?.length ?? 0) + this.#chunk.length - this.#at }

  /** Takes the next bytes of the stream; all frames of the earlier ones must have been taken. */
  push (chunk: Uint8Array): void {
    invariant(this.#at === this.#chunk.length || this.#error !== undefined, 'bytes came before the frames of the earlier ones were taken')
    // a Buffer's own methods are slower, and two kinds of arrays make all that reads them slower
    this.#chunk = chunk instanceof Buffer ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length) : chunk
    this.#at = 0
  }

  /** The next whole frame, or undefined when more bytes are needed. @throws MQ_BAD_FRAME */
  next (): RemotingFrame | undefined {
    if (this.#error !== undefined) throw this.#error
    try {
      return this.#partial === undefined ? this.#fromChunk() : this.#fromPartial(this.#partial)
    } catch (error) {
      this.#error = error
      this.#chunk = empty
      this.#at = 0
      this.#partial = undefined
      throw error
    }
  }

  #fromChunk (): RemotingFrame | undefined {
    const chunk = this.#chunk
    const start = this.#at
    const available = chunk.length - start
    if (available === 0) return this.#release()
    const frameBytes = checkPrefix(chunk, start, available, this.#maxFrameBytes)
    if (frameBytes > 0 && frameBytes <= available) {
      this.#at = start + frameBytes
      return new RemotingFrame(chunk, start, this.#at)
    }
    this.#partial = new Uint8Array(Math.max(available, Math.min(frameBytes, Math.max(FIRST_ROOM_BYTES, 2 * available)), 8))
    this.#take(this.#partial, available)
    return this.#release()
  }

  #fromPartial (partial: Uint8Array): RemotingFrame | undefined {
    for (;;) {
      const frameBytes = checkPrefix(partial, 0, this.#partialBytes, this.#maxFrameBytes)
      if (frameBytes > 0 && frameBytes === this.#partialBytes) {
        this.#partial = undefined
        this.#partialBytes = 0
        return new RemotingFrame(partial, 0, frameBytes)
      }
      const available = this.#chunk.length - this.#at
      if (available === 0) return this.#release()
      // the prefix first, so that no byte of the next frame is taken and a lie is seen at once
      const wanted = this.#partialBytes < 8 ? 8 - this.#partialBytes : frameBytes - this.#partialBytes
      const taken = Math.min(wanted, available, frameBytes > 0 ? frameBytes - this.#partialBytes : 4 - this.#partialBytes)
      if (this.#partialBytes + taken > partial.length) {
        const grown = new Uint8Array(Math.min(frameBytes, Math.max(this.#partialBytes + taken, 2 * partial.length)))
        grown.set(partial.subarray(0, this.#partialBytes))
        this.#partial = partial = grown
      }
      this.#take(partial, taken)
    }
  }

  #take (into: Uint8Array, sizeBytes: number): void {
    into.set(this.#chunk.subarray(this.#at, this.#at + sizeBytes), this.#partialBytes)
    this.#at += sizeBytes
    this.#partialBytes += sizeBytes
  }

  /** A chunk that was used up is not held on to. */
  #release (): undefined {
    this.#chunk = empty
    this.#at = 0
    return undefined
  }
}

const empty = new Uint8Array(0)
