import { getInt64, MqError, setInt64, viewOf } from '../base/index.ts'
import { utf8SizeBytes, writeUtf8 } from '../message/index.ts'

/** A message that waits for its time: where it stands and where it goes. */
export interface DelayUnit {
  readonly deliverAtMs: number
  readonly topic: string
  readonly queueId: number
  readonly tagsCode: number
  readonly physicalOffset: number
  readonly sizeBytes: number
}

/**
 * Units as they are kept, big-endian: deliverAtMs i64 | physicalOffset i64 | sizeBytes u32 | tagsCode i32 | queueId u32 |
 * topicLength u8 | topic. A piece of a bucket in the kv is version u8 | reserved 3 | first u32 | count u32, then the units numbered
 * [first, first + count).
 */
const FIXED_BYTES = 29
const HEADER_BYTES = 12
const VERSION = 1
/** A piece ends before a multiple of these. */
const PIECE_UNITS = 256
const FIRST_BYTES = 64
const utf8 = new TextDecoder()

/** The units [from, to) of a bucket, in memory until they are in the kv. */
export class DelayPiece {
  readonly from: number
  to: number
  /** The bytes of its value in the kv, as far as `end`. */
  #bytes = new Uint8Array(HEADER_BYTES + FIRST_BYTES)
  #view = viewOf(this.#bytes)
  #end = HEADER_BYTES
  /** It is being written, so nothing is added to it any more. */
  isFrozen = false

  constructor (from: number) {
    this.from = this.to = from
  }

  get isFull (): boolean { return this.isFrozen || (this.to > this.from && this.to % PIECE_UNITS === 0) }
  /** It has the same units whenever it is written. */
  get isWhole (): boolean { return this.to - this.from === PIECE_UNITS }
  get memoryBytes (): number { return this.#bytes.length }

  /** Returns the unit's bytes, a view. */
  push ({ deliverAtMs, topic, queueId, tagsCode, physicalOffset, sizeBytes }: DelayUnit): Uint8Array {
    const at = this.#end
    const topicBytes = utf8SizeBytes(topic)
    const end = at + FIXED_BYTES + topicBytes
    if (end > this.#bytes.length) this.#grow(end)
    const view = this.#view
    setInt64(view, at, deliverAtMs)
    setInt64(view, at + 8, physicalOffset)
    view.setUint32(at + 16, sizeBytes)
    view.setInt32(at + 20, tagsCode)
    view.setUint32(at + 24, queueId)
    view.setUint8(at + 28, topicBytes)
    writeUtf8(this.#bytes, at + FIXED_BYTES, topic)
    this.#end = end
    this.to++
    return this.#bytes.subarray(at, end)
  }

  /** As a value of the kv; copies. */
  encode (): Uint8Array {
    const bytes = this.#bytes.slice(0, this.#end)
    const view = viewOf(bytes)
    view.setUint8(0, VERSION)
    view.setUint32(4, this.from)
    view.setUint32(8, this.to - this.from)
    return bytes
  }

  /** Of its units so far; later ones do not show. */
  reader (): DelayPieceReader { return new DelayPieceReader(this.#bytes, this.from, this.to) }

  #grow (bytes: number): void {
    const grown = new Uint8Array(Math.max(bytes, this.#bytes.length * 2))
    grown.set(this.#bytes)
    this.#bytes = grown
    this.#view = viewOf(grown)
  }
}

/** Reads a piece in place, unit by unit. */
export class DelayPieceReader {
  readonly from: number
  readonly to: number
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = HEADER_BYTES
  /** Of the unit `next` went to. */
  ordinal: number

  constructor (bytes: Uint8Array, from: number, to: number) {
    this.#bytes = bytes
    this.#view = viewOf(bytes)
    this.from = from
    this.to = to
    this.ordinal = from - 1
  }

  /** @throws MQ_FORMAT_TOO_NEW; MQ_CORRUPT */
  static of (value: Uint8Array): DelayPieceReader {
    if (value.length < HEADER_BYTES) throw corrupt()
    const view = viewOf(value)
    if (view.getUint8(0) !== VERSION) throw new MqError('MQ_FORMAT_TOO_NEW', `delayed messages of format ${view.getUint8(0)} are newer than ${VERSION}`)
    const from = view.getUint32(4)
    return new DelayPieceReader(value, from, from + view.getUint32(8))
  }

  /** Goes on to the next unit; false at the end. */
  next (): boolean {
    if (this.ordinal >= this.from) this.#at += FIXED_BYTES + this.#view.getUint8(this.#at + 28)
    if (++this.ordinal >= this.to) return false
    if (this.#at + FIXED_BYTES > this.#bytes.length || this.#at + FIXED_BYTES + this.#view.getUint8(this.#at + 28) > this.#bytes.length) throw corrupt()
    return true
  }

  get deliverAtMs (): number { return getInt64(this.#view, this.#at) }
  get physicalOffset (): number { return getInt64(this.#view, this.#at + 8) }

  get unit (): DelayUnit {
    const view = this.#view
    const at = this.#at
    return {
      deliverAtMs: this.deliverAtMs,
      topic: topicOf(this.#bytes, at + FIXED_BYTES, view.getUint8(at + 28)),
      queueId: view.getUint32(at + 24),
      tagsCode: view.getInt32(at + 20),
      physicalOffset: this.physicalOffset,
      sizeBytes: view.getUint32(at + 16)
    }
  }
}

let lastTopicBytes = new Uint8Array(0)
let lastTopic = ''

/** Units of one topic mostly follow each other. */
function topicOf (bytes: Uint8Array, at: number, length: number): string {
  let i = length === lastTopicBytes.length ? 0 : length
  while (i < length && bytes[at + i] === lastTopicBytes[i]) i++
  if (i < length || length !== lastTopicBytes.length) {
    lastTopicBytes = bytes.slice(at, at + length)
    lastTopic = utf8.decode(lastTopicBytes)
  }
  return lastTopic
}

function corrupt (): MqError { return new MqError('MQ_CORRUPT', 'state store: a list of delayed messages is cut short') }
