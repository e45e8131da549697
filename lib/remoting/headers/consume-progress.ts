import { RequestCode } from '../request-code.ts'
import { bool, defineRequest, int, long, optional, text } from '../header-codec.ts'

/**
 * 208 GET_CONSUME_STATS
 *
 *     consumerGroup  S
 *     topic          S?
 *     topicList      S?  separated by semicolons
 *     -> body: ConsumeStats
 */
export const getConsumeStats = defineRequest(RequestCode.GET_CONSUME_STATS, { consumerGroup: text, topic: optional(text), topicList: optional(text) })

/**
 * 317 GET_BROKER_CONSUME_STATS
 *
 *     isOrder  B
 *     -> body: ConsumeStatsList
 */
export const getBrokerConsumeStats = defineRequest(RequestCode.GET_BROKER_CONSUME_STATS, { isOrder: bool })

/**
 * 303 QUERY_CONSUME_TIME_SPAN
 *
 *     topic  S
 *     group  S
 *     -> body: QueryConsumeTimeSpanBody
 */
export const queryConsumeTimeSpan = defineRequest(RequestCode.QUERY_CONSUME_TIME_SPAN, { topic: text, group: text })

/**
 * 308 QUERY_CORRECTION_OFFSET
 *
 *     filterGroups  S?  separated by commas
 *     compareGroup  S
 *     topic         S
 *     -> body: {"correctionOffsets":{queueId:offset}}
 */
export const queryCorrectionOffset = defineRequest(RequestCode.QUERY_CORRECTION_OFFSET, { filterGroups: optional(text), compareGroup: text, topic: text })

/**
 * 314 CLONE_GROUP_OFFSET
 *
 *     srcGroup   S
 *     destGroup  S
 *     topic      S?
 *     offline    B?
 */
export const cloneGroupOffset = defineRequest(RequestCode.CLONE_GROUP_OFFSET, { srcGroup: text, destGroup: text, topic: optional(text), offline: optional(bool) })

/** 43 GET_ALL_CONSUMER_OFFSET: the text of consumerOffset.json in the answer's body. */
export const getAllConsumerOffset = defineRequest(RequestCode.GET_ALL_CONSUMER_OFFSET)

/** 45 GET_ALL_DELAY_OFFSET: the text of delayOffset.json in the answer's body. */
export const getAllDelayOffset = defineRequest(RequestCode.GET_ALL_DELAY_OFFSET)

/**
 * 315 VIEW_BROKER_STATS_DATA
 *
 *     statsName  S
 *     statsKey   S
 *     -> body: {"statsDay","statsHour","statsMinute"}
 */
export const viewBrokerStatsData = defineRequest(RequestCode.VIEW_BROKER_STATS_DATA, { statsName: text, statsKey: text })

/**
 * 222 INVOKE_BROKER_TO_RESET_OFFSET
 *
 *     topic      S
 *     group      S
 *     queueId    I?  -1: all
 *     offset     L?
 *     timestamp  L   below 0: to the end
 *     isForce    B
 *     -> body: ResetOffsetBody
 */
export const invokeBrokerToResetOffset = defineRequest(RequestCode.INVOKE_BROKER_TO_RESET_OFFSET,
  { topic: text, group: text, queueId: optional(int), offset: optional(long), timestamp: long, isForce: bool })

/**
 * 223 INVOKE_BROKER_TO_GET_CONSUMER_STATUS
 *
 *     topic       S
 *     group       S
 *     clientAddr  S?
 *     -> body: GetConsumerStatusBody with consumerTable
 */
export const invokeBrokerToGetConsumerStatus = defineRequest(RequestCode.INVOKE_BROKER_TO_GET_CONSUMER_STATUS, { topic: text, group: text, clientAddr: optional(text) })
