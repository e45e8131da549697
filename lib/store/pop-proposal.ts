import type { EntryBodyWriter } from '../message/index.ts'
import { chooseOffsets, type Choice, type PopSource } from './pop-choice.ts'
import { popChangeInvisible, popCheckOut, popCost, type InvisibleChange, type PopTake } from './pop-commands.ts'
import { PopDecision } from './pop-decision.ts'
import { DEFAULT_MAX_ATTEMPTS, DEFAULT_MAX_OUTSTANDING } from './pop-limits.ts'
import type { PopMachine } from './pop-machine.ts'
import type { PopOverlay } from './pop-overlay.ts'
import type { LeaseTerms, PopQueue } from './pop-queue.ts'
import { rangesOf, type PoppedRange } from './pop-ranges.ts'

export interface PopRequest {
  readonly group: string
  readonly topic: string
  /** Queues to take from. Read when the decision is taken, so they may be live handles. */
  readonly sources: readonly PopSource[]
  /** At most so many messages. */
  readonly max: number
  readonly invisibleMs: number
  readonly ordered?: boolean
  /** Of so many pops in a hundred the last queue is emptied first, then the one before it; default 0. Not for ordered ones. */
  readonly lastFirst?: number
  readonly owner?: string
  /** The same again by the same owner: an ordered queue hands out again what this attempt still holds. */
  readonly attemptId?: string
  readonly maxAttempts?: number
  readonly maxOutstanding?: number
}

export interface PopResult {
  /** By queue, ascending by offset within a queue. */
  readonly messages: readonly PoppedRange[]
  readonly count: number
  /** Leased to the caller too, but to be moved to the dead letter queue: they had all their attempts (as `attempts` says). */
  readonly exhausted: readonly PoppedRange[]
  /** The group has not begun to consume some of the queues: open them (OpenProposal) and ask again. */
  readonly unopened: boolean
  /** The topic was deleted meanwhile: nothing was taken. Look whether it is there again, and ask with its new handles. */
  readonly isRetired: boolean
}

/** Takes up to `max` messages from the queues named, beginning with another queue each time, or with the last one. */
export class PopProposal extends PopDecision<PopResult> {
  override readonly costBytes: number
  readonly #machine: PopMachine
  readonly #request: PopRequest
  readonly #messages: PoppedRange[] = []
  readonly #exhausted: PoppedRange[] = []
  readonly #takes: PopTake[] = []
  readonly #exhaustedTakes: PopTake[] = []
  #count = 0

  constructor (machine: PopMachine, request: PopRequest) {
    super()
    this.#machine = machine
    this.#request = request
    const { sources, max, owner = '', attemptId = '', ordered = false } = request
    const takes = 3 * Math.min(max, sources.length)
    const renewals = ordered && attemptId !== '' ? max * popCost.part : 0
    this.costBytes = 3 * popCost.command + 2 * popCost.text(owner) + popCost.text(attemptId) + takes * popCost.take + 2 * max * popCost.range + renewals
  }

  decide (writer: EntryBodyWriter, storeTimestampMs: number): void {
    const { group, topic, sources, max, invisibleMs, ordered = false, lastFirst = 0, owner = '', attemptId = '' } = this.#request
    const { maxAttempts = DEFAULT_MAX_ATTEMPTS, maxOutstanding = DEFAULT_MAX_OUTSTANDING } = this.#request
    if (sources.some(({ isRetired }) => isRetired)) {
      this.result = { messages: [], count: 0, exhausted: [], unopened: false, isRetired: true }
      return
    }
    const overlay = this.#machine.overlay
    if (ordered) this.#machine.noteOrdered(group, topic)
    const popTopic = overlay.state.topic(group, topic)
    const rules = { nowMs: storeTimestampMs, ordered, maxAttempts, maxOutstanding }
    const terms: LeaseTerms = { invisibleUntilMs: storeTimestampMs + invisibleMs, owner, attemptId }
    const renewals: InvisibleChange[] = []
    let unopened = sources.length > 0 && popTopic === undefined
    if (popTopic !== undefined) {
      const isLastFirst = !ordered && popTopic.turns.isLastFirst(lastFirst)
      const start = isLastFirst ? sources.length - 1 : sources.length === 0 ? 0 : popTopic.turns.next(sources, popTopic.queues)
      for (let i = 0; i < sources.length && this.#count < max; i++) {
        const source = sources[isLastFirst ? start - i : (start + i) % sources.length]!
        const queue = popTopic.queues.get(source.queueId)
        if (queue === undefined) {
          unopened = true
        } else if (ordered && queue.leaseCount > 0) {
          if (attemptId !== '') this.#handOutAgain(overlay, queue, terms, renewals)
        } else {
          const choice = chooseOffsets(queue, source, max - this.#count, rules)
          if (choice !== undefined) this.#take(overlay, queue, choice, terms)
        }
      }
    }
    if (this.#takes.length > 0) overlay.record(writer, popCheckOut, { ...terms, takes: this.#takes })
    if (this.#exhaustedTakes.length > 0) overlay.record(writer, popCheckOut, { ...withoutAttempt(terms), takes: this.#exhaustedTakes })
    if (renewals.length > 0) overlay.record(writer, popChangeInvisible, { parts: renewals })
    this.result = { messages: this.#messages, count: this.#count, exhausted: this.#exhausted, unopened, isRetired: false }
  }

  #take (overlay: PopOverlay, queue: PopQueue, choice: Choice, terms: LeaseTerms): void {
    const { returned, freshFirst, freshCount, exhausted, floor } = choice
    // a take of nothing lets go of what retention has removed; it is not worth more room than the pop has claimed
    const isOnlyFloor = choice.count + exhausted.length === 0
    if (isOnlyFloor && this.#takes.length >= this.#request.max) return
    if (choice.count > 0 || isOnlyFloor) {
      const take = { queue: queue.number, firstLeaseId: queue.nextLeaseId, floor, returned, freshFirst, freshCount, countsAsDelivery: true }
      this.#takes.push(take)
      this.#handOut(overlay, queue, take, terms, this.#messages)
    }
    if (exhausted.length > 0) {
      const take = { queue: queue.number, firstLeaseId: queue.nextLeaseId, floor, returned: exhausted, freshFirst: 0, freshCount: 0, countsAsDelivery: false }
      this.#exhaustedTakes.push(take)
      this.#handOut(overlay, queue, take, withoutAttempt(terms), this.#exhausted)
    }
    this.#count += choice.count
  }

  #handOut (overlay: PopOverlay, queue: PopQueue, take: PopTake, terms: LeaseTerms, into: PoppedRange[]): void {
    const leases = overlay.state.take(queue, take, terms)
    const at = into.length
    for (const lease of leases) into.push(...rangesOf(queue, lease))
    if (leases.length > 1) into.splice(at, into.length, ...into.slice(at).sort((a, b) => a.first - b.first))
  }

  /** The answer to the same attempt may have been lost: what it holds is handed out once more, as the same delivery. */
  #handOutAgain (overlay: PopOverlay, queue: PopQueue, terms: LeaseTerms, renewals: InvisibleChange[]): void {
    const leases = [...queue.leases]
    if (leases.some((lease) => lease.attemptId !== terms.attemptId || lease.owner !== terms.owner)) return
    const ranges: PoppedRange[] = []
    for (const lease of leases) {
      if (renewals.length === this.#request.max) break
      const change = { queue: queue.number, lease: lease.id, positions: null, newLease: 0, invisibleUntilMs: terms.invisibleUntilMs }
      renewals.push(change)
      overlay.state.changeInvisible({ parts: [change] })
      ranges.push(...rangesOf(queue, lease))
      this.#count += lease.heldCount
    }
    this.#messages.push(...ranges.sort((a, b) => a.first - b.first))
  }
}

/** Nobody repeats the attempt for messages that are on their way to the dead letter queue. */
function withoutAttempt ({ invisibleUntilMs, owner }: LeaseTerms): LeaseTerms {
  return { invisibleUntilMs, owner, attemptId: '' }
}
