import type { Clock, Logger } from '../base/index.ts'
import type { RaftLog } from '../log/index.ts'
import { EntryBodyWriter, RecordView, type RecordFields } from '../message/index.ts'
import type { Proposal } from '../replica/index.ts'
import {
  checkedFields, committedRecord, discardedFields, DISCARD_TOPIC, halfCost, HalfOutcome, movedRecord, revivedFields, type ConsumeQueue, type HalfUnit, type Store
} from '../store/index.ts'
import { Decision } from './decision.ts'
import { refusalOf, type EndRequest, type EndResult } from './end-request.ts'
import { Expiry } from './expiry.ts'
import { LONGEST_TOPIC, type Topic, type TopicSettings } from './topic.ts'
import { AgedBelow, Batch, queueToBe, readWaiting } from './waiting-records.ts'

/** Half messages that are looked at together, and the bytes of theirs that are in memory then. */
const CHECKED_AT_ONCE = 64
const CHECKED_BYTES = 512 * 1024
/** What properties and hosts may grow by. */
const SPARE_BYTES = 512

/** Asked for at each use: they may change. */
export interface TransactionRules {
  readonly checkIntervalMs: number
  /** A half message that was asked about so often is given up. */
  readonly checkMax: number
  /** And so is one that is older. */
  readonly maxAgeMs: number
}

/** A producer is to be asked what became of its transaction. */
export interface TransactionCheck {
  readonly unit: HalfUnit
  /** As it was sent, with the number of the check. */
  readonly record: RecordFields
}

export interface TransactionsOptions {
  readonly clock: Clock
  readonly store: Store
  readonly log: RaftLog
  readonly logger: Logger
  readonly rules: TransactionRules
  readonly submit: (proposal: Proposal) => void
  /** Messages that stand below are stored anew when they are committed. */
  readonly agedBelow: () => Promise<number>
  readonly topicToBe: (settings: TopicSettings) => Topic
}

/** Sees to half messages: asks about those that are not decided, gives up in the end, and keeps them from being removed with the log's head. */
export class Transactions {
  readonly store: Store
  readonly #options: TransactionsOptions
  readonly #expiry: Expiry
  #isLeading = false
  #onCheck: ((check: TransactionCheck) => void) | undefined
  readonly #aged: AgedBelow

  constructor (options: TransactionsOptions) {
    this.#options = options
    const { clock, store, agedBelow } = options
    this.#aged = new AgedBelow(clock, agedBelow)
    const { halves } = this.store = store
    this.#expiry = new Expiry({ clock, nextMs: () => this.#isLeading && this.#onCheck !== undefined ? halves.nextCheckMs : Infinity, expire: () => this.#checkDue() })
    halves.onCheckAt = (checkAtMs) => { if (this.#isLeading && checkAtMs < this.#expiry.dueMs) this.#expiry.look() }
  }

  /** Has producers asked once a check is durable; may not throw. Without it nobody is asked, and nothing given up. */
  onCheck (listener: (check: TransactionCheck) => void): void {
    this.#onCheck = listener
    this.#expiry.look()
  }

  /** This node leads. */
  begin (): void {
    this.#isLeading = true
    this.#expiry.look()
  }

  /** It does no more. */
  end (): void { this.#isLeading = false }

  stop (): void {
    this.end()
    this.#expiry.stop()
  }

  /** Within a decision. */
  queueOf (unit: HalfUnit): ConsumeQueue | undefined { return queueToBe(this.store, unit) }

  /** What stands below is stored anew when it is committed. */
  get agedBelow (): number { return this.#aged.position }

  /** Commits with the bytes stored anew, where they are too old or not those of the message. Resolves when that is durable. */
  async commitAnew (request: EndRequest): Promise<EndResult> {
    const { halves } = this.store
    for (;;) {
      const unit = halves.find(request.halfOffset)
      const record = unit && await this.#read(unit)
      const result = await this.#decide(anewCostBytes(unit, record), (writer, storeTimestampMs) => {
        const proposed = halves.proposed(request.halfOffset)
        const refusal = refusalOf(halves, proposed, request, storeTimestampMs)
        if (refusal !== undefined || proposed === undefined) return refusal ?? 'not-found'
        if (unit === undefined || proposed.physicalOffset !== unit.physicalOffset) return undefined
        const queue = this.queueOf(proposed)
        halves.end(writer, proposed, queue === undefined || record === undefined ? HalfOutcome.lost : HalfOutcome.commit)
        if (queue === undefined) return 'topic-gone'
        if (record === undefined) return 'not-found'
        if (proposed.isDiscarded) queue.appendRecord(writer, revivedFields(new RecordView(record), proposed, new RecordView(record).storeHost, true), proposed.tagsCode, storeTimestampMs)
        else queue.appendStored(writer, committedRecord(record, proposed), proposed.tagsCode, storeTimestampMs)
        return 'done'
      })
      if (result !== undefined) return result
    }
  }

  /**
   * One that was given up waits again, as if it had not been asked about: producers are asked soon. `position` is that of the
   * message that tells of it, or of the half message. False: there is none; true also when it waits anyway.
   */
  async revive (position: number): Promise<boolean> {
    const { halves } = this.store
    for (;;) {
      const unit = halves.findAt(position)
      if (unit === undefined || !unit.isDiscarded) return unit !== undefined
      const record = await this.#read(unit)
      if (record === undefined) return false
      const isDone = await this.#decide(anewCostBytes(unit, record), (writer, storeTimestampMs) => {
        const proposed = halves.proposed(unit.halfOffset)
        if (proposed?.physicalOffset !== unit.physicalOffset) return false
        const view = new RecordView(record)
        halves.revive(writer, proposed, revivedFields(view, proposed, view.storeHost, false), storeTimestampMs, storeTimestampMs)
        return true
      })
      if (isDone) return true
    }
  }

  /** Stores waiting half messages below `position` anew, so that the log below may go. Resolves when all are safe. */
  async carryOver (position: number): Promise<void> {
    const { halves } = this.store
    const below = [...halves.all()].filter(({ physicalOffset, isDiscarded }) => physicalOffset < position && !isDiscarded)
    const batch = new Batch<{ readonly unit: HalfUnit, readonly record: Uint8Array | undefined }>(async (moved) => {
      const costBytes = moved.reduce((sum, { record }) => sum + halfCost.command + EntryBodyWriter.recordCostBytes(record?.length ?? 0, 0), 0)
      await this.#decide(costBytes, (writer, storeTimestampMs) => {
        for (const { unit, record } of moved) {
          const proposed = halves.proposed(unit.halfOffset)
          if (proposed === undefined || proposed.physicalOffset !== unit.physicalOffset) continue
          if (record === undefined) halves.end(writer, proposed, HalfOutcome.lost)
          else halves.move(writer, proposed, movedRecord(record, proposed), storeTimestampMs)
        }
      })
    })
    for (const unit of below) await batch.add({ unit, record: await this.#read(unit) })
    await batch.finish()
  }

  /** Notes that producers are asked about some of those that are due, and has them asked; gives up those that were asked about too often. */
  async #checkDue (): Promise<void> {
    if (!this.#isLeading) return
    await this.#aged.look()
    const { clock, rules } = this.#options
    const { halves } = this.store
    const asked: Array<readonly [HalfUnit, Uint8Array | undefined]> = []
    let bytes = 0
    for (const unit of halves.due(clock.wallMs(), CHECKED_AT_ONCE)) {
      if (bytes >= CHECKED_BYTES) break
      const record = await this.#read(unit)
      bytes += record?.length ?? 0
      if (this.#isHopeless(unit, clock.wallMs())) await this.#giveUp(unit, record)
      else asked.push([unit, record])
    }
    if (asked.length === 0) return
    const checked: Array<readonly [HalfUnit, Uint8Array | undefined]> = []
    await this.#decide(halfCost.command + asked.length * (halfCost.number + halfCost.command), (writer, storeTimestampMs) => {
      for (const [unit, record] of asked) {
        const proposed = halves.proposed(unit.halfOffset)
        if (proposed === undefined || proposed.isDiscarded || proposed.checkAtMs > storeTimestampMs) continue
        if (this.queueOf(proposed) === undefined) halves.end(writer, proposed, HalfOutcome.lost)
        else checked.push([proposed, record])
      }
      if (checked.length > 0) halves.check(writer, checked.map(([unit]) => unit), storeTimestampMs + rules.checkIntervalMs)
    })
    for (const [unit, record] of checked) {
      if (record !== undefined) this.#onCheck?.({ unit, record: checkedFields(new RecordView(record), { ...unit, checkTimes: unit.checkTimes + 1 }) })
    }
  }

  #isHopeless ({ checkTimes, preparedAtMs }: HalfUnit, nowMs: number): boolean {
    const { checkMax, maxAgeMs } = this.#options.rules
    return checkTimes >= checkMax || nowMs - preparedAtMs >= maxAgeMs
  }

  async #giveUp (unit: HalfUnit, record: Uint8Array | undefined): Promise<void> {
    const { logger, topicToBe } = this.#options
    const { halves } = this.store
    const { halfOffset, topic: name, producerGroup, checkTimes } = unit
    const topic = topicToBe({ name: DISCARD_TOPIC, queueCount: 1, attributes: {} })
    const isGivenUp = await this.#decide(anewCostBytes(unit, record) + topic.creationCostBytes, (writer, storeTimestampMs) => {
      const proposed = halves.proposed(halfOffset)
      if (proposed === undefined || proposed.isDiscarded || proposed.checkAtMs > storeTimestampMs || proposed.physicalOffset !== unit.physicalOffset) return false
      if (record === undefined) {
        halves.end(writer, proposed, HalfOutcome.lost)
        return true
      }
      const refusal = topic.ensure(writer, 0)
      if (refusal !== undefined) throw refusal
      const fields = discardedFields(new RecordView(record), proposed, topic.storeHost)
      topic.queue(0).appendRecord(writer, fields, proposed.tagsCode, storeTimestampMs)
      halves.discard(writer, proposed, fields.physicalOffset, writer.nextPhysicalOffset - fields.physicalOffset, storeTimestampMs)
      return true
    })
    if (topic.creationCostBytes !== 0) topic.confirm()
    if (isGivenUp) logger.warn(`a half message was given up: its producers did not say what became of the transaction; it is in ${DISCARD_TOPIC} and can be revived`, { topic: name, producerGroup, halfOffset, checkTimes })
  }

  async #decide<Result> (costBytes: number, decide: (writer: EntryBodyWriter, storeTimestampMs: number) => Result): Promise<Result> {
    const decision = new Decision(costBytes, decide)
    this.#options.submit(decision)
    return await decision.done
  }

  /** The bytes, which are the caller's; undefined: they cannot be read any more. */
  async #read (unit: HalfUnit): Promise<Uint8Array | undefined> {
    const { log, logger } = this.#options
    const { topic, halfOffset, physicalOffset } = unit
    return await readWaiting(log, unit, (error) => { logger.error(`a half message for ${topic} cannot be read: ${error.message}`, { halfOffset, physicalOffset, error }) })
  }
}

/** Of an entry in which the record is stored anew, in whatever form. */
function anewCostBytes (unit: HalfUnit | undefined, record: Uint8Array | undefined): number {
  const recordBytes = (record?.length ?? 0) + SPARE_BYTES + 3 * (unit?.topic.length ?? 0)
  return 2 * halfCost.command + EntryBodyWriter.recordCostBytes(recordBytes, LONGEST_TOPIC.length)
}
