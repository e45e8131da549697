import { isMqError, MqError } from '../base/index.ts'
import type { Kv, KeyRange } from '../kv/index.ts'
import { HIDDEN_TARGET, NO_QUEUE_OFFSET, type EntryBodyWriter, type Host, type MessageFields, type RecordFields } from '../message/index.ts'
import { bucketKeyOf, bucketKeysAt, DelayBucket } from './delay-bucket.ts'
import { delayDeliver, delayRemove, delaySchedule, delaySchedules, scheduledOf, SCHEDULES_FORMAT, type DelayDeliver, type DelayKey } from './delay-commands.ts'
import { Schedules } from './delay-gathering.ts'
import { DelayPieceReader, type DelayPiece, type DelayUnit } from './delay-units.ts'
import { addHidden } from './hidden-record.ts'
import { on, type ApplyContext, type KeyChange, type KeyValue, type Machine } from './machine.ts'
import { SlicedWrites } from './sliced-writes.ts'
import { defineValue } from './stored-value.ts'

/** A message that waits, with its name. */
export interface PendingUnit extends DelayUnit, DelayKey {}

const NEXT_NUMBER_KEY = '#'
const nextNumberValue = defineValue<number>(['long'])

/** Keys of all pieces of buckets. */
export const DELAY_RANGE: KeyRange = { gte: 'delay/', lt: 'delay0' }

function pieceKey (bucket: number, from: number): string { return `${bucketPrefix(bucket)}${from.toString(16).padStart(8, '0')}` }
function bucketPrefix (bucket: number): string { return `delay/${bucket.toString(16).padStart(10, '0')}/` }
function bucketRange (from: number, to = from + 1): KeyRange { return { gte: bucketPrefix(from), lt: bucketPrefix(to) } }

interface FrozenPiece {
  readonly bucket: number
  readonly piece: DelayPiece
}

/** What a checkpoint writes beside the machine's values. */
export interface FrozenDelays {
  /** The same units, whenever checkpoints are: writing them twice or early does no harm. */
  readonly whole: readonly FrozenPiece[]
  /** What belongs into the checkpoint's last batch. */
  readonly parts: readonly FrozenPiece[]
  readonly persistedTo: ReadonlyArray<{ readonly bucket: DelayBucket, readonly to: number }>
  readonly garbage: readonly KeyRange[]
}

/**
 * Messages that are stored and not delivered yet, in buckets of the time they are due. In memory are per bucket some
 * numbers and a bit for each unit that is gone; the units themselves are in the kv, in pieces, and here only until the
 * next checkpoint. A delivery names the whole unit, so that applying it reads nothing.
 */
export class DelayMachine implements Machine {
  readonly name = 'delay'
  readonly #kv: Kv
  readonly #onDamage: (error: MqError) => void
  readonly #formatVersion: () => number
  readonly #schedules = new Schedules()
  readonly #buckets = new Map<number, DelayBucket>()
  /** The buckets that take new units, by `bucketKeyOf` these. */
  readonly #open = new Map<number, DelayBucket>()
  #nextNumber = 1
  readonly #changed = new Set<DelayBucket>()
  #garbage: KeyRange[] = []
  #unpersistedBytes = 0
  #lastLoaded = 0
  /** By bucket: the ordinals of units whose delivery or removal is proposed. */
  readonly #proposed = new Map<number, Set<number>>()
  /** Called for each unit that comes to wait. For the leader, who has to know when it is due. */
  onScheduled: ((bucket: number, ordinal: number, unit: DelayUnit) => void) | undefined

  readonly handlers = [
    on(delaySchedule, (unit, context) => { this.#add(unit, context) }),
    on(delaySchedules, (command, context) => { for (let i = 0; i < command.units.length; i++) this.#add(scheduledOf(command, i), context) }),
    on(delayDeliver, ({ parts }) => { for (const { units } of parts) this.#removeAll(units) }),
    on(delayRemove, ({ units }) => { this.#removeAll(units) })
  ]

  /** `formatVersion`: the data format that the group writes. */
  constructor (kv: Kv, onDamage: (error: MqError) => void, formatVersion: () => number) {
    this.#kv = kv
    this.#onDamage = onDamage
    this.#formatVersion = formatVersion
  }

  /** How many messages wait. */
  get pendingCount (): number {
    let count = 0
    for (const bucket of this.#buckets.values()) count += bucket.count - bucket.removedCount
    return count
  }

  /** Of units that are in memory only. */
  get unpersistedBytes (): number { return this.#unpersistedBytes }
  buckets (): Iterable<DelayBucket> { return this.#buckets.values() }

  /** The unit waits, and neither its delivery nor its removal is proposed. */
  isPending ({ bucket: number, ordinal }: DelayKey): boolean {
    const bucket = this.#buckets.get(number)
    return bucket !== undefined && !bucket.isRemoved(ordinal) && this.#proposed.get(number)?.has(ordinal) !== true
  }

  // For proposals.

  /** Stores a message that is to come to its queue later. `record` gets its place; costs `delayCost.schedule` beside the record. */
  schedule (writer: EntryBodyWriter, record: RecordFields, topic: string, tagsCode: number, storeTimestampMs: number, deliverAtMs: number): void {
    const { physicalOffset, sizeBytes } = addHidden(writer, record, tagsCode, storeTimestampMs)
    this.#propose(writer, { deliverAtMs, topic, queueId: record.queueId, tagsCode, physicalOffset, sizeBytes })
  }

  /** The same for a message whose properties are not text yet. */
  scheduleMessage (writer: EntryBodyWriter, message: MessageFields, target: { readonly topic: string, readonly topicBytes: Uint8Array, readonly queueId: number, readonly storeHost: Host }, tagsCode: number, storeTimestampMs: number, deliverAtMs: number): void {
    const { topic, topicBytes, queueId, storeHost } = target
    const physicalOffset = writer.nextPhysicalOffset
    const sizeBytes = writer.addMessage(HIDDEN_TARGET, tagsCode, message, topicBytes, queueId, NO_QUEUE_OFFSET, storeTimestampMs, storeHost)
    this.#propose(writer, { deliverAtMs, topic, queueId, tagsCode, physicalOffset, sizeBytes })
  }

  /** Stores the bytes of a waiting message anew, at the end of the log: it waits there too; to be removed where it waited. */
  scheduleStored (writer: EntryBodyWriter, unit: DelayUnit, record: Uint8Array, storeTimestampMs: number): void {
    const physicalOffset = writer.nextPhysicalOffset
    writer.addStored(HIDDEN_TARGET, unit.tagsCode, record, NO_QUEUE_OFFSET, storeTimestampMs)
    this.#propose(writer, { ...unit, physicalOffset })
  }

  /** They wait no more. */
  remove (writer: EntryBodyWriter, units: readonly DelayKey[]): void {
    this.#noteProposed(units)
    writer.addCommand(delayRemove.type, delayRemove.encode({ units }))
  }

  /** They are the next messages of their queues, as `parts` says. */
  deliver (writer: EntryBodyWriter, parts: DelayDeliver['parts']): void {
    for (const { units } of parts) this.#noteProposed(units)
    writer.addCommand(delayDeliver.type, delayDeliver.encode({ parts }))
  }

  #noteProposed (units: readonly DelayKey[]): void {
    for (const { bucket, ordinal } of units) {
      const ordinals = this.#proposed.get(bucket)
      if (ordinals === undefined) this.#proposed.set(bucket, new Set([ordinal]))
      else ordinals.add(ordinal)
    }
  }

  #propose (writer: EntryBodyWriter, unit: DelayUnit): void {
    if (this.#formatVersion() >= SCHEDULES_FORMAT) this.#schedules.add(writer, unit)
    else writer.addCommand(delaySchedule.type, delaySchedule.encode(unit))
  }

  resetOverlay (): void { this.#proposed.clear() }

  #add (unit: DelayUnit, { storeTimestampMs }: ApplyContext): void {
    const key = bucketKeyOf(unit.deliverAtMs, storeTimestampMs)
    let bucket = this.#open.get(key)
    if (bucket === undefined) {
      bucket = DelayBucket.of(this.#nextNumber++, key)
      this.#open.set(key, bucket)
      this.#buckets.set(bucket.number, bucket)
    }
    const ordinal = bucket.add(unit)
    this.#changed.add(bucket)
    this.#unpersistedBytes += 32 + unit.topic.length
    this.onScheduled?.(bucket.number, ordinal, unit)
  }

  #removeAll (units: readonly DelayKey[]): void {
    for (const { bucket: number, ordinal } of units) {
      const bucket = this.#buckets.get(number)
      if (bucket === undefined) throw new MqError('MQ_INVARIANT', `there is no bucket ${number} of delayed messages`)
      bucket.remove(ordinal)
      this.#changed.add(bucket)
      this.#proposed.get(number)?.delete(ordinal)
      if (bucket.isEmpty) this.#drop(bucket)
    }
  }

  #drop (bucket: DelayBucket): void {
    bucket.isGone = true
    bucket.pieces = []
    this.#buckets.delete(bucket.number)
    this.#open.delete(bucket.key)
    this.#proposed.delete(bucket.number)
    this.#garbage.push(bucketRange(bucket.number))
  }

  // Units are read piece by piece, the newest from memory, the others from the kv.

  /**
   * Readers of the pieces of a bucket, in order, as far as its units go at the call. Ends early when the bucket is gone.
   * @throws MQ_CORRUPT pieces are damaged or missing; the store is rebuilt at its next start
   */
  async * read (bucket: DelayBucket): AsyncGenerator<DelayPieceReader> {
    const { persistedTo, count } = bucket
    // what is in memory now, as it is now: it may leave while the kv is read
    const inMemory = bucket.pieces.map((piece) => piece.reader())
    let next = 0
    for await (const [, value] of persistedTo > 0 ? this.#kv.entries(bucketRange(bucket.number)) : []) {
      const piece = DelayPieceReader.of(value)
      if (piece.from >= persistedTo || bucket.isGone) break
      if (piece.from !== next) throw this.#gap(bucket, next)
      next = piece.to
      yield piece
    }
    if (bucket.isGone) return
    if (next < persistedTo) throw this.#gap(bucket, next)
    for (const piece of inMemory) {
      if (piece.to <= next) continue
      if (piece.from !== next) throw this.#gap(bucket, next)
      next = piece.to
      yield piece
    }
    if (next < count) throw this.#gap(bucket, next)
  }

  /**
   * The message that stands at that position and is due then, if it waits. Takes a few reads of the kv, however many wait.
   * @throws MQ_CORRUPT pieces are damaged or missing
   */
  async find (deliverAtMs: number, physicalOffset: number): Promise<PendingUnit | undefined> {
    for (const bucket of this.#bucketsAt(deliverAtMs)) {
      // positions ascend with the ordinals
      let from = 0
      for (let to = bucket.count; from < to;) {
        const middle = Math.floor((from + to) / 2)
        const piece = await this.#pieceWith(bucket, middle)
        if (piece === undefined) break
        piece.next()
        if (physicalOffset < piece.physicalOffset) {
          to = piece.from
          continue
        }
        while (piece.physicalOffset < physicalOffset && piece.next()) { /* looks on */ }
        from = piece.to
        if (piece.ordinal === piece.to) continue
        const pending = pendingUnit(bucket.number, piece.ordinal, piece.unit)
        if (pending.physicalOffset !== physicalOffset || pending.deliverAtMs !== deliverAtMs) break
        return this.isPending(pending) ? pending : undefined
      }
    }
    return undefined
  }

  /** All that wait and are due in that millisecond. Looks at every message of the same span of time: `find` is for who knows where it stands. */
  async * dueAt (deliverAtMs: number): AsyncGenerator<PendingUnit> {
    for (const bucket of this.#bucketsAt(deliverAtMs)) {
      for await (const piece of this.read(bucket)) {
        while (piece.next()) {
          if (piece.deliverAtMs !== deliverAtMs) continue
          const pending = pendingUnit(bucket.number, piece.ordinal, piece.unit)
          if (this.isPending(pending)) yield pending
        }
      }
    }
  }

  #bucketsAt (deliverAtMs: number): DelayBucket[] {
    return bucketKeysAt(deliverAtMs).flatMap((key) => this.#open.get(key) ?? [])
  }

  /** Undefined: the bucket is gone. */
  async #pieceWith (bucket: DelayBucket, ordinal: number): Promise<DelayPieceReader | undefined> {
    const inMemory = bucket.pieces.find(({ from, to }) => from <= ordinal && ordinal < to)
    if (inMemory !== undefined) return inMemory.reader()
    const [, value] = await this.#kv.last({ gte: bucketPrefix(bucket.number), lt: pieceKey(bucket.number, ordinal + 1) }) ?? []
    if (bucket.isGone) return undefined
    const piece = value === undefined ? undefined : DelayPieceReader.of(value)
    if (piece === undefined || piece.to <= ordinal) throw this.#gap(bucket, ordinal)
    return piece
  }

  #gap (bucket: DelayBucket, ordinal: number): MqError {
    const key = pieceKey(bucket.number, ordinal)
    const error = new MqError('MQ_CORRUPT', `state store: delayed messages from ${ordinal} on of bucket ${bucket.number} are missing (key ${key})`, { key })
    this.#onDamage(error)
    return error
  }

  /**
   * Waiting messages that stand below `position`, as of the call, in some order. What comes later stands above.
   * A bucket that cannot be read is reported and left out.
   */
  async * pendingBelow (position: number, onUnreadable: (error: MqError) => void): AsyncGenerator<PendingUnit> {
    for (const bucket of [...this.#buckets.values()]) {
      if (bucket.firstPosition >= position) continue
      try {
        for await (const piece of this.read(bucket)) {
          while (piece.next() && piece.physicalOffset < position) {
            const key = { bucket: bucket.number, ordinal: piece.ordinal }
            if (this.isPending(key)) yield pendingUnit(key.bucket, key.ordinal, piece.unit)
          }
          if (piece.ordinal < piece.to) break
        }
      } catch (error) {
        if (!isMqError(error, 'MQ_CORRUPT')) throw error
        onUnreadable(error)
      }
    }
  }

  // Checkpoints.

  freeze (): KeyChange[] {
    const changes: KeyChange[] = []
    if (this.#changed.size > 0) changes.push({ key: NEXT_NUMBER_KEY, value: nextNumberValue.encode(this.#nextNumber) })
    for (const bucket of this.#changed) changes.push({ key: valueKey(bucket.number), value: bucket.isGone ? undefined : bucket.encode() })
    this.#changed.clear()
    return changes
  }

  /** To be called before `freeze`. */
  freezePieces (): FrozenDelays {
    const whole: FrozenPiece[] = []
    const parts: FrozenPiece[] = []
    const persistedTo: Array<{ bucket: DelayBucket, to: number }> = []
    for (const bucket of this.#changed) {
      if (bucket.isGone) continue
      for (const piece of bucket.pieces) {
        if (piece.isFrozen) continue
        piece.isFrozen = true
        if (piece.isWhole) whole.push({ bucket: bucket.number, piece })
        else parts.push({ bucket: bucket.number, piece })
      }
      persistedTo.push({ bucket, to: bucket.count })
    }
    const garbage = this.#garbage
    this.#garbage = []
    this.#unpersistedBytes = 0
    return { whole, parts, persistedTo, garbage }
  }

  /** Writes the whole pieces in slices. */
  async writeWhole ({ whole }: FrozenDelays): Promise<void> {
    const writes = new SlicedWrites(this.#kv)
    for (const frozen of whole) {
      const { key, value } = delayChange(frozen)
      await writes.add(key, value)
    }
    await writes.finish()
  }

  /** All that was frozen is durable. */
  async finish ({ persistedTo, garbage }: FrozenDelays): Promise<void> {
    for (const { bucket, to } of persistedTo) {
      bucket.persistedTo = to
      bucket.pieces = bucket.pieces.filter((piece) => piece.to > to)
    }
    for (const range of garbage) await this.#kv.discard(range)
  }

  load (key: string, value: Uint8Array): void {
    if (key === NEXT_NUMBER_KEY) {
      this.#nextNumber = nextNumberValue.decode(key, value)
      return
    }
    const bucket = DelayBucket.decode(key, value)
    // what was left of buckets between the last one and this
    if (bucket.number > this.#lastLoaded + 1) this.#garbage.push(bucketRange(this.#lastLoaded + 1, bucket.number))
    this.#lastLoaded = bucket.number
    this.#buckets.set(bucket.number, bucket)
    this.#open.set(bucket.key, bucket)
  }

  * values (): Generator<KeyValue> {
    if (this.#nextNumber > 1) yield { key: NEXT_NUMBER_KEY, value: nextNumberValue.encode(this.#nextNumber) }
    for (const bucket of this.#buckets.values()) yield { key: valueKey(bucket.number), value: bucket.encode() }
  }

  clear (): void {
    this.#buckets.clear()
    this.#open.clear()
    this.#changed.clear()
    this.#proposed.clear()
    this.#garbage = []
    this.#nextNumber = 1
    this.#unpersistedBytes = this.#lastLoaded = 0
  }
}

/** All of one shape: there may be many. */
export function pendingUnit (bucket: number, ordinal: number, { deliverAtMs, topic, queueId, tagsCode, physicalOffset, sizeBytes }: DelayUnit): PendingUnit {
  return { bucket, ordinal, deliverAtMs, topic, queueId, tagsCode, physicalOffset, sizeBytes }
}

function valueKey (number: number): string { return `bucket/${String(number).padStart(16, '0')}` }

export function delayChange ({ bucket, piece }: FrozenPiece): KeyValue { return { key: pieceKey(bucket, piece.from), value: piece.encode() } }
