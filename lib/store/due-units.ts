import type { PendingUnit } from './delay-machine.ts'
import { ExpirySchedule } from './pop-expiry.ts'

/** A place in the order of deliveries: by time, then by position in the log. */
export interface Place {
  readonly ms: number
  readonly position: number
}

export function isPlaceBefore (ms: number, position: number, place: Place): boolean { return ms < place.ms || (ms === place.ms && position < place.position) }

/** Units that are due within the same span of this length are kept together, and put in order when their time comes. */
const SLOT_MS = 64
/** A unit is f64 deliverAtMs | f64 physicalOffset | f64 bucket | u32 sizeBytes | i32 tagsCode | u32 ordinal | u32 target. */
const ROW = 5
const FIRST_ROWS = 8
/** `tell` goes so far beyond the bytes it is given, to the end of a span. */
const MOST_EXCESS = 1.25

interface Target {
  readonly topic: string
  readonly queueId: number
}

/** Queues by numbers, which rows name them by. */
export class Targets {
  #targets: Target[] = []
  readonly #numbers = new Map<string, Map<number, number>>()

  at (number: number): Target { return this.#targets[number]! }

  numberOf (topic: string, queueId: number): number {
    let numbers = this.#numbers.get(topic)
    if (numbers === undefined) this.#numbers.set(topic, numbers = new Map())
    let number = numbers.get(queueId)
    if (number === undefined) {
      number = this.#targets.push({ topic, queueId }) - 1
      numbers.set(queueId, number)
    }
    return number
  }

  clear (): void {
    this.#targets = []
    this.#numbers.clear()
  }
}

/**
 * Messages that wait, earliest first. Hundreds of thousands are in memory while as many are due in a few seconds, so they
 * are rows of numbers: as objects in a heap they cost several times as much time and memory.
 */
export class DueUnits {
  readonly #slots = new Map<number, Slot>()
  /** Their numbers, the least first: what was overdue for long may lie in as many as there are units. */
  #numbers = new ExpirySchedule()
  /** Of the least number. */
  #first: Slot | undefined
  #size = 0
  readonly #targets: Targets

  constructor (targets: Targets) {
    this.#targets = targets
  }

  get size (): number { return this.#size }
  /** Infinity: there is none. */
  get nextMs (): number { return this.#first?.firstMs ?? Infinity }

  clear (): void {
    this.#slots.clear()
    this.#numbers = new ExpirySchedule()
    this.#first = undefined
    this.#size = 0
  }

  push ({ deliverAtMs, physicalOffset, bucket, sizeBytes, tagsCode, ordinal, topic, queueId }: PendingUnit): void {
    const number = Math.floor(deliverAtMs / SLOT_MS)
    let slot = this.#slots.get(number)
    if (slot === undefined) {
      this.#add(slot = new Slot(number))
      if (this.#first === undefined || number < this.#first.number) this.#first = slot
    }
    slot.push(deliverAtMs, physicalOffset, bucket, sizeBytes, tagsCode, ordinal, this.#targets.numberOf(topic, queueId))
    this.#size++
  }

  /** Takes the first one out if it is due at that time. */
  take (nowMs: number): PendingUnit | undefined {
    const slot = this.#first
    if (slot === undefined || slot.firstMs > nowMs) return undefined
    const unit = this.#unitAt(slot, slot.take())
    this.#size--
    if (slot.size === 0) {
      this.#delete(slot)
      this.#first = this.#least()
    }
    return unit
  }

  /** Takes over all of another, which has the same targets. */
  absorb (other: DueUnits): void {
    for (const slot of other.#slots.values()) {
      const own = this.#slots.get(slot.number)
      if (own !== undefined) own.absorb(slot)
      else this.#add(slot)
    }
    this.#size += other.#size
    this.#first = this.#least()
    other.clear()
  }

  /** Lets go of all but the first `count`, fewer than there are; returns the place of the first one that went. */
  trim (count: number): Place {
    let left = count
    let place: Place | undefined
    for (const slot of this.#inOrder()) {
      if (place === undefined && slot.size <= left) {
        left -= slot.size
        continue
      }
      place ??= slot.placeOf(left)
      this.#size -= slot.size - left
      slot.trim(left)
      if (slot.size === 0) this.#delete(slot)
      left = 0
    }
    this.#first = this.#least()
    return place!
  }

  /**
   * Tells `onUnit` of those that are due in [fromMs, toMs), the earlier spans first, until they are more than `maxBytes`: of
   * all of a span, unless so many are due in it that they are a quarter more. Returns the time through which it has told of them, as far as it did.
   */
  tell (fromMs: number, toMs: number, maxBytes: number, onUnit: (physicalOffset: number, sizeBytes: number, deliverAtMs: number) => void): number {
    let bytes = 0
    for (const slot of this.#inOrder(fromMs, toMs)) {
      const slotMs = slot.number * SLOT_MS
      if (bytes >= maxBytes) return Math.max(fromMs, slotMs)
      slot.forEach((deliverAtMs, physicalOffset, sizeBytes) => {
        if (deliverAtMs < fromMs || deliverAtMs >= toMs || bytes >= MOST_EXCESS * maxBytes) return
        bytes += sizeBytes
        onUnit(physicalOffset, sizeBytes, deliverAtMs)
      })
    }
    return toMs
  }

  /** Those of spans that have a part in [fromMs, toMs). */
  #inOrder (fromMs = -Infinity, toMs = Infinity): Slot[] {
    const first = Math.floor(fromMs / SLOT_MS)
    const end = Math.ceil(toMs / SLOT_MS)
    const slots: Slot[] = []
    if (end - first > this.#slots.size) {
      for (const slot of this.#slots.values()) if (slot.number >= first && slot.number < end) slots.push(slot)
      return slots.sort((a, b) => a.number - b.number)
    }
    // there may be thousands of others, and a few are asked for many times a second
    for (let number = first; number < end; number++) {
      const slot = this.#slots.get(number)
      if (slot !== undefined) slots.push(slot)
    }
    return slots
  }

  #add (slot: Slot): void {
    this.#slots.set(slot.number, slot)
    this.#numbers.note(slot.number, slot.number)
  }

  #delete ({ number }: Slot): void {
    this.#slots.delete(number)
    this.#numbers.forget(number)
  }

  #least (): Slot | undefined { return this.#slots.get(this.#numbers.nextMs) }

  #unitAt ({ numbers, words }: Slot, row: number): PendingUnit {
    const at = row * ROW
    const target = this.#targets.at(words[2 * at + 9]!)
    return {
      bucket: numbers[at + 2]!,
      ordinal: words[2 * at + 8]! >>> 0,
      deliverAtMs: numbers[at]!,
      topic: target.topic,
      queueId: target.queueId,
      tagsCode: words[2 * at + 7]!,
      physicalOffset: numbers[at + 1]!,
      sizeBytes: words[2 * at + 6]! >>> 0
    }
  }
}

/** Units of one span; in order once the first of them is asked for. */
class Slot {
  readonly number: number
  numbers = new Float64Array(FIRST_ROWS * ROW)
  words = new Int32Array(this.numbers.buffer)
  #count = 0
  #minMs = Infinity
  /** The rows in order; undefined while they are in none. */
  #order: Uint32Array | undefined
  /** So many of `#order` were taken. */
  #taken = 0

  constructor (number: number) {
    this.number = number
  }

  get size (): number { return this.#count - this.#taken }
  get firstMs (): number { return this.#order === undefined ? this.#minMs : this.numbers[this.#order[this.#taken]! * ROW]! }

  push (deliverAtMs: number, physicalOffset: number, bucket: number, sizeBytes: number, tagsCode: number, ordinal: number, target: number): void {
    if (this.#order !== undefined) this.#disorder()
    if (this.#count * ROW >= this.numbers.length) this.#resize(2 * this.#count)
    const { numbers, words } = this
    const at = this.#count++ * ROW
    numbers[at] = deliverAtMs
    numbers[at + 1] = physicalOffset
    numbers[at + 2] = bucket
    words[2 * at + 6] = sizeBytes
    words[2 * at + 7] = tagsCode
    words[2 * at + 8] = ordinal
    words[2 * at + 9] = target
    if (deliverAtMs < this.#minMs) this.#minMs = deliverAtMs
  }

  /** Returns the row of the first one; it is not here any more, but its row is until something else is called. */
  take (): number {
    this.#sort()
    return this.#order![this.#taken++]!
  }

  placeOf (index: number): Place {
    this.#sort()
    const at = this.#order![this.#taken + index]! * ROW
    return { ms: this.numbers[at]!, position: this.numbers[at + 1]! }
  }

  /** Only the first `size` stay. */
  trim (size: number): void {
    if (size === this.size) return
    if (size > 0) this.#sort()
    this.#count = this.#taken + size
    if (size === 0) return
    this.#order = this.#order!.subarray(0, this.#count)
  }

  forEach (onUnit: (deliverAtMs: number, physicalOffset: number, sizeBytes: number) => void): void {
    const { numbers, words } = this
    for (let i = this.#taken; i < this.#count; i++) {
      const at = (this.#order === undefined ? i : this.#order[i]!) * ROW
      onUnit(numbers[at]!, numbers[at + 1]!, words[2 * at + 6]! >>> 0)
    }
  }

  absorb (other: Slot): void {
    if (this.#order !== undefined) this.#disorder()
    if (other.#order !== undefined) other.#disorder()
    const count = this.#count + other.#count
    if (count * ROW > this.numbers.length) this.#resize(count)
    this.numbers.set(other.numbers.subarray(0, other.#count * ROW), this.#count * ROW)
    this.#count = count
    this.#minMs = Math.min(this.#minMs, other.#minMs)
  }

  #sort (): void {
    if (this.#order !== undefined) return
    const { numbers } = this
    const fromMs = this.number * SLOT_MS
    // by time: where those of each millisecond begin, then each to its place
    const begins = new Uint32Array(SLOT_MS + 1)
    for (let row = 0; row < this.#count; row++) begins[Math.floor(numbers[row * ROW]! - fromMs) + 1]!++
    for (let ms = 1; ms <= SLOT_MS; ms++) begins[ms]! += begins[ms - 1]!
    const next = begins.slice()
    const order = this.#order = new Uint32Array(this.#count)
    for (let row = 0; row < this.#count; row++) order[next[Math.floor(numbers[row * ROW]! - fromMs)]!++] = row
    // by position within a millisecond, in which they mostly came
    const isAfter = (a: number, b: number): boolean => numbers[a * ROW]! > numbers[b * ROW]! || (numbers[a * ROW] === numbers[b * ROW] && numbers[a * ROW + 1]! > numbers[b * ROW + 1]!)
    for (let ms = 0; ms < SLOT_MS; ms++) {
      for (let i = begins[ms]! + 1; i < begins[ms + 1]!; i++) {
        if (!isAfter(order[i - 1]!, order[i]!)) continue
        order.subarray(begins[ms], begins[ms + 1]).sort((a, b) => isAfter(a, b) ? 1 : -1)
        break
      }
    }
  }

  /** What was taken goes, and the others may have one more among them. */
  #disorder (): void {
    const order = this.#order!.subarray(this.#taken)
    const { numbers } = this
    this.#order = undefined
    this.#taken = 0
    this.#count = 0
    this.#minMs = Infinity
    this.numbers = new Float64Array(Math.max(FIRST_ROWS, 2 * order.length) * ROW)
    this.words = new Int32Array(this.numbers.buffer)
    for (const row of order) {
      this.numbers.set(numbers.subarray(row * ROW, (row + 1) * ROW), this.#count++ * ROW)
      const ms = numbers[row * ROW]!
      if (ms < this.#minMs) this.#minMs = ms
    }
  }

  #resize (rows: number): void {
    const numbers = new Float64Array(rows * ROW)
    numbers.set(this.numbers)
    this.numbers = numbers
    this.words = new Int32Array(numbers.buffer)
  }
}
