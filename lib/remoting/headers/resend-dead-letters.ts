import { defineRequest, int, long, optional, text } from '../header-codec.ts'
import { RequestCode } from '../request-code.ts'

/**
 * 17001 RESEND_DEAD_LETTERS, a request of ours that RocketMQ does not have: dead letters of a group go back to the topics they were first sent to.
 *
 *     group           S
 *     topic           S?  only those that were first sent to it
 *     msgIds          S?  only these, with commas between them: ids of the dead letters, their ORIGIN_MESSAGE_ID or UNIQ_KEY
 *     max             I?  at most so many; 1000 when not said
 *     -> resent       L
 *     -> kept         L   were not selected, or beyond `max`
 *     -> withoutTopic L   their topic is not there any more
 */
export const resendDeadLetters = defineRequest(RequestCode.RESEND_DEAD_LETTERS, { group: text, topic: optional(text), msgIds: optional(text), max: optional(int) },
  { resent: long, kept: long, withoutTopic: long })
