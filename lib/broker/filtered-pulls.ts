import type { Clock } from '../base/index.ts'
import { GetMessagesResult, GetMessageStatus, type Engine } from '../engine/index.ts'
import type { PullRequest } from './pull-request.ts'
import type { WaitingPulls } from './waiting-pulls.ts'

/** In one turn of the event loop filters look at about so many bytes, and so many pulls are looked after. */
const BYTES_PER_TURN = 1024 * 1024
const PULLS_PER_TURN = 64

export interface FilteredPullsOptions {
  readonly clock: Clock
  readonly engine: Engine
  readonly waiting: Pick<WaitingPulls, 'has' | 'take'>
  readonly answer: (pull: PullRequest, result: GetMessagesResult, isCold: boolean) => void
  readonly fail: (pull: PullRequest, error: unknown) => void
}

/**
 * Pulls that wait for messages which a filter lets through: when messages come, those are looked into, some at a time, so that many
 * such pulls, or expressions that take long, do not hold others up. What none of them matches is passed over for good: a message is
 * looked at once for each pull that waits. @see RocketMQ PullRequestHoldService. Divergence: it evaluates within the dispatch of each message
 */
export class FilteredPulls {
  readonly #options: FilteredPullsOptions
  readonly #due = new Set<PullRequest>()
  /** Under way with a cold read; true: something came meanwhile. */
  readonly #reading = new Map<PullRequest, boolean>()
  #isScheduled = false

  constructor (options: FilteredPullsOptions) {
    this.#options = options
  }

  add (pull: PullRequest): void {
    if (this.#reading.has(pull)) this.#reading.set(pull, true)
    else this.#due.add(pull)
    if (this.#due.size > 0) this.#schedule()
  }

  #schedule (): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#options.clock.defer(() => {
      this.#isScheduled = false
      this.#lookAtSome()
    })
  }

  #lookAtSome (): void {
    let bytes = 0
    let pulls = 0
    for (const pull of this.#due) {
      this.#due.delete(pull)
      if (!this.#options.waiting.has(pull)) continue
      bytes += this.#look(pull)
      if (bytes >= BYTES_PER_TURN || ++pulls >= PULLS_PER_TURN) break
    }
    if (this.#due.size > 0) this.#schedule()
  }

  /** Returns how much was looked at. */
  #look (pull: PullRequest): number {
    const result = this.#options.engine.reads.getMessages(pull)
    if (result instanceof GetMessagesResult) {
      this.#take(pull, result, false)
      return result.filteredBytes
    }
    this.#reading.set(pull, false)
    result.then((cold) => {
      const hasMore = this.#reading.get(pull) === true
      this.#reading.delete(pull)
      if (this.#options.waiting.has(pull)) this.#take(pull, cold, true)
      if (hasMore) this.add(pull)
    }, (error: unknown) => {
      this.#reading.delete(pull)
      if (this.#options.waiting.take(pull)) this.#options.fail(pull, error)
    })
    return 0
  }

  #take (pull: PullRequest, result: GetMessagesResult, isCold: boolean): void {
    const { status, nextBeginOffset, maxOffset } = result
    const isNothing = status === GetMessageStatus.NO_MATCHED_MESSAGE || status === GetMessageStatus.MESSAGE_WAS_REMOVING || status === GetMessageStatus.OFFSET_OVERFLOW_ONE
    if (!isNothing) {
      if (this.#options.waiting.take(pull)) this.#options.answer(pull, result, isCold)
      return
    }
    pull.fromOffset = nextBeginOffset
    if (nextBeginOffset < maxOffset) this.add(pull)
  }
}
