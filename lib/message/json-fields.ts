import { integer, integerOf, parseJson, type JsonKey, type JsonMap, type JsonValue } from './json-reader.ts'

// What Java's readers take for a value of a type; undefined when it is absent or unfit.

export function jsonText (value: JsonValue | undefined): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? String(value) : undefined
}

/** A Java long, also from text. */
export function jsonLong (value: JsonValue | undefined): number | bigint | undefined {
  const long = typeof value === 'string' && integer.test(value) ? integerOf(value) : value
  return typeof long === 'bigint' || (typeof long === 'number' && Number.isSafeInteger(long)) ? long : undefined
}

/** A 32-bit integer, also from text. */
export function jsonInt (value: JsonValue | undefined): number | undefined {
  const long = jsonLong(value)
  return typeof long === 'number' && long === (long | 0) ? long | 0 : undefined
}

export function jsonBoolean (value: JsonValue | undefined): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (value === 'true' || value === 1) return true
  return value === 'false' || value === 0 ? false : undefined
}

export function jsonMap (value: JsonValue | undefined): JsonMap | undefined {
  return value instanceof Map ? value : undefined
}

export function jsonArray (value: JsonValue | undefined): JsonValue[] | undefined {
  return Array.isArray(value) ? value : undefined
}

/** A map's key that is an object, also where it was written as text with JSON inside; undefined for any other key. */
export function objectKey (key: JsonKey): JsonMap | undefined {
  if (typeof key !== 'string') return key
  if (!key.startsWith('{')) return undefined
  try {
    return jsonMap(parseJson(key))
  } catch {
    return undefined
  }
}
