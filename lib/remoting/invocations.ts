import { MqError, type Clock, type Timer } from '../base/index.ts'
import type { RemotingFrame } from './frame.ts'

interface Invocation {
  readonly code: number
  readonly batch: number
  readonly deadlineMs: number
  readonly timeoutMs: number
  readonly resolve: (response: RemotingFrame) => void
  readonly reject: (error: MqError) => void
}

/** Our own requests on one connection that wait for their answers. One timer serves them all. */
export class Invocations {
  readonly #clock: Clock
  readonly #peer: string
  readonly #waiting = new Map<number, Invocation>()
  #nextOpaque = 0
  #timer: Timer | undefined
  #timerAtMs = Infinity

  constructor (clock: Clock, peer: string) {
    this.#clock = clock
    this.#peer = peer
  }

  get count (): number { return this.#waiting.size }

  /** Numbers of this side; the peer counts its own. */
  nextOpaque (): number {
    do this.#nextOpaque = (this.#nextOpaque + 1) & 0x7fff_ffff
    while (this.#waiting.has(this.#nextOpaque))
    return this.#nextOpaque
  }

  /** `batch` is that of the write queue which the request leaves with. */
  add (opaque: number, code: number, batch: number, timeoutMs: number, resolve: (response: RemotingFrame) => void, reject: (error: MqError) => void): void {
    const deadlineMs = this.#clock.nowMs() + timeoutMs
    this.#waiting.set(opaque, { code, batch, deadlineMs, timeoutMs, resolve, reject })
    if (deadlineMs < this.#timerAtMs) this.#arm(deadlineMs)
  }

  /** False when nobody waits for it (any more). */
  settle (response: RemotingFrame): boolean {
    const invocation = this.#take(response.opaque)
    invocation?.resolve(response)
    return invocation !== undefined
  }

  /** Stops waiting; the request may still reach the peer. */
  fail (opaque: number, error: MqError): void {
    this.#take(opaque)?.reject(error)
  }

  /** The connection is gone. Requests of a batch that was never handed to the system have certainly not reached the peer. */
  failAll (firstUnsentBatch: number, reason: string, cause: Error | undefined): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#disarm()
    for (const { batch, reject } of waiting) {
      const isUnsent = batch >= firstUnsentBatch
      const details = { ...(isUnsent && { outcome: 'not-applied' as const, retryable: true }), peer: this.#peer, ...(cause !== undefined && { cause }) }
      reject(new MqError('MQ_CONNECTION_LOST', `the connection to ${this.#peer} closed before the ${isUnsent ? 'request was sent' : 'answer came'}: ${reason}`, details))
    }
  }

  #take (opaque: number): Invocation | undefined {
    const invocation = this.#waiting.get(opaque)
    this.#waiting.delete(opaque)
    if (this.#waiting.size === 0) this.#disarm()
    return invocation
  }

  #arm (atMs: number): void {
    this.#timer?.cancel()
    this.#timerAtMs = atMs
    this.#timer = this.#clock.setTimer(Math.max(0, atMs - this.#clock.nowMs()), () => this.#expire())
  }

  #disarm (): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerAtMs = Infinity
  }

  #expire (): void {
    this.#timer = undefined
    this.#timerAtMs = Infinity
    const nowMs = this.#clock.nowMs()
    let earliestMs = Infinity
    const expired: Invocation[] = []
    for (const [opaque, invocation] of this.#waiting) {
      if (invocation.deadlineMs > nowMs) {
        earliestMs = Math.min(earliestMs, invocation.deadlineMs)
        continue
      }
      this.#waiting.delete(opaque)
      expired.push(invocation)
    }
    if (earliestMs < Infinity) this.#arm(earliestMs)
    for (const { timeoutMs, reject } of expired) {
      reject(new MqError('MQ_TIMEOUT', `${this.#peer} did not answer within ${timeoutMs} ms`, { peer: this.#peer }))
    }
  }
}
