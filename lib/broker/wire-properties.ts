import { MAX_PRIORITY } from '../engine/index.ts'
import { decodeProperties, encodeProperties, NAME_END, PROPERTY_END, tagsCodeOf } from '../message/index.ts'
import { InternedTexts, isTrueAt } from '../remoting/index.ts'

const NAME_END_BYTE = NAME_END.charCodeAt(0)
const PROPERTY_END_BYTE = PROPERTY_END.charCodeAt(0)
const utf8 = new TextEncoder()
const text = new TextDecoder()

const names = {
  TAGS: utf8.encode('TAGS'),
  DELAY: utf8.encode('DELAY'),
  PGROUP: utf8.encode('PGROUP'),
  IMMUNITY: utf8.encode('CHECK_IMMUNITY_TIME_IN_SECONDS'),
  POP_CK: utf8.encode('POP_CK'),
  UNIQ_KEY: utf8.encode('UNIQ_KEY'),
  TRAN_MSG: utf8.encode('TRAN_MSG'),
  TIMER_DELAY_MS: utf8.encode('TIMER_DELAY_MS'),
  TIMER_DELAY_SEC: utf8.encode('TIMER_DELAY_SEC'),
  TIMER_DELIVER_MS: utf8.encode('TIMER_DELIVER_MS'),
  DEDUPE_ID: utf8.encode('DEDUPE_ID'),
  STARTDELIVERTIME: utf8.encode('__STARTDELIVERTIME'),
  SHARDINGKEY: utf8.encode('__SHARDINGKEY'),
  PRIORITY: utf8.encode('_SYS_MSG_PRIORITY_')
} as const

/** How a message may say when it is to come, the first one that it has counts; the last is that of Alibaba's clients. */
const Timing = { none: 9, delaySec: 0, delayMs: 1, deliverMs: 2, startDeliverTime: 3 } as const
type Timing = typeof Timing[keyof typeof Timing]

const producerGroups = new InternedTexts()

/** As Java's Long.parseLong takes it. */
const LONG = /^[+-]?\d{1,19}$/

/**
 * What a broker looks for in the properties of a message that comes in, found in one pass over their bytes. One of these
 * serves all sends: `scan` overwrites it. Of several properties with one name the last counts.
 */
export class WireProperties {
  tagsCode = 0
  /** Where the value of UNIQ_KEY is; the same twice when there is none. */
  uniqueKeyStart = 0
  uniqueKeyEnd = 0
  /** Where the id is that the message is known by when it is sent again: DEDUPE_ID, or else UNIQ_KEY; the same twice when there is none. */
  get dedupeIdStart (): number { return this.#dedupeEnd > 0 ? this.#dedupeStart : this.uniqueKeyStart }
  get dedupeIdEnd (): number { return this.#dedupeEnd > 0 ? this.#dedupeEnd : this.uniqueKeyEnd }
  #dedupeStart = 0
  #dedupeEnd = 0
  isTransactional = false
  /** Of a transactional message: the value of PGROUP; empty when there is none. */
  producerGroup = ''
  /** Of a transactional message: CHECK_IMMUNITY_TIME_IN_SECONDS; undefined: there is none. */
  immunity: string | undefined
  /** 0: no level of delay is asked for. */
  delayLevel = 0
  /** Below 0: it has none. */
  priority = -1
  hasShardingKey = false
  /** It was popped: the check-out of then is of no use any more. */
  hasPopCheck = false
  #timing: Timing = Timing.none
  #timingBytes: Uint8Array = names.DELAY
  #timingStart = 0
  #timingEnd = 0

  /** A time of delivery is asked for. */
  get isTimed (): boolean { return this.#timing !== Timing.none }
  /** That time is one from when the message is stored on. */
  get isTimeRelative (): boolean { return this.#timing === Timing.delaySec || this.#timing === Timing.delayMs }
  /** ms from when it is stored on, or since 1970; NaN: what stands there is no number. */
  get timeMs (): number {
    const digits = digitsAt(this.#timingBytes, this.#timingStart, this.#timingEnd)
    if (digits >= 0) return digits * (this.#timing === Timing.delaySec ? 1000 : 1)
    const value = text.decode(this.#timingBytes.subarray(this.#timingStart, this.#timingEnd))
    return LONG.test(value) ? Number(value) * (this.#timing === Timing.delaySec ? 1000 : 1) : NaN
  }

  scan (bytes: Uint8Array, start: number, end: number): this {
    this.tagsCode = this.uniqueKeyStart = this.uniqueKeyEnd = this.delayLevel = this.#dedupeStart = this.#dedupeEnd = 0
    this.isTransactional = this.hasPopCheck = this.hasShardingKey = false
    this.priority = -1
    this.#timing = Timing.none
    this.producerGroup = ''
    this.immunity = undefined
    let nameStart = start
    let nameEnd = -1
    for (let at = start; at <= end; at++) {
      const byte = at === end ? PROPERTY_END_BYTE : bytes[at]!
      if (byte === NAME_END_BYTE) {
        if (nameEnd < 0) nameEnd = at
      } else if (byte === PROPERTY_END_BYTE) {
        if (nameEnd >= 0 && nameEnd + 1 < at) this.#take(bytes, nameStart, nameEnd, at)
        nameStart = at + 1
        nameEnd = -1
      }
    }
    return this
  }

  #take (bytes: Uint8Array, nameStart: number, nameEnd: number, valueEnd: number): void {
    const valueStart = nameEnd + 1
    switch (nameEnd - nameStart) {
      case 4:
        if (isName(bytes, nameStart, names.TAGS)) this.tagsCode = tagsCodeAt(bytes, valueStart, valueEnd)
        break
      case 5:
        if (isName(bytes, nameStart, names.DELAY)) this.delayLevel = Math.max(0, Number(text.decode(bytes.subarray(valueStart, valueEnd))) | 0)
        break
      case 6:
        if (isName(bytes, nameStart, names.POP_CK)) this.hasPopCheck = true
        else if (isName(bytes, nameStart, names.PGROUP)) this.producerGroup = producerGroups.textOf(bytes, valueStart, valueEnd)
        break
      case 8:
        if (isName(bytes, nameStart, names.UNIQ_KEY)) {
          this.uniqueKeyStart = valueStart
          this.uniqueKeyEnd = valueEnd
        } else if (isName(bytes, nameStart, names.TRAN_MSG)) {
          this.isTransactional = isTrueAt(bytes, valueStart, valueEnd)
        }
        break
      case 9:
        if (isName(bytes, nameStart, names.DEDUPE_ID)) {
          this.#dedupeStart = valueStart
          this.#dedupeEnd = valueEnd
        }
        break
      case 13:
        if (isName(bytes, nameStart, names.SHARDINGKEY)) this.hasShardingKey = true
        break
      case 14:
        if (isName(bytes, nameStart, names.TIMER_DELAY_MS)) this.#takeTime(Timing.delayMs, bytes, valueStart, valueEnd)
        break
      case 15:
        if (isName(bytes, nameStart, names.TIMER_DELAY_SEC)) this.#takeTime(Timing.delaySec, bytes, valueStart, valueEnd)
        break
      case 16:
        if (isName(bytes, nameStart, names.TIMER_DELIVER_MS)) this.#takeTime(Timing.deliverMs, bytes, valueStart, valueEnd)
        break
      case 18:
        if (isName(bytes, nameStart, names.PRIORITY)) this.priority = priorityAt(bytes, valueStart, valueEnd)
        else if (isName(bytes, nameStart, names.STARTDELIVERTIME)) this.#takeTime(Timing.startDeliverTime, bytes, valueStart, valueEnd)
        break
      case 30:
        if (isName(bytes, nameStart, names.IMMUNITY)) this.immunity = text.decode(bytes.subarray(valueStart, valueEnd))
    }
  }

  #takeTime (timing: Timing, bytes: Uint8Array, start: number, end: number): void {
    if (timing > this.#timing) return
    this.#timing = timing
    this.#timingBytes = bytes
    this.#timingStart = start
    this.#timingEnd = end
  }
}

/** What is no whole number of 32 bits is none. */
function priorityAt (bytes: Uint8Array, start: number, end: number): number {
  const digits = digitsAt(bytes, start, end)
  return digits <= MAX_PRIORITY ? digits : -1
}

/** The number that stands there in up to 15 digits; -1: there is something else. */
function digitsAt (bytes: Uint8Array, start: number, end: number): number {
  if (end - start > 15 || end === start) return -1
  let value = 0
  for (let i = start; i < end; i++) {
    const digit = bytes[i]! - 48
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

/** The bytes at `start` up to the name's end; the length was compared where it matters. */
function isName (bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false
  return bytes[start + name.length] === NAME_END_BYTE
}

/** `tagsCodeOf` the text in these bytes. */
export function tagsCodeAt (bytes: Uint8Array, start: number, end: number): number {
  let hash = 0
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!
    if (byte > 0x7f) return tagsCodeOf(text.decode(bytes.subarray(start, end)))
    hash = (Math.imul(hash, 31) + byte) | 0
  }
  return hash
}

/** Stored text without those of these names. */
export function withoutProperties (properties: Uint8Array, ...dropped: readonly string[]): Uint8Array {
  const kept = decodeProperties(text.decode(properties))
  for (const name of dropped) kept.delete(name)
  return utf8.encode(encodeProperties(kept))
}
