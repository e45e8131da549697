import type { Clock, Timer } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import type { Message } from './message.ts'

/**
 * Renews the leases of what a consumer holds, at a third of their length, in one command. A message whose lease turns
 * out to be gone is told so, which fires its signal.
 */
export class LeaseKeeper {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #leaseMs: number
  readonly #held: () => Iterable<Message>
  readonly #onLost: (message: Message) => void
  #timer: Timer | undefined
  #isStopped = false

  constructor (options: { engine: Engine, clock: Clock, leaseMs: number, held: () => Iterable<Message>, onLost: (message: Message) => void }) {
    this.#engine = options.engine
    this.#clock = options.clock
    this.#leaseMs = options.leaseMs
    this.#held = options.held
    this.#onLost = options.onLost
    this.#arm()
  }

  stop (): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #arm (): void {
    if (!this.#isStopped) this.#timer = this.#clock.setTimer(this.#leaseMs / 3, () => { this.#renew().finally(() => this.#arm()) })
  }

  async #renew (): Promise<void> {
    const messages: Message[] = []
    for (const message of this.#held()) if (message.settlement === undefined && !message.isLost) messages.push(message)
    if (messages.length === 0) return
    let renewed: readonly boolean[]
    try {
      renewed = await this.#engine.renew(messages.map((message) => message.delivery), this.#leaseMs)
    } catch {
      return // Busy, or the engine failed: the former is tried again in time, of the latter the consumer hears by itself.
    }
    for (const [i, message] of messages.entries()) {
      if (renewed[i] === true || message.settlement !== undefined) continue
      message.loseLease()
      this.#onLost(message)
    }
  }
}
