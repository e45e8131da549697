import type { OffsetRange, PopQueue } from './pop-queue.ts'
import type { ReturnedRun } from './pop-returned.ts'

/** A queue that messages may be taken from: what the store's queue handle says, own proposed messages included. */
export interface PopSource {
  readonly queueId: number
  readonly minOffset: number
  /** Behind the last message stored or proposed. */
  readonly proposedNextOffset: number
  /** The topic's deletion was decided: its offsets say nothing about a topic of that name any more. */
  readonly isRetired?: boolean
}

export interface ChoiceRules {
  readonly nowMs: number
  readonly ordered: boolean
  /** What was delivered so often is not delivered again, but handed out for the dead letter queue. */
  readonly maxAttempts: number
  /** No more offsets of one queue than this may be leased or returned; new ones wait. */
  readonly maxOutstanding: number
}

export interface Choice {
  readonly returned: OffsetRange[]
  readonly freshFirst: number
  readonly freshCount: number
  /** Returned ranges that have had all their attempts. */
  readonly exhausted: OffsetRange[]
  /** How many offsets are to be delivered. */
  readonly count: number
  /** The queue's lowest offset when the group still knows of offsets below it, otherwise 0. */
  readonly floor: number
}

/**
 * What a pop of up to `max` messages takes from one queue: first what came back, by offset, then new ones. Of an
 * ordered queue, which must have no lease, nothing behind an offset that is put off. Undefined: nothing, and nothing to
 * forget either.
 *
 * A filter (by tags) belongs here: it would look at the units of the fresh range, and the take would carry the offsets
 * that nobody wants as done.
 */
export function chooseOffsets (queue: PopQueue, source: PopSource, max: number, rules: ChoiceRules): Choice | undefined {
  const returned: OffsetRange[] = []
  const exhausted: OffsetRange[] = []
  let count = 0
  let exhaustedCount = 0
  let mayTakeFresh = true
  if (queue.returned !== undefined && queue.returned.earliestVisibleMs <= rules.nowMs) {
    for (const run of queue.returned.runs) {
      if (count === max) break
      const range = visiblePart(run, source.minOffset)
      if (range === undefined) continue
      const isExhausted = run.attempts >= rules.maxAttempts
      const isVisible = run.visibleAtMs <= rules.nowMs
      // in an ordered queue nothing overtakes what is put off, and dead letters leave before the rest goes on
      if (rules.ordered && (!isVisible || (isExhausted ? count > 0 : exhaustedCount > 0))) {
        mayTakeFresh = false
        break
      }
      if (!isVisible) continue
      if (isExhausted) {
        const taken = Math.min(range.count, max - exhaustedCount)
        if (taken > 0) exhausted.push({ first: range.first, count: taken })
        exhaustedCount += taken
        if (rules.ordered) mayTakeFresh = false
        continue
      }
      const taken = Math.min(range.count, max - count)
      returned.push({ first: range.first, count: taken })
      count += taken
    }
    if (count + exhaustedCount === 0) queue.returned.refreshEarliestVisible()
  } else if (rules.ordered && queue.returned !== undefined) {
    mayTakeFresh = visiblePart(queue.returned.runs.at(-1)!, source.minOffset) === undefined
  }
  const freshFirst = Math.max(queue.nextOffset, source.minOffset)
  const room = rules.maxOutstanding - queue.outstandingCount
  const freshCount = mayTakeFresh ? Math.max(0, Math.min(max - count, room, source.proposedNextOffset - freshFirst)) : 0
  const isBehind = Math.min(queue.nextOffset, queue.returned?.runs[0]?.first ?? Infinity) < source.minOffset
  if (count + freshCount + exhaustedCount === 0 && !isBehind) return undefined
  return { returned, freshFirst, freshCount, exhausted, count: count + freshCount, floor: isBehind ? source.minOffset : 0 }
}

/** The part of a run that retention has left. */
function visiblePart (run: ReturnedRun, minOffset: number): OffsetRange | undefined {
  if (run.first >= minOffset) return run
  const count = run.first + run.count - minOffset
  return count > 0 ? { first: minOffset, count } : undefined
}
