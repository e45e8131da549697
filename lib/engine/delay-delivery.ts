import { turn, type Clock, type Logger, type MqError } from '../base/index.ts'
import type { RaftLog } from '../log/index.ts'
import { EntryBodyWriter } from '../message/index.ts'
import type { Proposal } from '../replica/index.ts'
import { delayCost, DelayDue, LOAD_BEFORE_MS, type ConsumeQueue, type DelayDeliver, type PendingUnit, type Store } from '../store/index.ts'
import { Decision } from './decision.ts'
import { DelayPreparing } from './delay-preparing.ts'
import { Expiry } from './expiry.ts'
import type { PreparedRecords } from './prepared-records.ts'
import { LONGEST_TOPIC } from './topic.ts'
import { AgedBelow, Batch, queueToBe, readWaiting, STORED_ANEW_BYTES } from './waiting-records.ts'

/** What one entry's deliveries may take of it. */
const DELIVERY_BYTES = 128 * 1024
/** No topic has a longer name. */
const MOST_OF_ONE_BYTES = delayCost.unit + delayCost.part(LONGEST_TOPIC)
/** Between two deliveries, when more is due than one entry takes. */
const AGAIN_MS = 1

export interface DelayDeliveryOptions {
  readonly clock: Clock
  readonly store: Store
  readonly log: RaftLog
  readonly logger: Logger
  readonly submit: (proposal: Proposal) => void
  /** Messages that stand below are stored anew when they are delivered. */
  readonly agedBelow: () => Promise<number>
}

/** A message that waits, and its record; undefined: that cannot be read any more. */
interface Loaded extends PendingUnit {
  readonly record: Uint8Array | undefined
}

/** Delivers messages when they are due, and keeps them from being removed with the log's head while they wait. */
export class DelayDelivery {
  readonly #options: DelayDeliveryOptions
  readonly #due: DelayDue
  readonly #expiry: Expiry
  /** Beside the deliveries: those in memory go on meanwhile. */
  readonly #loading: Expiry
  readonly #preparing: DelayPreparing
  #isLeading = false
  readonly #aged: AgedBelow

  constructor (options: DelayDeliveryOptions) {
    this.#options = options
    const { clock, store: { delays }, agedBelow } = options
    this.#aged = new AgedBelow(clock, agedBelow)
    this.#due = new DelayDue(delays, undefined, () => turn(clock))
    this.#expiry = new Expiry({ clock, nextMs: () => this.#isLeading ? this.#due.nextMs : Infinity, expire: () => this.#step(), againMs: AGAIN_MS })
    this.#loading = new Expiry({ clock, nextMs: () => this.#isLeading ? this.#due.nextLoadMs() : Infinity, expire: () => this.#load() })
    this.#preparing = new DelayPreparing({ clock, log: options.log, due: this.#due, isLeading: () => this.#isLeading })
    delays.onScheduled = (bucket, ordinal, unit) => {
      if (!this.#isLeading) return
      const isInMemory = this.#due.note(bucket, ordinal, unit)
      const { deliverAtMs } = unit
      if (deliverAtMs < this.#expiry.dueMs) this.#expiry.look()
      if (!isInMemory && deliverAtMs - LOAD_BEFORE_MS < this.#loading.dueMs) this.#loading.look()
      this.#preparing.lookFor(deliverAtMs)
    }
  }

  /** This node leads. */
  begin (): void {
    this.#isLeading = true
    this.#due.reset()
    this.#loading.look()
    this.#expiry.look()
  }

  /** It does no more. */
  end (): void { this.#isLeading = false }

  /** What is about to be delivered, or was a moment ago. */
  get preparedRecords (): PreparedRecords { return this.#preparing.records }

  stop (): void {
    this.end()
    this.#preparing.stop()
    this.#loading.stop()
    this.#expiry.stop()
  }

  /** Stores waiting messages below `position` anew, so that the log below may go. Resolves when all are safe. */
  async carryOver (position: number): Promise<void> {
    const { store: { delays } } = this.#options
    const batch = new Batch<Loaded>((loaded) => this.#decide(loaded, (writer, storeTimestampMs, pending) => {
      for (const one of pending) if (one.record !== undefined) delays.scheduleStored(writer, one, one.record, storeTimestampMs)
    }))
    for await (const pending of delays.pendingBelow(position, this.#reportUnreadable)) await batch.add(await this.#read(pending))
    await batch.finish()
  }

  /** Brings what is due next to memory. */
  async #load (): Promise<void> {
    const { clock } = this.#options
    if (!this.#isLeading || !this.#due.needsLoad(clock.wallMs())) return
    await this.#due.load(clock.wallMs(), this.#reportUnreadable)
    this.#expiry.look()
    this.#preparing.look()
  }

  /** Delivers some of what is due. */
  async #step (): Promise<void> {
    if (!this.#isLeading) return
    await this.#aged.look()
    let aged: PendingUnit[] = []
    try {
      const decision = new Decision(DELIVERY_BYTES, (writer, storeTimestampMs) => { aged = this.#deliver(writer, storeTimestampMs) })
      this.#options.submit(decision)
      await decision.done
      const batch = new Batch<Loaded>((loaded) => this.#decide(loaded, (writer, storeTimestampMs, pending) => {
        for (const one of pending) if (one.record !== undefined) queueToBe(this.#options.store, one)?.appendStored(writer, one.record, one.tagsCode, storeTimestampMs)
      }))
      for (const pending of aged) await batch.add(await this.#read(pending))
      await batch.finish()
      // there may be room for later ones
      this.#loading.look()
    } catch (error) {
      this.#due.putBack(aged)
      throw error
    }
  }

  /** Within a decision: what is due comes to its queues. Returns what is too old to be delivered where it stands. */
  #deliver (writer: EntryBodyWriter, storeTimestampMs: number): PendingUnit[] {
    const { store } = this.#options
    const { delays } = store
    const parts = new Map<ConsumeQueue, PendingUnit[]>()
    const lost: PendingUnit[] = []
    const aged: PendingUnit[] = []
    let agedBytes = 0
    let costBytes = 2 * delayCost.command
    while (costBytes + MOST_OF_ONE_BYTES <= DELIVERY_BYTES && agedBytes < STORED_ANEW_BYTES) {
      const pending = this.#due.takeDue(storeTimestampMs)
      if (pending === undefined) break
      const queue = queueToBe(store, pending)
      if (queue === undefined) {
        lost.push(pending)
        costBytes += delayCost.key
      } else if (pending.physicalOffset < this.#aged.position) {
        aged.push(pending)
        agedBytes += pending.sizeBytes
      } else {
        const units = parts.get(queue)
        if (units === undefined) {
          parts.set(queue, [pending])
          costBytes += delayCost.part(pending.topic)
        } else {
          units.push(pending)
        }
        costBytes += delayCost.unit
      }
    }
    if (parts.size > 0) {
      const delivered: Array<DelayDeliver['parts'][number]> = []
      for (const [queue, units] of parts) delivered.push({ topic: queue.topic, queueId: queue.queueId, firstQueueOffset: queue.appendDelivered(writer, units.length), units })
      delays.deliver(writer, delivered)
    }
    if (lost.length > 0) delays.remove(writer, lost)
    return aged
  }

  /** One entry in which those of the messages that still wait are stored anew by `store`, and wait no more where they did. */
  async #decide (loaded: readonly Loaded[], store: (writer: EntryBodyWriter, storeTimestampMs: number, pending: readonly Loaded[]) => void): Promise<void> {
    const { delays } = this.#options.store
    const costBytes = loaded.reduce((sum, { topic, record }) => sum + delayCost.key + delayCost.schedule(topic) + EntryBodyWriter.recordCostBytes(record?.length ?? 0, 3 * topic.length), delayCost.command)
    const decision = new Decision(costBytes, (writer, storeTimestampMs) => {
      const pending = loaded.filter((one) => delays.isPending(one))
      store(writer, storeTimestampMs, pending)
      if (pending.length > 0) delays.remove(writer, pending)
    })
    this.#options.submit(decision)
    await decision.done
  }

  async #read (pending: PendingUnit): Promise<Loaded> {
    const { log, logger } = this.#options
    const { physicalOffset, topic } = pending
    const record = await readWaiting(log, pending, (error) => { logger.error(`a delayed message for ${topic} cannot be read and counts as removed: ${error.message}`, { physicalOffset, error }) })
    return { ...pending, record }
  }

  readonly #reportUnreadable = (error: MqError): void => {
    this.#options.logger.error(`${error.message}; the messages that wait there are delivered after the next start`, { error })
  }
}
