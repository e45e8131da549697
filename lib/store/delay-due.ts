import { isMqError, type MqError } from '../base/index.ts'
import { pendingUnit, type DelayMachine, type PendingUnit } from './delay-machine.ts'

/** Messages that are due within this time are in memory, unless they are too many. */
const AHEAD_MS = 10 * 60_000
/** How long before the messages in memory end the next ones are loaded. */
export const LOAD_BEFORE_MS = 30_000
const DEFAULT_MAX_UNITS = 65_536

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
  readonly #heap = new UnitHeap((a, b) => compareUnits(a, b))
  #horizon: Place = START
  /** Scheduled while a load is under way, which does not see them. */
  #scheduled: PendingUnit[] | undefined
  #generation = 0

  constructor (machine: DelayMachine, maxUnits = DEFAULT_MAX_UNITS) {
    this.#machine = machine
    this.#maxUnits = maxUnits
  }

  /** Units in memory. */
  get size (): number { return this.#heap.size }

  /** This node begins to lead: nothing is in memory, nothing is proposed. */
  reset (): void {
    this.#generation++
    this.#heap.clear()
    this.#horizon = START
    this.#scheduled = undefined
  }

  /** When there is something to do: `takeDue` gives a message, or `load` is to be called. Infinity: nothing waits. */
  nextMs (): number { return Math.min(this.#heap.first?.deliverAtMs ?? Infinity, this.#nextLoadMs()) }

  needsLoad (nowMs: number): boolean { return this.#nextLoadMs() <= nowMs }

  #nextLoadMs (): number {
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
    const kept = new UnitHeap((a, b) => compareUnits(b, a))
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
    for (const pending of scheduled) keep(pending)
    this.#scheduled = undefined
    this.#horizon = horizon
    // sorted, they take their places at once
    this.putBack([...kept].sort(compareUnits))
  }

  /** A message has come to wait. */
  note (pending: PendingUnit): void {
    if (isBefore(pending, this.#horizon)) {
      this.#heap.push(pending)
      if (this.#heap.size > 2 * this.#maxUnits) this.#shrink()
    } else if (this.#scheduled !== undefined) {
      this.#scheduled.push(pending)
    }
  }

  /** Lets go of the later ones: they will be loaded again. */
  #shrink (): void {
    const sorted = [...this.#heap].sort(compareUnits)
    this.#heap.clear()
    this.#horizon = placeOf(sorted[this.#maxUnits]!)
    this.putBack(sorted.slice(0, this.#maxUnits))
  }
}

function placeOf ({ deliverAtMs, physicalOffset }: PendingUnit): Place { return { ms: deliverAtMs, position: physicalOffset } }
function isPlaceBefore (ms: number, position: number, place: Place): boolean { return ms < place.ms || (ms === place.ms && position < place.position) }
function isBefore ({ deliverAtMs, physicalOffset }: PendingUnit, place: Place): boolean { return isPlaceBefore(deliverAtMs, physicalOffset, place) }
function compareUnits (a: PendingUnit, b: PendingUnit): number { return a.deliverAtMs - b.deliverAtMs || a.physicalOffset - b.physicalOffset }

/** A binary heap. */
class UnitHeap implements Iterable<PendingUnit> {
  readonly #compare: (a: PendingUnit, b: PendingUnit) => number
  readonly #units: PendingUnit[] = []

  constructor (compare: (a: PendingUnit, b: PendingUnit) => number) {
    this.#compare = compare
  }

  get size (): number { return this.#units.length }
  get first (): PendingUnit | undefined { return this.#units[0] }
  [Symbol.iterator] (): Iterator<PendingUnit> { return this.#units[Symbol.iterator]() }
  clear (): void { this.#units.length = 0 }

  push (pending: PendingUnit): void {
    const units = this.#units
    let at = units.push(pending) - 1
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (this.#compare(units[parent]!, pending) <= 0) break
      units[at] = units[parent]!
      at = parent
    }
    units[at] = pending
  }

  pop (): PendingUnit | undefined {
    const units = this.#units
    const first = units[0]
    const last = units.pop()
    if (units.length === 0 || last === undefined) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= units.length) break
      if (child + 1 < units.length && this.#compare(units[child + 1]!, units[child]!) < 0) child++
      if (this.#compare(units[child]!, last) >= 0) break
      units[at] = units[child]!
      at = child
    }
    units[at] = last
    return first
  }
}
