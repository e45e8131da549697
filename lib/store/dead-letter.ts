import {
  decodeProperties, encodeProperties, EntryBodyWriter, hostHex, MAX_PROPERTIES_BYTES, NAME_END, offsetMessageId, PROPERTY_END, Property, propertiesSizeBytes,
  recordSizeBytes, RecordView, SysFlag, tagsCodeOf, type MessageFields
} from '../message/index.ts'
import { popAck, popCost } from './pop-commands.ts'
import { PopDecision } from './pop-decision.ts'
import type { PopMachine } from './pop-machine.ts'
import { forEachPart, partsCostBytes, type LeasedRange } from './pop-ranges.ts'

/** Not carried over: they asked for, or tell of, something about the delivery of the first message. */
const DELIVERY_PROPERTIES = [
  'DELAY', 'TIMER_DELAY_SEC', 'TIMER_DELAY_MS', 'TIMER_DELIVER_MS', 'TIMER_OUT_MS', 'TIMER_ENQUEUE_MS', 'TIMER_DEQUEUE_MS',
  'TIMER_ROLL_TIMES', 'TIMER_DELAY_LEVEL', 'POP_CK', 'POP_CK_OFFSET', '1ST_POP_TIME', 'TRAN_MSG'
]
const MAX_REASON_LENGTH = 512
/** Why a message was given up, in words. */
export const DLQ_REASON = 'DLQ_REASON'

export interface NewForm {
  /** Deliveries so far. */
  readonly reconsumeTimes: number
  /** Added to the properties; what does not fit any more is left out, the last first. */
  readonly properties: ReadonlyArray<readonly [name: string, value: string]>
  /** Left out, also if they would be added to tell where the message comes from. */
  readonly dropped?: readonly string[]
}

/**
 * A stored message as a new one for another topic: body, keys, tags, flags, birth and the user's properties as they
 * were; property RETRY_TOPIC tells the topic it was first sent to, ORIGIN_MESSAGE_ID its first id.
 * The body is a view on the record: keep the record's bytes until the new message is sealed.
 */
export function rewriteRecord (record: RecordView, { reconsumeTimes, properties: added, dropped = [] }: NewForm): MessageFields {
  const properties = decodeProperties(record.propertiesText)
  const keys = properties.get(Property.keys) ?? ''
  const tags = properties.get(Property.tags) ?? ''
  for (const name of [Property.keys, Property.tags, ...DELIVERY_PROPERTIES, ...dropped]) properties.delete(name)
  const isAdded = (name: string): boolean => added.some(([other]) => other === name)
  const origin: Array<readonly [string, string]> = []
  if (!properties.has(Property.retryTopic) && !dropped.includes(Property.retryTopic)) origin.push([Property.retryTopic, record.topic])
  if (!properties.has(Property.originMessageId) && !isAdded(Property.originMessageId)) origin.push([Property.originMessageId, messageIdOf(record)])
  let propertiesText = encodeProperties([...properties].filter(([name]) => !isAdded(name)))
  let room = MAX_PROPERTIES_BYTES - propertiesSizeBytes({ keys, tags, propertiesText })
  for (const [name, value] of [...added, ...origin]) {
    const text = encodeProperties([[name, value]])
    const bytes = propertiesSizeBytes({ keys: '', tags: '', propertiesText: text })
    if (bytes > room) break
    propertiesText += text
    room -= bytes
  }
  return {
    bodyCrc: record.bodyCrc,
    flag: record.flag,
    sysFlag: record.sysFlag & ~SysFlag.transactionMask,
    bornTimestampMs: record.bornTimestampMs,
    bornHost: record.bornHost,
    reconsumeTimes,
    preparedTransactionOffset: 0,
    body: record.body,
    keys,
    tags,
    propertiesText
  }
}

export interface DeadLetterOptions {
  /** Deliveries so far. */
  readonly attempts: number
  /** For people who look into the dead letter queue. */
  readonly reason?: string
}

/** The message that goes to %DLQ%<group> in the record's place. */
export function deadLetterOf (record: RecordView, { attempts, reason = '' }: DeadLetterOptions): MessageFields {
  const times = String(attempts)
  return rewriteRecord(record, {
    reconsumeTimes: attempts,
    // it is kept for people to look at
    dropped: [Property.timeToLive],
    properties: [
      [Property.dlqOriginTopic, record.topic],
      [Property.dlqOriginMessageId, messageIdOf(record)],
      [Property.reconsumeTime, times],
      [DLQ_REASON, plainText(reason).slice(0, MAX_REASON_LENGTH)]
    ]
  })
}

/** Tell how the message became a dead letter, or how often it was tried. */
const DEAD_LETTER_PROPERTIES: readonly string[] = [Property.retryTopic, Property.dlqOriginTopic, Property.dlqOriginMessageId, Property.reconsumeTime, Property.maxReconsumeTimes, DLQ_REASON]

/** A dead letter as the message that it was, to be tried anew; ORIGIN_MESSAGE_ID tells its first id. */
export function resentOf (record: RecordView): MessageFields {
  return rewriteRecord(record, { reconsumeTimes: 0, properties: [], dropped: DEAD_LETTER_PROPERTIES })
}

export function deadLetterTopicOf (group: string): string { return `%DLQ%${group}` }
export function retryTopicOf (group: string): string { return `%RETRY%${group}` }

/** The id that clients know a message by: its UNIQ_KEY where it has one, else store host and position in hex. */
export function messageIdOf (record: RecordView): string {
  return decodeProperties(record.propertiesText).get(Property.uniqueKey) ?? offsetMessageId(hostHex(record.storeHost), record.physicalOffset)
}

function plainText (text: string): string {
  return text.replaceAll(NAME_END, ' ').replaceAll(PROPERTY_END, ' ')
}

/** Where the dead letter goes: the leader's handle of queue 0 of the group's dead letter topic (a ConsumeQueue). */
export interface DeadLetterTarget {
  readonly topic: string
  readonly isRetired: boolean
  append (writer: EntryBodyWriter, message: MessageFields, tagsCode: number, storeTimestampMs: number): number
}

export interface DeadLettered {
  /** False: the lease had ended (nothing was done). */
  readonly moved: boolean
  /** False: the dead letter topic was deleted meanwhile; make it again and propose again. */
  readonly hasTarget: boolean
  /** Where the dead letter stands in its queue; -1 when it was not moved. */
  readonly queueOffset: number
}

/**
 * Puts a leased message aside for good: the dead letter is stored and the message is acknowledged, in one entry. `record`
 * must not change until the proposal is settled or has failed.
 */
export class DeadLetterProposal extends PopDecision<DeadLettered> {
  override readonly costBytes: number
  readonly #machine: PopMachine
  readonly #ranges: readonly LeasedRange[]
  readonly #message: MessageFields
  readonly #target: DeadLetterTarget

  /** @param handle of exactly one message */
  constructor (machine: PopMachine, handle: LeasedRange, record: RecordView, target: DeadLetterTarget, options: DeadLetterOptions) {
    super()
    this.#machine = machine
    this.#ranges = [{ ...handle, count: 1 }]
    this.#message = deadLetterOf(record, options)
    this.#target = target
    const topicBytes = 3 * target.topic.length
    // an IPv6 birth host takes 12 bytes more
    const recordBytes = recordSizeBytes(this.#message.body.length, topicBytes, propertiesSizeBytes(this.#message)) + 24
    this.costBytes = EntryBodyWriter.recordCostBytes(recordBytes, topicBytes) + popCost.command + partsCostBytes(this.#ranges, machine.applied)
  }

  decide (writer: EntryBodyWriter, storeTimestampMs: number): void {
    const overlay = this.#machine.overlay
    if (this.#target.isRetired) {
      this.result = { moved: false, hasTarget: false, queueOffset: -1 }
      return
    }
    let queueOffset = -1
    forEachPart(this.#ranges, overlay, (part) => {
      queueOffset = this.#target.append(writer, this.#message, tagsCodeOf(this.#message.tags), storeTimestampMs)
      overlay.state.ackPart(part)
      overlay.record(writer, popAck, { parts: [part] })
    })
    this.result = { moved: queueOffset >= 0, hasTarget: true, queueOffset }
  }
}
