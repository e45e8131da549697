import type { NodeId, RaftMessage } from '../../lib/raft/index.ts'
import { numberOf, type LinkEvent, type LinkListener, type Transport } from '../../lib/replica/index.ts'
import { copyMessage } from '../../lib/transport/index.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { VirtualClock } from '../support/virtual-clock.ts'
import type { NodeClock } from './node-clock.ts'
import type { Parameters } from './parameters.ts'

type Handler = (message: RaftMessage) => void

interface Receiver { readonly clock: NodeClock, readonly handler: Handler, readonly onLink: LinkListener }

/** What may be wrong with one direction of a link. */
export interface LinkFault {
  readonly isCut?: boolean
  readonly delayMs?: number
  /** Of all messages, that they are lost. */
  readonly lossShare?: number
  readonly bytesPerSecond?: number
}

interface LinkState { readonly fault: LinkFault, freeAtMs: number }

/** Of a message without entries. */
const ENVELOPE_BYTES = 64

export interface NetworkWatch {
  onSend (message: RaftMessage): void
  onDeliver (message: RaftMessage): void
  onDelivered (message: RaftMessage): void
}

/** Delays, loses, repeats and reorders messages, and cuts links, by the seed's parameters. Links are those between machines, by their numbers. */
export class SimNetwork {
  readonly #clock: VirtualClock
  readonly #random: SeededRandom
  readonly #watch: NetworkWatch
  readonly #receivers = new Map<NodeId, Receiver>()
  readonly #cutLinks = new Set<number>()
  /** What is wrong with links that are not cut, by direction. */
  readonly #faultyLinks = new Map<number, LinkState>()
  readonly faults = { lost: 0, cut: 0, duplicated: 0, straggled: 0, lostCalls: 0 }
  parameters: Parameters

  constructor (clock: VirtualClock, random: SeededRandom, parameters: Parameters, watch: NetworkWatch) {
    this.#clock = clock
    this.#random = random
    this.parameters = parameters
    this.#watch = watch
  }

  /** `mayReach`: whether there is a link that the message can take. */
  transport (nodeId: NodeId, clock: NodeClock, mayReach: (to: NodeId) => boolean = () => true): Transport {
    let receiver: Receiver | undefined
    return {
      start: (handler, onLink = () => {}) => {
        receiver = { clock, handler, onLink }
        this.#receivers.set(nodeId, receiver)
        this.#tellOthers(nodeId, 'back')
      },
      send: (messages) => {
        for (const message of messages) if (mayReach(message.to)) this.#send(message)
      },
      close: () => { if (this.#receivers.get(nodeId) === receiver) this.#receivers.delete(nodeId) }
    }
  }

  /** The node's process ended: what is under way to it is lost. The others see it, unless the machine went down with it. */
  forget (number: number, isSeen: boolean): void {
    for (const nodeId of [...this.#receivers.keys()]) {
      if (numberOf(nodeId) !== number) continue
      this.#receivers.delete(nodeId)
      if (isSeen) for (const event of ['broken', 'cut', 'gone'] as const) this.#tellOthers(nodeId, event)
    }
  }

  /** What a node is told of its links to another one, true or not. */
  tell (nodeId: NodeId, of: NodeId, event: LinkEvent): void {
    const receiver = this.#receivers.get(nodeId)
    receiver?.clock.run(() => { receiver.onLink(of, event) })
  }

  #tellOthers (of: NodeId, event: LinkEvent): void {
    const { minDelayMs, maxDelayMs } = this.parameters
    for (const nodeId of this.#receivers.keys()) {
      if (nodeId === of || this.isCut(numberOf(of), numberOf(nodeId))) continue
      this.#clock.setTimer(minDelayMs + this.#random.next() * (maxDelayMs - minDelayMs), () => { this.tell(nodeId, of, event) })
    }
  }

  /** Runs `act` in the other process after the time a message takes, unless it is lost. */
  carry (from: number, to: number, clock: NodeClock, act: () => void): void {
    const { minDelayMs, maxDelayMs, lossRate } = this.parameters
    if (this.#random.chance(lossRate)) {
      this.faults.lostCalls++
      return
    }
    this.#clock.setTimer(minDelayMs + this.#random.next() * (maxDelayMs - minDelayMs), () => {
      if (!this.isCut(from, to)) clock.run(act)
    })
  }

  cut (from: number, to: number): void { this.#cutLinks.add(linkOf(from, to)) }
  /** Cuts what goes from the ones to the others, and back unless it is one-way; who is on both sides hears itself. */
  split (side: Iterable<{ readonly number: number }>, others: Iterable<{ readonly number: number }>, isOneWay = false): void {
    for (const a of side) {
      for (const b of others) {
        if (a.number === b.number) continue
        this.cut(a.number, b.number)
        if (!isOneWay) this.cut(b.number, a.number)
      }
    }
  }

  isCut (from: number, to: number): boolean { return this.#cutLinks.has(linkOf(from, to)) }
  get isWhole (): boolean { return this.#cutLinks.size === 0 && this.#faultyLinks.size === 0 }
  heal (): void {
    this.#cutLinks.clear()
    this.#faultyLinks.clear()
  }

  /** Replaces what was wrong with that direction. */
  set (from: number, to: number, fault: LinkFault): void {
    this.#cutLinks.delete(linkOf(from, to))
    this.#faultyLinks.delete(linkOf(from, to))
    if (fault.isCut === true) this.cut(from, to)
    else if (Object.keys(fault).length > 0) this.#faultyLinks.set(linkOf(from, to), { fault, freeAtMs: 0 })
  }

  #send (message: RaftMessage): void {
    this.#watch.onSend(message)
    const { lossRate, duplicateRate } = this.parameters
    const { lossShare = 0 } = this.#faultyLinks.get(linkOf(numberOf(message.from), numberOf(message.to)))?.fault ?? {}
    if (this.#random.chance(lossRate) || (lossShare > 0 && this.#random.chance(lossShare))) {
      this.faults.lost++
      return
    }
    this.#deliverLater(message)
    if (this.#random.chance(duplicateRate)) {
      this.faults.duplicated++
      this.#deliverLater(message)
    }
  }

  /** How much later it comes over that link, behind all that is on its way there. */
  #held (link: LinkState, message: RaftMessage): number {
    const { delayMs = 0, bytesPerSecond = Infinity } = link.fault
    const sizeBytes = ENVELOPE_BYTES + ('entries' in message ? message.entries.reduce((sum, entry) => sum + entry.sizeBytes, 0) : 0)
    const nowMs = this.#clock.nowMs()
    link.freeAtMs = Math.max(nowMs, link.freeAtMs) + sizeBytes / bytesPerSecond * 1_000
    return link.freeAtMs - nowMs + delayMs
  }

  #deliverLater (message: RaftMessage): void {
    const { minDelayMs, maxDelayMs, straggleRate, straggleMs } = this.parameters
    let delayMs = minDelayMs + this.#random.next() * (maxDelayMs - minDelayMs)
    if (this.#random.chance(straggleRate)) {
      this.faults.straggled++
      delayMs += this.#random.next() * straggleMs
    }
    const link = this.#faultyLinks.get(linkOf(numberOf(message.from), numberOf(message.to)))
    if (link !== undefined) delayMs += this.#held(link, message)
    const copy = copyMessage(message)
    this.#clock.setTimer(delayMs, () => {
      const receiver = this.#receivers.get(message.to)
      if (receiver === undefined) return
      if (this.isCut(numberOf(message.from), numberOf(message.to))) {
        this.faults.cut++
        return
      }
      receiver.clock.run(() => {
        this.#watch.onDeliver(copy)
        receiver.handler(copy)
        this.#watch.onDelivered(copy)
      })
    })
  }
}

const linkOf = (from: number, to: number): number => from * 1000 + to
