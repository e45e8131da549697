import type { MqError } from '../base/index.ts'
import type { Proposal } from './ports.ts'

/** Proposals that were submitted and not yet decided, in order. They are taken from the front, in runs, without being moved. */
export class PendingProposals {
  #proposals: Proposal[] = []
  #from = 0
  #costBytes = 0

  get count (): number { return this.#proposals.length - this.#from }
  get costBytes (): number { return this.#costBytes }
  get isEmpty (): boolean { return this.#from === this.#proposals.length }
  /** The array that holds them, from `from` on. Who took some out owns their places. */
  get proposals (): Proposal[] { return this.#proposals }
  get from (): number { return this.#from }

  push (proposal: Proposal): void {
    this.#proposals.push(proposal)
    this.#costBytes += proposal.costBytes
  }

  /** Removes the first `count`, whose costs add up to `costBytes`; the array stays as it is for those who hold a range of it. */
  removeFirst (count: number, costBytes: number): void {
    this.#from += count
    this.#costBytes -= costBytes
    if (this.isEmpty) {
      this.#proposals = []
      this.#from = 0
      this.#costBytes = 0
    } else if (this.#from >= 4096 && this.#from >= this.#proposals.length / 2) {
      this.#proposals = this.#proposals.slice(this.#from)
      this.#from = 0
    }
  }

  /** Fails all, oldest first. */
  failAll (error: MqError): void {
    const proposals = this.#proposals
    const from = this.#from
    this.#proposals = []
    this.#from = this.#costBytes = 0
    for (let i = from; i < proposals.length; i++) proposals[i]!.fail(error)
  }
}
