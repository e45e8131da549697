import { MqError } from '../base/index.ts'
import type { Proposal } from '../replica/index.ts'
import { AckProposal, MAX_LEASE_SPAN, popCost, type LeasedRange, type PopMachine } from '../store/index.ts'

/** So many acknowledgements share one command. */
const MAX_SHARED = 128
/** An upper bound: each names a lease of its own, of the widest span. */
const COST_BYTES = popCost.command + MAX_SHARED * (popCost.part + MAX_LEASE_SPAN / 32 * popCost.word)

interface Waiter {
  readonly range: LeasedRange
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export function leaseLost (count = 1): MqError {
  return new MqError('MQ_LEASE_LOST', `the lease on ${count === 1 ? 'the message' : `${count} messages`} had ended; delivered again or already settled`, { lost: count })
}

/**
 * Acknowledgements of single messages, made one by one, logged together: until the proposal is decided, later ones join
 * it. Neighbours of one lease take a few bytes.
 */
class SharedAck extends AckProposal implements Proposal {
  readonly #ranges: LeasedRange[]
  readonly #waiters: Waiter[] = []
  isDecided = false

  constructor (machine: PopMachine) {
    const ranges: LeasedRange[] = []
    super(machine, ranges)
    this.#ranges = ranges
  }

  override readonly costBytes = COST_BYTES
  get isFull (): boolean { return this.#ranges.length === MAX_SHARED }

  add (waiter: Waiter): void {
    this.#ranges.push(waiter.range)
    this.#waiters.push(waiter)
  }

  override decide (...context: Parameters<AckProposal['decide']>): void {
    this.isDecided = true
    this.#ranges.sort((a, b) => a.queue - b.queue || a.lease - b.lease || a.first - b.first)
    super.decide(...context)
  }

  override settle (): void {
    const { lost } = this.result!
    for (const waiter of this.#waiters) {
      if (lost.length > 0 && lost.some((range) => covers(range, waiter.range))) waiter.reject(leaseLost())
      else waiter.resolve()
    }
  }

  override fail (error: MqError): void {
    this.isDecided = true
    for (const waiter of this.#waiters) waiter.reject(error)
  }
}

function covers (range: LeasedRange, one: LeasedRange): boolean {
  return range.queue === one.queue && range.lease === one.lease && range.first <= one.first && one.first < range.first + range.count
}

export class CoalescedAcks {
  readonly #machine: PopMachine
  readonly #submit: (proposal: Proposal) => void
  #open: SharedAck | undefined

  constructor (machine: PopMachine, submit: (proposal: Proposal) => void) {
    this.#machine = machine
    this.#submit = submit
  }

  /** Resolves when the acknowledgement is durable. @throws MQ_LEASE_LOST */
  ack (range: LeasedRange): Promise<void> {
    return new Promise((resolve, reject) => {
      let shared = this.#open
      if (shared === undefined || shared.isDecided || shared.isFull) {
        shared = this.#open = new SharedAck(this.#machine)
        shared.add({ range, resolve, reject })
        this.#submit(shared)
      } else {
        shared.add({ range, resolve, reject })
      }
    })
  }
}
