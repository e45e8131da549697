import type { DelayDelivery } from './delay-delivery.ts'
import type { Expiry } from './expiry.ts'
import type { QueueLocks } from './queue-locks.ts'
import type { Transactions } from './transactions.ts'

export interface LeaderWorkOptions {
  readonly expiry: Expiry
  readonly delays: DelayDelivery
  readonly transactions: Transactions
  readonly locks: QueueLocks
  /** Ends the leases that an earlier life of this node held; resolves when that is applied. */
  readonly release: () => Promise<void>
  /** Logs what this node wants the group's settings to be, where they differ. */
  readonly putSettings: () => Promise<void>
}

/**
 * What only the node does that leads: it begins when that takes decisions and ends with the term. Followers hold the
 * same state and decide nothing from it.
 */
export class LeaderWork {
  readonly #options: LeaderWorkOptions
  #isLeading = false
  #hasReleased = false
  #begun: Promise<void> = Promise.resolve()

  constructor (options: LeaderWorkOptions) {
    this.#options = options
  }

  get isLeading (): boolean { return this.#isLeading }
  /** Settles once what the present leadership begins with is done; rejects with what became of a proposal that failed. */
  get begun (): Promise<void> { return this.#begun }

  leadershipChanged (isLeader: boolean): void {
    if (isLeader === this.#isLeading) return
    this.#isLeading = isLeader
    const { expiry, delays, transactions } = this.#options
    if (!isLeader) {
      delays.end()
      transactions.end()
      return
    }
    expiry.look()
    delays.begin()
    transactions.begin()
    this.#begun = this.#begin()
    // a proposal that fails means that this node leads no more, or that it stops
    this.#begun.catch(() => {})
  }

  async #begin (): Promise<void> {
    const { locks, release, putSettings } = this.#options
    const all: Array<Promise<void>> = [locks.begin(), putSettings()]
    if (!this.#hasReleased) all.push(release().then(() => { this.#hasReleased = true }))
    await Promise.all(all)
  }
}
