import avsc from 'avsc'
import { MqError } from '../base/index.ts'
import { crc64Avro } from './crc64-avro.ts'
import type { CodecOption } from './types.ts'
import { invalid, isWellFormed } from './arguments.ts'

/**
 * How a topic's payloads become bytes and back. `encode` may return the very bytes it was given (bytes codec): the
 * engine copies them when it seals the batch, until then they belong to the send. `decode` owns what it returns, but for
 * the bytes codec, whose result is a view on the engine's buffer.
 */
export interface Codec {
  readonly name: string
  /** @throws MQ_PAYLOAD_INVALID */
  encode (body: unknown): Uint8Array
  /** @throws MQ_PAYLOAD_INVALID */
  decode (bytes: Uint8Array, properties?: ReadonlyMap<string, string>): unknown
}

/** What is kept of a codec in the topic's attributes. Schemas: all that messages were ever written with, the current one last. */
export interface CodecRecord {
  readonly codec: string
  readonly schemas?: readonly string[]
}

const utf8 = new TextDecoder()
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function misfit (message: string, cause?: unknown): MqError {
  return new MqError('MQ_PAYLOAD_INVALID', message, cause === undefined ? {} : { cause })
}

function kindOf (value: unknown): string {
  return value === null ? 'null' : value instanceof Uint8Array ? 'bytes' : Array.isArray(value) ? 'an array' : typeof value
}

const bytesCodec: Codec = {
  name: 'bytes',
  encode (body) {
    if (!(body instanceof Uint8Array)) throw misfit(`the topic's codec is bytes: the body must be a Uint8Array, got ${kindOf(body)}`)
    return body
  },
  decode (bytes) { return bytes }
}

const stringCodec: Codec = {
  name: 'string',
  encode (body) {
    if (typeof body !== 'string') throw misfit(`the topic's codec is string: the body must be a string, got ${kindOf(body)}`)
    if (!isWellFormed(body)) throw misfit('the body holds half of a surrogate pair, which UTF-8 cannot tell')
    return Buffer.from(body)
  },
  decode (bytes) {
    try {
      return strictUtf8.decode(bytes)
    } catch (cause) {
      throw misfit('the stored bytes are no UTF-8 text', cause)
    }
  }
}

/** @throws MQ_PAYLOAD_INVALID */
export function jsonTextOf (what: string, value: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw misfit(`${what} cannot be written as JSON: ${(cause as Error).message}`, cause)
  }
  if (text === undefined) throw misfit(`${what} cannot be written as JSON: it is ${kindOf(value)}`)
  return text
}

const jsonCodec: Codec = {
  name: 'json',
  encode (body) {
    if (body instanceof Uint8Array) throw misfit('the topic\'s codec is json: to send bytes, make the topic with codec \'bytes\'')
    return Buffer.from(jsonTextOf('the body', body))
  },
  decode (bytes) {
    try {
      return JSON.parse(utf8.decode(bytes))
    } catch (cause) {
      throw misfit('the stored bytes are no JSON', cause)
    }
  }
}

/** Avro's single-object encoding: C3 01, the CRC-64-AVRO of the writer's schema (little-endian), the datum. */
const SINGLE_OBJECT_BYTES = 10

class AvroCodec implements Codec {
  readonly name = 'avro'
  readonly #type: avsc.Type
  readonly #header: Buffer
  readonly #writers = new Map<bigint, { type: avsc.Type, resolver: avsc.Resolver | undefined }>()

  /** @throws MQ_INVALID_ARGUMENT a schema is malformed, or the last one cannot read what an earlier one wrote */
  constructor (schemas: readonly string[]) {
    this.#type = parseSchema(schemas.at(-1)!)
    const fingerprint = fingerprintOf(this.#type)
    this.#header = Buffer.alloc(SINGLE_OBJECT_BYTES)
    this.#header.writeUInt16BE(0xC301)
    this.#header.writeBigUInt64LE(fingerprint, 2)
    this.#writers.set(fingerprint, { type: this.#type, resolver: undefined })
    for (const schema of schemas.slice(0, -1)) {
      const writer = parseSchema(schema)
      try {
        this.#writers.set(fingerprintOf(writer), { type: writer, resolver: this.#type.createResolver(writer) })
      } catch (cause) {
        throw new MqError('MQ_INVALID_ARGUMENT', `the Avro schema cannot read messages written with an earlier one: ${(cause as Error).message}`, { cause })
      }
    }
  }

  encode (body: unknown): Uint8Array {
    let datum: Buffer
    try {
      datum = this.#type.toBuffer(body)
    } catch (cause) {
      throw misfit(`the body does not fit the topic's Avro schema: ${(cause as Error).message}`, cause)
    }
    const bytes = Buffer.allocUnsafe(SINGLE_OBJECT_BYTES + datum.length)
    bytes.set(this.#header)
    bytes.set(datum, SINGLE_OBJECT_BYTES)
    return bytes
  }

  decode (bytes: Uint8Array): unknown {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (buffer.length < SINGLE_OBJECT_BYTES || buffer.readUInt16BE() !== 0xC301) throw misfit('the stored bytes are no Avro single object')
    const writer = this.#writers.get(buffer.readBigUInt64LE(2))
    if (writer === undefined) throw misfit(`the message was written with an Avro schema this topic does not know (fingerprint ${buffer.toString('hex', 2, SINGLE_OBJECT_BYTES)})`)
    try {
      return this.#type.fromBuffer(buffer.subarray(SINGLE_OBJECT_BYTES), writer.resolver)
    } catch (cause) {
      throw misfit(`the stored bytes do not fit their Avro schema: ${(cause as Error).message}`, cause)
    }
  }
}

function parseSchema (schema: unknown): avsc.Type {
  try {
    return avsc.Type.forSchema(typeof schema === 'string' && /^\s*[[{"]/.test(schema) ? JSON.parse(schema) : schema as avsc.Schema)
  } catch (cause) {
    throw new MqError('MQ_INVALID_ARGUMENT', `the Avro schema is malformed: ${(cause as Error).message}`, { cause })
  }
}

function fingerprintOf (type: avsc.Type): bigint {
  return crc64Avro(Buffer.from(JSON.stringify(type.schema())))
}

/** @throws MQ_FORMAT_TOO_NEW a codec this version does not know */
export function makeCodec (record: CodecRecord): Codec {
  switch (record.codec) {
    case 'bytes': return bytesCodec
    case 'string': return stringCodec
    case 'json': return jsonCodec
    case 'avro': return new AvroCodec(record.schemas ?? [])
    default: throw new MqError('MQ_FORMAT_TOO_NEW', `a topic's codec is '${record.codec}', which this version does not know`)
  }
}

/**
 * What to keep for a topic that has `stored` (undefined: new) and is opened with `option` (undefined: as it is).
 * Returns `stored` itself when nothing changes.
 * @throws MQ_INVALID_ARGUMENT the codec differs, or the schema cannot read what is stored
 */
export function mergeCodec (topic: string, stored: CodecRecord | undefined, option: CodecOption | undefined): CodecRecord {
  if (option === undefined) return stored ?? { codec: 'json' }
  const codec = typeof option === 'string' ? option : 'avro'
  if (stored !== undefined && stored.codec !== codec) {
    throw invalid(`the codec of topic ${topic}`, `'${stored.codec}', as it was made with`, codec)
  }
  if (typeof option === 'string') return stored ?? { codec }
  const schema = JSON.stringify(parseSchema(option.avro).schema({ exportAttrs: true }))
  const earlier = stored?.schemas ?? []
  if (stored !== undefined && earlier.at(-1) === schema) return stored
  const record = { codec, schemas: [...earlier.filter((other) => other !== schema), schema] }
  makeCodec(record)
  return record
}
