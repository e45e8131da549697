import { millisecondsOf } from '../adapters/index.ts'
import { MqError } from '../base/index.ts'
import type { Duration } from './types.ts'

/**
 * Checks of what users hand in. A value of the wrong type is a TypeError; one of the right type that is out of range or
 * malformed an MqError with MQ_INVALID_ARGUMENT. Both name the argument and show the value.
 */

export const MAX_TOPIC_BYTES = 127
/** Leaves room for the prefixes of the group's own topics (retry, dead letters). */
export const MAX_GROUP_BYTES = 120
/** Beyond it, times that are stored would leave the range of exact integers. */
const MAX_DURATION_DAYS = 36_500
const NAME = /^[%|a-zA-Z0-9_-]+$/
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/
const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function show (value: unknown): string {
  if (typeof value === 'string') return value.length > 60 ? `'${value.slice(0, 57)}...'` : `'${value}'`
  if (value === null || typeof value !== 'object') return String(value)
  return Array.isArray(value) ? 'an array' : `an instance of ${(value.constructor as Function | undefined)?.name ?? 'Object'}`
}

export function wrongType (what: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${what} must be ${expected}, got ${show(value)}`)
}

export function invalid (what: string, rule: string, value: unknown): MqError {
  return new MqError('MQ_INVALID_ARGUMENT', `${what} must be ${rule}, got ${show(value)}`)
}

function checkName (what: string, name: unknown, maxBytes: number): string {
  if (typeof name !== 'string') throw wrongType(what, 'a string', name)
  if (name.length === 0 || name.length > maxBytes || !NAME.test(name)) {
    throw invalid(what, `1 to ${maxBytes} of the characters a-z A-Z 0-9 _ - % |`, name)
  }
  return name
}

export function checkTopic (name: unknown): string { return checkName('topic', name, MAX_TOPIC_BYTES) }
export function checkGroup (name: unknown): string { return checkName('group', name, MAX_GROUP_BYTES) }

export function checkInteger (what: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number') throw wrongType(what, 'a number', value)
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw invalid(what, most === Number.MAX_SAFE_INTEGER ? `an integer of at least ${least}` : `an integer from ${least} to ${most}`, value)
  }
  return value
}

export function checkObject (what: string, value: unknown): Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw wrongType(what, 'an object', value)
  return value as Record<string, unknown>
}

/** An options object whose keys are all known: a misspelt option is an error, never silently ignored. */
export function checkKeys (what: string, value: unknown, known: readonly string[]): Record<string, unknown> {
  const object = checkObject(what, value)
  for (const key of Object.keys(object)) {
    if (!known.includes(key)) throw new TypeError(`${what} has no option '${key}'; it knows ${known.join(', ')}`)
  }
  return object
}

/** False when it holds half of a surrogate pair: it would come back from UTF-8 as another text. */
export function isWellFormed (text: string): boolean {
  return (text as unknown as { isWellFormed (): boolean }).isWellFormed()
}

export function checkFunction (what: string, value: unknown): void {
  if (typeof value !== 'function') throw wrongType(what, 'a function', value)
}

export function checkOneOf<T extends string> (what: string, value: unknown, allowed: readonly T[]): T {
  if (typeof value !== 'string') throw wrongType(what, 'a string', value)
  if (!allowed.includes(value as T)) throw invalid(what, `one of ${allowed.join(', ')}`, value)
  return value as T
}

export function checkSignal (value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  if (!(value instanceof AbortSignal)) throw wrongType('signal', 'an AbortSignal', value)
  return value
}

/** A duration in ms, at least `leastMs`, at most a hundred years. */
export function checkDuration (what: string, value: unknown, leastMs = 0): number {
  let ms: number
  if (typeof value === 'number') {
    ms = value
  } else if (typeof value === 'string') {
    const match = DURATION.exec(value)
    if (match === null) throw invalid(what, 'a number of ms or a text such as \'250ms\', \'30s\', \'5m\', \'2h\', \'7d\'', value)
    ms = Number(match[1]) * UNIT_MS[match[2]!]!
  } else {
    throw wrongType(what, 'a number of ms or a text such as \'30s\'', value)
  }
  if (!(ms >= leastMs && ms <= MAX_DURATION_DAYS * UNIT_MS.d!)) throw invalid(what, `from ${leastMs}ms to ${MAX_DURATION_DAYS}d`, value)
  return Math.round(ms)
}

/** A point in time, in ms since 1970. */
export function checkTime (what: string, value: unknown, mostMs = Infinity): number {
  const ms = millisecondsOf(value) ?? value
  if (typeof ms !== 'number') throw wrongType(what, 'a Date, a text or a number of ms since 1970', value)
  if (!Number.isFinite(ms) || ms < 0 || ms > mostMs) throw invalid(what, mostMs === Infinity ? 'a valid time' : `a valid time up to ${mostMs} (ms since 1970)`, value)
  return Math.round(ms)
}

export type { Duration }
