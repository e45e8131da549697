import { MqError } from '../base/index.ts'
import { EntryBodyWriter, utf8SizeBytes, type Host, type MessageFields, type RecordFields, type TopicConfig } from '../message/index.ts'
import { deadLetterTopicOf, DEDUPE_FORMAT, type ConsumeQueue, type DedupeId, type DedupeMachine, type DedupeRule, type HalfTerms, type Remembered, type Store } from '../store/index.ts'
import { dedupeRuleOf } from './attributes.ts'

/** No topic has a longer name: the directory of an entry gives it one byte of length. */
export const LONGEST_TOPIC = 'x'.repeat(255)
const DEAD_LETTER_QUEUES = 1
/** %RETRY% and %DLQ%: what comes there again is meant to. */
const GROUPS_OWN = '%'
/** Attribute `codec` of dead letter topics: a message's payload is as in the topic it comes from. */
export const ORIGIN_CODEC = 'origin'

/** Read and write. @see RocketMQ PermName */
const PERM_READ_WRITE = 6

export interface TopicSettings {
  readonly name: string
  readonly queueCount: number
  readonly attributes: Readonly<Record<string, string>>
}

/** How a topic for dead letters is made, whoever asks for it first; undefined: the name is not one's. */
export function deadLetterSettings (name: string): TopicSettings | undefined {
  return name.startsWith(deadLetterTopicOf('')) ? { name, queueCount: DEAD_LETTER_QUEUES, attributes: { codec: ORIGIN_CODEC } } : undefined
}

export function topicConfigOf ({ name, queueCount, attributes }: TopicSettings): TopicConfig {
  return { topic: name, readQueueNums: queueCount, writeQueueNums: queueCount, perm: PERM_READ_WRITE, topicSysFlag: 0, order: false, attributes }
}

/** A queue that is only read from any more, or only written to, is one too. */
export function hasQueue ({ readQueueNums, writeQueueNums }: TopicConfig, queueId: number): boolean {
  return Number.isInteger(queueId) && queueId >= 0 && queueId < Math.max(readQueueNums, writeQueueNums)
}

export function createTopicCostBytes (config: TopicConfig): number {
  const texts = [config.topic, ...Object.entries(config.attributes).flat()]
  return EntryBodyWriter.commandCostBytes(64 + texts.reduce((sum, text) => sum + 5 + 3 * text.length, 0))
}

/**
 * What senders hold of a topic: its queues as the leader's handles for sealing. A topic that does not exist yet is made
 * by the first message, in the same entry; one that was deleted refuses.
 */
export class Topic {
  readonly name: string
  /** Of the name, in UTF-8. */
  readonly nameBytes: number
  readonly #store: Store
  #config: TopicConfig
  /** Only while the topic has never been there: whoever reserves room for its creation may make it. */
  #mayCreate: boolean
  /** Address of this node in the messages that come over the wire. */
  readonly storeHost: Host
  /** What a proposal reserves for the creation. */
  creationCostBytes: number
  #checkedIn = -1
  #queues: ConsumeQueue[] = []
  #lastPicked = -1
  #dedupe: { readonly of: TopicConfig, readonly rule: DedupeRule | undefined } | undefined

  constructor (store: Store, config: TopicConfig, exists: boolean, storeHost: Host) {
    this.name = config.topic
    this.nameBytes = utf8SizeBytes(config.topic)
    this.storeHost = storeHost
    this.#store = store
    this.#config = config
    this.#mayCreate = !exists
    this.creationCostBytes = exists ? 0 : createTopicCostBytes(config)
  }

  get config (): TopicConfig { return this.#config }
  get queueCount (): number { return this.#config.writeQueueNums }
  get attributes (): Readonly<Record<string, string>> { return this.#config.attributes }
  get exists (): boolean { return !this.#mayCreate }

  /** How messages that are sent again are told from new ones; undefined: not at all. */
  get dedupeRule (): DedupeRule | undefined {
    if (this.#dedupe?.of !== this.#config) this.#dedupe = { of: this.#config, rule: this.name.startsWith(GROUPS_OWN) ? undefined : dedupeRuleOf(this.#config.attributes) }
    return this.#dedupe.rule
  }

  /** All members of the group know what it is to remember messages. */
  get canRemember (): boolean { return this.#store.formatVersion >= DEDUPE_FORMAT }

  /** The topic was made or changed: takes over its configuration as applied. */
  refresh (config: TopicConfig): void {
    this.#config = config
    this.#mayCreate = false
    this.creationCostBytes = 0
  }

  /** After the entry of a message to it was applied. */
  confirm (): void {
    const config = this.#store.metadata.topic(this.name)
    if (config !== undefined) this.refresh(config)
  }

  /** What was looked up counts no more: the topic's deletion is proposed, or leadership has changed. */
  forgetChecked (): void {
    this.#checkedIn = -1
    this.#queues = []
  }

  /** Within a decision: makes sure that the topic is there for `queueId`, or says why it is not. */
  ensure (writer: EntryBodyWriter, queueId: number): MqError | undefined {
    if (this.#checkedIn !== writer.generation) {
      const refusal = this.#check(writer)
      if (refusal !== undefined) return refusal
      this.#checkedIn = writer.generation
    }
    // a queue that is only read from any more still takes what was meant for it
    const { readQueueNums, writeQueueNums } = this.#config
    const count = Math.max(readQueueNums, writeQueueNums)
    return queueId < count ? undefined : new MqError('MQ_QUEUE_NOT_FOUND', `topic ${this.name} has ${count} queues, there is no queue ${queueId}`)
  }

  /** A queue for a message that was sent to none in particular: each in turn. Within a decision, after `ensure`. */
  nextQueueId (): number {
    this.#lastPicked = (this.#lastPicked + 1) % Math.max(1, this.queueCount)
    return this.#lastPicked
  }

  /** Within a decision, after `ensure`. */
  queue (queueId: number): ConsumeQueue {
    const known = this.#queues[queueId]
    if (known !== undefined && !known.isRetired) return known
    return (this.#queues[queueId] = this.#store.consumeQueues.proposed(this.name, queueId))
  }

  /** Within a decision, after `ensure`: stores a message that comes to its queue at that time. */
  schedule (writer: EntryBodyWriter, record: RecordFields, tagsCode: number, storeTimestampMs: number, deliverAtMs: number): void {
    this.#store.delays.schedule(writer, record, this.name, tagsCode, storeTimestampMs, deliverAtMs)
  }

  /** The same for a message whose properties are not text yet; returns where it stands. */
  scheduleMessage (writer: EntryBodyWriter, message: MessageFields, queueId: number, tagsCode: number, storeTimestampMs: number, deliverAtMs: number): number {
    const physicalOffset = writer.nextPhysicalOffset
    const { name, storeHost } = this
    const target = { topic: name, topicBytes: this.queue(queueId).of.topicBytes, queueId, storeHost }
    this.#store.delays.scheduleMessage(writer, message, target, tagsCode, storeTimestampMs, deliverAtMs)
    return physicalOffset
  }

  /** Within a decision: where that message was stored lately. */
  remembered (id: DedupeId, rule: DedupeRule, storeTimestampMs: number): Remembered | undefined {
    return this.#store.dedupe.find(this.name, id, rule, storeTimestampMs)
  }

  /** Within a decision, after they are written: they are told when they are sent again. */
  remember (writer: EntryBodyWriter, rule: DedupeRule, messages: Parameters<DedupeMachine['remember']>[3], storeTimestampMs: number): void {
    this.#store.dedupe.remember(writer, this.name, rule, messages, storeTimestampMs)
  }

  /** Within a decision, after `ensure`: stores a half message; returns its number. */
  prepare (writer: EntryBodyWriter, record: RecordFields, tagsCode: number, storeTimestampMs: number, terms: HalfTerms): number {
    return this.#store.halves.prepare(writer, record, this.name, tagsCode, storeTimestampMs, terms)
  }

  #check (writer: EntryBodyWriter): MqError | undefined {
    const { metadata } = this.#store
    const config = metadata.proposedTopic(this.name)
    if (config !== undefined) {
      if (this.#mayCreate && config.attributes.codec !== this.#config.attributes.codec) {
        return new MqError('MQ_PAYLOAD_INVALID', `topic ${this.name} was made with codec ${config.attributes.codec ?? 'bytes'} meanwhile, the message is ${this.#config.attributes.codec ?? 'bytes'}`)
      }
      this.#config = config
      return undefined
    }
    if (!this.#mayCreate) return new MqError('MQ_TOPIC_NOT_FOUND', `topic ${this.name} was deleted`)
    metadata.putTopic(writer, this.#config)
    return undefined
  }
}
