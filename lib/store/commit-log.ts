import { ENTRY_HEADER_BYTES, bodyOf, stampMsOf } from '../log/index.ts'
import { EntryBody, HIDDEN_TARGET, RecordView, setFloor, tagsCodeIn } from '../message/index.ts'
import { EntryKind, type RaftEntry } from '../raft/index.ts'
import { delaySchedule, delaySchedules, scheduledOf, type DelaySchedule } from './delay-commands.ts'
import { halfMove, halfPrepare, halfRevive, type HalfMove } from './half-commands.ts'
import { on, type KeyChange, type KeyValue, type Machine } from './machine.ts'
import { defineValue } from './stored-value.ts'

/** What is read of the log. */
export interface EntryFinder {
  /** The entry whose bytes hold that position; undefined when the log does not reach there. */
  entryContaining (physicalOffset: number): Promise<RaftEntry | undefined>
}

/** A record that was found under its position. */
export interface LocatedRecord {
  readonly entry: RaftEntry
  /** The record's bytes, a view on the entry's. */
  readonly record: Uint8Array
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly tagsCode: number
  /** The leader's stamp of the entry. */
  readonly storeTimestampMs: number
}

/** A record that went to no queue when it was stored, with what was to become of it. */
export interface HiddenRecord {
  readonly entry: RaftEntry
  readonly record: Uint8Array
  readonly physicalOffset: number
  readonly schedule: DelaySchedule
  /** Of a half message: its number. Then `schedule.deliverAtMs` is when it was stored. */
  readonly halfOffset?: number
}

/** From `position` on, entries bear smaller stamps than one before them, and count as stored at `stampMs`. */
interface StampPlateau { readonly position: number, readonly stampMs: number }

interface CommitLogState {
  readonly floorPosition: number
  readonly lastStampMs: number
  readonly plateaus: readonly StampPlateau[]
}

const KEY = 'state'
const stateValue = defineValue<CommitLogState>([{
  type: 'record',
  name: 'CommitLogState',
  fields: [
    { name: 'floorPosition', type: 'long' },
    { name: 'lastStampMs', type: 'long' },
    { name: 'plateaus', type: { type: 'array', items: { type: 'record', name: 'StampPlateau', fields: [{ name: 'position', type: 'long' }, { name: 'stampMs', type: 'long' }] } } }
  ]
}])

/** What is known of the log as a whole: the retention floor, and time that does not go back. Looks up records by position. */
export class CommitLog implements Machine {
  readonly name = 'log'
  readonly #log: EntryFinder
  #floorPosition = 0
  #lastStampMs = 0
  #onPlateau = false
  #plateaus: StampPlateau[] = []
  #changed = false

  readonly handlers = [on(setFloor, ({ position }) => { this.#raiseFloor(position) })]

  constructor (log: EntryFinder) {
    this.#log = log
  }

  /** The time that the last entry's units got. */
  get lastStampMs (): number { return this.#lastStampMs }
  /** What stands below is gone. */
  get floorPosition (): number { return this.#floorPosition }

  /**
   * The time that an entry's units get: the leader's stamp, or that of an earlier entry where clocks of two leaders
   * disagree. The places where that happens are remembered, so that a rebuild that starts at the floor gives the same.
   */
  advanceTime (position: number, stampMs: number): number {
    if (stampMs >= this.#lastStampMs) {
      if (stampMs > this.#lastStampMs) {
        this.#lastStampMs = stampMs
        this.#onPlateau = false
      }
      this.#changed = true
    } else if (!this.#onPlateau) {
      this.#onPlateau = true
      this.#plateaus.push({ position, stampMs: this.#lastStampMs })
      this.#changed = true
    }
    return this.#lastStampMs
  }

  /** Time as it was before the entry at `position`, for units that are found again by scanning the log from there. */
  timeAt (position: number): number {
    let stampMs = 0
    for (const plateau of this.#plateaus) if (plateau.position <= position) stampMs = plateau.stampMs
    return stampMs
  }

  /**
   * The record that begins at a position given by a client, found by walking its entry: nothing that only looks like a
   * record is taken for one. `appliedPosition` is the end of what is applied. Undefined: there is no such record.
   */
  async locate (physicalOffset: number, appliedPosition: number): Promise<LocatedRecord | HiddenRecord | undefined> {
    if (!Number.isSafeInteger(physicalOffset) || physicalOffset < this.#floorPosition || physicalOffset >= appliedPosition) return undefined
    const entry = await this.#log.entryContaining(physicalOffset)
    if (entry === undefined || entry.kind !== EntryKind.normal || physicalOffset < this.#floorPosition) return undefined
    return recordAt(entry, physicalOffset)
  }

  resetOverlay (): void {}

  freeze (): KeyChange[] {
    if (!this.#changed) return []
    this.#changed = false
    return [...this.values()]
  }

  load (key: string, value: Uint8Array): void {
    const { floorPosition, lastStampMs, plateaus } = stateValue.decode(key, value)
    this.#floorPosition = floorPosition
    this.#lastStampMs = lastStampMs
    this.#plateaus = [...plateaus]
    this.#onPlateau = plateaus.at(-1)?.stampMs === lastStampMs
  }

  * values (): Generator<KeyValue> {
    yield { key: KEY, value: stateValue.encode({ floorPosition: this.#floorPosition, lastStampMs: this.#lastStampMs, plateaus: this.#plateaus }) }
  }

  clear (): void {
    this.#floorPosition = this.#lastStampMs = 0
    this.#onPlateau = this.#changed = false
    this.#plateaus = []
  }

  #raiseFloor (position: number): void {
    if (position <= this.#floorPosition) return
    this.#floorPosition = position
    // Only the last plateau that begins below the floor can still reach over it.
    const first = this.#plateaus.findLastIndex((plateau) => plateau.position <= position)
    if (first > 0) this.#plateaus = this.#plateaus.slice(first)
    this.#changed = true
  }
}

function recordAt (entry: RaftEntry, physicalOffset: number): LocatedRecord | HiddenRecord | undefined {
  const bytes = bodyOf(entry)
  const body = new EntryBody(bytes)
  const bodyPosition = entry.physicalOffset + ENTRY_HEADER_BYTES
  const seen = new Array<number>(body.targets.length).fill(0)
  let position = bodyPosition
  for (let i = 0; i < body.messageCount && position <= physicalOffset; i++) {
    const ordinal = body.targetOf(i)
    const sizeBytes = body.sizeOf(i)
    if (position === physicalOffset) {
      const record = bytes.subarray(position - bodyPosition, position - bodyPosition + sizeBytes)
      if (ordinal === HIDDEN_TARGET) return hiddenAt(entry, body, record, physicalOffset)
      const { topic, queueId, firstQueueOffset } = body.targets[ordinal]!
      return { entry, record, topic, queueId, queueOffset: firstQueueOffset + seen[ordinal]!, tagsCode: body.tagsCodeOf(i), storeTimestampMs: stampMsOf(entry) }
    }
    if (ordinal !== HIDDEN_TARGET) seen[ordinal]!++
    position += sizeBytes
  }
  return undefined
}

function hiddenAt (entry: RaftEntry, body: EntryBody, record: Uint8Array, physicalOffset: number): HiddenRecord | undefined {
  for (const { type, payload } of body.commands) {
    if (type === delaySchedule.type) {
      const schedule = delaySchedule.decode(payload)
      if (schedule.physicalOffset === physicalOffset) return { entry, record, physicalOffset, schedule }
    } else if (type === delaySchedules.type) {
      const command = delaySchedules.decode(payload)
      const number = command.units.findIndex(({ distance }) => command.fromPosition + distance === physicalOffset)
      if (number >= 0) return { entry, record, physicalOffset, schedule: scheduledOf(command, number) }
    } else if (type === halfPrepare.type) {
      const { firstHalfOffset, halves } = halfPrepare.decode(payload)
      const ordinal = halves.findIndex((half) => half.physicalOffset === physicalOffset)
      if (ordinal >= 0) return halfAt(entry, record, { halfOffset: firstHalfOffset + ordinal, physicalOffset, sizeBytes: halves[ordinal]!.sizeBytes })
    } else if (type === halfMove.type || type === halfRevive.type) {
      const half = (type === halfMove.type ? halfMove : halfRevive).decode(payload)
      if (half.physicalOffset === physicalOffset) return halfAt(entry, record, half)
    }
  }
  return undefined
}

/** A half message stands in no queue where it was stored last; its record says which it is for. */
function halfAt (entry: RaftEntry, record: Uint8Array, { halfOffset, physicalOffset, sizeBytes }: HalfMove): HiddenRecord {
  const { topic, queueId } = new RecordView(record)
  const tagsCode = tagsCodeIn(new TextEncoder().encode(new RecordView(record).propertiesText))
  return { entry, record, physicalOffset, halfOffset, schedule: { deliverAtMs: stampMsOf(entry), topic, queueId, tagsCode, physicalOffset, sizeBytes } }
}
