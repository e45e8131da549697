import { MqError, type Clock, type Timer } from '../base/index.ts'
import type { CallOptions } from './peer-network.ts'

/** A call that waits for its answer: settled once, by whoever comes first. */
export class PendingCall {
  readonly result: Promise<Uint8Array>
  /** It left this process; from then on its fate is unknown until the answer comes. */
  wasSent = false
  /** Told when nobody waits for it any more. */
  onSettled: ((call: PendingCall) => void) | undefined
  readonly #what: string
  readonly #timer: Timer
  readonly #signal: AbortSignal | undefined
  #resolve!: (answer: Uint8Array) => void
  #reject!: (error: MqError) => void
  #isSettled = false

  /** `what` names it in errors. */
  constructor (what: string, clock: Clock, { timeoutMs, signal }: CallOptions) {
    this.#what = what
    this.#signal = signal
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#timer = clock.setTimer(timeoutMs, () => this.fail(new MqError('MQ_TIMEOUT', `${what}: no answer within ${timeoutMs} ms`, this.#fate)))
    signal?.addEventListener('abort', this.#abort)
    if (signal?.aborted === true) this.#abort()
  }

  get isSettled (): boolean { return this.#isSettled }

  answer (body: Uint8Array): void {
    if (this.#settle()) this.#resolve(body)
  }

  fail (error: MqError): void {
    if (this.#settle()) this.#reject(error)
  }

  /** There is no link to send it over. */
  unavailable (why: string, facts: object = {}): void {
    this.fail(new MqError('MQ_UNAVAILABLE', `${this.#what}: ${why}`, { ...facts }))
  }

  /** The link it went or was to go over is gone. */
  lost (why: string): void {
    if (this.wasSent) this.fail(new MqError('MQ_CONNECTION_LOST', `${this.#what}: ${why}`))
    else this.unavailable(why)
  }

  get #fate (): { readonly outcome: 'unknown' | 'not-applied' } { return { outcome: this.wasSent ? 'unknown' : 'not-applied' } }

  readonly #abort = (): void => this.fail(new MqError('MQ_ABORTED', `${this.#what}: the caller aborted it`, { ...this.#fate, cause: this.#signal!.reason }))

  #settle (): boolean {
    if (this.#isSettled) return false
    this.#isSettled = true
    this.#timer.cancel()
    this.#signal?.removeEventListener('abort', this.#abort)
    this.onSettled?.(this)
    return true
  }
}
