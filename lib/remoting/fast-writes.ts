/** Where a loop is no faster any more than a call of `set`, and the view that one takes. */
const LONGEST_LOOP = 160

/** A loop over a few bytes is faster than a call of `set`. Returns the position after them. */
export function writeBytes (into: Uint8Array, at: number, from: Uint8Array, start = 0, end = from.length): number {
  if (end - start > LONGEST_LOOP) into.set(from.subarray(start, end), at)
  else for (let i = start, to = at; i < end; i++) into[to++] = from[i]!
  return at + end - start
}

/** Writes an integer below 2^53 in decimal digits and returns the position after them. */
export function writeDecimal (into: Uint8Array, at: number, value: number): number {
  if (value < 0) {
    into[at++] = 0x2d
    value = -value
  }
  if (value <= 0x7fff_ffff) return writeSmallDecimal(into, at, value, decimalDigits(value))
  const high = Math.floor(value / 1e9)
  at = high <= 0x7fff_ffff ? writeSmallDecimal(into, at, high, decimalDigits(high)) : writeDecimal(into, at, high)
  return writeSmallDecimal(into, at, value - high * 1e9, 9)
}

function writeSmallDecimal (into: Uint8Array, at: number, value: number, digits: number): number {
  let rest = value | 0
  for (let i = at + digits - 1; i >= at; i--) {
    const tenth = (rest / 10) | 0
    into[i] = 0x30 + rest - tenth * 10
    rest = tenth
  }
  return at + digits
}

function decimalDigits (value: number): number {
  if (value < 10) return 1
  if (value < 100) return 2
  if (value < 1000) return 3
  if (value < 10_000) return 4
  if (value < 100_000) return 5
  if (value < 1e6) return 6
  if (value < 1e7) return 7
  if (value < 1e8) return 8
  return value < 1e9 ? 9 : 10
}

export function writeInt32 (into: Uint8Array, at: number, value: number): number {
  into[at] = value >>> 24
  into[at + 1] = value >>> 16
  into[at + 2] = value >>> 8
  into[at + 3] = value
  return at + 4
}
