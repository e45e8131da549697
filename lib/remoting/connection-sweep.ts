import type { Clock, Timer } from '../base/index.ts'
import type { RemotingConnection } from './connection.ts'

const SWEEP_INTERVAL_MS = 1000

/** Looks once a second for connections that took too long over something. No timer runs while there are none. */
export class ConnectionSweep {
  readonly #clock: Clock
  readonly #connections = new Set<RemotingConnection>()
  #timer: Timer | undefined

  constructor (clock: Clock) {
    this.#clock = clock
  }

  get connections (): ReadonlySet<RemotingConnection> { return this.#connections }

  add (connection: RemotingConnection): void {
    this.#connections.add(connection)
    this.#timer ??= this.#clock.setTimer(SWEEP_INTERVAL_MS, this.#sweep)
  }

  remove (connection: RemotingConnection): void {
    this.#connections.delete(connection)
    if (this.#connections.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  readonly #sweep = (): void => {
    const nowMs = this.#clock.nowMs()
    for (const connection of this.#connections) connection.checkTimeouts(nowMs)
    this.#timer = this.#connections.size > 0 ? this.#clock.setTimer(SWEEP_INTERVAL_MS, this.#sweep) : undefined
  }
}
