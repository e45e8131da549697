import { getInt64, setInt64, MqError } from '../base/index.ts'
import { isEnded } from './raw-properties.ts'
import { utf8SizeBytes, writeUtf8 } from './utf8.ts'

/**
 * A message as it is stored, replicated and pulled: RocketMQ's commit-log record, big-endian.
 *
 *     totalSize 4 | magic 4 | bodyCRC 4 | queueId 4 | flag 4 | queueOffset 8 | physicalOffset 8 | sysFlag 4 |
 *     bornTimestamp 8 | bornHost 8 or 20 | storeTimestamp 8 | storeHost 8 or 20 | reconsumeTimes 4 |
 *     preparedTransactionOffset 8 | bodyLength 4, body | topicLength 1 (2 in V2), topic | propertiesLength 2, properties
 *
 * @see RocketMQ MessageDecoder. Divergence: bodyCRC is 0 in messages of embedded queues until they leave over the wire
 * (the entry's own checksums guard them on disk), see docs/divergence.md.
 */
export const RECORD_MAGIC_V1 = 0xDAA320A7
/** Written only when the topic takes more than 127 bytes. */
export const RECORD_MAGIC_V2 = 0xDAA320AB
export const MAX_V1_TOPIC_BYTES = 127
/** A record with IPv4 hosts, without body, topic and properties. */
export const MIN_RECORD_BYTES = 91
export const MAX_PROPERTIES_BYTES = 32767

export const SysFlag = {
  compressed: 0x1,
  multiTags: 0x2,
  prepared: 0x4,
  commit: 0x8,
  rollback: 0xC,
  transactionMask: 0xC,
  bornHostV6: 0x10,
  storeHostV6: 0x20
} as const

/** IP address (4 or 16 bytes) and port (4 bytes): 8 or 20 bytes as stored. */
export type Host = Uint8Array
export const LOCAL_HOST: Host = Uint8Array.of(127, 0, 0, 1, 0, 0, 0, 0)

/** What `encodeRecord` stores. `queueOffset`, `physicalOffset` and `storeTimestampMs` are given when a batch is sealed. */
export interface RecordFields {
  bodyCrc: number
  queueId: number
  flag: number
  queueOffset: number
  physicalOffset: number
  sysFlag: number
  bornTimestampMs: number
  bornHost: Host
  storeTimestampMs: number
  storeHost: Host
  reconsumeTimes: number
  preparedTransactionOffset: number
  body: Uint8Array
  /** UTF-8. */
  topic: Uint8Array
  /** UTF-8 of the properties text. */
  properties: Uint8Array
  /** More of it, stored behind; absent: none. */
  addedProperties?: Uint8Array
}

/** Bytes that a record with IPv4 hosts takes. */
export function recordSizeBytes (bodyBytes: number, topicBytes: number, propertiesBytes: number): number {
  return MIN_RECORD_BYTES + bodyBytes + topicBytes + propertiesBytes + (topicBytes > MAX_V1_TOPIC_BYTES ? 1 : 0)
}

/**
 * Writes a record at `at` and returns its size in bytes. `bytes` and `view` cover the same memory, with room enough.
 * The two IPv6 bits of `sysFlag` are set from the hosts' lengths.
 */
export function encodeRecord (bytes: Uint8Array, view: DataView, at: number, record: RecordFields): number {
  let p = encodeUpToProperties(bytes, view, at, record, record.topic, record.queueId, record.queueOffset, record.physicalOffset, record.storeTimestampMs, record.storeHost)
  const propertiesAt = p + 2
  const { properties, addedProperties } = record
  bytes.set(properties, propertiesAt)
  p = propertiesAt + properties.length
  if (addedProperties !== undefined && addedProperties.length > 0) {
    if (!isEnded(properties)) bytes[p++] = PROPERTY_END
    bytes.set(addedProperties, p)
    p += addedProperties.length
  }
  view.setUint16(propertiesAt - 2, p - propertiesAt)
  view.setInt32(at, p - at)
  return p - at
}

/** What a producer gives of a message. Its properties are written as `keys`, `tags`, then `propertiesText`; empty ones are left out. */
export interface MessageFields {
  readonly bodyCrc: number
  readonly flag: number
  readonly sysFlag: number
  readonly bornTimestampMs: number
  readonly bornHost: Host
  readonly reconsumeTimes: number
  readonly preparedTransactionOffset: number
  readonly body: Uint8Array
  /** Space-separated. */
  readonly keys: string
  readonly tags: string
  /** All other properties as stored text (`encodeProperties`). */
  readonly propertiesText: string
}

/** Bytes of the stored properties of a message; at most MAX_PROPERTIES_BYTES may be stored. */
export function propertiesSizeBytes ({ keys, tags, propertiesText }: Pick<MessageFields, 'keys' | 'tags' | 'propertiesText'>): number {
  return (keys.length > 0 ? 6 + utf8SizeBytes(keys) : 0) + (tags.length > 0 ? 6 + utf8SizeBytes(tags) : 0) + utf8SizeBytes(propertiesText)
}

/** `encodeRecord` for a message that is being sealed: properties go from text to their place, without an array of their own. */
export function encodeMessage (
  bytes: Uint8Array, view: DataView, at: number, message: MessageFields,
  topic: Uint8Array, queueId: number, queueOffset: number, physicalOffset: number, storeTimestampMs: number, storeHost: Host
): number {
  const propertiesAt = encodeUpToProperties(bytes, view, at, message, topic, queueId, queueOffset, physicalOffset, storeTimestampMs, storeHost)
  const { keys, tags, propertiesText } = message
  let p = propertiesAt + 2
  if (keys.length > 0) {
    view.setUint32(p, KEYS)
    bytes[p + 4] = NAME_END
    p = writeUtf8(bytes, p + 5, keys)
    bytes[p++] = PROPERTY_END
  }
  if (tags.length > 0) {
    view.setUint32(p, TAGS)
    bytes[p + 4] = NAME_END
    p = writeUtf8(bytes, p + 5, tags)
    bytes[p++] = PROPERTY_END
  }
  if (propertiesText.length > 0) p = writeUtf8(bytes, p, propertiesText)
  view.setUint16(propertiesAt, p - propertiesAt - 2)
  view.setInt32(at, p - at)
  return p - at
}

const KEYS = 0x4b455953
const TAGS = 0x54414753
const NAME_END = 1
const PROPERTY_END = 2

type CommonFields = Pick<MessageFields, 'bodyCrc' | 'flag' | 'sysFlag' | 'bornTimestampMs' | 'bornHost' | 'reconsumeTimes' | 'preparedTransactionOffset' | 'body'>

/** Returns where the length of the properties goes. */
function encodeUpToProperties (
  bytes: Uint8Array, view: DataView, at: number, fields: CommonFields,
  topic: Uint8Array, queueId: number, queueOffset: number, physicalOffset: number, storeTimestampMs: number, storeHost: Host
): number {
  const { body, bornHost } = fields
  const longTopic = topic.length > MAX_V1_TOPIC_BYTES
  let sysFlag = fields.sysFlag & ~(SysFlag.bornHostV6 | SysFlag.storeHostV6)
  if (bornHost.length > 8) sysFlag |= SysFlag.bornHostV6
  if (storeHost.length > 8) sysFlag |= SysFlag.storeHostV6
  view.setUint32(at + 4, longTopic ? RECORD_MAGIC_V2 : RECORD_MAGIC_V1)
  view.setInt32(at + 8, fields.bodyCrc)
  view.setInt32(at + 12, queueId)
  view.setInt32(at + 16, fields.flag)
  setInt64(view, at + 20, queueOffset)
  setInt64(view, at + 28, physicalOffset)
  view.setInt32(at + 36, sysFlag)
  setInt64(view, at + 40, fields.bornTimestampMs)
  copyShort(bytes, at + 48, bornHost)
  let p = at + 48 + bornHost.length
  setInt64(view, p, storeTimestampMs)
  copyShort(bytes, p + 8, storeHost)
  p += 8 + storeHost.length
  view.setInt32(p, fields.reconsumeTimes)
  setInt64(view, p + 4, fields.preparedTransactionOffset)
  view.setInt32(p + 12, body.length)
  bytes.set(body, p + 16)
  p += 16 + body.length
  if (longTopic) {
    view.setUint16(p, topic.length)
    p += 2
  } else {
    view.setUint8(p, topic.length)
    p += 1
  }
  copyShort(bytes, p, topic)
  return p + topic.length
}

/** A call of `set` costs more than a loop over a few bytes. */
function copyShort (bytes: Uint8Array, at: number, from: Uint8Array): void {
  const length = from.length
  if (length > 48) bytes.set(from, at)
  else for (let i = 0; i < length; i++) bytes[at + i] = from[i]!
}

/** Where in `bytes` the topic of the record that begins at `at` begins, without its length. */
export function topicAt (bytes: Uint8Array, at = 0): number {
  const sysFlag = bytes[at + 39]!
  const bodyAt = at + 88 + ((sysFlag & SysFlag.bornHostV6) !== 0 ? 12 : 0) + ((sysFlag & SysFlag.storeHostV6) !== 0 ? 12 : 0)
  return bodyAt + uint32At(bytes, bodyAt - 4) + (isV2At(bytes, at) ? 2 : 1)
}

/** Where in `bytes` the properties text of the record that begins at `at` begins; it goes to the record's end. Its length, 2 bytes, stands between topic and text. */
export function propertiesAt (bytes: Uint8Array, at = 0): number {
  const topic = topicAt(bytes, at)
  return topic + 2 + bytes[topic - 1]! + (isV2At(bytes, at) ? bytes[topic - 2]! << 8 : 0)
}

function isV2At (bytes: Uint8Array, at: number): boolean { return bytes[at + 7] === (RECORD_MAGIC_V2 & 0xff) }

function uint32At (bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

const utf8 = new TextDecoder()

/**
 * A record read in place: fields are decoded when asked for. `bytes` must start at the record's first byte; it is kept,
 * not copied, so its owner must not reuse it while the view lives.
 */
export class RecordView {
  readonly bytes: Uint8Array
  readonly #view: DataView
  readonly #bodyAt: number

  /** @throws MQ_CORRUPT the lengths inside do not add up to `bytes`, or the magic is none of a record */
  constructor (bytes: Uint8Array) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (bytes.length < MIN_RECORD_BYTES || this.sizeBytes !== bytes.length || (this.magic !== RECORD_MAGIC_V1 && this.magic !== RECORD_MAGIC_V2)) {
      throw new MqError('MQ_CORRUPT', 'the bytes are no message record')
    }
    this.#bodyAt = 56 + this.#bornHostBytes + this.#storeHostBytes + 12 + 4
    const lengths = this.#bodyAt + this.bodyBytes
    if (this.bodyBytes < 0 || lengths + 3 > bytes.length || this.#propertiesAt + 2 > bytes.length || this.#propertiesAt + 2 + this.#propertiesBytes !== bytes.length) {
      throw new MqError('MQ_CORRUPT', 'a length inside the message record is wrong')
    }
  }

  get sizeBytes (): number { return this.#view.getInt32(0) }
  get magic (): number { return this.#view.getUint32(4) }
  get bodyCrc (): number { return this.#view.getInt32(8) }
  get queueId (): number { return this.#view.getInt32(12) }
  get flag (): number { return this.#view.getInt32(16) }
  get queueOffset (): number { return getInt64(this.#view, 20) }
  get physicalOffset (): number { return getInt64(this.#view, 28) }
  get sysFlag (): number { return this.#view.getInt32(36) }
  get bornTimestampMs (): number { return getInt64(this.#view, 40) }
  get bornHost (): Host { return this.bytes.subarray(48, 48 + this.#bornHostBytes) }
  get storeTimestampMs (): number { return getInt64(this.#view, 48 + this.#bornHostBytes) }
  get storeHost (): Host { return this.bytes.subarray(56 + this.#bornHostBytes, 56 + this.#bornHostBytes + this.#storeHostBytes) }
  get reconsumeTimes (): number { return this.#view.getInt32(this.#bodyAt - 16) }
  get preparedTransactionOffset (): number { return getInt64(this.#view, this.#bodyAt - 12) }
  get bodyBytes (): number { return this.#view.getInt32(this.#bodyAt - 4) }
  /** A view on the record's bytes. */
  get body (): Uint8Array { return this.bytes.subarray(this.#bodyAt, this.#bodyAt + this.bodyBytes) }
  get topic (): string { return utf8.decode(this.bytes.subarray(this.#topicAt, this.#topicAt + this.#topicBytes)) }
  /** The stored text of the properties, as a view on the record's bytes. */
  get propertiesBytes (): Uint8Array { return this.bytes.subarray(this.#propertiesAt + 2) }
  get propertiesText (): string { return utf8.decode(this.bytes.subarray(this.#propertiesAt + 2)) }

  get #bornHostBytes (): number { return (this.sysFlag & SysFlag.bornHostV6) !== 0 ? 20 : 8 }
  get #storeHostBytes (): number { return (this.sysFlag & SysFlag.storeHostV6) !== 0 ? 20 : 8 }
  get #topicLengthBytes (): number { return this.magic === RECORD_MAGIC_V2 ? 2 : 1 }
  get #topicAt (): number { return this.#bodyAt + this.bodyBytes + this.#topicLengthBytes }
  get #topicBytes (): number {
    const at = this.#bodyAt + this.bodyBytes
    return this.#topicLengthBytes === 2 ? this.#view.getUint16(at) : this.#view.getUint8(at)
  }

  get #propertiesAt (): number { return this.#topicAt + this.#topicBytes }
  get #propertiesBytes (): number { return this.#view.getUint16(this.#propertiesAt) }
}
