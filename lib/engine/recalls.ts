import { isMqError, MqError } from '../base/index.ts'
import type { RaftLog } from '../log/index.ts'
import { decodeProperties, encodeProperties, EntryBodyWriter, NO_QUEUE_OFFSET, Property, propertiesSizeBytes, RecordView, recordSizeBytes, type MessageFields, type RecallHandle } from '../message/index.ts'
import type { Proposal } from '../replica/index.ts'
import { dedupeCost, dedupeHashOf, delayCost, type PendingUnit, type Store } from '../store/index.ts'
import { Decision } from './decision.ts'
import { SpecialPutResult, type DeliveryTime } from './special-put.ts'
import type { Topic } from './topic.ts'

/** Looks through everything that is due about a time, one after the other: further ones are refused. */
const MAX_WAITING_SEARCHES = 16
/** What says when a message was to come: not true any more. */
const TIMING = ['DELAY', 'TIMER_DELAY_SEC', 'TIMER_DELAY_MS', '__STARTDELIVERTIME', 'TIMER_DELIVER_MS'] as const
const MAX_DELAY_MS = 100 * 365 * 86_400_000

export interface RecallsOptions {
  readonly store: Store
  readonly log: RaftLog
  readonly submit: (proposal: Proposal) => void
  readonly topic: (name: string) => Topic | undefined
}

/** Takes messages back that wait, or has them wait for another time. Either that or the delivery is what happens, never both. */
export class Recalls {
  readonly #options: RecallsOptions
  #searches = 0
  #searching: Promise<unknown> = Promise.resolve()

  constructor (options: RecallsOptions) {
    this.#options = options
  }

  /**
   * The message will never be delivered; resolves when that is durable. False: it does not wait (any more).
   * @throws MQ_BUSY, MQ_NOT_LEADER and what a proposal may fail with
   */
  async recall (handle: RecallHandle): Promise<boolean> {
    const { store: { delays, dedupe } } = this.#options
    return await this.#decide(handle, (pending, record) => new Decision(delayCost.command + delayCost.key + dedupeCost.forget(pending.topic), (writer) => {
      if (!delays.isPending(pending)) return undefined
      delays.remove(writer, [pending])
      const { id } = idsOf(record)
      if (id !== undefined) dedupe.forget(writer, pending.topic, dedupeHashOf(id))
      return true
    })) ?? false
  }

  /**
   * The message is delivered then instead; at once, if that has passed. It is stored anew, so its position is another one.
   * Undefined: it does not wait (any more), or its topic is gone.
   * @throws MQ_INVALID_ARGUMENT the time is more than a hundred years off; and as `recall`
   */
  async reschedule (handle: RecallHandle, { delayMs = 0, deliverAtMs }: DeliveryTime): Promise<SpecialPutResult | undefined> {
    const { store: { delays }, topic: topicOf } = this.#options
    return await this.#decide(handle, (pending, record) => {
      const topic = topicOf(pending.topic)
      if (topic === undefined) return undefined
      const message = timedAnew(record)
      const costBytes = 2 * delayCost.command + delayCost.key + delayCost.schedule(topic.name) +
        EntryBodyWriter.recordCostBytes(recordSizeBytes(record.bodyBytes, topic.nameBytes, propertiesSizeBytes(message)) + record.bornHost.length + topic.storeHost.length, topic.nameBytes)
      return new Decision(costBytes, (writer, storeTimestampMs) => {
        if (!delays.isPending(pending)) return undefined
        const dueMs = Math.max(deliverAtMs ?? storeTimestampMs + delayMs, storeTimestampMs)
        if (dueMs - storeTimestampMs > MAX_DELAY_MS) throw new MqError('MQ_INVALID_ARGUMENT', `a message waits up to ${MAX_DELAY_MS} ms, not ${dueMs - storeTimestampMs}`)
        const refusal = topic.ensure(writer, -1)
        if (refusal !== undefined) throw refusal
        delays.remove(writer, [pending])
        const queueId = pending.queueId % Math.max(1, topic.config.readQueueNums, topic.config.writeQueueNums)
        const physicalOffset = topic.scheduleMessage(writer, message, queueId, pending.tagsCode, storeTimestampMs, dueMs)
        return new SpecialPutResult({ topic: topic.name, queueId, queueOffset: NO_QUEUE_OFFSET, physicalOffset, storeTimestampMs }, dueMs, handle.uniqueKey)
      }, { relieves: false })
    })
  }

  /** Finds the message and decides; again, where it was stored anew in between. */
  async #decide<Result> (handle: RecallHandle, decision: (pending: PendingUnit, record: RecordView) => Decision<Result | undefined> | undefined): Promise<Result | undefined> {
    for (;;) {
      const found = await this.#find(handle)
      const proposal = found === undefined ? undefined : decision(...found)
      if (proposal === undefined) return undefined
      this.#options.submit(proposal)
      const result = await proposal.done
      if (result !== undefined) return result
    }
  }

  async #find (handle: RecallHandle): Promise<readonly [PendingUnit, RecordView] | undefined> {
    const { store } = this.#options
    const { deliverAtMs, physicalOffset } = handle
    if (physicalOffset !== undefined) {
      const pending = await store.delays.find(deliverAtMs, physicalOffset)
      if (pending !== undefined) return await this.#ifMeant(pending, handle)
      // what was stored anew was so before its first place went
      if (physicalOffset >= store.floorPosition) return undefined
    }
    if (this.#searches >= MAX_WAITING_SEARCHES) throw new MqError('MQ_BUSY', `${this.#searches} messages are being looked for already`)
    this.#searches++
    const search = this.#searching.then(async () => await this.#search(handle))
    this.#searching = search.catch(() => {})
    try {
      return await search
    } finally {
      this.#searches--
    }
  }

  async #search (handle: RecallHandle): Promise<readonly [PendingUnit, RecordView] | undefined> {
    for await (const pending of this.#options.store.delays.dueAt(handle.deliverAtMs)) {
      const found = await this.#ifMeant(pending, handle)
      if (found !== undefined) return found
    }
    return undefined
  }

  async #ifMeant (pending: PendingUnit, { topic, uniqueKey }: RecallHandle): Promise<readonly [PendingUnit, RecordView] | undefined> {
    if (pending.topic !== topic) return undefined
    try {
      const record = new RecordView((await this.#options.log.read(pending.physicalOffset, pending.sizeBytes)).slice())
      const ids = idsOf(record)
      return ids.uniqueKey === uniqueKey || ids.id === uniqueKey ? [pending, record] : undefined
    } catch (error) {
      if (isMqError(error, 'MQ_CORRUPT') || isMqError(error, 'MQ_MESSAGE_NOT_FOUND')) return undefined
      throw error
    }
  }
}

/** What it is named by, and what it is known by when it is sent again. */
function idsOf (record: RecordView): { readonly uniqueKey: string | undefined, readonly id: string | undefined } {
  const properties = decodeProperties(record.propertiesText)
  const uniqueKey = properties.get(Property.uniqueKey)
  return { uniqueKey, id: properties.get(Property.dedupeId) ?? uniqueKey }
}

/** The message as it was, without what it told of its time. */
function timedAnew (record: RecordView): MessageFields {
  const properties = decodeProperties(record.propertiesText)
  const keys = properties.get(Property.keys) ?? ''
  const tags = properties.get(Property.tags) ?? ''
  for (const name of [Property.keys, Property.tags, ...TIMING]) properties.delete(name)
  const { bodyCrc, flag, sysFlag, bornTimestampMs, bornHost, reconsumeTimes, preparedTransactionOffset, body } = record
  return { bodyCrc, flag, sysFlag, bornTimestampMs, bornHost, reconsumeTimes, preparedTransactionOffset, body, keys, tags, propertiesText: encodeProperties(properties) }
}
