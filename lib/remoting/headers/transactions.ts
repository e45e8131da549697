import { FieldReader } from '../field-reader.ts'
import type { RemotingFrame } from '../frame.ts'
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

const reader = new FieldReader([['producerGroup'], ['tranStateTableOffset'], ['commitLogOffset'], ['commitOrRollback'], ['fromTransactionCheck'], ['msgId']])
const MSG_ID = 5

/** The header of 37, read in place: every transaction brings one. One of these may serve all of a broker: `read` overwrites it. */
export class EndTransactionHeader {
  producerGroup = ''
  tranStateTableOffset = 0
  commitLogOffset = 0
  commitOrRollback = 0
  fromTransactionCheck = false
  /** UTF-8 of `msgId` is there, [msgIdStart, msgIdEnd), and stays as it is as long as it is held. */
  msgIdBytes: Uint8Array = new Uint8Array(0)
  msgIdStart = 0
  msgIdEnd = 0

  /** @throws MQ_BAD_FIELD a required field is missing or malformed */
  read (frame: RemotingFrame): this {
    reader.open(frame)
    const { bytes } = frame
    this.producerGroup = reader.text(bytes, 0)
    this.tranStateTableOffset = reader.long(bytes, 1)
    this.commitLogOffset = reader.long(bytes, 2)
    this.commitOrRollback = reader.int(bytes, 3)
    this.fromTransactionCheck = reader.boolOr(bytes, 4, false)
    if (!reader.has(MSG_ID)) throw reader.missing(MSG_ID)
    if (reader.isEscaped(MSG_ID)) {
      this.msgIdBytes = new TextEncoder().encode(reader.text(bytes, MSG_ID))
      this.msgIdStart = 0
      this.msgIdEnd = this.msgIdBytes.length
    } else {
      this.msgIdBytes = bytes
      this.msgIdStart = reader.start(MSG_ID)
      this.msgIdEnd = reader.end(MSG_ID)
    }
    return this
  }
}

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
