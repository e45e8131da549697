import { RequestCode } from '../request-code.ts'
import { bool, defineRequest, int, long, optional, text } from '../header-codec.ts'

/**
 * 29 SEARCH_OFFSET_BY_TIMESTAMP
 *
 *     topic         S
 *     queueId       I
 *     timestamp     L   ms
 *     boundaryType  S?  upper in any case; anything else is lower
 *     -> offset     L
 *
 * @see RocketMQ SearchOffsetRequestHeader
 */
export const searchOffsetByTimestamp = defineRequest(RequestCode.SEARCH_OFFSET_BY_TIMESTAMP,
  { topic: text, queueId: int, timestamp: long, boundaryType: optional(text) },
  { offset: long })

/**
 * 30 GET_MAX_OFFSET: the offset that is written next
 *
 *     topic      S
 *     queueId    I
 *     committed  B?  true when absent
 *     -> offset  L
 */
export const getMaxOffset = defineRequest(RequestCode.GET_MAX_OFFSET, { topic: text, queueId: int, committed: optional(bool) }, { offset: long })

/**
 * 31 GET_MIN_OFFSET: the first that is still there
 *
 *     topic      S
 *     queueId    I
 *     -> offset  L
 */
export const getMinOffset = defineRequest(RequestCode.GET_MIN_OFFSET, { topic: text, queueId: int }, { offset: long })

/**
 * 32 GET_EARLIEST_MSG_STORETIME
 *
 *     topic         S
 *     queueId       I
 *     -> timestamp  L   ms; -1 for an empty queue
 */
export const getEarliestMsgStoretime = defineRequest(RequestCode.GET_EARLIEST_MSG_STORETIME, { topic: text, queueId: int }, { timestamp: long })
