import { RequestCode } from '../request-code.ts'
import { bool, defineRequest, int, long, optional, text } from '../header-codec.ts'

/**
 * 200050 POP_MESSAGE
 *
 *     consumerGroup      S
 *     topic              S
 *     queueId            I   below 0: any
 *     maxMsgNums         I   at most 32
 *     invisibleTime      L   ms
 *     pollTime           L   ms that it may wait, from bornTime on
 *     bornTime           L?  of the consumer's clock; 0 as absent: now
 *     initMode           I   see PopInitMode
 *     expType            S?  as of a pull
 *     exp                S?  everything when absent
 *     order              B?
 *     attemptId          S?  the same again: an ordered queue gives the same messages again
 *     -> popTime         L
 *     -> invisibleTime   L
 *     -> reviveQid       I
 *     -> restNum         L
 *     -> startOffsetInfo S?
 *     -> msgOffsetInfo   S?
 *     -> orderCountInfo  S?
 *
 * Answers 209 and 210 have the response's header too. The body of 0 is stored records, back to back.
 * @see RocketMQ PopMessageRequestHeader, PopMessageResponseHeader
 */
export const popMessage = defineRequest(RequestCode.POP_MESSAGE,
  {
    consumerGroup: text,
    topic: text,
    queueId: int,
    maxMsgNums: int,
    invisibleTime: long,
    pollTime: long,
    bornTime: optional(long),
    initMode: int,
    expType: optional(text),
    exp: optional(text),
    order: optional(bool),
    attemptId: optional(text)
  },
  {
    popTime: long,
    invisibleTime: long,
    reviveQid: int,
    restNum: long,
    startOffsetInfo: optional(text),
    msgOffsetInfo: optional(text),
    orderCountInfo: optional(text)
  })

/** Where a group begins that is new. */
export const PopInitMode = { min: 0, max: 1 } as const

/** `reviveQid` of what was popped in order. */
export const ORDERED_REVIVE_QUEUE = 999

/**
 * 200051 ACK_MESSAGE
 *
 *     consumerGroup  S
 *     topic          S
 *     queueId        I
 *     extraInfo      S   the handle, see the broker's PopHandle
 *     offset         L
 *
 * @see RocketMQ AckMessageRequestHeader
 */
export const ackMessage = defineRequest(RequestCode.ACK_MESSAGE,
  { consumerGroup: text, topic: text, queueId: int, extraInfo: text, offset: long })

/** 200151 BATCH_ACK_MESSAGE: all in the body. @see RocketMQ BatchAckMessageRequestBody */
export const batchAckMessage = defineRequest(RequestCode.BATCH_ACK_MESSAGE)

/**
 * 200053 CHANGE_MESSAGE_INVISIBLETIME
 *
 *     consumerGroup     S
 *     topic             S
 *     queueId           I
 *     extraInfo         S   the handle, as of an ACK_MESSAGE
 *     offset            L
 *     invisibleTime     L   ms, from now on
 *     -> popTime        L
 *     -> invisibleTime  L
 *     -> reviveQid      I
 *
 * @see RocketMQ ChangeInvisibleTimeRequestHeader
 */
export const changeMessageInvisibleTime = defineRequest(RequestCode.CHANGE_MESSAGE_INVISIBLETIME,
  { consumerGroup: text, topic: text, queueId: int, extraInfo: text, offset: long, invisibleTime: long },
  { popTime: long, invisibleTime: long, reviveQid: int })

/**
 * 200052 PEEK_MESSAGE: what a pop would give, without taking it. The response's header is that of a pop.
 *
 *     consumerGroup  S
 *     topic          S
 *     queueId        I   below 0: any
 *     maxMsgNums     I
 *
 * @see RocketMQ PeekMessageRequestHeader
 */
export const peekMessage = defineRequest(RequestCode.PEEK_MESSAGE, { consumerGroup: text, topic: text, queueId: int, maxMsgNums: int }, {})

/**
 * 200054 NOTIFICATION: waits until a pop would find something.
 *
 *     consumerGroup   S
 *     topic           S
 *     queueId         I   below 0: any
 *     pollTime        L
 *     bornTime        L?
 *     order           B?
 *     attemptId       S?
 *     -> hasMsg       B
 *     -> pollingFull  B?
 *
 * @see RocketMQ NotificationRequestHeader
 */
export const notification = defineRequest(RequestCode.NOTIFICATION,
  { consumerGroup: text, topic: text, queueId: int, pollTime: long, bornTime: optional(long), order: optional(bool), attemptId: optional(text) },
  { hasMsg: bool, pollingFull: optional(bool) })

/**
 * 200055 POLLING_INFO: how many pops wait.
 *
 *     consumerGroup  S
 *     topic          S
 *     queueId        I   as they named it
 *     -> pollingNum  I
 *
 * @see RocketMQ PollingInfoRequestHeader
 */
export const pollingInfo = defineRequest(RequestCode.POLLING_INFO, { consumerGroup: text, topic: text, queueId: int }, { pollingNum: int })
