import { FieldReader } from '../field-reader.ts'
import type { RemotingFrame } from '../frame.ts'
import { headerCodec, int, long, optional, text } from '../header-codec.ts'

/**
 * 11 PULL_MESSAGE · 361 LITE_PULL_MESSAGE
 *
 *     consumerGroup         S
 *     topic                 S
 *     queueId               I
 *     queueOffset           L
 *     maxMsgNums            I
 *     sysFlag               I   see PullSysFlag
 *     commitOffset          L   counts when sysFlag says so
 *     suspendTimeoutMillis  L
 *     subscription          S?  expression, when sysFlag says so
 *     subVersion            L
 *     expressionType        S?  TAG when absent
 *     maxMsgBytes           I?
 *     requestSource         I?  set by proxies
 *     proxyFrowardClientId  S?  RocketMQ's spelling
 *
 * Response: `pullMessageResponse`; written by PullResponseWriter. Also with 19, 20 and 21. The body of 0 is stored records, back to back.
 * @see RocketMQ PullMessageRequestHeader
 */
export const pullMessage = headerCodec({
  consumerGroup: text,
  topic: text,
  queueId: int,
  queueOffset: long,
  maxMsgNums: int,
  sysFlag: int,
  commitOffset: long,
  suspendTimeoutMillis: long,
  subscription: optional(text),
  subVersion: long,
  expressionType: optional(text),
  maxMsgBytes: optional(int),
  requestSource: optional(int),
  proxyFrowardClientId: optional(text)
})

/** @see RocketMQ PullSysFlag */
export const PullSysFlag = {
  commitOffset: 1,
  suspend: 2,
  subscription: 4,
  classFilter: 8,
  litePull: 16
} as const

/**
 *     suggestWhichBrokerId  L   0: go on here
 *     nextBeginOffset       L
 *     minOffset             L
 *     maxOffset             L
 *     offsetDelta           L?
 *     topicSysFlag          I?
 *     groupSysFlag          I?
 *     forbiddenType         I?
 *
 * @see RocketMQ PullMessageResponseHeader
 */
export const pullMessageResponse = headerCodec({
  suggestWhichBrokerId: long,
  nextBeginOffset: long,
  minOffset: long,
  maxOffset: long,
  offsetDelta: optional(long),
  topicSysFlag: optional(int),
  groupSysFlag: optional(int),
  forbiddenType: optional(int)
})

const reader = new FieldReader([
  'consumerGroup', 'topic', 'queueId', 'queueOffset', 'maxMsgNums', 'sysFlag', 'commitOffset', 'suspendTimeoutMillis', 'subscription', 'subVersion',
  'expressionType', 'maxMsgBytes', 'requestSource', 'proxyFrowardClientId'
].map((name) => [name]))

/**
 * The header of a pull, read in place (texts that come again are the same string each time). A pull that waits keeps one of
 * these, not its frame.
 */
export class PullMessageHeader {
  consumerGroup = ''
  topic = ''
  queueId = 0
  queueOffset = 0
  maxMsgNums = 0
  sysFlag = 0
  commitOffset = 0
  suspendTimeoutMs = 0
  subscription: string | undefined = undefined
  subVersion = 0
  /** TAG when undefined. */
  expressionType: string | undefined = undefined
  /** -1 when the consumer did not say. */
  maxMsgBytes = -1
  requestSource = -1
  proxyForwardClientId: string | undefined = undefined

  /** @throws MQ_BAD_FIELD a required field is missing or malformed */
  read (frame: RemotingFrame): this {
    reader.open(frame)
    const { bytes } = frame
    this.consumerGroup = reader.text(bytes, 0)
    this.topic = reader.text(bytes, 1)
    this.queueId = reader.int(bytes, 2)
    this.queueOffset = reader.long(bytes, 3)
    this.maxMsgNums = reader.int(bytes, 4)
    this.sysFlag = reader.int(bytes, 5)
    this.commitOffset = reader.long(bytes, 6)
    this.suspendTimeoutMs = reader.long(bytes, 7)
    this.subscription = reader.textOr(bytes, 8, undefined)
    this.subVersion = reader.long(bytes, 9)
    this.expressionType = reader.textOr(bytes, 10, undefined)
    this.maxMsgBytes = reader.intOr(bytes, 11, -1)
    this.requestSource = reader.intOr(bytes, 12, -1)
    this.proxyForwardClientId = reader.textOr(bytes, 13, undefined)
    return this
  }
}
