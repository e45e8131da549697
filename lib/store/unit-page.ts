import { getInt64, setInt64, MqError, viewOf } from '../base/index.ts'

/** Units of a whole page. Pages are aligned: page n holds the units [n * PAGE_UNITS, (n + 1) * PAGE_UNITS). */
export const PAGE_UNITS = 1024
/** Bytes of a unit in memory. */
export const UNIT_BYTES = 24
const FIRST_CAPACITY = 4

/**
 * Units of one page of one consume queue: those numbered [start, end) within the page. Grows at its end; what is below
 * `end` never changes. A unit says where a message stands: physicalOffset, sizeBytes, tagsCode, storeTimestampMs.
 */
export class UnitPage {
  readonly pageNumber: number
  readonly start: number
  end: number
  minPosition = Infinity
  maxPosition = -1
  /** Per unit: physicalOffset, storeTimestampMs. */
  #numbers: Float64Array
  /** Per unit: sizeBytes, tagsCode. */
  #codes: Int32Array

  constructor (pageNumber: number, start: number, capacity = FIRST_CAPACITY) {
    this.pageNumber = pageNumber
    this.start = this.end = start
    this.#numbers = new Float64Array(capacity * 2)
    this.#codes = new Int32Array(capacity * 2)
  }

  get firstOffset (): number { return this.pageNumber * PAGE_UNITS + this.start }
  get endOffset (): number { return this.pageNumber * PAGE_UNITS + this.end }
  get isFull (): boolean { return this.end === PAGE_UNITS }
  get memoryBytes (): number { return 200 + this.#codes.length / 2 * UNIT_BYTES }

  /** There must be room: `isFull` is false. */
  push (physicalOffset: number, sizeBytes: number, tagsCode: number, storeTimestampMs: number): void {
    const at = (this.end - this.start) * 2
    if (at === this.#codes.length) this.#grow()
    this.#numbers[at] = physicalOffset
    this.#numbers[at + 1] = storeTimestampMs
    this.#codes[at] = sizeBytes
    this.#codes[at + 1] = tagsCode
    this.end++
    if (physicalOffset < this.minPosition) this.minPosition = physicalOffset
    if (physicalOffset > this.maxPosition) this.maxPosition = physicalOffset
  }

  // `unit` is the number within the page, in [start, end).
  physicalOffsetOf (unit: number): number { return this.#numbers[(unit - this.start) * 2]! }
  storeTimestampMsOf (unit: number): number { return this.#numbers[(unit - this.start) * 2 + 1]! }
  sizeBytesOf (unit: number): number { return this.#codes[(unit - this.start) * 2]! }
  tagsCodeOf (unit: number): number { return this.#codes[(unit - this.start) * 2 + 1]! }

  /** Appends the units [from, to) of another piece of the same page; `from` must be this one's `end`. */
  append (piece: UnitPage, from: number, to: number): void {
    for (let unit = from; unit < to; unit++) {
      this.push(piece.physicalOffsetOf(unit), piece.sizeBytesOf(unit), piece.tagsCodeOf(unit), piece.storeTimestampMsOf(unit))
    }
  }

  #grow (): void {
    const capacity = Math.min(this.#codes.length * 2, PAGE_UNITS)
    const numbers = new Float64Array(capacity * 2)
    const codes = new Int32Array(capacity * 2)
    numbers.set(this.#numbers)
    codes.set(this.#codes)
    this.#numbers = numbers
    this.#codes = codes
  }
}

/**
 * A page, or a piece of one, as a value: version u8, reserved u8, start u16, count u16, reserved u16, then
 * minPosition, maxPosition, first and last storeTimestampMs (i64 each), then per unit 20 bytes: physicalOffset u48,
 * sizeBytes u32, tagsCode i32, storeTimestampMs u48. Big-endian.
 */
const VERSION = 1
const HEADER_BYTES = 40
const STORED_UNIT_BYTES = 20
const TWO_32 = 0x1_0000_0000

/** Encodes the units [from, to), which must not be none. */
export function encodeUnits (page: UnitPage, from: number, to: number): Uint8Array {
  const count = to - from
  const bytes = new Uint8Array(HEADER_BYTES + count * STORED_UNIT_BYTES)
  const view = viewOf(bytes)
  view.setUint8(0, VERSION)
  view.setUint16(2, from)
  view.setUint16(4, count)
  let min = Infinity
  let max = -1
  let at = HEADER_BYTES
  for (let unit = from; unit < to; unit++, at += STORED_UNIT_BYTES) {
    const position = page.physicalOffsetOf(unit)
    if (position < min) min = position
    if (position > max) max = position
    setUint48(view, at, position)
    view.setUint32(at + 6, page.sizeBytesOf(unit))
    view.setInt32(at + 10, page.tagsCodeOf(unit))
    setUint48(view, at + 14, page.storeTimestampMsOf(unit))
  }
  setInt64(view, 8, min)
  setInt64(view, 16, max)
  setInt64(view, 24, page.storeTimestampMsOf(from))
  setInt64(view, 32, page.storeTimestampMsOf(to - 1))
  return bytes
}

/** @throws MQ_CORRUPT; MQ_FORMAT_TOO_NEW */
export function decodeUnits (pageNumber: number, bytes: Uint8Array): UnitPage {
  if (bytes.length < HEADER_BYTES) throw new MqError('MQ_CORRUPT', 'a consume queue page is cut short')
  const view = viewOf(bytes)
  if (view.getUint8(0) !== VERSION) throw new MqError('MQ_FORMAT_TOO_NEW', `consume queue pages of format ${view.getUint8(0)} are newer than ${VERSION}`)
  const start = view.getUint16(2)
  const count = view.getUint16(4)
  if (count === 0 || start + count > PAGE_UNITS || bytes.length !== HEADER_BYTES + count * STORED_UNIT_BYTES) {
    throw new MqError('MQ_CORRUPT', 'a consume queue page has a wrong size')
  }
  const page = new UnitPage(pageNumber, start, count)
  for (let i = 0, at = HEADER_BYTES; i < count; i++, at += STORED_UNIT_BYTES) {
    page.push(getUint48(view, at), view.getUint32(at + 6), view.getInt32(at + 10), getUint48(view, at + 14))
  }
  if (page.minPosition !== getInt64(view, 8) || page.maxPosition !== getInt64(view, 16)) throw new MqError('MQ_CORRUPT', 'a consume queue page contradicts itself')
  return page
}

function setUint48 (view: DataView, at: number, value: number): void {
  const high = Math.floor(value / TWO_32)
  view.setUint16(at, high)
  view.setUint32(at + 2, value - high * TWO_32)
}

function getUint48 (view: DataView, at: number): number {
  return view.getUint16(at) * TWO_32 + view.getUint32(at + 2)
}
