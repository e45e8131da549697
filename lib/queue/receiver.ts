import type { Timer } from '../base/index.ts'
import { isMqError, MqError } from '../base/index.ts'
import type { Consumption } from './consumption.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import type { Message } from './message.ts'

interface Waiter<Body> {
  resolve (result: IteratorResult<Message<Body>, undefined>): void
  reject (error: unknown): void
}

/**
 * Messages of one topic as an async iterator. It fetches ahead (`prefetch`) and keeps the leases of what it holds:
 * the messages fetched ahead, and the one handed out last until the next is asked for. Leaving the loop gives back
 * what was fetched ahead. Closing the queue ends the loop, the caller's signal makes it throw an AbortError.
 */
export class Receiver<Body = any> implements AsyncIterableIterator<Message<Body>> {
  readonly #consumption: Consumption<Body>
  readonly #prefetch: number
  readonly #stop = new AbortController()
  readonly #keeper: LeaseKeeper
  readonly #onClosed: () => void
  #buffer: Array<Message<Body>> = []
  #head = 0
  #current: Message<Body> | undefined
  #waiters: Array<Waiter<Body>> = []
  #hold: Timer | undefined
  #isFetching = false
  #fetched: Promise<void> = Promise.resolve()
  #ending: Promise<void> | undefined
  #failure: unknown

  constructor (consumption: Consumption<Body>, prefetch: number, onClosed: () => void) {
    this.#consumption = consumption
    this.#prefetch = prefetch
    this.#onClosed = onClosed
    this.#keeper = new LeaseKeeper({ ...consumption, held: () => this.#held(), onLost: () => {} })
    consumption.signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (consumption.signal?.aborted === true) this.#onAbort()
  }

  [Symbol.asyncIterator] (): this { return this }

  next (): Promise<IteratorResult<Message<Body>, undefined>> {
    this.#current = undefined
    const message = this.#take()
    if (message !== undefined) {
      if (this.#buffer.length - this.#head <= this.#prefetch >> 1) this.#fetch()
      return Promise.resolve({ done: false, value: message })
    }
    if (this.#failure !== undefined) {
      const failure = this.#failure
      this.#failure = undefined
      return Promise.reject(failure)
    }
    if (this.#ending !== undefined) return this.#ending.then(() => ({ done: true, value: undefined }))
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      this.#hold ??= this.#consumption.holdProcess()
      this.#fetch()
    })
  }

  async return (): Promise<IteratorResult<Message<Body>, undefined>> {
    await this.close()
    return { done: true, value: undefined }
  }

  /** Stops fetching and gives back what was fetched ahead; the iterator ends. */
  close (): Promise<void> {
    return (this.#ending ??= this.#end())
  }

  async #end (failure?: unknown): Promise<void> {
    this.#stop.abort()
    this.#consumption.signal?.removeEventListener('abort', this.#onAbort)
    this.#keeper.stop()
    this.#hold?.cancel()
    const waiters = this.#waiters
    this.#waiters = []
    if (failure !== undefined) {
      if (waiters.length === 0) this.#failure = failure
      for (const waiter of waiters) waiter.reject(failure)
    }
    const ahead = this.#buffer.slice(this.#head)
    this.#buffer = []
    this.#head = 0
    await Promise.all([this.#consumption.release(ahead), this.#fetched])
    if (failure === undefined) for (const waiter of waiters) waiter.resolve({ done: true, value: undefined })
    this.#onClosed()
  }

  readonly #onAbort = (): void => {
    this.#ending ??= this.#end(new MqError('MQ_ABORTED', 'receiving was aborted', { cause: this.#consumption.signal!.reason }))
    this.#ending.catch(() => {})
  }

  #fetch (): void {
    if (this.#isFetching || this.#ending !== undefined) return
    this.#isFetching = true
    this.#fetched = this.#fetchOnce().finally(() => {
      this.#isFetching = false
      if (this.#waiters.length > 0) this.#fetch()
    })
  }

  async #fetchOnce (): Promise<void> {
    const room = Math.max(this.#waiters.length, this.#prefetch - (this.#buffer.length - this.#head))
    let messages: Array<Message<Body>>
    try {
      messages = await this.#consumption.pop(room, this.#stop.signal)
    } catch (error) {
      if (this.#ending === undefined) this.#ending = this.#end(isMqError(error, 'MQ_CLOSED') ? undefined : error)
      return
    }
    if (this.#ending !== undefined) return await this.#consumption.release(messages)
    if (this.#head > 0) this.#buffer = this.#buffer.slice(this.#head)
    this.#head = 0
    for (const message of messages) this.#buffer.push(message)
    let served = 0
    for (; served < this.#waiters.length; served++) {
      const message = this.#take()
      if (message === undefined) break
      this.#waiters[served]!.resolve({ done: false, value: message })
    }
    this.#waiters.splice(0, served)
    if (this.#waiters.length === 0) {
      this.#hold?.cancel()
      this.#hold = undefined
    }
  }

  /** The next one fetched ahead whose lease still holds. */
  #take (): Message<Body> | undefined {
    while (this.#head < this.#buffer.length) {
      const message = this.#buffer[this.#head]!
      this.#buffer[this.#head++] = undefined!
      if (message.isLost) continue
      this.#current = message
      return message
    }
    return undefined
  }

  * #held (): Iterable<Message<Body>> {
    if (this.#current !== undefined) yield this.#current
    for (let i = this.#head; i < this.#buffer.length; i++) yield this.#buffer[i]!
  }
}
