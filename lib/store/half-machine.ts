import { invariant, MqError } from '../base/index.ts'
import { HIDDEN_TARGET, NO_QUEUE_OFFSET, setFloor, type EntryBodyWriter, type RecordFields } from '../message/index.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import { halfCheck, halfCommit, halfDiscard, halfEnd, halfMove, HalfOutcome, halfPrepare, halfRevive, type HalfCheck, type HalfPrepare, type PreparedHalf } from './half-commands.ts'
import { Commits, Prepares } from './half-gathering.ts'
import { addHidden } from './hidden-record.ts'
import { HALF_PAGE_UNITS, HalfPage, HalfRow, type HalfUnit } from './half-page.ts'
import { on, type ApplyContext, type KeyChange, type KeyValue, type Machine } from './machine.ts'
import { defineValue } from './stored-value.ts'

/** The data format that has these commands. */
export const HALF_FORMAT = 3

const NEXT_OFFSET_KEY = '#'
const nextOffsetValue = defineValue<number>(['long'])
/** Pages whose outcomes are known even when all of them are decided: for who ends a transaction twice. */
const REMEMBERED_PAGES = 256
/** Names that are kept once, however many half messages bear them. */
const MAX_NAMES = 4096

/** How a half message is to be treated. */
export interface HalfTerms extends Pick<PreparedHalf, 'idHash' | 'checkAtMs' | 'immuneUntilMs'> {
  /** Who is asked what became of it. */
  readonly producerGroup: string
}

/** A half message as it will be, and how many commands on their way make it so. */
interface Proposed {
  unit: HalfUnit
  count: number
}

/**
 * Half messages: stored once, in no queue, until their producer says what became of its transaction. Committing gives
 * such a message a place in its queue; its bytes stay where they are. Everything about those that are not decided is in
 * memory, so that the leader decides at once; of the last ones decided what became of them is.
 */
export class HalfMachine implements Machine {
  readonly name = 'half'
  readonly #pages = new Map<number, HalfPage>()
  readonly #changed = new Set<number>()
  #nextOffset = 0
  #count = 0
  #discardedCount = 0
  #names = new Map<string, string>()
  /** Those that are changed and still wait; what is decided is in their pages. */
  readonly #proposed = new Map<number, Proposed>()
  #leadership = 0
  readonly #row = new HalfRow()
  #proposedNextOffset = -1
  readonly #prepares = new Prepares()
  readonly #commits = new Commits()
  /** Called for each half message that comes to wait for a check, or for another one. For the leader. */
  onCheckAt: ((checkAtMs: number) => void) | undefined

  readonly handlers = [
    on(halfPrepare, (command, context) => { this.#prepare(command, context) }),
    on(halfCommit, ({ halves }) => { for (const { halfOffset } of halves) this.#end(halfOffset, HalfOutcome.commit) }),
    on(halfEnd, ({ halfOffset, outcome }) => { this.#end(halfOffset, outcome) }),
    on(halfCheck, (command) => { this.#check(command) }),
    on(halfMove, ({ halfOffset, physicalOffset, sizeBytes }, { storeTimestampMs }) => {
      this.#change(halfOffset, (unit) => storedAt(unit, physicalOffset, sizeBytes, storeTimestampMs))
    }),
    on(halfDiscard, ({ halfOffset, physicalOffset, sizeBytes }, { storeTimestampMs }) => {
      this.#discardedCount++
      this.#change(halfOffset, (unit) => discarded(unit, physicalOffset, sizeBytes, storeTimestampMs))
    }),
    on(halfRevive, ({ halfOffset, physicalOffset, sizeBytes, checkAtMs }, { storeTimestampMs }) => {
      this.#discardedCount--
      this.#change(halfOffset, (unit) => revived(unit, physicalOffset, sizeBytes, storeTimestampMs, checkAtMs))
    }),
    // what was given up is kept as long as the message that tells of it
    on(setFloor, ({ position }) => { if (this.#discardedCount > 0) this.#forgetDiscarded(position) })
  ]

  /** Half messages that wait for their producer. */
  get pendingCount (): number { return this.#count - this.#discardedCount }
  /** Those that nobody is asked about any more. */
  get discardedCount (): number { return this.#discardedCount }
  /** The number that the next one gets. */
  get nextOffset (): number { return this.#nextOffset }
  /** The number of the first that is not decided; `nextOffset` when all are. */
  get firstPendingOffset (): number {
    const [first] = this.all()
    return first?.halfOffset ?? this.#nextOffset
  }

  /** As applied. */
  find (halfOffset: number): HalfUnit | undefined { return this.#pageOf(halfOffset)?.get(halfOffset) }
  * all (): Generator<HalfUnit> { for (const page of this.#pages.values()) yield * page.units() }

  /** What became of it, as applied; `unknown` also while it waits. */
  outcomeOf (halfOffset: number): HalfOutcome { return this.#pageOf(halfOffset)?.outcomeOf(halfOffset) ?? HalfOutcome.unknown }

  /** It waits, or it is known that it never came to its queue. */
  isUndelivered (halfOffset: number): boolean {
    const outcome = this.outcomeOf(halfOffset)
    return this.find(halfOffset) !== undefined || outcome === HalfOutcome.rollback || outcome === HalfOutcome.lost
  }

  /** When `due` has something to give, or earlier. Infinity: nothing waits. */
  get nextCheckMs (): number {
    let nextMs = Infinity
    for (const { earliestCheckMs } of this.#pages.values()) if (earliestCheckMs < nextMs) nextMs = earliestCheckMs
    return nextMs
  }

  /** Some of those that are to be checked by now. */
  due (nowMs: number, max: number): HalfUnit[] {
    const due: HalfUnit[] = []
    for (const page of this.#pages.values()) {
      if (due.length >= max) break
      if (page.earliestCheckMs <= nowMs) due.push(...page.due(nowMs, max - due.length))
    }
    return due
  }

  /** The one whose bytes are there, or were at first; looks at all of them. */
  findAt (position: number): HalfUnit | undefined {
    for (const unit of this.all()) if (unit.physicalOffset === position || unit.preparedPosition === position) return unit
    return undefined
  }

  // For proposals.

  /** As it will be once all that is proposed is applied; undefined: it is decided, or there is none. */
  proposed (halfOffset: number): HalfUnit | undefined {
    const unit = this.proposedNow(halfOffset)
    return unit instanceof HalfRow ? unit.copy() : unit
  }

  /** The same, to be read before anything else is asked of this machine, or changed: makes no object. */
  proposedNow (halfOffset: number): HalfUnit | undefined {
    const page = this.#pageOf(halfOffset)
    if (page === undefined || page.proposedOutcomeOf(halfOffset, this.#leadership) !== HalfOutcome.unknown) return undefined
    return (this.#proposed.size === 0 ? undefined : this.#proposed.get(halfOffset)?.unit) ?? page.row(halfOffset, this.#row)
  }

  /** As applied: for which topic it waits, if it does. */
  topicOf (halfOffset: number): string | undefined { return this.#pageOf(halfOffset)?.row(halfOffset, this.#row)?.topic }

  /** What will have become of it. */
  proposedOutcome (halfOffset: number): HalfOutcome { return this.#pageOf(halfOffset)?.proposedOutcomeOf(halfOffset, this.#leadership) ?? HalfOutcome.unknown }

  /** Stores a half message; `record` gets its place. Returns its number. Costs `halfCost.prepare` beside the record. */
  prepare (writer: EntryBodyWriter, record: RecordFields, topic: string, tagsCode: number, storeTimestampMs: number, terms: HalfTerms): number {
    if (this.#proposedNextOffset < 0) this.#proposedNextOffset = this.#nextOffset
    const halfOffset = this.#proposedNextOffset++
    const { physicalOffset, sizeBytes } = addHidden(writer, record, tagsCode, storeTimestampMs)
    const { producerGroup, idHash, checkAtMs, immuneUntilMs } = terms
    const half = { physicalOffset, sizeBytes, topic: 0, queueId: record.queueId, tagsCode, producerGroup: 0, idHash, checkAtMs, immuneUntilMs }
    if (this.#prepares.add(writer, halfOffset, half, topic, producerGroup)) this.#commits.noteOther(writer)
    return halfOffset
  }

  /** It is the next message of the queue; returns its queue offset there. */
  commit (writer: EntryBodyWriter, unit: HalfUnit, queue: ConsumeQueue): number {
    const queueOffset = queue.appendDelivered(writer, 1)
    this.#commits.add(writer, unit, queue, queueOffset)
    this.#proposeEnd(unit.halfOffset, HalfOutcome.commit)
    return queueOffset
  }

  /** It is decided; one that is committed was stored anew in this entry. */
  end (writer: EntryBodyWriter, { halfOffset }: HalfUnit, outcome: HalfOutcome): void {
    writer.addCommand(halfEnd.type, halfEnd.encode({ halfOffset, outcome }))
    this.#proposeEnd(halfOffset, outcome)
  }

  /** Producers are asked about them, and again at that time. */
  check (writer: EntryBodyWriter, units: readonly HalfUnit[], nextCheckAtMs: number): void {
    writer.addCommand(halfCheck.type, halfCheck.encode({ halfOffsets: units.map(({ halfOffset }) => halfOffset), nextCheckAtMs }))
    for (const unit of units) this.#propose(unit.halfOffset, checked(unit, nextCheckAtMs))
  }

  /** Stores the bytes anew, at the end of the log. */
  move (writer: EntryBodyWriter, unit: HalfUnit, record: Uint8Array, storeTimestampMs: number): void {
    const { halfOffset, tagsCode } = unit
    const physicalOffset = writer.nextPhysicalOffset
    const sizeBytes = writer.addStored(HIDDEN_TARGET, tagsCode, record, NO_QUEUE_OFFSET, storeTimestampMs)
    writer.addCommand(halfMove.type, halfMove.encode({ halfOffset, physicalOffset, sizeBytes }))
    this.#propose(halfOffset, storedAt(unit, physicalOffset, sizeBytes, storeTimestampMs))
  }

  /** The message that tells of it was written into this entry there. */
  discard (writer: EntryBodyWriter, unit: HalfUnit, physicalOffset: number, sizeBytes: number, storeTimestampMs: number): void {
    const { halfOffset } = unit
    writer.addCommand(halfDiscard.type, halfDiscard.encode({ halfOffset, physicalOffset, sizeBytes }))
    this.#propose(halfOffset, discarded(unit, physicalOffset, sizeBytes, storeTimestampMs))
  }

  /** It waits again, with these bytes. */
  revive (writer: EntryBodyWriter, unit: HalfUnit, record: RecordFields, storeTimestampMs: number, checkAtMs: number): void {
    const { halfOffset, tagsCode } = unit
    const { physicalOffset, sizeBytes } = addHidden(writer, record, tagsCode, storeTimestampMs)
    writer.addCommand(halfRevive.type, halfRevive.encode({ halfOffset, physicalOffset, sizeBytes, checkAtMs }))
    this.#propose(halfOffset, revived(unit, physicalOffset, sizeBytes, storeTimestampMs, checkAtMs))
  }

  /** Retention: what was given up before goes with its messages. */
  proposeFloor (position: number): void {
    if (this.#discardedCount === 0) return
    for (const { halfOffset } of this.all()) {
      const unit = this.proposed(halfOffset)
      if (unit?.isDiscarded === true && unit.physicalOffset < position) this.#proposeEnd(halfOffset, HalfOutcome.lost)
    }
  }

  #proposeEnd (halfOffset: number, outcome: HalfOutcome): void { this.#pageOf(halfOffset)!.propose(halfOffset, outcome, this.#leadership) }

  #propose (halfOffset: number, unit: HalfUnit): void {
    const proposed = this.#proposed.get(halfOffset)
    if (proposed === undefined) {
      this.#proposed.set(halfOffset, { unit, count: 1 })
    } else {
      proposed.unit = unit
      proposed.count++
    }
  }

  resetOverlay (): void {
    this.#leadership++
    this.#proposed.clear()
    this.#proposedNextOffset = -1
  }

  // Apply.

  #settle (halfOffset: number): void {
    const proposed = this.#proposed.get(halfOffset)
    if (proposed !== undefined && --proposed.count === 0) this.#proposed.delete(halfOffset)
  }

  #prepare ({ firstHalfOffset, names, halves }: HalfPrepare, { storeTimestampMs }: ApplyContext): void {
    invariant(firstHalfOffset === this.#nextOffset, `half messages are at ${this.#nextOffset}, an entry gives ${firstHalfOffset}`)
    const known = names.map(this.#intern)
    let page: HalfPage | undefined
    for (const { physicalOffset, sizeBytes, topic, queueId, tagsCode, producerGroup, idHash, checkAtMs, immuneUntilMs } of halves) {
      const halfOffset = this.#nextOffset++
      if (page === undefined || halfOffset % HALF_PAGE_UNITS === 0) page = this.#pageFor(halfOffset)
      page.write(halfOffset, physicalOffset, storeTimestampMs, physicalOffset, sizeBytes, storeTimestampMs, known[topic]!, queueId, tagsCode, known[producerGroup]!, idHash, immuneUntilMs, 0, checkAtMs, false)
      this.onCheckAt?.(checkAtMs)
    }
    this.#count += halves.length
  }

  /** The page that the next half message goes to; it will be written. */
  #pageFor (halfOffset: number): HalfPage {
    const number = Math.floor(halfOffset / HALF_PAGE_UNITS)
    let page = this.#pages.get(number)
    if (page === undefined) {
      this.#pages.set(number, page = new HalfPage(number))
      this.#maybeDrop(number - REMEMBERED_PAGES)
    }
    this.#changed.add(number)
    return page
  }

  #end (halfOffset: number, outcome: HalfOutcome): void {
    const page = this.#pageOf(halfOffset)
    const unit = page?.row(halfOffset, this.#row)
    if (page === undefined || unit === undefined) throw noSuchHalf(halfOffset)
    if (unit.isDiscarded) this.#discardedCount--
    this.#count--
    page.end(halfOffset, outcome)
    this.#changed.add(page.number)
    if (page.count === 0) this.#maybeDrop(page.number)
  }

  #check ({ halfOffsets, nextCheckAtMs }: HalfCheck): void {
    for (const halfOffset of halfOffsets) this.#change(halfOffset, (unit) => checked(unit, nextCheckAtMs))
  }

  #change (halfOffset: number, change: (unit: HalfUnit) => HalfUnit): void {
    this.#settle(halfOffset)
    const page = this.#pageOf(halfOffset)
    const unit = page?.get(halfOffset)
    if (page === undefined || unit === undefined) throw noSuchHalf(halfOffset)
    const changed = change(unit)
    page.set(changed)
    this.#changed.add(page.number)
    if (!changed.isDiscarded) this.onCheckAt?.(changed.checkAtMs)
  }

  #forgetDiscarded (position: number): void {
    for (const { halfOffset, physicalOffset, isDiscarded } of [...this.all()]) if (isDiscarded && physicalOffset < position) this.#end(halfOffset, HalfOutcome.lost)
  }

  /** A page of which nothing waits and nothing needs to be remembered. */
  #maybeDrop (number: number): void {
    const page = this.#pages.get(number)
    if (page === undefined || page.count > 0 || number > Math.floor((this.#nextOffset - 1) / HALF_PAGE_UNITS) - REMEMBERED_PAGES) return
    this.#pages.delete(number)
    this.#changed.add(number)
  }

  #pageOf (halfOffset: number): HalfPage | undefined { return this.#pages.get(Math.floor(halfOffset / HALF_PAGE_UNITS)) }

  readonly #intern = (text: string): string => {
    const known = this.#names.get(text)
    if (known !== undefined) return known
    if (this.#names.size >= MAX_NAMES) this.#names = new Map()
    this.#names.set(text, text)
    return text
  }

  // Checkpoints.

  freeze (): KeyChange[] {
    const changes: KeyChange[] = []
    if (this.#changed.size > 0) changes.push({ key: NEXT_OFFSET_KEY, value: nextOffsetValue.encode(this.#nextOffset) })
    for (const number of this.#changed) changes.push({ key: pageKey(number), value: this.#pages.get(number)?.encode() })
    this.#changed.clear()
    return changes
  }

  load (key: string, value: Uint8Array): void {
    if (key === NEXT_OFFSET_KEY) {
      this.#nextOffset = nextOffsetValue.decode(key, value)
      return
    }
    const page = HalfPage.decode(key, Number(key.slice(PAGE_PREFIX.length)), value, this.#intern)
    this.#pages.set(page.number, page)
    this.#count += page.count
    for (const { isDiscarded } of page.units()) if (isDiscarded) this.#discardedCount++
  }

  /** None before the first half message: what a group of an older data format writes is as it was. */
  * values (): Generator<KeyValue> {
    if (this.#nextOffset > 0) yield { key: NEXT_OFFSET_KEY, value: nextOffsetValue.encode(this.#nextOffset) }
    for (const page of this.#pages.values()) yield { key: pageKey(page.number), value: page.encode() }
  }

  clear (): void {
    this.#pages.clear()
    this.#changed.clear()
    this.#names = new Map()
    this.#nextOffset = this.#count = this.#discardedCount = 0
    this.resetOverlay()
  }
}

// What commands make of a half message, as proposed and as applied.

function checked (unit: HalfUnit, checkAtMs: number): HalfUnit { return { ...unit, checkTimes: unit.checkTimes + 1, checkAtMs } }

function storedAt (unit: HalfUnit, physicalOffset: number, sizeBytes: number, storedAtMs: number): HalfUnit { return { ...unit, physicalOffset, sizeBytes, storedAtMs } }

function discarded (unit: HalfUnit, ...place: [physicalOffset: number, sizeBytes: number, storedAtMs: number]): HalfUnit { return { ...storedAt(unit, ...place), isDiscarded: true } }

function revived (unit: HalfUnit, physicalOffset: number, sizeBytes: number, storedAtMs: number, checkAtMs: number): HalfUnit {
  return { ...storedAt(unit, physicalOffset, sizeBytes, storedAtMs), isDiscarded: false, checkTimes: 0, checkAtMs }
}

const PAGE_PREFIX = 'page/'
function pageKey (number: number): string { return `${PAGE_PREFIX}${String(number).padStart(13, '0')}` }
function noSuchHalf (halfOffset: number): MqError { return new MqError('MQ_INVARIANT', `there is no half message ${halfOffset}`) }
