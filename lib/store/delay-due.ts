import { isMqError, type MqError } from '../base/index.ts'
import { pendingUnit, type DelayMachine, type PendingUnit } from './delay-machine.ts'

/** Messages that are due within this time are in memory, unless they are too many. */
const AHEAD_MS = 10 * 60_000
/** How long before the messages in memory end the next ones are loaded. */
export const LOAD_BEFORE_MS = 30_000
const DEFAULT_MAX_UNITS = 262_144
/** Units that take their places before others get their turn. */
const UNITS_AT_A_TIME = 2048
/** How much further `takeUnprepared` looks ahead at least. */
const LEAST_STEP_MS = 500

/** A place in the order of deliveries: by time, then by position in the log. */
interface Place {
  readonly ms: number
  readonly position: number
}

const START: Place = { ms: -Infinity, position: -1 }

/**
 * The messages that are due next, for the leader: those before `#horizon` that still wait are in memory, the others in
 * the store, from where they are loaded in time. Bounded, however many are due at one moment.
 */
export class DelayDue {
  readonly #machine: DelayMachine
  readonly #maxUnits: number
  /** Earliest first. */
  readonly #heap = new UnitHeap(1)
  /** Those that are due before were handed out by `takeUnprepared`, but for these, which came later. */
  #preparedToMs = -Infinity
  #unprepared: PendingUnit[] = []
  readonly #pause: () => Promise<void>
  #horizon: Place = START
  /** Scheduled while a load is under way, which does not see them. */
  #scheduled: PendingUnit[] | undefined
  #generation = 0

  /** `pause` resolves when others have had their turn: taking thousands of units in takes a while. */
  constructor (machine: DelayMachine, maxUnits = DEFAULT_MAX_UNITS, pause: () => Promise<void> = () => Promise.resolve()) {
    this.#machine = machine
    this.#maxUnits = maxUnits
    this.#pause = pause
  }

  /** Units in memory. */
  get size (): number { return this.#heap.size }

  /** This node begins to lead: nothing is in memory, nothing is proposed. */
  reset (): void {
    this.#generation++
    this.#heap.clear()
    this.#unprepared = []
    this.#preparedToMs = -Infinity
    this.#horizon = START
    this.#scheduled = undefined
  }

  /** When `takeDue` gives the next message in memory. Infinity: there is none. */
  get nextMs (): number { return this.#heap.first?.deliverAtMs ?? Infinity }

  needsLoad (nowMs: number): boolean { return this.nextLoadMs() <= nowMs }

  /** When `load` is to be called. Infinity: nothing waits that is not in memory. */
  nextLoadMs (): number {
    // full: the rest has time until what is here has gone
    if (this.#heap.size >= this.#maxUnits / 2) return Infinity
    let nextMs = Infinity
    for (const bucket of this.#machine.buckets()) if (bucket.toMs > this.#horizon.ms) nextMs = Math.min(nextMs, Math.max(bucket.fromMs, this.#horizon.ms) - LOAD_BEFORE_MS)
    return nextMs
  }

  /** The next message that is due and waits; it is the caller's: taken out here, so to be delivered or put back. */
  takeDue (nowMs: number): PendingUnit | undefined {
    for (;;) {
      const first = this.#heap.first
      if (first === undefined || first.deliverAtMs > nowMs) return undefined
      this.#heap.pop()
      if (this.#machine.isPending(first)) return first
    }
  }

  /** When a message in memory may be due that was not handed out by `takeUnprepared`, or earlier; Infinity: there is none. */
  get nextUnpreparedMs (): number { return this.#unprepared.length > 0 ? -Infinity : Math.max(this.nextMs, this.#preparedToMs) }

  /**
   * Messages in memory that are due before, each once, so that they are got ready; those that are due first, when all would take more
   * than `maxBytes`. They stay where they are.
   */
  takeUnprepared (beforeMs: number, maxBytes: number): PendingUnit[] {
    const units = this.#unprepared
    this.#unprepared = []
    let bytes = units.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    // a look at all of them is not worth while for a moment more
    if (beforeMs < this.#preparedToMs + LEAST_STEP_MS) beforeMs = this.#preparedToMs
    if (beforeMs > this.#preparedToMs) {
      for (const unit of this.#heap) {
        if (unit.deliverAtMs < this.#preparedToMs || unit.deliverAtMs >= beforeMs) continue
        units.push(unit)
        bytes += unit.sizeBytes
      }
    }
    if (bytes > maxBytes) {
      // as if all were of the same size
      const dues = Float64Array.from(units, ({ deliverAtMs }) => deliverAtMs).sort()
      beforeMs = dues[Math.floor(dues.length * maxBytes / bytes)]!
    }
    if (beforeMs > this.#preparedToMs) this.#preparedToMs = beforeMs
    return bytes > maxBytes ? units.filter(({ deliverAtMs }) => deliverAtMs < beforeMs) : units
  }

  #push (pending: PendingUnit): void {
    this.#heap.push(pending)
    if (pending.deliverAtMs < this.#preparedToMs) this.#unprepared.push(pending)
  }

  putBack (units: Iterable<PendingUnit>): void {
    // what is not before the horizon any more will be loaded again
    for (const pending of units) if (isBefore(pending, this.#horizon)) this.#heap.push(pending)
  }

  /** Brings the next messages to memory. One at a time. A bucket that cannot be read is reported and left out. */
  async load (nowMs: number, onUnreadable: (error: MqError) => void): Promise<void> {
    const machine = this.#machine
    const generation = this.#generation
    const from = this.#horizon
    const limitMs = Math.max(nowMs + AHEAD_MS, from.ms)
    const room = this.#maxUnits
    // the latest first, so that it can make way for an earlier one
    const kept = new UnitHeap(-1)
    let horizon: Place = { ms: limitMs, position: -1 }
    const keep = (pending: PendingUnit): void => {
      if (!isBefore(pending, horizon)) return
      kept.push(pending)
      if (kept.size > room) horizon = placeOf(kept.pop()!)
    }
    const scheduled: PendingUnit[] = this.#scheduled = []
    const buckets = [...machine.buckets()].filter(({ fromMs, toMs }) => toMs > from.ms && fromMs < limitMs).sort((a, b) => a.fromMs - b.fromMs)
    for (const { bucket, count } of buckets.map((bucket) => ({ bucket, count: bucket.count }))) {
      try {
        for await (const piece of machine.read(bucket)) {
          while (piece.next()) {
            const { ordinal, deliverAtMs, physicalOffset } = piece
            if (ordinal >= count || isPlaceBefore(deliverAtMs, physicalOffset, from) || !isPlaceBefore(deliverAtMs, physicalOffset, horizon)) continue
            if (machine.isPending({ bucket: bucket.number, ordinal })) keep(pendingUnit(bucket.number, ordinal, piece.unit))
          }
          if (generation !== this.#generation) return
        }
      } catch (error) {
        if (!isMqError(error, 'MQ_CORRUPT')) throw error
        onUnreadable(error)
      }
      if (generation !== this.#generation) return
    }
    // none of them is before `from`, as all are that are in memory
    let taken = 0
    for (const pending of kept) {
      this.#push(pending)
      if (++taken % UNITS_AT_A_TIME !== 0) continue
      await this.#pause()
      if (generation !== this.#generation) return
    }
    this.#scheduled = undefined
    this.#horizon = horizon
    for (const pending of scheduled) if (isBefore(pending, horizon)) this.#push(pending)
  }

  /** A message has come to wait. */
  note (pending: PendingUnit): void {
    if (isBefore(pending, this.#horizon)) {
      this.#push(pending)
      if (this.#heap.size > 1.5 * this.#maxUnits) this.#shrink()
    } else if (this.#scheduled !== undefined) {
      this.#scheduled.push(pending)
    }
  }

  /** Lets go of the later ones: they will be loaded again. A load that is under way has begun from a later horizon, so it is given up. */
  #shrink (): void {
    this.#generation++
    this.#scheduled = undefined
    const sorted = [...this.#heap].sort(compareUnits)
    this.#heap.clear()
    this.#unprepared = []
    const first = placeOf(sorted[this.#maxUnits]!)
    if (isPlaceBefore(first.ms, first.position, this.#horizon)) this.#horizon = first
    for (const pending of sorted.slice(0, this.#maxUnits)) if (isBefore(pending, this.#horizon)) this.#push(pending)
  }
}

function placeOf ({ deliverAtMs, physicalOffset }: PendingUnit): Place { return { ms: deliverAtMs, position: physicalOffset } }
function isPlaceBefore (ms: number, position: number, place: Place): boolean { return ms < place.ms || (ms === place.ms && position < place.position) }
function isBefore ({ deliverAtMs, physicalOffset }: PendingUnit, place: Place): boolean { return isPlaceBefore(deliverAtMs, physicalOffset, place) }
function compareUnits (a: PendingUnit, b: PendingUnit): number { return a.deliverAtMs - b.deliverAtMs || a.physicalOffset - b.physicalOffset }

/** A binary heap. */
class UnitHeap implements Iterable<PendingUnit> {
  readonly #sign: 1 | -1
  readonly #units: PendingUnit[] = []

  /** 1: the earliest first; -1: the latest. */
  constructor (sign: 1 | -1) {
    this.#sign = sign
  }

  get size (): number { return this.#units.length }
  get first (): PendingUnit | undefined { return this.#units[0] }
  [Symbol.iterator] (): Iterator<PendingUnit> { return this.#units[Symbol.iterator]() }
  clear (): void { this.#units.length = 0 }

  push (pending: PendingUnit): void {
    const units = this.#units
    const sign = this.#sign
    let at = units.push(pending) - 1
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (sign * compareUnits(units[parent]!, pending) <= 0) break
      units[at] = units[parent]!
      at = parent
    }
    units[at] = pending
  }

  pop (): PendingUnit | undefined {
    const units = this.#units
    const sign = this.#sign
    const first = units[0]
    const last = units.pop()
    if (units.length === 0 || last === undefined) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= units.length) break
      if (child + 1 < units.length && sign * compareUnits(units[child + 1]!, units[child]!) < 0) child++
      if (sign * compareUnits(units[child]!, last) >= 0) break
      units[at] = units[child]!
      at = child
    }
    units[at] = last
    return first
  }
}
