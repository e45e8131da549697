import type { Clock, Timer } from '../base/index.ts'
import type { Delivery, Engine } from '../engine/index.ts'
import type { Codec } from './codec.ts'
import { Message } from './message.ts'

/** What one consumer (worker, iterator, pull) works with. */
export class Consumption<Body = any> {
  readonly engine: Engine
  readonly clock: Clock
  readonly topic: string
  readonly group: string
  readonly leaseMs: number
  readonly isOrdered: boolean
  readonly signal: AbortSignal | undefined
  /** Deliveries, also those that ended without a word; then a message is a dead letter. */
  readonly maxAttempts: number
  /** Makes the topic (where that is allowed) before the first fetch, and names its codec. */
  readonly #codec: () => Promise<Codec>

  constructor (options: { engine: Engine, clock: Clock, topic: string, group: string, leaseMs: number, isOrdered: boolean, signal: AbortSignal | undefined, maxAttempts: number, codec: () => Promise<Codec> }) {
    this.engine = options.engine
    this.clock = options.clock
    this.topic = options.topic
    this.group = options.group
    this.leaseMs = options.leaseMs
    this.isOrdered = options.isOrdered
    this.signal = options.signal
    this.maxAttempts = options.maxAttempts
    this.#codec = options.codec
  }

  /**
   * Checks out up to `max` messages; waits up to `waitMs` (default: for ever) for the first. Empty when the time is over.
   * Once messages are checked out they are returned, whatever the signal says.
   */
  async pop (max: number, signal: AbortSignal | undefined, waitMs = Infinity): Promise<Array<Message<Body>>> {
    const codec = await this.#codec()
    const { topic, group, isOrdered, maxAttempts } = this
    const deliveries = await this.engine.pop({ group, topic, max, invisibleMs: this.leaseMs, isOrdered, maxAttempts, waitMs, signal })
    const messages: Array<Message<Body>> = []
    for (const delivery of deliveries) messages.push(new Message<Body>(this.engine, delivery, codec))
    return messages
  }

  /** Gives messages back that nobody worked on; an engine that has failed needs nothing given back. */
  async release (messages: ReadonlyArray<Message<Body>>): Promise<void> {
    const deliveries: Delivery[] = []
    for (const message of messages) if (message.settlement === undefined && !message.isLost) deliveries.push(message.delivery)
    if (deliveries.length === 0) return
    try {
      await this.engine.release(deliveries)
    } catch {}
  }

  /** Keeps the process alive until cancelled. */
  holdProcess (): Timer { return this.engine.holdProcess() }
}
