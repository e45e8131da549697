import type { Clock, Logger } from '../base/index.ts'

/** Says what is being waited for: at once when that changes, else now and then. */
export class Reminder {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #intervalMs: number
  #last = ''
  #saidAtMs = -Infinity

  constructor (clock: Clock, logger: Logger, intervalMs: number) {
    this.#clock = clock
    this.#logger = logger
    this.#intervalMs = intervalMs
  }

  say (text: string): void {
    const nowMs = this.#clock.nowMs()
    if (text === this.#last && nowMs - this.#saidAtMs < this.#intervalMs) return
    this.#last = text
    this.#saidAtMs = nowMs
    this.#logger.info(text)
  }
}
