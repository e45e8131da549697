import { isMqError, type Logger } from '../base/index.ts'
import { EntryBodyWriter, propertiesSizeBytes, recordSizeBytes, decodeProperties, hostHex, offsetMessageId, Property, tagsCodeOf, type MessageFields } from '../message/index.ts'
import type { Proposal } from '../replica/index.ts'
import { deadLetterTopicOf, resentOf, SETTLE_COST_BYTES, settleOffsets, type ConsumeQueue, type PopMachine, type Store } from '../store/index.ts'
import { priorityIn, queueOfPriority } from './attributes.ts'
import { Decision } from './decision.ts'
import type { StoredRecord } from './delivery.ts'
import type { MessageReader } from './message-reader.ts'
import type { Topic } from './topic.ts'

/** Keeps which dead letters of a group were sent again: to the engine it is a consumer group of the dead letter topic. */
const RESENDER = '%RESEND%'
/** Dead letters in one entry. */
const STEP_MESSAGES = 256
const STEP_BYTES = 256 * 1024
/** The hosts, and the room of a queue offset that is not known. */
const SPARE_BYTES = 64

export interface ResendRequest {
  readonly group: string
  /** Which; default: all. May be called again for one that is not sent again by this call. */
  readonly select?: (letter: StoredRecord, originTopic: string) => boolean
  /** At most so many. */
  readonly max?: number
}

export interface Resent {
  /** Stored in their topics, and dead letters no more. */
  readonly resent: number
  /** Were not selected, or beyond `max`. */
  readonly kept: number
  /** Their topic is not there any more: they stay. */
  readonly withoutTopic: number
}

export interface DeadLettersOptions {
  readonly store: Store
  readonly machine: PopMachine
  readonly reader: MessageReader
  readonly logger: Logger
  readonly submit: (proposal: Proposal) => void
  readonly topic: (name: string) => Topic | undefined
  /** The group begins to consume the topic. */
  readonly open: (group: string, topic: string) => Promise<void>
}

interface Letter {
  readonly message: MessageFields
  readonly topic: Topic
  /** Names its queue; undefined: it has none. */
  readonly priority: number | undefined
  /** Then decides its queue; undefined: any. */
  readonly key: string | undefined
}

/**
 * Sending dead letters again: each is stored as a new message of the topic it was first sent to, and that it was is noted, in one entry. So each comes
 * once, also when a run is interrupted at any place, when several run at the same time, and when leadership moves: whoever goes on
 * finds those done that are in the log.
 */
export class DeadLetters {
  readonly #options: DeadLettersOptions

  constructor (options: DeadLettersOptions) {
    this.#options = options
  }

  /** For whoever lists groups: this one is the engine's own. */
  static isResender (group: string): boolean { return group.startsWith(RESENDER) }

  /**
   * Sends those of the group's dead letters again that are there when it is called, in their order. Resolves when that is durable.
   * @throws MQ_LEADERSHIP_LOST, MQ_TIMEOUT and other outcomes of `send`: some may have been sent; call again for the rest
   */
  async resend ({ group, select = () => true, max = Infinity }: ResendRequest): Promise<Resent> {
    const { store, machine, open } = this.#options
    const topic = deadLetterTopicOf(group)
    const total = { resent: 0, kept: 0, withoutTopic: 0 }
    const queueCount = store.metadata.topic(topic)?.readQueueNums ?? 0
    if (queueCount === 0) return total
    const resender = RESENDER + group
    await open(resender, topic)
    for (let queueId = 0; queueId < queueCount; queueId++) {
      const queue = store.consumeQueues.find(topic, queueId)
      if (queue === undefined) continue
      const end = queue.nextOffset
      let offset = Math.max(queue.minOffset, machine.progressOf(resender, topic, queueId)?.consumerOffset ?? 0)
      while (offset < end) offset = await this.#step(resender, queue, { from: offset, end }, { select, max }, total)
    }
    return total
  }

  /** One entry; returns the offset behind those it was about. */
  async #step (group: string, queue: ConsumeQueue, { from, end }: { from: number, end: number }, { select, max }: Required<Omit<ResendRequest, 'group'>>, total: { resent: number, kept: number, withoutTopic: number }, maxBytes = STEP_BYTES): Promise<number> {
    const { machine, reader, submit, logger } = this.#options
    const limit = Math.min(end, from + STEP_MESSAGES)
    const records = await reader.read(queue, from, limit - from, maxBytes)
    // what could not be read is passed over; where reading ended early for its size, the next step goes on
    const last = records.at(-1)
    const to = last === undefined || records.reduce((sum, { record }) => sum + record.bytes.length, 0) < maxBytes ? limit : last.queueOffset + 1
    const letters = new Map<number, Letter>()
    let withoutTopic = 0
    for (const record of records) {
      const origin = originOf(record)
      if (machine.isDone(group, queue.topic, queue.queueId, record.queueOffset)) continue
      if (total.resent + letters.size >= max || !select(record, origin)) continue
      const topic = this.#options.topic(origin)
      if (topic === undefined) {
        withoutTopic++
        logger.warn('a dead letter cannot be sent again: its topic is not there', { deadLetterTopic: queue.topic, queueOffset: record.queueOffset, topic: origin })
      } else {
        letters.set(record.queueOffset, { message: resentOf(record.record), topic, ...choiceOf(record) })
      }
    }
    let costBytes = SETTLE_COST_BYTES
    for (const { message, topic } of letters.values()) costBytes += EntryBodyWriter.recordCostBytes(recordSizeBytes(message.body.length, topic.nameBytes, propertiesSizeBytes(message)) + SPARE_BYTES, topic.nameBytes)
    let open = 0
    const decision = new Decision(costBytes, (writer, storeTimestampMs) => {
      // the queue that was read, not one of a topic that was made again meanwhile: its offsets are of other letters
      const request = { group, topic: queue.topic, source: queue, from, to }
      open = 0
      return settleOffsets(machine, writer, request, storeTimestampMs, (offset) => {
        open++
        const letter = letters.get(offset)
        return letter !== undefined && appended(writer, letter, storeTimestampMs)
      })
    }, { relieves: false })
    submit(decision)
    let resent: number
    try {
      resent = await decision.done
    } catch (error) {
      // together they are more than may be on its way at once: one by one
      if (!isMqError(error, 'MQ_MESSAGE_TOO_LARGE') || letters.size < 2) throw error
      return await this.#step(group, queue, { from, end }, { select, max }, total, 1)
    }
    total.resent += resent
    total.withoutTopic += withoutTopic
    total.kept += open - resent - withoutTopic
    return to
  }
}

/** Only those first sent to `topic`, and only those with one of `ids`: their own, their ORIGIN_MESSAGE_ID or UNIQ_KEY. */
export function letterSelection ({ topic, ids }: { readonly topic: string | undefined, readonly ids: readonly string[] | undefined }): NonNullable<ResendRequest['select']> {
  const wanted = ids === undefined ? undefined : new Set(ids)
  return ({ record }, originTopic) => {
    if (topic !== undefined && topic !== originTopic) return false
    if (wanted === undefined || wanted.has(offsetMessageId(hostHex(record.storeHost), record.physicalOffset))) return true
    const properties = decodeProperties(record.propertiesText)
    return [Property.originMessageId, Property.uniqueKey].some((name) => wanted.has(properties.get(name) ?? ''))
  }
}

/** Within a decision. False: its topic was deleted meanwhile. */
function appended (writer: EntryBodyWriter, { message, topic, priority, key }: Letter, storeTimestampMs: number): boolean {
  const queueId = priority !== undefined ? queueOfPriority(priority, topic.queueCount) : key === undefined ? topic.nextQueueId() : Math.abs(tagsCodeOf(key) % topic.queueCount)
  if (topic.ensure(writer, queueId) !== undefined) return false
  topic.queue(queueId).append(writer, message, tagsCodeOf(message.tags), storeTimestampMs, topic.storeHost)
  return true
}

/** The topic it was first sent to: a dead letter that was given up once more comes from another topic of dead letters, and keeps the first one. */
function originOf ({ record }: StoredRecord): string {
  const properties = decodeProperties(record.propertiesText)
  return properties.get(Property.retryTopic) ?? properties.get(Property.dlqOriginTopic) ?? ''
}

/** As when it was sent: messages of one priority lie in one queue, and so do those of one key. */
function choiceOf ({ record }: StoredRecord): Pick<Letter, 'priority' | 'key'> {
  const properties = decodeProperties(record.propertiesText)
  return { priority: priorityIn(properties.get(Property.priority) ?? ''), key: properties.get(Property.shardingKey) ?? properties.get(Property.keys) }
}
