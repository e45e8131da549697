import avsc, { type Schema } from 'avsc'
import { MqError } from '../base/index.ts'

/**
 * A logged command: what an entry carries beside messages. Its payload is one byte of schema version, then the value in
 * Avro. A command is known in the log by its number, which is never given to another one. A change of its fields adds a
 * schema to `versions`; payloads of the earlier ones are read through Avro's resolution (new fields need a default).
 */
export interface CommandType<T> {
  readonly type: number
  readonly name: string
  /** The newest schema version, from 1: what `encode` writes unless told otherwise. */
  readonly version: number
  /**
   * @param version an older one, while members of the group cannot read the newest yet
   * @throws a value that does not fit the schema, also a long beyond ±(2^53 - 2): nothing is rounded
   */
  encode (value: T, version?: number): Uint8Array
  /** Whether `encode` takes it: for what comes from outside. */
  isValid (value: T): boolean
  /** @throws MQ_FORMAT_TOO_NEW a schema version this code does not know; MQ_CORRUPT the payload does not fit its schema */
  decode (payload: Uint8Array): T
}

/** The schema of a record whose fields have these types. */
export function recordSchema (name: string, fields: Readonly<Record<string, unknown>>): Schema {
  return { type: 'record', name, fields: Object.entries(fields).map(([name, type]) => ({ name, type })) } as never
}

export interface CommandDefinition {
  /** u16, never reused. 0x01xx metadata, 0x02xx consumer offsets, 0x03xx the log itself, 0x04xx pop, 0x05xx locks, 0x06xx delayed messages, 0x07xx half messages, 0x09xx what was sent before, 0x0Axx values by key. */
  readonly type: number
  readonly name: string
  /** Avro schemas, oldest first; all are records of the same name. */
  readonly versions: readonly Schema[]
}

let scratch = Buffer.allocUnsafe(16 * 1024)

/** Encodes into a kept buffer and returns a copy of exactly the bytes, after one byte `version`. */
function encodeVersioned (type: avsc.Type, version: number, value: unknown): Uint8Array {
  let end = type.encode(value, scratch, 1)
  if (end < 0) {
    scratch = Buffer.allocUnsafe(2 * (scratch.length - end))
    end = type.encode(value, scratch, 1)
  }
  scratch[0] = version
  return new Uint8Array(scratch.subarray(0, end))
}

export function defineCommand<T> ({ type, name, versions }: CommandDefinition): CommandType<T> {
  if (versions.length === 0 || versions.length > 255 || type < 0 || type > 0xffff) throw new RangeError(`command ${name}: type or versions out of range`)
  const writers = versions.map((schema) => avsc.Type.forSchema(schema))
  const reader = writers.at(-1)!
  const resolvers = writers.map((writer) => writer === reader ? undefined : reader.createResolver(writer))

  return {
    type,
    name,
    version: versions.length,
    encode (value, version = versions.length) {
      const writer = writers[version - 1]
      if (writer === undefined) throw new RangeError(`command ${name} has no schema version ${version}`)
      return encodeVersioned(writer, version, value)
    },
    isValid: (value) => reader.isValid(value),
    decode (payload) {
      const version = payload[0]
      if (version === undefined || version === 0) throw new MqError('MQ_CORRUPT', `command ${name} has no schema version`)
      if (version > versions.length) throw new MqError('MQ_FORMAT_TOO_NEW', `command ${name} has schema version ${version}, this code reads up to ${versions.length}`)
      let decoded
      try {
        decoded = reader.decode(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength), 1, resolvers[version - 1])
      } catch (cause) {
        throw new MqError('MQ_CORRUPT', `command ${name} does not fit its schema`, { cause })
      }
      if (decoded.offset !== payload.length) throw new MqError('MQ_CORRUPT', `command ${name} does not fit its schema`)
      return decoded.value as T
    }
  }
}
