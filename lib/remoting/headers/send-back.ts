import { RequestCode } from '../request-code.ts'
import { bool, defineRequest, int, long, optional, text } from '../header-codec.ts'

/**
 * 36 CONSUMER_SEND_MSG_BACK
 *
 *     offset             L   physicalOffset of the message that failed
 *     group              S
 *     delayLevel         I   0: by the number of attempts; below 0: to the dead letters
 *     originMsgId        S?
 *     originTopic        S?
 *     unitMode           B?
 *     maxReconsumeTimes  I?
 *     bname              S?
 *
 * @see RocketMQ ConsumerSendMsgBackRequestHeader
 */
export const consumerSendMsgBack = defineRequest(RequestCode.CONSUMER_SEND_MSG_BACK, {
  offset: long,
  group: text,
  delayLevel: int,
  originMsgId: optional(text),
  originTopic: optional(text),
  unitMode: optional(bool),
  maxReconsumeTimes: optional(int),
  bname: optional(text)
})
