const utf8 = new TextDecoder()

/** The UTF-8 text at bytes [start, end); what is no UTF-8 reads as the replacement character. */
export function textOf (bytes: Uint8Array, start: number, end: number): string {
  return utf8.decode(bytes.subarray(start, end))
}

const BACKSLASH = 0x5c

/**
 * Writes what the JSON string content at `from` [start, end) stands for as UTF-8 to `into` at `at` and returns the position
 * after it; that is never more bytes than the content has. Unknown escapes stand for their character, a lone surrogate for
 * U+FFFD, a broken \u for a question mark: a peer's odd text never fails a request.
 */
export function unescapeJson (from: Uint8Array, start: number, end: number, into: Uint8Array, at: number): number {
  while (start < end) {
    const byte = from[start]!
    if (byte !== BACKSLASH) {
      into[at++] = byte
      start++
      continue
    }
    const escaped = from[start + 1]!
    start += 2
    if (escaped !== 0x75) {
      into[at++] = simpleEscape(escaped)
      continue
    }
    let point = hex4(from, start, end)
    if (point < 0) {
      into[at++] = 0x3f
      continue
    }
    start += 4
    if (point >= 0xd800 && point < 0xdc00 && from[start] === BACKSLASH && from[start + 1] === 0x75) {
      const low = hex4(from, start + 2, end)
      if (low >= 0xdc00 && low < 0xe000) {
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00)
        start += 6
      }
    }
    at = writeCodePoint(into, at, point)
  }
  return at
}

/** The text of JSON string content that holds escapes. */
export function unescapedText (bytes: Uint8Array, start: number, end: number): string {
  const plain = new Uint8Array(end - start)
  return textOf(plain, 0, unescapeJson(bytes, start, end, plain, 0))
}

function simpleEscape (byte: number): number {
  switch (byte) {
    case 0x6e: return 0x0a // n
    case 0x74: return 0x09 // t
    case 0x72: return 0x0d // r
    case 0x62: return 0x08 // b
    case 0x66: return 0x0c // f
    default: return byte
  }
}

/** -1 when they are no four hexadecimal digits. */
function hex4 (bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 > end) return -1
  let value = 0
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i]!
    const digit = byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57
    if (digit < 0 || digit > 15 || (byte > 0x39 && digit < 10)) return -1
    value = value << 4 | digit
  }
  return value
}

function writeCodePoint (into: Uint8Array, at: number, point: number): number {
  if (point >= 0xd800 && point < 0xe000) point = 0xfffd
  if (point < 0x80) {
    into[at] = point
    return at + 1
  }
  if (point < 0x800) {
    into[at] = 0xc0 | point >> 6
    into[at + 1] = 0x80 | (point & 0x3f)
    return at + 2
  }
  if (point < 0x10000) {
    into[at] = 0xe0 | point >> 12
    into[at + 1] = 0x80 | (point >> 6 & 0x3f)
    into[at + 2] = 0x80 | (point & 0x3f)
    return at + 3
  }
  into[at] = 0xf0 | point >> 18
  into[at + 1] = 0x80 | (point >> 12 & 0x3f)
  into[at + 2] = 0x80 | (point >> 6 & 0x3f)
  into[at + 3] = 0x80 | (point & 0x3f)
  return at + 4
}
