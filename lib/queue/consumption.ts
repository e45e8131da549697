import type { Clock, Timer } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import { Message, type CodecSource } from './message.ts'

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
  /** Makes the topic (where that is allowed) before the first fetch. */
  readonly #makeTopic: () => Promise<void>
  /** Of the topic as it is now. */
  readonly #codecSource: () => CodecSource

  constructor (options: { engine: Engine, clock: Clock, topic: string, group: string, leaseMs: number, isOrdered: boolean, signal: AbortSignal | undefined, maxAttempts: number, makeTopic: () => Promise<void>, codecSource: () => CodecSource }) {
    this.engine = options.engine
    this.clock = options.clock
    this.topic = options.topic
    this.group = options.group
    this.leaseMs = options.leaseMs
    this.isOrdered = options.isOrdered
    this.signal = options.signal
    this.maxAttempts = options.maxAttempts
    this.#makeTopic = options.makeTopic
    this.#codecSource = options.codecSource
  }

  /**
   * Checks out up to `max` messages; waits up to `waitMs` (default: for ever) for the first. Empty when the time is over.
   * Once messages are checked out they are returned, whatever the signal says.
   */
  async pop (max: number, signal: AbortSignal | undefined, waitMs = Infinity): Promise<Array<Message<Body>>> {
    await this.#makeTopic()
    const { topic, group, isOrdered, maxAttempts } = this
    const deliveries = await this.engine.pop({ group, topic, max, invisibleMs: this.leaseMs, isOrdered, maxAttempts, waitMs, signal })
    const source = this.#codecSource()
    const messages: Array<Message<Body>> = []
    for (const delivery of deliveries) messages.push(new Message<Body>(this.engine, delivery, source))
    return messages
  }

  /** Gives messages back; deliveries that no handler began on do not count. An engine that has failed needs nothing given back. */
  async release (messages: ReadonlyArray<Message<Body>>): Promise<void> {
    const open = messages.filter((message) => message.settlement === undefined && !message.isLost)
    const [begun, unseen] = [open.filter(({ wasBegun }) => wasBegun), open.filter(({ wasBegun }) => !wasBegun)]
    await Promise.all([this.#giveBack(begun, false), this.#giveBack(unseen, true)])
  }

  async #giveBack (messages: ReadonlyArray<Message<Body>>, undelivered: boolean): Promise<void> {
    if (messages.length === 0) return
    try {
      await this.engine.release(messages.map(({ delivery }) => delivery), undelivered)
    } catch {}
  }

  /** Keeps the process alive until cancelled. */
  holdProcess (): Timer { return this.engine.holdProcess() }
}
