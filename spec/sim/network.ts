import type { NodeId, RaftMessage } from '../../lib/raft/index.ts'
import type { Transport } from '../../lib/replica/index.ts'
import { copyMessage } from '../../lib/transport/index.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { VirtualClock } from '../support/virtual-clock.ts'
import type { NodeClock } from './node-clock.ts'
import type { Parameters } from './parameters.ts'

export interface NetworkFaults { lost: number, duplicated: number, straggled: number }

/** Delays, loses, repeats and reorders messages, and cuts links, by the seed's parameters. */
export class SimNetwork {
  readonly #clock: VirtualClock
  readonly #random: SeededRandom
  readonly #onSend: (message: RaftMessage) => void
  readonly #onDeliver: (message: RaftMessage) => void
  readonly #receivers = new Map<NodeId, { readonly clock: NodeClock, readonly handler: (message: RaftMessage) => void }>()
  readonly #cutLinks = new Set<number>()
  readonly faults: NetworkFaults = { lost: 0, duplicated: 0, straggled: 0 }
  parameters: Parameters

  constructor (clock: VirtualClock, random: SeededRandom, parameters: Parameters, watch: { onSend (message: RaftMessage): void, onDeliver (message: RaftMessage): void }) {
    this.#clock = clock
    this.#random = random
    this.parameters = parameters
    this.#onSend = watch.onSend
    this.#onDeliver = watch.onDeliver
  }

  transport (nodeId: NodeId, clock: NodeClock): Transport {
    let receiver: { readonly clock: NodeClock, readonly handler: (message: RaftMessage) => void } | undefined
    return {
      start: (handler) => {
        receiver = { clock, handler }
        this.#receivers.set(nodeId, receiver)
      },
      send: (messages) => { for (const message of messages) this.#send(message) },
      close: () => { if (this.#receivers.get(nodeId) === receiver) this.#receivers.delete(nodeId) }
    }
  }

  /** The node's process ended: what is under way to it is lost. */
  forget (nodeId: NodeId): void { this.#receivers.delete(nodeId) }

  cut (from: NodeId, to: NodeId): void { this.#cutLinks.add(from * 1000 + to) }

  heal (): void { this.#cutLinks.clear() }

  #send (message: RaftMessage): void {
    this.#onSend(message)
    const { lossRate, duplicateRate } = this.parameters
    if (this.#random.chance(lossRate)) {
      this.faults.lost++
      return
    }
    this.#deliverLater(message)
    if (this.#random.chance(duplicateRate)) {
      this.faults.duplicated++
      this.#deliverLater(message)
    }
  }

  #deliverLater (message: RaftMessage): void {
    const { minDelayMs, maxDelayMs, straggleRate, straggleMs } = this.parameters
    let delayMs = minDelayMs + this.#random.next() * (maxDelayMs - minDelayMs)
    if (this.#random.chance(straggleRate)) {
      this.faults.straggled++
      delayMs += this.#random.next() * straggleMs
    }
    const copy = copyMessage(message)
    this.#clock.setTimer(delayMs, () => {
      const receiver = this.#receivers.get(message.to)
      if (receiver === undefined) return
      if (this.#cutLinks.has(message.from * 1000 + message.to)) {
        this.faults.lost++
        return
      }
      receiver.clock.run(() => {
        this.#onDeliver(copy)
        receiver.handler(copy)
      })
    })
  }
}
