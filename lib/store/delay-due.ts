import { isMqError, type MqError } from '../base/index.ts'
import { pendingUnit, type DelayMachine, type PendingUnit } from './delay-machine.ts'
import type { DelayUnit } from './delay-units.ts'
import { DueUnits, isPlaceBefore, Targets, type Place } from './due-units.ts'

/** Messages that are due within this time are in memory, unless they are too many. */
const AHEAD_MS = 10 * 60_000
/** How long before the messages in memory end the next ones are loaded. */
export const LOAD_BEFORE_MS = 30_000
/** Every load of more looks at all that wait in a bucket: they are to be few while much is due. */
const DEFAULT_MAX_UNITS = 1_048_576
/** Pieces of buckets that are looked through before others get their turn. */
const PIECES_AT_A_TIME = 16
/** So much more than there is room for is collected before the later ones are let go. */
const EXCESS = 1.25

type Unprepared = readonly [physicalOffset: number, sizeBytes: number, deliverAtMs: number]

/** Of those that came later, so many are told of; the others are read when they are asked for: it may be long until there is room, when the clock was set back. */
const MOST_UNPREPARED = 65_536

const START: Place = { ms: -Infinity, position: -1 }

/**
 * The messages that are due next, for the leader: those before `#horizon` that still wait are in memory, the others in
 * the store, from where they are loaded in time. Bounded, however many are due at one moment.
 */
export class DelayDue {
  readonly #machine: DelayMachine
  readonly #maxUnits: number
  readonly #targets = new Targets()
  readonly #units = new DueUnits(this.#targets)
  /** Those that are due before were told of by `takeUnprepared`, but for these, which came later. */
  #preparedToMs = -Infinity
  #unprepared: Unprepared[] = []
  readonly #pause: () => Promise<void>
  #horizon: Place = START
  /** Scheduled while a load is under way, which does not see them. */
  #scheduled: PendingUnit[] | undefined
  #generation = 0

  /** `pause` resolves when others have had their turn: looking through millions of units takes a while. */
  constructor (machine: DelayMachine, maxUnits = DEFAULT_MAX_UNITS, pause: () => Promise<void> = () => Promise.resolve()) {
    this.#machine = machine
    this.#maxUnits = maxUnits
    this.#pause = pause
  }

  /** Units in memory. */
  get size (): number { return this.#units.size }

  /** This node begins to lead: nothing is in memory, nothing is proposed. */
  reset (): void {
    this.#generation++
    this.#units.clear()
    this.#unprepared = []
    this.#preparedToMs = -Infinity
    this.#horizon = START
    this.#scheduled = undefined
  }

  /** When `takeDue` gives the next message in memory. Infinity: there is none. */
  get nextMs (): number { return this.#units.nextMs }

  needsLoad (nowMs: number): boolean { return this.nextLoadMs() <= nowMs }

  /** When `load` is to be called. Infinity: nothing waits that is not in memory. */
  nextLoadMs (): number {
    // full: the rest has time until what is here has gone
    if (this.#units.size >= this.#maxUnits / 2) return Infinity
    let nextMs = Infinity
    for (const bucket of this.#machine.buckets()) if (bucket.toMs > this.#horizon.ms) nextMs = Math.min(nextMs, Math.max(bucket.fromMs, this.#horizon.ms) - LOAD_BEFORE_MS)
    return nextMs
  }

  /** The next message that is due and waits; it is the caller's: taken out here, so to be delivered or put back. */
  takeDue (nowMs: number): PendingUnit | undefined {
    for (;;) {
      const unit = this.#units.take(nowMs)
      if (unit === undefined || this.#machine.isPending(unit)) return unit
    }
  }

  /** When a message in memory may be due that `takeUnprepared` has not told of, or earlier; Infinity: there is none. */
  get nextUnpreparedMs (): number { return this.#unprepared.length > 0 ? -Infinity : Math.max(this.nextMs, this.#preparedToMs) }

  /**
   * Tells of messages in memory that are due before, of each once, so that they are got ready; of those that are due first, when
   * all would take more than `maxBytes`. They stay where they are.
   */
  takeUnprepared (beforeMs: number, maxBytes: number, onUnit: (physicalOffset: number, sizeBytes: number, deliverAtMs: number) => void): void {
    let bytes = 0
    const take = (physicalOffset: number, sizeBytes: number, deliverAtMs: number): void => {
      bytes += sizeBytes
      onUnit(physicalOffset, sizeBytes, deliverAtMs)
    }
    const unprepared = this.#unprepared
    this.#unprepared = []
    // what does not fit any more is read when it is asked for
    for (const unit of unprepared) if (bytes < maxBytes) take(...unit)
    if (beforeMs > this.#preparedToMs && bytes < maxBytes) this.#preparedToMs = this.#units.tell(this.#preparedToMs, beforeMs, maxBytes - bytes, take)
  }

  #push (pending: PendingUnit): void {
    this.#units.push(pending)
    if (pending.deliverAtMs < this.#preparedToMs && this.#unprepared.length < MOST_UNPREPARED) this.#unprepared.push([pending.physicalOffset, pending.sizeBytes, pending.deliverAtMs])
  }

  putBack (units: Iterable<PendingUnit>): void {
    // what is not before the horizon any more will be loaded again
    for (const pending of units) if (isBefore(pending, this.#horizon)) this.#units.push(pending)
  }

  /** Brings the next messages to memory. One at a time. A bucket that cannot be read is reported and left out. */
  async load (nowMs: number, onUnreadable: (error: MqError) => void): Promise<void> {
    const machine = this.#machine
    const generation = this.#generation
    const from = this.#horizon
    const limitMs = Math.max(nowMs + AHEAD_MS, from.ms)
    const room = this.#maxUnits
    if (this.#units.size === 0) this.#targets.clear()
    const kept = new DueUnits(this.#targets)
    let horizon: Place = { ms: limitMs, position: -1 }
    const scheduled: PendingUnit[] = this.#scheduled = []
    let pieces = 0
    const buckets = [...machine.buckets()].filter(({ fromMs, toMs }) => toMs > from.ms && fromMs < limitMs).sort((a, b) => a.fromMs - b.fromMs)
    for (const { bucket, count } of buckets.map((bucket) => ({ bucket, count: bucket.count }))) {
      try {
        for await (const piece of machine.read(bucket)) {
          while (piece.next()) {
            const { ordinal, deliverAtMs, physicalOffset } = piece
            if (ordinal >= count || isPlaceBefore(deliverAtMs, physicalOffset, from) || !isPlaceBefore(deliverAtMs, physicalOffset, horizon)) continue
            if (!machine.isPending({ bucket: bucket.number, ordinal })) continue
            kept.push(pendingUnit(bucket.number, ordinal, piece.unit))
            if (kept.size > EXCESS * room) horizon = kept.trim(room)
          }
          if (++pieces % PIECES_AT_A_TIME === 0) await this.#pause()
          if (generation !== this.#generation) return
        }
      } catch (error) {
        if (!isMqError(error, 'MQ_CORRUPT')) throw error
        onUnreadable(error)
      }
      if (generation !== this.#generation) return
    }
    if (kept.size > room) horizon = kept.trim(room)
    // none of them is before `from`, as all are that are in memory
    kept.tell(-Infinity, this.#preparedToMs, Infinity, (...unit) => { this.#unprepared.push(unit) })
    this.#units.absorb(kept)
    this.#scheduled = undefined
    this.#horizon = horizon
    for (const pending of scheduled) if (isBefore(pending, horizon)) this.#push(pending)
  }

  /** A message has come to wait. True: it is in memory; false: it is to be loaded in time. */
  note (bucket: number, ordinal: number, unit: DelayUnit): boolean {
    if (isPlaceBefore(unit.deliverAtMs, unit.physicalOffset, this.#horizon)) {
      this.#push(pendingUnit(bucket, ordinal, unit))
      if (this.#units.size <= 1.5 * this.#maxUnits) return true
      this.#shrink()
    } else if (this.#scheduled !== undefined) {
      this.#scheduled.push(pendingUnit(bucket, ordinal, unit))
    }
    return false
  }

  /** Lets go of the later ones: they will be loaded again. A load that is under way has begun from a later horizon, so it is given up. */
  #shrink (): void {
    this.#generation++
    this.#scheduled = undefined
    const first = this.#units.trim(this.#maxUnits)
    if (isPlaceBefore(first.ms, first.position, this.#horizon)) this.#horizon = first
  }
}

function isBefore ({ deliverAtMs, physicalOffset }: PendingUnit, place: Place): boolean { return isPlaceBefore(deliverAtMs, physicalOffset, place) }
