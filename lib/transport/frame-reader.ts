import { checkFrame, FrameType, headerBytesOf, PREFIX_BYTES } from './frame.ts'

/** Payloads up to this get their memory as soon as their length is known; longer ones grow with what has come. */
const PROMISED_BYTES = 1024 * 1024
/** Payloads of appends up to a part of this share memory, one behind the other. */
const SLAB_BYTES = 1024 * 1024

/** `header` is valid during the call only; the memory of `payload` belongs to who gets it. */
export type OnFrame = (type: FrameType, header: Buffer, payload: Uint8Array) => void

/**
 * Cuts the bytes of a link into frames. A payload is copied once, into memory of its own; entries of appends that follow each
 * other lie back to back there as well, so that the log writes many appends with one call.
 * At most PROMISED_BYTES plus twice what has come of a frame are held for it.
 */
export class FrameReader {
  readonly #onFrame: OnFrame
  /** Prefix and header of a frame that began in an earlier chunk. */
  #head: Buffer = none
  #headBytes = 0
  #payload: Uint8Array | undefined
  #payloadBytes = 0
  #payloadAt = 0
  #type: FrameType = FrameType.ping
  #slab: Uint8Array = noPayload
  #slabAt = 0
  /** Until the other side has introduced itself, all but the small frames for that are refused before anything is held for them. */
  isIntroduced = false

  constructor (onFrame: OnFrame) {
    this.#onFrame = onFrame
  }

  /** Bytes held for a frame that is not complete. */
  get heldBytes (): number { return this.#headBytes + (this.#payload?.length ?? 0) }

  /** @throws MQ_BAD_FRAME, or what `onFrame` throws; the link is lost then. `isOver` ends it in the middle of a chunk. */
  push (chunk: Buffer, isOver: () => boolean): void {
    let at = 0
    while (at < chunk.length && !isOver()) {
      if (this.#payload !== undefined) at = this.#fillPayload(this.#payload, chunk, at)
      else if (this.#headBytes > 0 || chunk.length - at < PREFIX_BYTES) at = this.#fillHead(chunk, at)
      else at = this.#fromChunk(chunk, at)
    }
  }

  /** At a frame's first byte, with its whole prefix in the chunk. */
  #fromChunk (chunk: Buffer, at: number): number {
    const payloadBytes = checkFrame(chunk, at, this.isIntroduced)
    const headEnd = at + PREFIX_BYTES + headerBytesOf(chunk, at)
    if (headEnd > chunk.length) return this.#fillHead(chunk, at)
    const type = chunk[at + 4]! as FrameType
    if (payloadBytes === 0) {
      this.#onFrame(type, chunk.subarray(at + PREFIX_BYTES, headEnd), noPayload)
      return headEnd
    }
    if (headEnd + payloadBytes > chunk.length) {
      this.#keepHead(chunk, at, headEnd)
      this.#beginPayload(type, payloadBytes)
      return headEnd
    }
    const payload = this.#memory(type, payloadBytes)
    payload.set(chunk.subarray(headEnd, headEnd + payloadBytes))
    this.#onFrame(type, chunk.subarray(at + PREFIX_BYTES, headEnd), payload)
    return headEnd + payloadBytes
  }

  #keepHead (chunk: Buffer, from: number, to: number): void {
    this.#reserveHead(to - from)
    this.#head.set(chunk.subarray(from, to))
    this.#headBytes = to - from
  }

  #reserveHead (sizeBytes: number): void {
    if (this.#head.length >= sizeBytes) return
    const grown = Buffer.allocUnsafeSlow(Math.max(sizeBytes, 256))
    grown.set(this.#head.subarray(0, this.#headBytes))
    this.#head = grown
  }

  #fillHead (chunk: Buffer, from: number): number {
    let at = from
    if (this.#headBytes < PREFIX_BYTES) {
      at = this.#takeHead(chunk, at, PREFIX_BYTES)
      if (this.#headBytes < PREFIX_BYTES) return at
    }
    const payloadBytes = checkFrame(this.#head, 0, this.isIntroduced)
    const headBytes = PREFIX_BYTES + headerBytesOf(this.#head, 0)
    at = this.#takeHead(chunk, at, headBytes)
    if (this.#headBytes < headBytes) return at
    this.#beginPayload(this.#head[4]! as FrameType, payloadBytes)
    if (payloadBytes === 0) this.#finish(noPayload)
    return at
  }

  /** Moves bytes of the chunk to the head until that has `wantedBytes`; its memory grows with what has come. */
  #takeHead (chunk: Buffer, at: number, wantedBytes: number): number {
    const taken = Math.min(wantedBytes - this.#headBytes, chunk.length - at)
    if (this.#headBytes + taken > this.#head.length) this.#reserveHead(Math.min(wantedBytes, 2 * (this.#headBytes + taken)))
    this.#head.set(chunk.subarray(at, at + taken), this.#headBytes)
    this.#headBytes += taken
    return at + taken
  }

  #beginPayload (type: FrameType, payloadBytes: number): void {
    this.#type = type
    this.#payloadBytes = payloadBytes
    this.#payloadAt = 0
    if (payloadBytes > 0) this.#payload = this.#memory(type, Math.min(payloadBytes, PROMISED_BYTES))
  }

  #fillPayload (payload: Uint8Array, chunk: Buffer, at: number): number {
    const taken = Math.min(this.#payloadBytes - this.#payloadAt, chunk.length - at)
    if (this.#payloadAt + taken > payload.length) {
      const grown = uncleared(Math.min(this.#payloadBytes, 2 * (this.#payloadAt + taken)))
      grown.set(payload.subarray(0, this.#payloadAt))
      this.#payload = payload = grown
    }
    payload.set(taken === chunk.length ? chunk : chunk.subarray(at, at + taken), this.#payloadAt)
    this.#payloadAt += taken
    if (this.#payloadAt === this.#payloadBytes) this.#finish(payload)
    return at + taken
  }

  #finish (payload: Uint8Array): void {
    const header = this.#head.subarray(PREFIX_BYTES, this.#headBytes)
    this.#payload = undefined
    this.#headBytes = 0
    // a long table of entries is not held on to
    if (this.#head.length > MAX_KEPT_HEAD_BYTES) this.#head = none
    this.#onFrame(this.#type, header, payload)
  }

  #memory (type: FrameType, sizeBytes: number): Uint8Array {
    if (type !== FrameType.appendEntries) return new Uint8Array(sizeBytes)
    if (sizeBytes > SLAB_BYTES / 4) return uncleared(sizeBytes)
    if (this.#slab.length - this.#slabAt < sizeBytes) {
      this.#slab = uncleared(SLAB_BYTES)
      this.#slabAt = 0
    }
    this.#slabAt += sizeBytes
    return this.#slab.subarray(this.#slabAt - sizeBytes, this.#slabAt)
  }
}

const MAX_KEPT_HEAD_BYTES = 4096
const none = Buffer.alloc(0)
const noPayload = new Uint8Array(0)
/** Memory with any content: all of it is written before it is seen. */
const uncleared = (sizeBytes: number): Uint8Array => new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer)
