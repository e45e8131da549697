import type { Read } from '../cluster/history.ts'
import { Deliveries } from './deliveries.ts'

export type Decision = 'commit' | 'rollback'

interface Transaction {
  readonly queueId: number
  sent: 'under way or unknown' | 'stored' | 'not stored'
  /** What its producer has decided, once for all, when it was first asked for. */
  wanted: Decision | undefined
  /** Then something lay at this offset of its queue already: it can only come behind. */
  behind: number
  isConfirmed: boolean
}

/**
 * Transactional messages: what was committed is there once, behind all that was seen of its queue before anybody asked for the commit;
 * what was not, never. A confirmed end is never taken back.
 */
export class TransactionHistory {
  readonly #all = new Map<string, Transaction>()
  readonly #deliveries = new Deliveries()
  readonly #lastOffsets = new Map<number, number>()
  readonly #problems: string[] = []
  storedCount = 0
  givenCount = 0
  committedCount = 0
  rolledBackCount = 0
  unknownCount = 0

  preparing (id: string, queueId: number): void { this.#all.set(id, { queueId, sent: 'under way or unknown', wanted: undefined, behind: -1, isConfirmed: false }) }

  /** Also by a check: whoever asks has it. */
  prepared (id: string): void {
    const transaction = this.#of(id)
    if (transaction.sent === 'not stored') this.#problems.push(`${id} was answered as not stored, and its producer is asked about it`)
    if (transaction.sent !== 'stored') this.storedCount++
    transaction.sent = 'stored'
  }

  notPrepared (id: string): void {
    const transaction = this.#of(id)
    // a check may have come before the answer
    if (transaction.sent === 'stored') this.#problems.push(`${id} was answered as not stored, and its producer was asked about it`)
    transaction.sent = 'not stored'
  }

  unknown (): void { this.unknownCount++ }

  /** To be called before the first request of it. */
  deciding (id: string, wanted: Decision): void {
    const transaction = this.#of(id)
    transaction.wanted = wanted
    transaction.behind = this.#lastOffsets.get(transaction.queueId) ?? -1
  }

  /** Its end was confirmed, perhaps not for the first time. */
  ended (id: string): void {
    const transaction = this.#of(id)
    if (!transaction.isConfirmed) this[transaction.wanted === 'commit' ? 'committedCount' : 'rolledBackCount']++
    transaction.isConfirmed = true
  }

  /** The broker does not know it, or says that it was ended otherwise. */
  refused (id: string, why: string): void { this.#problems.push(`${id} was to be ended by ${this.#of(id).wanted}: ${why}`) }
  /** The opposite of its confirmed end was confirmed as well. */
  endedOtherwise (id: string): void { this.#problems.push(`${id} was ended by ${this.#of(id).wanted}, and then otherwise`) }
  /** A producer is asked about it: unless that was sent before the end was confirmed, it has been taken back. */
  isEnded (id: string): boolean { return this.#of(id).isConfirmed }
  wantedOf (id: string): Decision | undefined { return this.#all.get(id)?.wanted }

  given (read: Read): void {
    this.givenCount++
    this.#deliveries.given(read)
    const { queueId, queueOffset, id } = read
    this.#lastOffsets.set(queueId, Math.max(queueOffset, this.#lastOffsets.get(queueId) ?? -1))
    if (this.wantedOf(id) !== 'commit') this.#problems.push(`${id} was given at ${queueId}/${queueOffset}, ${this.#notCommitted(id)}`)
  }

  /** Those that are stored and not ended yet. */
  open (): string[] { return [...this.#all].filter(([, { sent, isConfirmed }]) => sent === 'stored' && !isConfirmed).map(([id]) => id) }

  /** Committed, and no consumer was given it yet. */
  missing (): string[] { return [...this.#all].filter(([id, transaction]) => mustBeThere(transaction) && !this.#deliveries.has(id)).map(([id]) => id) }

  /** Compares with what one node holds at the end. */
  check (queues: ReadonlyArray<readonly Read[]>): string[] {
    const { problems, ids } = this.#deliveries.check(queues)
    problems.push(...this.#problems)
    for (const { id, queueId, queueOffset } of queues.flat()) {
      const transaction = this.#all.get(id)
      const place = `${id} is at ${queueId}/${queueOffset}`
      if (transaction === undefined) problems.push(`${place}, which nobody sent`)
      else if (transaction.sent === 'not stored') problems.push(`${place}, and was answered as not stored`)
      else if (transaction.wanted !== 'commit') problems.push(`${place}, ${this.#notCommitted(id)}`)
      else if (transaction.queueId !== queueId) problems.push(`${place}, and was sent to queue ${transaction.queueId}`)
      else if (queueOffset <= transaction.behind) problems.push(`${place}, and was not to be committed when ${transaction.behind} was there`)
    }
    for (const [id, transaction] of this.#all) if (mustBeThere(transaction) && !ids.has(id)) problems.push(`${id} was committed, and is not there`)
    for (const id of this.open()) problems.push(`${id} was stored, and was never ended`)
    return problems
  }

  #notCommitted (id: string): string { return this.wantedOf(id) === 'rollback' ? 'and was rolled back' : 'and nobody has committed it' }
  #of (id: string): Transaction { return this.#all.get(id)! }
}

function mustBeThere ({ wanted, isConfirmed }: Transaction): boolean { return wanted === 'commit' && isConfirmed }
