import { badFrame, KEY_ESCAPED, SPAN_INTS, VALUE_ESCAPED, type HeaderScan } from './header-scan.ts'
import { LanguageCode, languageOfName } from './language-code.ts'
import { textOf } from './text.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const SPACE = 0x20
/** No other value begins with an n. */
const NULL_START = 0x6e

/** Values inside values are skipped, down to this depth. */
const MAX_DEPTH = 32

/**
 * Scans a JSON header, UTF-8, at bytes [start, end): one object with the keys code, extFields, flag, language, opaque,
 * remark, version in any order; others are ignored and missing ones are 0. One pass, no text made; about 1 ns per byte.
 *
 * Lenient where clients are: numbers and booleans as extension values (read as their text), integers in quotes, raw control
 * characters inside strings, extFields null or missing, an unknown language. A value that is an object or array reads as its text.
 * @throws MQ_BAD_FRAME the bytes are no such object
 */
export function scanJsonHeader (bytes: Uint8Array, start: number, end: number, scan: HeaderScan): void {
  scan.reset()
  let at = skipSpace(bytes, start, end)
  if (at >= end || bytes[at] !== OPEN_BRACE) throw badFrame('the JSON header is no object')
  at = skipSpace(bytes, at + 1, end)
  if (at < end && bytes[at] === CLOSE_BRACE) {
    at++
  } else {
    for (;;) {
      const keyStart = at + 1
      at = afterKey(bytes, at, end)
      const keyEnd = at - 1
      at = afterColon(bytes, at, end)
      at = topLevelValue(bytes, keyStart, keyEnd, at, end, scan)
      at = skipSpace(bytes, at, end)
      if (at >= end) throw badFrame('the JSON header is cut short')
      const byte = bytes[at]
      at++
      if (byte === CLOSE_BRACE) break
      if (byte !== COMMA) throw badFrame('the JSON header is malformed')
      at = skipSpace(bytes, at, end)
    }
  }
  if (skipSpace(bytes, at, end) !== end) throw badFrame('bytes follow the JSON header')
}

/** Takes one field of the header; `at` is its value's first byte. Returns the position after the value. */
function topLevelValue (bytes: Uint8Array, keyStart: number, keyEnd: number, at: number, end: number, scan: HeaderScan): number {
  const keyBytes = keyEnd - keyStart
  const initial = bytes[keyStart]
  const first = bytes[at]
  if (initial === 0x65 && keyBytes === 9 && is(bytes, keyStart, 'extFields')) {
    scan.extCount = 0
    if (first === OPEN_BRACE) return scanExtFields(bytes, at + 1, end, scan)
    if (first !== NULL_START) throw badFrame('extFields is no object')
  }
  const isQuoted = first === QUOTE
  const next = afterValue(bytes, at, end)
  if (first === NULL_START) return next
  const valueStart = isQuoted ? at + 1 : at
  const valueEnd = isQuoted ? next - 1 : next
  switch (initial) {
    case 0x63: // c
      if (keyBytes === 4 && is(bytes, keyStart, 'code')) scan.code = headerInt(bytes, valueStart, valueEnd, 'code')
      break
    case 0x66: // f
      if (keyBytes === 4 && is(bytes, keyStart, 'flag')) scan.flag = headerInt(bytes, valueStart, valueEnd, 'flag')
      break
    case 0x6f: // o
      if (keyBytes === 6 && is(bytes, keyStart, 'opaque')) scan.opaque = headerInt(bytes, valueStart, valueEnd, 'opaque')
      break
    case 0x76: // v
      if (keyBytes === 7 && is(bytes, keyStart, 'version')) scan.version = headerInt(bytes, valueStart, valueEnd, 'version')
      break
    case 0x6c: // l
      if (keyBytes === 8 && is(bytes, keyStart, 'language')) scan.language = language(bytes, valueStart, valueEnd)
      break
    case 0x72: // r
      if (keyBytes !== 6 || !is(bytes, keyStart, 'remark')) break
      scan.remarkStart = valueStart
      scan.remarkEnd = valueEnd
      scan.remarkEscaped = hasEscapes(bytes, valueStart, valueEnd)
  }
  return next
}

/**
 * The pairs of extFields; `at` is behind its opening brace. Returns the position after the closing one. Written for text
 * without spaces, as clients send it, with the loops over keys and values in place: this is most of the work of a send.
 */
function scanExtFields (bytes: Uint8Array, at: number, end: number, scan: HeaderScan): number {
  at = skipSpace(bytes, at, end)
  if (at < end && bytes[at] === CLOSE_BRACE) return at + 1
  let { spans } = scan
  let span = 0
  for (;;) {
    if (at >= end || bytes[at] !== QUOTE) throw badFrame('a key of the JSON header is missing')
    const keyStart = ++at
    let flags = 0
    let byte = 0
    while (at < end && (byte = bytes[at]!) !== QUOTE && byte !== BACKSLASH) at++
    if (byte === BACKSLASH) {
      flags = KEY_ESCAPED
      at = afterString(bytes, at, end) - 1
    }
    const keyEnd = at++
    if (at + 1 < end && bytes[at] === COLON && bytes[at + 1]! > SPACE) at++
    else at = afterColon(bytes, at, end)
    let valueStart = at
    let valueEnd: number
    const first = bytes[at]
    if (first === QUOTE) {
      valueStart = ++at
      while (at < end && (byte = bytes[at]!) !== QUOTE && byte !== BACKSLASH) at++
      if (byte === BACKSLASH) {
        flags |= VALUE_ESCAPED
        at = afterString(bytes, at, end) - 1
      } else if (at >= end) {
        throw badFrame('a string of the JSON header does not end')
      }
      valueEnd = at++
    } else {
      valueEnd = at = afterValue(bytes, at, end)
    }
    if (first !== NULL_START) {
      if (span === spans.length) spans = scan.grow(span / SPAN_INTS)
      spans[span] = keyStart
      spans[span + 1] = keyEnd
      spans[span + 2] = valueStart
      spans[span + 3] = valueEnd
      spans[span + 4] = flags
      span += SPAN_INTS
    }
    if (at < end && bytes[at]! <= SPACE) at = skipSpace(bytes, at, end)
    if (at >= end) throw badFrame('the JSON header is cut short')
    byte = bytes[at++]!
    if (byte === CLOSE_BRACE) {
      scan.extCount = span / SPAN_INTS
      return at
    }
    if (byte !== COMMA) throw badFrame('extFields is malformed')
    if (at < end && bytes[at]! <= SPACE) at = skipSpace(bytes, at, end)
  }
}

function skipSpace (bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const byte = bytes[at]!
    if (byte > SPACE || (byte !== SPACE && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break
    at++
  }
  return at
}

/** The position after the key that starts at `at`. */
function afterKey (bytes: Uint8Array, at: number, end: number): number {
  if (at >= end || bytes[at] !== QUOTE) throw badFrame('a key of the JSON header is missing')
  return afterString(bytes, at + 1, end)
}

function afterColon (bytes: Uint8Array, at: number, end: number): number {
  at = skipSpace(bytes, at, end)
  if (at >= end || bytes[at] !== COLON) throw badFrame('a key of the JSON header has no value')
  at = skipSpace(bytes, at + 1, end)
  if (at >= end) throw badFrame('the JSON header is cut short')
  return at
}

/** The position after the closing quote of the string that `at` is inside of. */
function afterString (bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const byte = bytes[at]!
    if (byte === QUOTE) return at + 1
    at += byte === BACKSLASH ? 2 : 1
  }
  throw badFrame('a string of the JSON header does not end')
}

function hasEscapes (bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === BACKSLASH) return true
  return false
}

/** The position after the value at `at`. */
function afterValue (bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!
  if (first === QUOTE) return afterString(bytes, at + 1, end)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return afterNested(bytes, at, end)
  const start = at
  while (at < end && isLiteralByte(bytes[at]!)) at++
  if (at === start) throw badFrame('a value of the JSON header is missing')
  if (first === 0x2d || (first >= 0x30 && first <= 0x39)) {
    for (let i = start + 1; i < at; i++) if (!isNumberByte(bytes[i]!)) throw badFrame('a number of the JSON header is malformed')
  } else if (!(at - start === 4 && (is(bytes, start, 'true') || is(bytes, start, 'null'))) && !(at - start === 5 && is(bytes, start, 'false'))) {
    throw badFrame('a value of the JSON header is malformed')
  }
  return at
}

/** Skips an object or array; only its brackets and strings are looked at. */
function afterNested (bytes: Uint8Array, at: number, end: number): number {
  let depth = 0
  while (at < end) {
    const byte = bytes[at]!
    at++
    if (byte === QUOTE) {
      at = afterString(bytes, at, end)
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > MAX_DEPTH) throw badFrame('a value of the JSON header is nested too deep')
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (--depth === 0) return at
    }
  }
  throw badFrame('the JSON header is cut short')
}

const isLiteralByte = (byte: number): boolean => (byte >= 0x61 && byte <= 0x7a) || isNumberByte(byte)
const isNumberByte = (byte: number): boolean => (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x2e || byte === 0x2b || byte === 0x65 || byte === 0x45

/** Whether the bytes at `at` are `text`; the caller knows that so many are there. */
function is (bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false
  return true
}

/** An int32 of the header itself. */
function headerInt (bytes: Uint8Array, start: number, end: number, name: string): number {
  let at = start
  const isNegative = bytes[at] === 0x2d
  if (isNegative) at++
  let value = 0
  if (at === end || end - at > 10) throw badFrame(`${name} in the JSON header is no int`)
  for (; at < end; at++) {
    const digit = bytes[at]! - 0x30
    if (digit < 0 || digit > 9) throw badFrame(`${name} in the JSON header is no int`)
    value = value * 10 + digit
  }
  if (isNegative) value = -value
  if (value !== (value | 0)) throw badFrame(`${name} in the JSON header is no int`)
  return value | 0
}

function language (bytes: Uint8Array, start: number, end: number): LanguageCode {
  if (end - start === 4 && is(bytes, start, 'JAVA')) return LanguageCode.JAVA
  return languageOfName(end - start > 16 ? '' : textOf(bytes, start, end))
}
