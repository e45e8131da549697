import { MqError } from '../base/index.ts'
import { decodeProperties, EntryBodyWriter, hostHex, offsetMessageId, Property, propertiesSizeBytes, recordSizeBytes, tagsCodeOf, type MessageFields, type RecordView } from '../message/index.ts'
import { delayCost, rewriteRecord, type Store } from '../store/index.ts'
import { Decision } from './decision.ts'
import { delayOfLevel } from './delay-levels.ts'
import { retryDelayOf } from './retry-policy.ts'
import type { Topic } from './topic.ts'

export interface SendBackRequest {
  /** The message as its consumer got it; its bytes must not change until the outcome is known. */
  readonly record: RecordView
  readonly group: string
  /** 0: as the group's retry policy says, else a little later with every time; below 0: it is given up. */
  readonly delayLevel: number
  /** Default: the group's. */
  readonly maxReconsumeTimes?: number
  readonly levels: readonly number[]
  /** %RETRY%<group>, or what makes it. */
  readonly retryTopic: Topic
  /** %DLQ%<group>, or what makes it. */
  readonly deadLetterTopic: Topic
}

/** `dropped`: the group takes no retries. */
export type SentBack = 'retry' | 'dead-letter' | 'dropped'

/** Delays of retries begin with this level. @see RocketMQ, where it is a constant too */
const FIRST_RETRY_LEVEL = 3
const DELAY = 'DELAY'
/** The properties that are added, the hosts, and the room of a queue offset that is not known. */
const SPARE_BYTES = 512

/**
 * A consumer could not do its work: the message becomes a new one for the retry topic, which comes to its queue later,
 * or a dead letter. One entry, the topic's creation included.
 * @see RocketMQ's request CONSUMER_SEND_MSG_BACK (36)
 */
export function sendBackDecision (store: Store, request: SendBackRequest): Decision<SentBack> {
  const { record, group, delayLevel, maxReconsumeTimes, levels, retryTopic, deadLetterTopic } = request
  const topicBytes = Math.max(retryTopic.nameBytes, deadLetterTopic.nameBytes)
  const form = newForm(record, 99)
  const costBytes = EntryBodyWriter.recordCostBytes(recordSizeBytes(record.bodyBytes, topicBytes, propertiesSizeBytes(form)) + SPARE_BYTES, topicBytes) +
    retryTopic.creationCostBytes + deadLetterTopic.creationCostBytes + delayCost.schedule(retryTopic.name)
  return new Decision(costBytes, (writer, storeTimestampMs) => {
    const config = store.metadata.proposedGroup(group)
    if (config === undefined) throw new MqError('MQ_GROUP_NOT_FOUND', `there is no group ${group}`)
    if (config.retryQueueNums <= 0) return 'dropped'
    const isDead = delayLevel < 0 || record.reconsumeTimes >= (maxReconsumeTimes ?? config.retryMaxTimes)
    const topic = isDead ? deadLetterTopic : retryTopic
    const refusal = topic.ensure(writer, 0)
    if (refusal !== undefined) throw refusal
    const level = isDead ? 0 : Math.min(delayLevel === 0 ? FIRST_RETRY_LEVEL + record.reconsumeTimes : delayLevel, levels.length)
    const policyMs = isDead || delayLevel !== 0 ? undefined : retryDelayOf(config, record.reconsumeTimes)
    const message = newForm(record, policyMs === undefined ? level : undefined)
    const tagsCode = tagsCodeOf(message.tags)
    const queue = topic.queue(topic.nextQueueId())
    const delayMs = policyMs ?? delayOfLevel(levels, level)
    if (delayMs === 0) queue.append(writer, message, tagsCode, storeTimestampMs, topic.storeHost)
    else topic.scheduleMessage(writer, message, queue.queueId, tagsCode, storeTimestampMs, storeTimestampMs + delayMs)
    return isDead ? 'dead-letter' : 'retry'
  })
}

/** The message once more: another reconsumption, with the level of its delay if it has one, and its first id and topic. */
function newForm (record: RecordView, level: number | undefined): MessageFields {
  return rewriteRecord(record, {
    reconsumeTimes: record.reconsumeTimes + 1,
    properties: [...(level === undefined ? [] : [[DELAY, String(level)] as const]), ...originOf(record)]
  })
}

function originOf (record: RecordView): Array<readonly [string, string]> {
  return decodeProperties(record.propertiesText).has(Property.originMessageId) ? [] : [[Property.originMessageId, offsetMessageId(hostHex(record.storeHost), record.physicalOffset)]]
}
