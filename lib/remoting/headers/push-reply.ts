import { RequestCode } from '../request-code.ts'
import { defineRequest, long, text } from '../header-codec.ts'
import { handedOnFields } from './send-message.ts'

/**
 * 326 PUSH_REPLY_MESSAGE_TO_CLIENT, broker to client
 *
 *     producerGroup          S   this and what follows to unitMode as it was sent, see `sendMessage`
 *     topic                  S
 *     defaultTopic           S
 *     defaultTopicQueueNums  I
 *     queueId                I
 *     sysFlag                I
 *     bornTimestamp          L
 *     flag                   I
 *     properties             S?
 *     reconsumeTimes         I?
 *     unitMode               B?
 *     bornHost               S   ip:port
 *     storeHost              S   ip:port
 *     storeTimestamp         L
 *     body: as it was sent
 *
 * @see RocketMQ ReplyMessageRequestHeader
 */
export const pushReplyMessageToClient = defineRequest(RequestCode.PUSH_REPLY_MESSAGE_TO_CLIENT, {
  ...handedOnFields,
  bornHost: text,
  storeHost: text,
  storeTimestamp: long
})
