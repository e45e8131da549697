/** UTF-8 for short, mostly ASCII texts: a loop over characters is several times faster than a call of TextEncoder. */
const encoder = new TextEncoder()
const LONGEST_LOOP = 256

/** Bytes that `text` takes in UTF-8; a lone surrogate counts as the replacement character, as encoders write it. */
export function utf8SizeBytes (text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    if (unit < 0x800) bytes += 1
    else if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) { bytes += 2; i++ } else bytes += 2
  }
  return bytes
}

/** Writes `text` at `at`, where there is room for it, and returns the position after it. */
export function writeUtf8 (into: Uint8Array, at: number, text: string): number {
  const length = text.length
  if (length > LONGEST_LOOP) return at + encoder.encodeInto(text, into.subarray(at)).written
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0x80) return at + i + encoder.encodeInto(text.slice(i), into.subarray(at + i)).written
    into[at + i] = unit
  }
  return at + length
}
