import { ORDERED_REVIVE_QUEUE } from '../remoting/index.ts'

/** A message that a consumer was given, as its property POP_CK tells. */
export interface PopHandle {
  /** When it was popped, or its invisible time was changed. */
  readonly popTimeMs: number
  readonly invisibleMs: number
  readonly reviveQueueId: number
  readonly brokerName: string
  readonly queueId: number
  readonly queueOffset: number
}

const LEAST_PARTS = 8
const DIGITS = /^\d{1,15}$/

/**
 * `startOffset popTime invisibleTime reviveQid retry brokerName queueId queueOffset`, with a space between; behind the last
 * there may be a position in the log. Clients make it of a pop's answer. Undefined: it is none.
 * @see RocketMQ ExtraInfoUtil
 */
export function parsePopHandle (text: string): PopHandle | undefined {
  if (text.length > 1024) return undefined
  const parts = text.split(' ')
  const [startOffset, popTime, invisibleTime, reviveQid, retry, brokerName, queueId, queueOffset] = parts
  if (parts.length < LEAST_PARTS || ![startOffset, popTime, invisibleTime, reviveQid, retry, queueId, queueOffset].every((part) => DIGITS.test(part!))) return undefined
  return {
    popTimeMs: Number(popTime), invisibleMs: Number(invisibleTime), reviveQueueId: Number(reviveQid), brokerName: brokerName!, queueId: Number(queueId), queueOffset: Number(queueOffset)
  }
}

/** What a handle says of whether it was popped in order: nothing here depends on it, clients expect it. */
export function reviveQueueOf (isOrdered: boolean): number { return isOrdered ? ORDERED_REVIVE_QUEUE : 0 }
