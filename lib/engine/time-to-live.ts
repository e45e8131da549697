import { findProperty, Property } from '../message/index.ts'
import type { StoredRecord } from './delivery.ts'

const TTL = new TextEncoder().encode(Property.timeToLive)
const MAX_DIGITS = 15
const ZERO = 48

/** From when on the message is handed out to nobody, ms since 1970: so long after it came to its queue as its property TTL says; Infinity: it has none, or one that is no whole number. */
export function expiresAtMs ({ record, storeTimestampMs }: Pick<StoredRecord, 'record' | 'storeTimestampMs'>): number {
  const { propertiesBytes } = record
  if (propertiesBytes.length === 0) return Infinity
  const digits = findProperty(propertiesBytes, TTL)
  if (digits === undefined || digits.length > MAX_DIGITS) return Infinity
  let ttlMs = 0
  for (let i = 0; i < digits.length; i++) {
    const digit = digits[i]! - ZERO
    if (digit < 0 || digit > 9) return Infinity
    ttlMs = ttlMs * 10 + digit
  }
  return storeTimestampMs + ttlMs
}
