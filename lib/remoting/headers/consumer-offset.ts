import { RequestCode } from '../request-code.ts'
import { bool, defineRequest, int, long, optional, text } from '../header-codec.ts'

/**
 * 14 QUERY_CONSUMER_OFFSET
 *
 *     consumerGroup       S
 *     topic               S
 *     queueId             I
 *     setZeroIfNotFound   B?  false: 22 instead of a guess when nothing is stored
 *     -> offset           L
 *
 * @see RocketMQ QueryConsumerOffsetRequestHeader
 */
export const queryConsumerOffset = defineRequest(RequestCode.QUERY_CONSUMER_OFFSET,
  { consumerGroup: text, topic: text, queueId: int, setZeroIfNotFound: optional(bool) },
  { offset: long })

/**
 * 15 UPDATE_CONSUMER_OFFSET, mostly one-way
 *
 *     consumerGroup  S
 *     topic          S
 *     queueId        I
 *     commitOffset   L
 *     fromOffset     L?  between nodes of a group: where the group is, by what the sender knew, -1 for nowhere; if it is elsewhere by now nothing is changed
 *
 * @see RocketMQ UpdateConsumerOffsetRequestHeader
 */
export const updateConsumerOffset = defineRequest(RequestCode.UPDATE_CONSUMER_OFFSET,
  { consumerGroup: text, topic: text, queueId: int, commitOffset: long, fromOffset: optional(long) })
