import { getInt64, setInt64, viewOf } from '../base/index.ts'
import type { DedupeId, RememberedPlace } from './dedupe-commands.ts'

/** A message that is remembered, and when it was stored. */
export interface Remembered extends RememberedPlace {
  readonly storeTimestampMs: number
}

/**
 * Messages as they are kept, big-endian: hash u64 | bodyCrc i32 | bodyBytes u32 | queueId u32 | queueOffset i64 |
 * physicalOffset i64 | deliverAtMs i64 | storeTimestampMs i64. A piece holds those numbered [n * PIECE_MESSAGES, (n + 1) * PIECE_MESSAGES).
 */
const MESSAGE_BYTES = 52
export const PIECE_MESSAGES = 256
/** Many topics have few messages. */
const FIRST_PIECE_MESSAGES = 4
/** `bodyBytes` of one that is forgotten. */
const FORGOTTEN = 0xffff_ffff

/** The last messages of a topic, the oldest first: they go when they are too old or too many. */
export class DedupeWindow {
  windowMs = 0
  maxCount = 0
  /** Messages [first, next) are remembered. */
  first = 0
  next = 0
  readonly pieces = new Map<number, Uint8Array>()
  /** The last message of each hash, by 53 bits of it; undefined: to be made from the pieces. */
  #last: Map<number, number> | undefined

  get count (): number { return this.next - this.first }

  find ({ hash, bodyCrc, bodyBytes }: DedupeId): Remembered | undefined {
    const message = this.#index.get(keyOf(hash))
    if (message === undefined) return undefined
    const view = this.#viewOf(message)
    const at = atOf(message)
    if (view.getBigUint64(at) !== hash || view.getInt32(at + 8) !== bodyCrc || view.getUint32(at + 12) !== bodyBytes) return undefined
    return {
      queueId: view.getUint32(at + 16),
      queueOffset: getInt64(view, at + 20),
      physicalOffset: getInt64(view, at + 28),
      deliverAtMs: getInt64(view, at + 36),
      storeTimestampMs: getInt64(view, at + 44)
    }
  }

  add ({ hash, bodyCrc, bodyBytes }: DedupeId, { queueId, queueOffset, physicalOffset, deliverAtMs, storeTimestampMs }: Remembered): void {
    const message = this.next++
    const number = Math.floor(message / PIECE_MESSAGES)
    const at = atOf(message)
    const piece = this.pieces.get(number)
    if (piece === undefined || at === piece.length) {
      const grown = new Uint8Array(Math.min(Math.max(2 * at, FIRST_PIECE_MESSAGES * MESSAGE_BYTES), PIECE_MESSAGES * MESSAGE_BYTES))
      if (piece !== undefined) grown.set(piece)
      this.pieces.set(number, grown)
    }
    const view = this.#viewOf(message)
    view.setBigUint64(at, hash)
    view.setInt32(at + 8, bodyCrc)
    view.setUint32(at + 12, bodyBytes)
    view.setUint32(at + 16, queueId)
    setInt64(view, at + 20, queueOffset)
    setInt64(view, at + 28, physicalOffset)
    setInt64(view, at + 36, deliverAtMs)
    setInt64(view, at + 44, storeTimestampMs)
    this.#index.set(keyOf(hash), message)
  }

  /** Returns the number of the piece that has changed; undefined: there is none of that hash. */
  forget (hash: bigint): number | undefined {
    const message = this.#index.get(keyOf(hash))
    if (message === undefined || this.#viewOf(message).getBigUint64(atOf(message)) !== hash) return undefined
    this.#viewOf(message).setUint32(atOf(message) + 12, FORGOTTEN)
    this.#index.delete(keyOf(hash))
    return Math.floor(message / PIECE_MESSAGES)
  }

  /** Lets the oldest one go; returns the number of the piece that went with it, if it was its last. */
  removeFirst (): number | undefined {
    const message = this.first++
    const key = keyOf(this.#viewOf(message).getBigUint64(atOf(message)))
    if (this.#index.get(key) === message) this.#index.delete(key)
    const number = Math.floor(message / PIECE_MESSAGES)
    if (this.first < (number + 1) * PIECE_MESSAGES) return undefined
    this.pieces.delete(number)
    return number
  }

  get firstStampMs (): number { return getInt64(this.#viewOf(this.first), atOf(this.first) + 44) }

  /** Of a piece, as far as there are messages; a copy. */
  bytesOf (number: number): Uint8Array | undefined {
    return this.pieces.get(number)?.slice(0, Math.min(PIECE_MESSAGES, this.next - number * PIECE_MESSAGES) * MESSAGE_BYTES)
  }

  load (number: number, bytes: Uint8Array): void {
    this.pieces.set(number, new Uint8Array(bytes))
    this.#last = undefined
  }

  get #index (): Map<number, number> {
    if (this.#last !== undefined) return this.#last
    const last = this.#last = new Map<number, number>()
    for (let message = this.first; message < this.next; message++) {
      const view = this.#viewOf(message)
      const key = keyOf(view.getBigUint64(atOf(message)))
      if (view.getUint32(atOf(message) + 12) === FORGOTTEN) last.delete(key)
      else last.set(key, message)
    }
    return last
  }

  #viewOf (message: number): DataView { return viewOf(this.pieces.get(Math.floor(message / PIECE_MESSAGES))!) }
}

function atOf (message: number): number { return message % PIECE_MESSAGES * MESSAGE_BYTES }
/** Exact as a number. */
export function keyOf (hash: bigint): number { return Number(BigInt.asUintN(53, hash)) }
