import type { PopSource } from './pop-choice.ts'
import type { PopQueue } from './pop-queue.ts'

/** Every so many pops take turns plainly, so that a queue with little never waits behind those with much. */
const PLAIN_EVERY = 4
/**
 * No deeper: who got more than its share for a while is not kept waiting when much comes to it later. No higher: what
 * plain turns at empty queues leave unpaid would add up, and keep all others waiting behind a queue that was busy for long.
 */
const LEAST_CREDIT = -1
const MOST_CREDIT = 2

/**
 * Which queue a pop of a topic looks at first. Mostly in proportion to what waits in each: queues of unequal load then
 * advance through the log side by side, and messages leave about in the order they came. Two groups of readers far
 * apart in the log would read it from disk twice. Lives on the leader, like all that is only choice.
 *
 * The proportions are kept as in smooth weighted round robin: each queue is credited with its share, the one with most
 * credit has its turn and pays one. A plain turn is paid for too, so that queues with little do not run ahead of the rest.
 */
export class PopTurns {
  readonly #credits = new Map<number, number>()
  #count = 0
  #asked = 0

  /** Whether this pop is one of those that look at the last queue first, which are so many in a hundred. */
  isLastFirst (percent: number): boolean {
    if (percent <= 0) return false
    this.#asked = this.#asked % 100 + 1
    return Math.floor(this.#asked * percent / 100) > Math.floor((this.#asked - 1) * percent / 100)
  }

  /** A position in `sources`, which must not be empty. */
  next (sources: readonly PopSource[], queues: ReadonlyMap<number, PopQueue>): number {
    const turn = this.#count++
    if (sources.length === 1) return 0
    let total = 0
    for (const source of sources) total += waitingIn(source, queues)
    if (total === 0) return turn % sources.length
    let richest = 0
    let most = -Infinity
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i]!
      const credit = Math.min(MOST_CREDIT, (this.#credits.get(source.queueId) ?? 0) + waitingIn(source, queues) / total)
      this.#credits.set(source.queueId, credit)
      if (credit <= most) continue
      most = credit
      richest = i
    }
    const first = turn % PLAIN_EVERY === 0 ? Math.floor(turn / PLAIN_EVERY) % sources.length : richest
    const { queueId } = sources[first]!
    this.#credits.set(queueId, Math.max(LEAST_CREDIT, this.#credits.get(queueId)! - 1))
    return first
  }
}

function waitingIn ({ queueId, minOffset, proposedNextOffset }: PopSource, queues: ReadonlyMap<number, PopQueue>): number {
  const queue = queues.get(queueId)
  return queue === undefined ? 0 : Math.max(0, proposedNextOffset - Math.max(queue.nextOffset, minOffset)) + queue.returnedCount
}
