import type { Clock, Timer } from '../base/index.ts'

export interface LeaderRoundsOptions {
  readonly clock: Clock
  readonly intervalMs: number
  /** Asked before each wait: whether there is anything left to look for. Default: always. */
  readonly isNeeded?: () => boolean
  /** One at a time. */
  readonly look: () => Promise<void>
  /** A look has failed while this node leads; the next one comes all the same. */
  readonly onFailure: (error: unknown) => void
}

/** Looks now and then, as long as this node leads. */
export class LeaderRounds {
  readonly #options: LeaderRoundsOptions
  #timer: Timer | undefined
  #isLeading = false
  #isLooking = false
  #running: Promise<void> = Promise.resolve()

  constructor (options: LeaderRoundsOptions) {
    this.#options = options
  }

  leadershipChanged (isLeader: boolean): void {
    if (isLeader === this.#isLeading) return
    this.#isLeading = isLeader
    this.#timer?.cancel()
    if (isLeader) this.#arm()
  }

  async stop (): Promise<void> {
    this.leadershipChanged(false)
    await this.#running
  }

  #arm (): void {
    const { clock, intervalMs, isNeeded, look, onFailure } = this.#options
    // one that began in an earlier term goes on when it has ended
    if (this.#isLooking || isNeeded?.() === false) return
    this.#timer = clock.setTimer(intervalMs, () => {
      this.#isLooking = true
      this.#running = look().catch((error: unknown) => {
        if (this.#isLeading) onFailure(error)
      }).then(() => {
        this.#isLooking = false
        if (this.#isLeading) this.#arm()
      })
    })
  }
}
