import { MqError, viewOf } from '../base/index.ts'
import { MAX_PROPERTIES_BYTES } from '../message/index.ts'

const HEAD_BYTES = 20

/**
 * The messages in the body of 320 SEND_BATCH_MESSAGE, read in place. Items follow each other, big-endian:
 *
 *     totalSize i32 | magic i32 (0) | crc i32 (0) | flag i32 | bodyLength i32, body | propertiesLength i16, properties
 *
 * `next` goes to the first, then to each further one; the fields are those of the item it went to, positions those in `bytes`.
 * @see RocketMQ MessageDecoder.decodeMessages
 */
export class BatchItems {
  readonly bytes: Uint8Array
  readonly #view: DataView
  readonly #end: number
  #next: number
  flag = 0
  bodyStart = 0
  bodyEnd = 0
  propertiesStart = 0
  propertiesEnd = 0

  /** Over bytes [start, end), such as the body of a frame. */
  constructor (bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes
    this.#view = viewOf(bytes)
    this.#next = start
    this.#end = end
  }

  /** False at the end. @throws MQ_INVALID_ARGUMENT the lengths do not add up */
  next (): boolean {
    const at = this.#next
    const left = this.#end - at
    if (left === 0) return false
    const totalBytes = left < HEAD_BYTES + 2 ? 0 : this.#view.getInt32(at)
    const bodyBytes = totalBytes < HEAD_BYTES + 2 ? -1 : this.#view.getInt32(at + 16)
    if (totalBytes > left || bodyBytes < 0 || bodyBytes > totalBytes - HEAD_BYTES - 2) throw malformed(at)
    this.flag = this.#view.getInt32(at + 12)
    this.bodyStart = at + HEAD_BYTES
    this.bodyEnd = this.bodyStart + bodyBytes
    this.propertiesStart = this.bodyEnd + 2
    this.propertiesEnd = this.propertiesStart + this.#view.getUint16(this.bodyEnd)
    if (this.propertiesEnd !== at + totalBytes || this.propertiesEnd - this.propertiesStart > MAX_PROPERTIES_BYTES) throw malformed(at)
    this.#next = at + totalBytes
    return true
  }
}

function malformed (at: number): MqError {
  return new MqError('MQ_INVALID_ARGUMENT', `the batch is malformed at byte ${at} of its frame`)
}

export interface BatchItem {
  readonly flag: number
  readonly body: Uint8Array
  /** UTF-8 of the properties text, at most MAX_PROPERTIES_BYTES. */
  readonly properties: Uint8Array
}

/** The body of 320 for these messages. @throws MQ_MESSAGE_TOO_LARGE */
export function encodeBatchItems (items: readonly BatchItem[]): Uint8Array {
  let totalBytes = 0
  for (const { body, properties } of items) {
    if (properties.length > MAX_PROPERTIES_BYTES) throw new MqError('MQ_MESSAGE_TOO_LARGE', `properties of ${properties.length} bytes exceed ${MAX_PROPERTIES_BYTES}`)
    totalBytes += HEAD_BYTES + 2 + body.length + properties.length
  }
  const bytes = new Uint8Array(totalBytes)
  const view = viewOf(bytes)
  let at = 0
  for (const { flag, body, properties } of items) {
    const sizeBytes = HEAD_BYTES + 2 + body.length + properties.length
    view.setInt32(at, sizeBytes)
    view.setInt32(at + 12, flag)
    view.setInt32(at + 16, body.length)
    bytes.set(body, at + HEAD_BYTES)
    view.setUint16(at + HEAD_BYTES + body.length, properties.length)
    bytes.set(properties, at + HEAD_BYTES + 2 + body.length)
    at += sizeBytes
  }
  return bytes
}
