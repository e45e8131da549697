import avsc, { type Schema } from 'avsc'
import { MqError } from '../base/index.ts'

/** How a machine's values are stored: one byte of schema version, then Avro; older versions are read through resolution. */
export interface ValueType<T> {
  encode (value: T): Uint8Array
  /** @throws MQ_CORRUPT; MQ_FORMAT_TOO_NEW */
  decode (key: string, bytes: Uint8Array): T
}

export function defineValue<T> (versions: readonly Schema[]): ValueType<T> {
  const types = versions.map((schema) => avsc.Type.forSchema(schema))
  const newest = types.at(-1)!
  return {
    encode (value) {
      const bytes = newest.toBuffer(value)
      const stored = new Uint8Array(1 + bytes.length)
      stored[0] = types.length
      stored.set(bytes, 1)
      return stored
    },
    decode (key, bytes) {
      const type = types[(bytes[0] ?? 0) - 1]
      if (type === undefined) throw new MqError('MQ_FORMAT_TOO_NEW', `state store: key ${key} has a value of version ${bytes[0]}, this code reads up to ${types.length}`, { key })
      const resolver = type === newest ? undefined : newest.createResolver(type)
      try {
        return newest.fromBuffer(Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.byteLength - 1), resolver) as T
      } catch (cause) {
        throw new MqError('MQ_CORRUPT', `state store: the value of key ${key} cannot be read`, { key, cause })
      }
    }
  }
}
