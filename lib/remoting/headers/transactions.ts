import { RequestCode } from '../request-code.ts'
import { bool, defineRequest, int, long, optional, text } from '../header-codec.ts'

/** What a producer, or its answer to a check, says of a transaction: values of `commitOrRollback`. */
export const TransactionState = { unknown: 0, commit: 8, rollback: 12 } as const

/**
 * 37 END_TRANSACTION, mostly one-way
 *
 *     producerGroup         S
 *     tranStateTableOffset  L   `queueOffset` of the answer to the send
 *     commitLogOffset       L   the offset in its `msgId`
 *     commitOrRollback      I   see TransactionState
 *     fromTransactionCheck  B?
 *     msgId                 S   the message's UNIQ_KEY
 *
 * `topic` and `transactionId`, which clients may send as well, say nothing more and are not read.
 * @see RocketMQ EndTransactionRequestHeader
 */
export const endTransaction = defineRequest(RequestCode.END_TRANSACTION, {
  producerGroup: text,
  tranStateTableOffset: long,
  commitLogOffset: long,
  commitOrRollback: int,
  fromTransactionCheck: optional(bool),
  msgId: text
})

/**
 * 39 CHECK_TRANSACTION_STATE, broker to client, one-way
 *
 *     topic                 S?
 *     tranStateTableOffset  L   this and the next as for 37, with which the client answers
 *     commitLogOffset       L
 *     msgId                 S?  the message's UNIQ_KEY
 *     transactionId         S?
 *     offsetMsgId           S?
 *     bname                 S?
 *     body: the message as a record
 *
 * @see RocketMQ CheckTransactionStateRequestHeader
 */
export const checkTransactionState = defineRequest(RequestCode.CHECK_TRANSACTION_STATE, {
  topic: optional(text),
  tranStateTableOffset: long,
  commitLogOffset: long,
  msgId: optional(text),
  transactionId: optional(text),
  offsetMsgId: optional(text),
  bname: optional(text)
})

/**
 * 323 RESUME_CHECK_HALF_MESSAGE
 *
 *     topic  S?
 *     msgId  S?  offset id of what lies in TRANS_CHECK_MAX_TIME_TOPIC
 *
 * @see RocketMQ ResumeCheckHalfMessageRequestHeader
 */
export const resumeCheckHalfMessage = defineRequest(RequestCode.RESUME_CHECK_HALF_MESSAGE, { topic: optional(text), msgId: optional(text) })
