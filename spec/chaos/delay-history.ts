import type { StampedRead } from '../cluster/read-back.ts'
import { Deliveries } from './deliveries.ts'

interface Delayed {
  readonly queueId: number
  /** Not before; -Infinity: nobody was told. */
  dueMs: number
  sent: 'under way or unknown' | 'stored' | 'not stored'
  recall: 'none' | 'under way or unknown' | 'recalled' | 'refused'
}

/**
 * Messages that were sent for a later time, some of them taken back: each comes once, to its queue, and not before its time by the
 * stamp of its delivery; none that was taken back, and none that was answered as not stored.
 */
export class DelayHistory {
  readonly #all = new Map<string, Delayed>()
  readonly #deliveries = new Deliveries()
  storedCount = 0
  givenCount = 0
  recalledCount = 0
  unknownCount = 0

  /** `dueMs`: -Infinity where only the broker knows. */
  sending (id: string, queueId: number, dueMs: number): void { this.#all.set(id, { queueId, dueMs, sent: 'under way or unknown', recall: 'none' }) }

  /** `dueMs` as the broker has told. */
  stored (id: string, dueMs: number): void {
    const delayed = this.#of(id)
    delayed.sent = 'stored'
    delayed.dueMs = Math.max(delayed.dueMs, dueMs)
    this.storedCount++
  }

  notStored (id: string): void { this.#of(id).sent = 'not stored' }
  unknown (): void { this.unknownCount++ }

  recalling (id: string): void { this.#of(id).recall = 'under way or unknown' }

  /** Confirmed. */
  recalled (id: string): void {
    this.#of(id).recall = 'recalled'
    this.recalledCount++
  }

  /** The first answer was that it does not wait, or nothing was done: so it comes. */
  notRecalled (id: string): void { this.#of(id).recall = 'refused' }

  given (read: StampedRead): void {
    this.givenCount++
    this.#deliveries.given(read)
  }

  /** Those that have to come, and no consumer was given yet. */
  missing (): string[] { return [...this.#all].filter(([id, delayed]) => mustCome(delayed) && !this.#deliveries.has(id)).map(([id]) => id) }

  /** Compares with what one node holds when all were due. */
  check (queues: ReadonlyArray<readonly StampedRead[]>): string[] {
    const { problems, ids } = this.#deliveries.check(queues)
    for (const { id, queueId, queueOffset, storeTimestampMs } of queues.flat()) {
      const delayed = this.#all.get(id)
      const place = `${id} is at ${queueId}/${queueOffset}`
      if (delayed === undefined) problems.push(`${place}, which nobody sent`)
      else if (delayed.sent === 'not stored') problems.push(`${place}, and was answered as not stored`)
      else if (delayed.queueId !== queueId) problems.push(`${place}, and was sent to queue ${delayed.queueId}`)
      else if (delayed.recall === 'recalled') problems.push(`${place}, and was recalled`)
      else if (storeTimestampMs < delayed.dueMs) problems.push(`${place} since ${storeTimestampMs}, ${delayed.dueMs - storeTimestampMs} ms early`)
    }
    for (const [id, delayed] of this.#all) if (mustCome(delayed) && !ids.has(id)) problems.push(`${id} was to come at ${delayed.dueMs}, and is not there`)
    return problems
  }

  #of (id: string): Delayed { return this.#all.get(id)! }
}

function mustCome ({ sent, recall }: Delayed): boolean { return sent === 'stored' && (recall === 'none' || recall === 'refused') }
