import type { Clock, Timer } from '../base/index.ts'

/** How exactly time-outs are kept. */
const TICK_MS = 500

/** A send that is not decided yet; part of a list, in the order they came. */
export interface PendingSend {
  /** Set by PendingSends. */
  previousSend: PendingSend | undefined
  nextSend: PendingSend | undefined
  tick: number
  /** It takes too long: whoever waits is to be told. It stays pending. */
  timeOut (): void
}

/**
 * Sends under way. One that takes longer than `timeoutMs` is told so; time is counted in ticks, so that a send costs no
 * look at the clock, and while nothing is under way no timer runs.
 */
export class PendingSends {
  readonly #clock: Clock
  readonly #timeoutMs: () => number
  #first: PendingSend | undefined
  #last: PendingSend | undefined
  #tick = 0
  #timer: Timer | undefined
  count = 0

  constructor (clock: Clock, timeoutMs: () => number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  add (send: PendingSend): void {
    send.tick = this.#tick
    send.previousSend = this.#last
    if (this.#last === undefined) this.#first = send
    else this.#last.nextSend = send
    this.#last = send
    this.count++
    if (this.#timer === undefined) this.#schedule()
  }

  remove (send: PendingSend): void {
    const { previousSend, nextSend } = send
    if (previousSend === undefined) this.#first = nextSend
    else previousSend.nextSend = nextSend
    if (nextSend === undefined) this.#last = previousSend
    else nextSend.previousSend = previousSend
    send.previousSend = send.nextSend = undefined
    this.count--
  }

  close (): void { this.#timer?.cancel() }

  #schedule (): void {
    this.#timer = this.#clock.setTimer(TICK_MS, () => {
      this.#timer = undefined
      this.#tick++
      const overdue = this.#tick - Math.ceil(this.#timeoutMs() / TICK_MS)
      for (let send = this.#first; send !== undefined && send.tick < overdue; send = send.nextSend) send.timeOut()
      if (this.count > 0) this.#schedule()
    })
  }
}
