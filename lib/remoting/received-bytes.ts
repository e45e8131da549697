import type { ServerLimits } from './limits.ts'

/** What the budget asks of a connection. */
export interface Receiver {
  /** When the frame it is receiving began; Infinity when it is inside none. */
  readonly incompleteSinceMs: number
  /** There is room again. */
  reconsiderReading (): void
  /** Its incomplete frame takes memory that others need. */
  giveUpFrame (): void
}

/** Bytes that all connections of a server have received and not dealt with. */
export class ReceivedBytes {
  readonly #limits: Pick<ServerLimits, 'maxInflightBytes' | 'maxIncompleteBytes'>
  readonly #receivers = new Set<Receiver>()
  readonly #paused = new Set<Receiver>()
  inflightBytes = 0
  incompleteBytes = 0

  constructor (limits: Pick<ServerLimits, 'maxInflightBytes' | 'maxIncompleteBytes'>) {
    this.#limits = limits
  }

  get isOverInflight (): boolean { return this.inflightBytes > this.#limits.maxInflightBytes }

  add (receiver: Receiver): void { this.#receivers.add(receiver) }

  remove (receiver: Receiver): void {
    this.#receivers.delete(receiver)
    this.#paused.delete(receiver)
  }

  /** The receiver has stopped reading because of `isOverInflight`; it is told when there is room. */
  waitForRoom (receiver: Receiver): void { this.#paused.add(receiver) }

  changeInflight (bytes: number): void {
    this.inflightBytes += bytes
    if (this.#paused.size === 0 || this.inflightBytes > this.#limits.maxInflightBytes / 2) return
    const paused = [...this.#paused]
    this.#paused.clear()
    for (const receiver of paused) receiver.reconsiderReading()
  }

  changeIncomplete (bytes: number): void {
    this.incompleteBytes += bytes
    while (this.incompleteBytes > this.#limits.maxIncompleteBytes) {
      let oldest: Receiver | undefined
      for (const receiver of this.#receivers) if (receiver.incompleteSinceMs < (oldest?.incompleteSinceMs ?? Infinity)) oldest = receiver
      if (oldest === undefined) return
      oldest.giveUpFrame()
    }
  }
}
