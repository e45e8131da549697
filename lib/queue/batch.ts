import type { Engine } from '../engine/index.ts'
import type { Message, RetryOptions } from './message.ts'

/** Messages pulled together. Each can be settled by itself; `ackAll` settles the rest with one command. */
export class Batch<Body = any> implements Iterable<Message<Body>> {
  readonly messages: ReadonlyArray<Message<Body>>
  readonly #engine: Engine

  constructor (engine: Engine, messages: ReadonlyArray<Message<Body>>) {
    this.messages = messages
    this.#engine = engine
  }

  get length (): number { return this.messages.length }

  [Symbol.iterator] (): Iterator<Message<Body>> { return this.messages[Symbol.iterator]() }

  /**
   * Acknowledges all that are still out; resolves when that is durable. Pulling and working on the next batch meanwhile
   * is safe and faster.
   * @throws MQ_LEASE_LOST for at least one the lease had ended (`lost`: how many); the others are acknowledged
   */
  ackAll (): Promise<void> {
    const open = this.#open
    if (open.length === 0) return Promise.resolve()
    const acknowledged = this.#engine.ackAll(open.map((message) => message.delivery)).catch((error: unknown) => {
      for (const message of open) message.maybeReopen(error)
      throw error
    })
    for (const message of open) message.settleWith('ack', acknowledged)
    return acknowledged
  }

  /** Gives back all that are still out. @throws MQ_LEASE_LOST */
  async retryAll (options: RetryOptions = {}): Promise<void> {
    await Promise.all(this.#open.map((message) => message.retry(options)))
  }

  get #open (): Array<Message<Body>> {
    return this.messages.filter((message) => message.settlement === undefined)
  }
}
