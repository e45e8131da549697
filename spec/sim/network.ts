import { MqError } from '../../lib/base/index.ts'
import type { NodeId, RaftMessage } from '../../lib/raft/index.ts'
import type { Transport } from '../../lib/replica/index.ts'
import { copyMessage } from '../../lib/transport/index.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { VirtualClock } from '../support/virtual-clock.ts'
import type { NodeClock } from './node-clock.ts'
import type { Parameters } from './parameters.ts'

export interface NetworkFaults { lost: number, duplicated: number, straggled: number }

type CallHandler = (body: Uint8Array) => Promise<Uint8Array> | Uint8Array

/** One node's end for calls. */
export interface SimCalls {
  onCall (method: string, handler: (body: Uint8Array, caller: never) => Promise<Uint8Array> | Uint8Array): void
  call (to: NodeId, method: string, body: Uint8Array, options: { readonly timeoutMs: number }): Promise<Uint8Array>
}

/** Delays, loses, repeats and reorders messages, and cuts links, by the seed's parameters. */
export class SimNetwork {
  readonly #clock: VirtualClock
  readonly #random: SeededRandom
  readonly #onSend: (message: RaftMessage) => void
  readonly #onDeliver: (message: RaftMessage) => void
  readonly #receivers = new Map<NodeId, { readonly clock: NodeClock, readonly handler: (message: RaftMessage) => void }>()
  readonly #callHandlers = new Map<NodeId, { readonly clock: NodeClock, readonly methods: Map<string, CallHandler> }>()
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
  forget (nodeId: NodeId): void {
    this.#receivers.delete(nodeId)
    this.#callHandlers.delete(nodeId)
  }

  /** Calls of one process; what is lost on either way is a time-out. */
  calls (nodeId: NodeId, clock: NodeClock): SimCalls {
    const methods = new Map<string, CallHandler>()
    this.#callHandlers.set(nodeId, { clock, methods })
    return {
      onCall: (method, handler) => { methods.set(method, handler as CallHandler) },
      call: (to, method, body, { timeoutMs }) => new Promise((resolve, reject) => {
        const timer = clock.setTimer(timeoutMs, () => { reject(new MqError('MQ_TIMEOUT', `${method} of node ${to} was not answered`)) })
        const answered = (settle: () => void) => this.#carry(to, nodeId, clock, () => {
          timer.cancel()
          settle()
        })
        const target = this.#callHandlers.get(to)
        if (target === undefined) return
        const received = body.slice()
        this.#carry(nodeId, to, target.clock, () => {
          const handler = target.methods.get(method)
          if (handler === undefined || this.#callHandlers.get(to) !== target) return
          Promise.resolve().then(() => handler(received)).then(
            (answer) => { answered(() => { resolve(answer.slice()) }) },
            (error: Error) => { answered(() => { reject(error) }) })
        })
      })
    }
  }

  /** Runs `act` at the other end after the time a message takes, unless it is lost. */
  #carry (from: NodeId, to: NodeId, clock: NodeClock, act: () => void): void {
    const { minDelayMs, maxDelayMs, lossRate } = this.parameters
    if (this.#random.chance(lossRate)) return
    this.#clock.setTimer(minDelayMs + this.#random.next() * (maxDelayMs - minDelayMs), () => {
      if (!this.#cutLinks.has(from * 1000 + to)) clock.run(act)
    })
  }

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
