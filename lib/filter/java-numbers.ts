const MAX_LONG = 2n ** 63n - 1n
const MIN_LONG = -(2n ** 63n)
/** So many digits always make a number without loss. */
const SAFE_DIGITS = 15
const MAX_LONG_DIGITS = 19
/** What is longer counts as no number. */
const MAX_DOUBLE_BYTES = 512
const PLUS = 0x2b
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const utf8 = new TextDecoder()

/**
 * The integer written at [from, to): a sign or none, and digits. Undefined: it is none, or beyond 64 bits.
 * @see Java Long.parseLong, but for digits of other scripts
 */
export function parseLong (bytes: Uint8Array, from: number, to: number): number | bigint | undefined {
  let at = from
  const sign = bytes[at]
  if (sign === MINUS || sign === PLUS) at++
  if (at === to) return undefined
  while (at < to - 1 && bytes[at] === ZERO) at++
  if (to - at > MAX_LONG_DIGITS) return undefined
  let value = 0
  for (let i = at; i < to; i++) {
    const digit = bytes[i]! - ZERO
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  if (to - at <= SAFE_DIGITS) return sign === MINUS ? -value : value
  const digits = BigInt(utf8.decode(bytes.subarray(at, to)))
  const exact = sign === MINUS ? -digits : digits
  return exact > MAX_LONG || exact < MIN_LONG ? undefined : exact
}

/**
 * The number written at [from, to), blanks around it left out. Undefined: it is none.
 * @see Java Double.parseDouble, but for hexadecimal ones, and those of more than 512 characters
 */
export function parseDouble (bytes: Uint8Array, from: number, to: number): number | undefined {
  while (from < to && bytes[from]! <= 0x20) from++
  while (to > from && bytes[to - 1]! <= 0x20) to--
  if (to - from > MAX_DOUBLE_BYTES) return undefined
  const sign = bytes[from]
  const isNegative = sign === MINUS
  const at = isNegative || sign === PLUS ? from + 1 : from
  const special = namedDouble(bytes, at, to)
  if (special !== undefined) return isNegative ? -special : special
  const end = decimalEnd(bytes, at, to)
  if (end === at || to - end > 1 || (to - end === 1 && !isSuffix(bytes[end]!))) return undefined
  const value = Number(utf8.decode(bytes.subarray(at, end)))
  return isNegative ? -value : value
}

function namedDouble (bytes: Uint8Array, at: number, to: number): number | undefined {
  if (to - at !== 3 && to - at !== 8) return undefined
  const text = utf8.decode(bytes.subarray(at, to))
  return text === 'NaN' ? NaN : text === 'Infinity' ? Infinity : undefined
}

/** The end of `1`, `1.`, `1.5` or `.5`, with an exponent or without; `at` when there is no number. */
function decimalEnd (bytes: Uint8Array, at: number, to: number): number {
  let end = digitsEnd(bytes, at, to)
  let digits = end - at
  if (end < to && bytes[end] === POINT) {
    const fraction = digitsEnd(bytes, end + 1, to)
    digits += fraction - end - 1
    end = fraction
  }
  if (digits === 0) return at
  if (end === to || (bytes[end]! | 0x20) !== 0x65) return end
  const sign = bytes[end + 1]
  const exponent = sign === MINUS || sign === PLUS ? end + 2 : end + 1
  const exponentEnd = digitsEnd(bytes, exponent, to)
  return exponentEnd === exponent || exponent > to ? at : exponentEnd
}

function digitsEnd (bytes: Uint8Array, from: number, to: number): number {
  let end = from
  while (end < to && bytes[end]! >= ZERO && bytes[end]! <= ZERO + 9) end++
  return end
}

/** `1.5f`, `1.5d`. */
function isSuffix (byte: number): boolean {
  const lower = byte | 0x20
  return lower === 0x66 || lower === 0x64
}

/** -1, 0 or 1. @see Java Double.compare: NaN is above all else, and 0 above -0 */
export function compareDoubles (a: number, b: number): number {
  if (a < b) return -1
  if (a > b) return 1
  if (Object.is(a, b)) return 0
  if (Number.isNaN(a)) return 1
  return Number.isNaN(b) || Object.is(a, -0) ? -1 : 1
}
