import type { Clock } from '../base/index.ts'
import { decodeOffsetMessageId, decodeProperties, hostHex, offsetMessageId, Property, RecordView } from '../message/index.ts'
import { deadLetterTopicOf, DLQ_REASON, messageIdOf, retryTopicOf, type HiddenRecord, type LocatedRecord, type PopMachine, type Store } from '../store/index.ts'
import { DeadLetters } from './dead-letters.ts'
import type { KeyQueries } from './key-queries.ts'
import type { MessageReader } from './message-reader.ts'
import { expiresAtMs } from './time-to-live.ts'

/** What a consumer group has made of a message, by the state as applied here. Times are ms since 1970, attempts how often it was handed out. */
export type GroupExplanation = { readonly group: string } & (
  /** Not handed out yet: so many messages of its queue are before it. */
  | { readonly is: 'waiting', readonly ahead: number, readonly attempts: 0 }
  /** A consumer has it: nobody else of the group gets it before that time. */
  | { readonly is: 'leased', readonly attempts: number, readonly owner: string, readonly untilMs: number }
  /** It came back, given back or because its lease ended: it comes again, not before that time (0: at once). */
  | { readonly is: 'returned', readonly attempts: number, readonly visibleAtMs: number }
  /** A consumer by offset gave it back: it comes again from the retry topic of the group, under this id, not before that time (0: it is there). */
  | { readonly is: 'retry', readonly attempts: number, readonly retryId: string, readonly visibleAtMs: number }
  /** Acknowledged, or passed over: by a seek, or because its time to live was over when its turn came. By offset: the group is behind it. */
  | { readonly is: 'done' }
  /** Its time to live is over: it is passed over when its turn comes. */
  | { readonly is: 'expired', readonly attempts: number }
  /** Given up: where its dead letter is. */
  | { readonly is: 'dead-letter', readonly attempts: number, readonly deadLetterId: string, readonly reason: string })

/** Where a message is, and what has become of it. */
export type Explanation = { readonly id: string } & (
  /** No message begins there. */
  | { readonly is: 'unknown' }
  /** It is not kept any more: retention has removed it, or its topic was deleted. */
  | { readonly is: 'removed' }
  | { readonly topic: string, readonly queueId: number, readonly storeTimestampMs: number } & (
    /** It comes to its queue at that time. */
    | { readonly is: 'delayed', readonly deliverAtMs: number }
    /** A transactional message that is neither committed nor rolled back. */
    | { readonly is: 'undecided' }
    /** It never comes from here: recalled, rescheduled or stored anew (then it has another id), rolled back, or its topic was deleted before its time. */
    | { readonly is: 'withdrawn' }
    /** In its queue since `storeTimestampMs`; with the groups that consume its topic. */
    | { readonly is: 'queued', readonly queueOffset: number, readonly expiresAtMs: number | undefined, readonly groups: readonly GroupExplanation[] }))

/** Dead letters that are looked through for the one of a message, from those of its time on. */
const MAX_LETTERS = 10_000
const LETTERS_AT_ONCE = 256

/** Why a message is where it is. */
export class Explanations {
  readonly #clock: Clock
  readonly #store: Store
  readonly #machine: PopMachine
  readonly #reader: MessageReader
  readonly #keys: Pick<KeyQueries, 'positions'> | undefined

  /** Without the index of keys messages that wait to be tried again by groups that consume by offset count as done. */
  constructor (clock: Clock, store: Store, machine: PopMachine, reader: MessageReader, keys: Pick<KeyQueries, 'positions'> | undefined) {
    this.#clock = clock
    this.#store = store
    this.#machine = machine
    this.#reader = reader
    this.#keys = keys
  }

  /** Of a message by its offset message id, as this node has applied it. @throws MQ_INVALID_ARGUMENT the id is none */
  async explain (id: string): Promise<Explanation> {
    const { physicalOffset } = decodeOffsetMessageId(id)
    const { commitLog } = this.#store
    if (physicalOffset < commitLog.floorPosition) return { id, is: 'removed' }
    const found = await this.#store.locateAny(physicalOffset)
    if (found === undefined) return { id, is: physicalOffset < commitLog.floorPosition ? 'removed' : 'unknown' }
    return 'queueOffset' in found ? await this.#queued(id, physicalOffset, found) : await this.#hidden(id, found)
  }

  async #hidden (id: string, { record, physicalOffset, schedule: { topic, queueId, deliverAtMs }, halfOffset }: HiddenRecord): Promise<Explanation> {
    const { storeTimestampMs } = new RecordView(record)
    const place = { id, topic, queueId, storeTimestampMs }
    if (halfOffset !== undefined) return { ...place, is: this.#store.halves.isUndelivered(halfOffset) ? 'undecided' : 'withdrawn' }
    return await this.#store.delays.find(deliverAtMs, physicalOffset) === undefined ? { ...place, is: 'withdrawn' } : { ...place, is: 'delayed', deliverAtMs }
  }

  async #queued (id: string, physicalOffset: number, { topic, queueId, queueOffset, storeTimestampMs }: LocatedRecord): Promise<Explanation> {
    const queue = this.#store.consumeQueues.find(topic, queueId)
    const [stored] = queue === undefined ? [] : await this.#reader.read(queue, queueOffset, 1)
    // a topic of the same name may have been made since
    if (stored?.queueOffset !== queueOffset || stored.physicalOffset !== physicalOffset) return { id, is: 'removed' }
    const expiryMs = expiresAtMs(stored)
    // a dead letter names the message by the id that its consumers knew
    const names = new Set([id.toUpperCase(), messageIdOf(stored.record)])
    const groups: GroupExplanation[] = []
    for (const group of this.#machine.groups()) {
      if (!DeadLetters.isResender(group) && this.#machine.topicsOf(group).includes(topic)) groups.push(await this.#ofGroup(group, names, { topic, queueId, queueOffset, storeTimestampMs, isOver: expiryMs <= this.#clock.wallMs() }))
    }
    const uniqueKey = decodeProperties(stored.record.propertiesText).get(Property.uniqueKey)
    const leasing = new Set(groups.map(({ group }) => group))
    for (const group of this.#store.consumerOffsets.groups()) {
      const offset = this.#store.consumerOffsets.offset(group, topic, queueId)
      if (offset === undefined || leasing.has(group)) continue
      if (offset <= queueOffset) groups.push({ group, is: 'waiting', ahead: queueOffset - Math.max(offset, queue!.minOffset), attempts: 0 })
      else groups.push(await this.#deadLetterOf(group, names, storeTimestampMs) ?? await this.#retryOf(group, names, uniqueKey) ?? { group, is: 'done' })
    }
    return { id, is: 'queued', topic, queueId, queueOffset, storeTimestampMs, expiresAtMs: expiryMs === Infinity ? undefined : expiryMs, groups }
  }

  async #ofGroup (group: string, names: ReadonlySet<string>, { topic, queueId, queueOffset, storeTimestampMs, isOver }: { topic: string, queueId: number, queueOffset: number, storeTimestampMs: number, isOver: boolean }): Promise<GroupExplanation> {
    const state = this.#machine.offsetState(group, topic, queueId, queueOffset)
    if (state?.is === 'done') return await this.#deadLetterOf(group, names, storeTimestampMs) ?? { group, is: 'done' }
    if (state?.is === 'leased') return { group, ...state }
    if (isOver) return { group, is: 'expired', attempts: state?.is === 'returned' ? state.attempts : 0 }
    if (state?.is === 'returned') return { group, ...state }
    const minOffset = this.#store.consumeQueues.find(topic, queueId)?.minOffset ?? 0
    const nextOffset = Math.max(minOffset, this.#machine.progressOf(group, topic, queueId)?.nextOffset ?? 0)
    return { group, is: 'waiting', ahead: Math.max(0, queueOffset - nextOffset), attempts: 0 }
  }

  /** The last time that a consumer gave it back, if it is still to come again. */
  async #retryOf (group: string, names: ReadonlySet<string>, uniqueKey: string | undefined): Promise<GroupExplanation | undefined> {
    if (this.#keys === undefined || uniqueKey === undefined) return undefined
    for await (const position of this.#keys.positions(retryTopicOf(group), uniqueKey)) {
      const found = await this.#store.locateAny(position)
      if (found === undefined) continue
      const record = new RecordView(found.record)
      if (!names.has(decodeProperties(record.propertiesText).get(Property.originMessageId) ?? '')) continue
      const retry = { group, is: 'retry' as const, attempts: record.reconsumeTimes, retryId: offsetMessageId(hostHex(record.storeHost), position) }
      if ('queueOffset' in found) {
        const offset = this.#store.consumerOffsets.offset(group, found.topic, found.queueId) ?? 0
        return found.queueOffset < offset ? undefined : { ...retry, visibleAtMs: 0 }
      }
      const { deliverAtMs } = found.schedule
      if (await this.#store.delays.find(deliverAtMs, position) !== undefined) return { ...retry, visibleAtMs: deliverAtMs }
    }
    return undefined
  }

  async #deadLetterOf (group: string, names: ReadonlySet<string>, storeTimestampMs: number): Promise<GroupExplanation | undefined> {
    const queue = this.#store.consumeQueues.find(deadLetterTopicOf(group), 0)
    if (queue === undefined) return undefined
    let offset = await this.#store.consumeQueues.searchOffset(queue, storeTimestampMs)
    for (const end = Math.min(queue.nextOffset, offset + MAX_LETTERS); offset < end; offset += LETTERS_AT_ONCE) {
      for (const { record, physicalOffset } of await this.#reader.read(queue, offset, LETTERS_AT_ONCE)) {
        const properties = decodeProperties(record.propertiesText)
        if (![Property.dlqOriginMessageId, Property.originMessageId].some((name) => names.has(properties.get(name) ?? ''))) continue
        return { group, is: 'dead-letter', attempts: record.reconsumeTimes, deadLetterId: offsetMessageId(hostHex(record.storeHost), physicalOffset), reason: properties.get(DLQ_REASON) ?? '' }
      }
    }
    return undefined
  }
}
