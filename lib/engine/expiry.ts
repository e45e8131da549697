import type { Clock, Timer } from '../base/index.ts'
import type { Proposal } from '../replica/index.ts'
import { ExpireProposal, type PopMachine } from '../store/index.ts'

const AGAIN_MS = 5
const AFTER_REFUSAL_MS = 1000

/** Ends leases when their time has passed, and wakes who waits for messages that were put off. */
export class Expiry {
  readonly #clock: Clock
  readonly #machine: PopMachine
  readonly #submit: (proposal: Proposal) => void
  #timer: Timer | undefined
  #dueMs = Infinity
  #isProposed = false
  #isStopped = false

  constructor ({ clock, machine, submit }: { readonly clock: Clock, readonly machine: PopMachine, readonly submit: (proposal: Proposal) => void }) {
    this.#clock = clock
    this.#machine = machine
    this.#submit = submit
  }

  /** Something may be due earlier than known. Cheap: to be called whenever leases may have changed. */
  look (leastMs = 0): void {
    if (this.#isProposed || this.#isStopped) return
    const nextMs = this.#machine.nextExpiryMs
    if (nextMs >= this.#dueMs) return
    this.#timer?.cancel()
    this.#dueMs = nextMs
    this.#timer = this.#clock.setTimer(Math.max(leastMs, nextMs - this.#clock.wallMs()), () => { this.#expire() })
  }

  stop (): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #expire (): void {
    this.#dueMs = Infinity
    // A timer may come a moment early, and due times are lower bounds.
    if (this.#isStopped || this.#machine.nextExpiryMs > this.#clock.wallMs()) return this.look()
    this.#isProposed = true
    const proposal = new ExpireProposal(this.#machine)
    this.#submit(proposal)
    // The leader's stamps may run behind the wall clock for a while: then nothing was due yet.
    proposal.done.then(() => AGAIN_MS, () => AFTER_REFUSAL_MS).then((leastMs) => {
      this.#isProposed = false
      this.look(leastMs)
    })
  }
}
