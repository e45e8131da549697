import { MqError } from '../base/index.ts'
import { valueBytesOf, type KeyedValue } from '../engine/index.ts'
import { utf8SizeBytes } from '../message/index.ts'
import { invalid, isWellFormed, wrongType } from './arguments.ts'
import { jsonTextOf } from './codec.ts'

/** Names a value: a text, or several parts that stand one behind the other. `'a'` is `['a']`; `['a', 1]` is another one than `['a', '1']`. */
export type Key = string | readonly [string | number, ...ReadonlyArray<string | number>]

/** Bounds of one key, as JSON text in UTF-8, and of one value. */
export const MAX_KEY_BYTES = 1024
export const MAX_VALUE_BYTES = 64 * 1024

/** What the key is stored under: equal for equal keys, and for these only. */
export function keyTextOf (key: unknown): string {
  const parts = typeof key === 'string' ? [key] : key
  if (!Array.isArray(parts)) throw wrongType('key', 'a string or an array of strings and numbers', key)
  if (parts.length === 0) throw invalid('key', 'of at least one part', key)
  for (const part of parts) {
    if (typeof part === 'string') {
      if (!isWellFormed(part)) throw invalid('key', 'without halves of surrogate pairs', part)
    } else if (typeof part !== 'number') {
      throw wrongType('a part of key', 'a string or a number', part)
    } else if (!Number.isFinite(part)) {
      throw invalid('a part of key', 'a finite number', part)
    }
  }
  const text = JSON.stringify(parts)
  const sizeBytes = utf8SizeBytes(text)
  if (sizeBytes > MAX_KEY_BYTES) throw new MqError('MQ_MESSAGE_TOO_LARGE', `a key takes ${sizeBytes} bytes as JSON, the limit is ${MAX_KEY_BYTES}`, { sizeBytes, limitBytes: MAX_KEY_BYTES })
  return text
}

/** Bytes as they are, a copy of them; all else as JSON. */
export function encodeKeyedValue (value: unknown): KeyedValue {
  const encoded = value instanceof Uint8Array ? new Uint8Array(value) : jsonTextOf('the value', value)
  const sizeBytes = valueBytesOf(encoded)
  if (sizeBytes > MAX_VALUE_BYTES) throw new MqError('MQ_MESSAGE_TOO_LARGE', `a value takes ${sizeBytes} bytes, the limit is ${MAX_VALUE_BYTES}: keep large ones elsewhere, and where they are here`, { sizeBytes, limitBytes: MAX_VALUE_BYTES })
  return encoded
}

export function decodeKeyedValue (value: KeyedValue | undefined): unknown {
  return typeof value === 'string' ? JSON.parse(value) : value && new Uint8Array(value)
}
