import { MqError } from '../base/index.ts'
import type { RemotingFrame } from './frame.ts'
import { KEY_END, KEY_ESCAPED, KEY_START, SPAN_FLAGS, SPAN_INTS, VALUE_END, VALUE_ESCAPED, VALUE_START } from './header-scan.ts'
import { InternedTexts } from './interned-texts.ts'
import { textOf, unescapedText } from './text.ts'

/** Topics, groups and expressions come again and again: their texts are made once. */
const interned = new InternedTexts()

const utf8 = new TextEncoder()
const TABLE_SIZE = 128
const MINUS = 0x2d
const PLUS = 0x2b

/**
 * Reads the fields of one header from a frame, in place: a field is a slot, and a slot may have several names. `open` finds
 * where the fields are, the other calls read one each, from the bytes of the same frame. Everything is synchronous: a reader
 * is shared by all frames of its header and knows the last one opened.
 *
 * Values are what the wire calls S (text), I (int32), L (int64) and B ("true", in any case, or anything else), all written
 * as text. A long beyond 2^53 is rounded; order is kept.
 */
export class FieldReader {
  readonly #names: readonly string[]
  /** Slot of the name with that hash, or -1; names that share a hash follow each other. */
  readonly #table = new Int16Array(TABLE_SIZE).fill(-1)
  /** Slot of each name of one byte. */
  readonly #short = new Int16Array(256).fill(-1)
  readonly #nameBytes: Uint8Array[] = []
  readonly #nameSlots: number[] = []
  readonly #starts: Int32Array
  readonly #ends: Int32Array
  readonly #escaped: Uint8Array

  /** Names of each slot, the one for error texts first. */
  constructor (names: ReadonlyArray<readonly string[]>) {
    this.#names = names.map((aliases) => aliases[0]!)
    this.#starts = new Int32Array(names.length)
    this.#ends = new Int32Array(names.length)
    this.#escaped = new Uint8Array(names.length)
    for (const [slot, aliases] of names.entries()) for (const name of aliases) this.#addName(utf8.encode(name), slot)
  }

  #addName (bytes: Uint8Array, slot: number): void {
    if (bytes.length === 1) this.#short[bytes[0]!] = slot
    let at = hash(bytes, 0, bytes.length)
    while (this.#table[at] !== -1) at = (at + 1) % TABLE_SIZE
    this.#table[at] = this.#nameBytes.push(bytes) - 1
    this.#nameSlots.push(slot)
  }

  /** Finds the fields of that frame. */
  open (frame: RemotingFrame): void {
    const { spans, extCount } = frame.scanned()
    const { bytes } = frame
    const starts = this.#starts
    for (let slot = 0; slot < starts.length; slot++) starts[slot] = -1
    for (let at = 0; at < extCount * SPAN_INTS; at += SPAN_INTS) {
      const flags = spans[at + SPAN_FLAGS]!
      const slot = (flags & KEY_ESCAPED) === 0
        ? this.#slotOf(bytes, spans[at + KEY_START]!, spans[at + KEY_END]!)
        : this.#slotOfText(unescapedText(bytes, spans[at + KEY_START]!, spans[at + KEY_END]!))
      if (slot < 0) continue
      starts[slot] = spans[at + VALUE_START]!
      this.#ends[slot] = spans[at + VALUE_END]!
      this.#escaped[slot] = flags & VALUE_ESCAPED
    }
  }

  #slotOf (bytes: Uint8Array, start: number, end: number): number {
    const length = end - start
    if (length === 1) return this.#short[bytes[start]!]!
    if (length === 0) return -1
    for (let at = hash(bytes, start, length); ; at = (at + 1) % TABLE_SIZE) {
      const name = this.#table[at]!
      if (name < 0) return -1
      const nameBytes = this.#nameBytes[name]!
      if (nameBytes.length !== length) continue
      let i = 0
      while (i < length && nameBytes[i] === bytes[start + i]) i++
      if (i === length) return this.#nameSlots[name]!
    }
  }

  #slotOfText (name: string): number {
    const bytes = utf8.encode(name)
    return this.#slotOf(bytes, 0, bytes.length)
  }

  has (slot: number): boolean { return this.#starts[slot]! >= 0 }
  /** Where the value is in the frame's bytes; -1 when there is none. */
  start (slot: number): number { return this.#starts[slot]! }
  end (slot: number): number { return this.#ends[slot]! }
  /** Whether the value's bytes hold JSON escapes. */
  isEscaped (slot: number): boolean { return this.#escaped[slot] !== 0 }

  /** @throws MQ_BAD_FIELD it is missing or no int32 */
  int (bytes: Uint8Array, slot: number): number {
    const value = this.#integer(bytes, slot)
    if (value !== (value | 0)) throw this.malformed(bytes, slot, 'an int')
    return value | 0
  }

  intOr (bytes: Uint8Array, slot: number, fallback: number): number {
    return this.#starts[slot]! < 0 ? fallback : this.int(bytes, slot)
  }

  /** @throws MQ_BAD_FIELD it is missing or no int64 */
  long (bytes: Uint8Array, slot: number): number {
    const value = this.#integer(bytes, slot)
    if (value > 2 ** 63 || value < -(2 ** 63)) throw this.malformed(bytes, slot, 'a long')
    return value
  }

  longOr (bytes: Uint8Array, slot: number, fallback: number): number {
    return this.#starts[slot]! < 0 ? fallback : this.long(bytes, slot)
  }

  bool (bytes: Uint8Array, slot: number): boolean {
    if (this.#starts[slot]! < 0) throw this.missing(slot)
    return this.boolOr(bytes, slot, false)
  }

  boolOr (bytes: Uint8Array, slot: number, fallback: boolean): boolean {
    const start = this.#starts[slot]!
    return start < 0 ? fallback : isTrueAt(bytes, start, this.#ends[slot]!)
  }

  /** @throws MQ_BAD_FIELD it is missing */
  text (bytes: Uint8Array, slot: number): string {
    const start = this.#starts[slot]!
    if (start < 0) throw this.missing(slot)
    if (this.#escaped[slot] !== 0) return unescapedText(bytes, start, this.#ends[slot]!)
    return interned.textOf(bytes, start, this.#ends[slot]!)
  }

  textOr<Fallback> (bytes: Uint8Array, slot: number, fallback: Fallback): string | Fallback {
    return this.#starts[slot]! < 0 ? fallback : this.text(bytes, slot)
  }

  #integer (bytes: Uint8Array, slot: number): number {
    const start = this.#starts[slot]!
    if (start < 0) throw this.missing(slot)
    const end = this.#ends[slot]!
    let at = start
    const first = bytes[at]!
    if (first === MINUS || first === PLUS) at++
    if (at === end || end - at > 19) throw this.malformed(bytes, slot, 'a number')
    let value = 0
    for (; at < end; at++) {
      const digit = bytes[at]! - 0x30
      if (digit < 0 || digit > 9) throw this.malformed(bytes, slot, 'a number')
      value = value * 10 + digit
    }
    // so many steps would each round
    if (value > Number.MAX_SAFE_INTEGER) value = Math.abs(Number(textOf(bytes, start, end)))
    return first === MINUS ? 0 - value : value
  }

  missing (slot: number): MqError {
    const field = this.#names[slot]!
    return new MqError('MQ_BAD_FIELD', `the header field ${field} is missing`, { field, isMissing: true })
  }

  malformed (bytes: Uint8Array, slot: number, wanted: string): MqError {
    const field = this.#names[slot]!
    const start = this.#starts[slot]!
    const shown = textOf(bytes, start, Math.min(this.#ends[slot]!, start + 40))
    return new MqError('MQ_BAD_FIELD', `the header field ${field} is not ${wanted}: ${JSON.stringify(shown)}`, { field, isMissing: false })
  }
}

function hash (bytes: Uint8Array, start: number, length: number): number {
  return (length * 37 + bytes[start]! * 11 + bytes[start + length - 1]! * 5 + bytes[start + (length >> 1)]!) & (TABLE_SIZE - 1)
}

/** "true" stands there, in any case. */
export function isTrueAt (bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === 4 && (bytes[start]! | 0x20) === 0x74 && (bytes[start + 1]! | 0x20) === 0x72 && (bytes[start + 2]! | 0x20) === 0x75 && (bytes[start + 3]! | 0x20) === 0x65
}
