import { isMqError } from '../base/index.ts'
import { decodeOffsetMessageId, tagsCodeOf } from '../message/index.ts'
import { HalfOutcome, type HalfMachine, type HalfUnit } from '../store/index.ts'

/** How a producer ends a transaction; what it holds of the half message says which one it means. */
export interface EndRequest {
  readonly halfOffset: number
  readonly preparedPosition: number
  readonly producerGroup: string
  /** Its UNIQ_KEY, or the offset message id of its place; undefined: it is known by its place. */
  readonly uniqueKey: string | undefined
  /** `tagsCodeOf` it; the text is needed only when that does not fit. Of no meaning without one. */
  readonly idHash: number
  readonly outcome: typeof HalfOutcome.commit | typeof HalfOutcome.rollback
  /** The producer was asked. */
  readonly isAnswer: boolean
}

/** `done`, or why nothing was changed. */
export type EndResult = 'done' | 'already' | 'otherwise' | 'not-found' | 'wrong-group' | 'wrong-position' | 'wrong-id' | 'too-late' | 'topic-gone'

/** Within a decision: why the half message cannot be ended so. @see RocketMQ EndTransactionProcessor.checkPrepareMessage */
export function refusalOf (halves: HalfMachine, unit: HalfUnit | undefined, request: EndRequest, nowMs: number): EndResult | undefined {
  const { halfOffset, preparedPosition, producerGroup, outcome, isAnswer } = request
  if (unit === undefined) {
    const became = halves.proposedOutcome(halfOffset)
    return became === HalfOutcome.unknown ? 'not-found' : became === outcome ? 'already' : 'otherwise'
  }
  if (unit.producerGroup !== producerGroup) return 'wrong-group'
  if (unit.preparedPosition !== preparedPosition) return 'wrong-position'
  if (request.idHash !== unit.idHash && isWrongId(request, unit)) return 'wrong-id'
  return unit.immuneUntilMs > 0 && nowMs > unit.immuneUntilMs && !isAnswer ? 'too-late' : undefined
}

function isWrongId ({ uniqueKey, preparedPosition }: EndRequest, { idHash }: HalfUnit): boolean {
  return uniqueKey !== undefined && tagsCodeOf(uniqueKey) !== idHash && placeIn(uniqueKey) !== preparedPosition
}

function placeIn (id: string): number | undefined {
  try {
    return decodeOffsetMessageId(id).physicalOffset
  } catch (error) {
    if (isMqError(error, 'MQ_INVALID_ARGUMENT')) return undefined
    throw error
  }
}
