import { RequestCode } from '../request-code.ts'
import { defineRequest, optional, text } from '../header-codec.ts'

/**
 * 370 RECALL_MESSAGE
 *
 *     producerGroup  S?
 *     topic          S
 *     recallHandle   S   as the answer to the send told it
 *     bname          S?  broker name
 *     -> msgId       S   the message's UNIQ_KEY
 *     -> MSG_REGION  S?
 *
 * @see RocketMQ RecallMessageRequestHeader, RecallMessageResponseHeader
 */
export const recallMessage = defineRequest(RequestCode.RECALL_MESSAGE, {
  producerGroup: optional(text),
  topic: text,
  recallHandle: text,
  bname: optional(text)
}, {
  msgId: text,
  MSG_REGION: optional(text)
})
