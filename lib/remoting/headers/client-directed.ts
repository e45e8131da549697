import { RequestCode } from '../request-code.ts'
import { bool, defineRequest, int, long, optional, text } from '../header-codec.ts'

/**
 * 307 GET_CONSUMER_RUNNING_INFO, asked of a broker and relayed to the client
 *
 *     consumerGroup  S
 *     clientId       S
 *     jstackEnable   B?
 *     -> body: ConsumerRunningInfo
 */
export const getConsumerRunningInfo = defineRequest(RequestCode.GET_CONSUMER_RUNNING_INFO, { consumerGroup: text, clientId: text, jstackEnable: optional(bool) })

/**
 * 309 CONSUME_MESSAGE_DIRECTLY, asked of a broker; it adds the record as body and relays to the client
 *
 *     consumerGroup  S
 *     clientId       S?
 *     msgId          S?  offset id
 *     brokerName     S?
 *     topic          S?
 *     topicSysFlag   I?
 *     groupSysFlag   I?
 *     -> body: {"autoCommit","consumeResult","order","remark","spentTimeMills"}
 */
export const consumeMessageDirectly = defineRequest(RequestCode.CONSUME_MESSAGE_DIRECTLY, {
  consumerGroup: text,
  clientId: optional(text),
  msgId: optional(text),
  brokerName: optional(text),
  topic: optional(text),
  topicSysFlag: optional(int),
  groupSysFlag: optional(int)
})

/**
 * 220 RESET_CONSUMER_CLIENT_OFFSET, broker to client, one-way
 *
 *     topic      S
 *     group      S
 *     timestamp  L
 *     isForce    B
 *     body: ResetOffsetBody
 */
export const resetConsumerClientOffset = defineRequest(RequestCode.RESET_CONSUMER_CLIENT_OFFSET, { topic: text, group: text, timestamp: long, isForce: bool })

/**
 * 221 GET_CONSUMER_STATUS_FROM_CLIENT, broker to client
 *
 *     topic       S
 *     group       S
 *     clientAddr  S?
 *     -> body: GetConsumerStatusBody with messageQueueTable
 */
export const getConsumerStatusFromClient = defineRequest(RequestCode.GET_CONSUMER_STATUS_FROM_CLIENT, { topic: text, group: text, clientAddr: optional(text) })
