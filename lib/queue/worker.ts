import { EventEmitter } from 'node:events'
import { isMqError, MqError, type Timer } from '../base/index.ts'
import type { BackoffRule } from './backoff.ts'
import type { Consumption } from './consumption.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import type { Message } from './message.ts'

export type Handler<Body = any> = (message: Message<Body>) => unknown

export interface WorkerEvents {
  /** The message was handled and its acknowledgement is durable. */
  completed: [message: Message]
  /** An attempt failed; `retryDelayMs` until the next one, undefined when there is none. */
  failed: [message: Message, error: unknown, retryDelayMs: number | undefined]
  /** By the worker after the last attempt, or (without error) by the handler. */
  deadLettered: [message: Message, error: unknown]
  /** The lease ended while the message was being handled: it is delivered again. */
  leaseLost: [message: Message]
  /** The worker cannot go on; it closes. */
  failure: [error: unknown]
  closed: []
}

export interface WorkerMetrics {
  /** Handlers running now. */
  readonly running: number
  /** Fetched, not handled yet. */
  readonly waiting: number
  readonly completed: number
  readonly failed: number
  readonly deadLettered: number
  readonly leasesLost: number
}

export interface WorkerOptions {
  readonly concurrency: number
  readonly prefetch: number
  readonly attempts: number
  readonly backoff: BackoffRule
}

/** Acknowledgements on their way to the disk; beyond it the worker fetches no more. */
const MAX_UNSETTLED = 8192

/**
 * Runs a handler over the messages of a topic: up to `concurrency` at a time, acknowledged when it returns, tried again
 * after a backoff when it throws, dead letter after `attempts`. A handler may settle its message itself (`msg.ack()`,
 * `msg.retry()`, `msg.deadLetter()`). With order 'key' a retry happens in place: the next message of the key waits.
 */
export class Worker<Body = any> extends EventEmitter<WorkerEvents> {
  readonly topic: string
  readonly group: string
  readonly #consumption: Consumption<Body>
  readonly #handler: Handler<Body>
  readonly #options: WorkerOptions
  readonly #keeper: LeaseKeeper
  readonly #stop = new AbortController()
  readonly #hold: Timer
  readonly #onClosed: () => void
  /** May start now; taken from `#readyHead`. */
  #ready: Array<Message<Body>> = []
  #readyHead = 0
  readonly #running = new Set<Message<Body>>()
  /** Waiting for their backoff, in place. */
  readonly #resting = new Map<Message<Body>, Timer>()
  /** With order 'key': the messages behind the one that is ready, running or resting, by queue and key. */
  readonly #behind = new Map<string, Array<Message<Body>>>()
  #behindCount = 0
  #unsettled = 0
  #isPumping = false
  #isStopping = false
  #isAbandoned = false
  #wakeFetcher: (() => void) | undefined
  #whenIdle: (() => void) | undefined
  #closing: Promise<void> | undefined
  readonly #fetching: Promise<void>
  #completed = 0
  #failed = 0
  #deadLettered = 0
  #leasesLost = 0

  constructor (consumption: Consumption<Body>, handler: Handler<Body>, options: WorkerOptions, onClosed: () => void) {
    super()
    this.topic = consumption.topic
    this.group = consumption.group
    this.#consumption = consumption
    this.#handler = handler
    this.#options = options
    this.#onClosed = onClosed
    this.#hold = consumption.holdProcess()
    this.#keeper = new LeaseKeeper({ ...consumption, held: () => this.#held(), onLost: (message) => this.#leaseLost(message) })
    this.#fetching = this.#fetchLoop()
    consumption.signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (consumption.signal?.aborted === true) this.#onAbort()
  }

  get metrics (): WorkerMetrics {
    return {
      running: this.#running.size,
      waiting: this.#waitingCount,
      completed: this.#completed,
      failed: this.#failed,
      deadLettered: this.#deadLettered,
      leasesLost: this.#leasesLost
    }
  }

  /**
   * Stops fetching, gives back what no handler has begun, waits for the running ones and for their acknowledgements.
   * Handlers that are not done after `timeoutMs` see `msg.signal` fire, and their messages are given back. Never rejects;
   * further calls return the first one's promise.
   */
  close ({ timeoutMs = 30_000 }: { readonly timeoutMs?: number } = {}): Promise<void> {
    return (this.#closing ??= this.#close(timeoutMs))
  }

  async [Symbol.asyncDispose] (): Promise<void> { await this.close() }

  async #close (timeoutMs: number): Promise<void> {
    this.#isStopping = true
    this.#consumption.signal?.removeEventListener('abort', this.#onAbort)
    this.#stop.abort()
    this.#wakeFetcher?.()
    await this.#fetching
    await this.#releaseWaiting()
    if (!this.#isIdle) {
      const idle = new Promise<void>((resolve) => { this.#whenIdle = resolve })
      const timer = this.#consumption.clock.setTimer(timeoutMs, () => { this.#abandonRunning() })
      await idle
      timer.cancel()
    }
    this.#keeper.stop()
    this.#hold.cancel()
    this.#onClosed()
    this.emit('closed')
  }

  async #releaseWaiting (): Promise<void> {
    for (const timer of this.#resting.values()) timer.cancel()
    const waiting = [...this.#waiting()]
    this.#ready = []
    this.#readyHead = 0
    this.#resting.clear()
    this.#behind.clear()
    this.#behindCount = 0
    await this.#consumption.release(waiting)
  }

  /** The time for closing is over: handlers are told, and no longer waited for. */
  #abandonRunning (): void {
    const running = [...this.#running]
    const reason = new MqError('MQ_CLOSED', 'the queue is closing and the handler took too long')
    this.#isAbandoned = true
    this.#running.clear()
    this.#unsettled++
    this.#consumption.release(running).finally(() => {
      this.#unsettled--
      this.#maybeIdle()
    })
    for (const message of running) message.loseLease(reason)
  }

  readonly #onAbort = (): void => { this.close() }

  // ---- fetching ----

  async #fetchLoop (): Promise<void> {
    const capacity = this.#options.concurrency + this.#options.prefetch
    // not more than is free as soon as a handler is
    const worthwhile = Math.min(Math.ceil(capacity / 2), this.#options.prefetch + 1)
    while (!this.#isStopping) {
      const room = capacity - this.#running.size - this.#waitingCount
      if (room < worthwhile || this.#unsettled >= MAX_UNSETTLED) {
        await new Promise<void>((resolve) => { this.#wakeFetcher = resolve })
        this.#wakeFetcher = undefined
        continue
      }
      let messages: Array<Message<Body>>
      try {
        messages = await this.#consumption.pop(room, this.#stop.signal)
      } catch (error) {
        if (!this.#isStopping) this.#fail(error)
        return
      }
      if (this.#isStopping) return await this.#consumption.release(messages)
      for (const message of messages) this.#admit(message)
      this.#pump()
    }
  }

  #fail (error: unknown): void {
    this.#isStopping = true
    if (!isMqError(error, 'MQ_CLOSED')) this.emit('failure', error)
    this.close()
  }

  // ---- order ----

  #admit (message: Message<Body>): void {
    if (!this.#consumption.isOrdered) {
      this.#ready.push(message)
      return
    }
    message.retryInPlace()
    const lane = laneOf(message)
    const behind = this.#behind.get(lane)
    if (behind === undefined) {
      this.#behind.set(lane, [])
      this.#ready.push(message)
    } else {
      behind.push(message)
      this.#behindCount++
    }
  }

  /** The message has left its lane: the next one of the key may start. */
  #leaveLane (message: Message<Body>): void {
    if (!this.#consumption.isOrdered) return
    const lane = laneOf(message)
    const behind = this.#behind.get(lane)
    if (behind === undefined) return
    const next = behind.shift()
    if (next === undefined) {
      this.#behind.delete(lane)
    } else {
      this.#behindCount--
      this.#ready.push(next)
    }
  }

  // ---- handling ----

  #pump (): void {
    if (this.#isPumping) return
    this.#isPumping = true
    while (this.#running.size < this.#options.concurrency && this.#readyHead < this.#ready.length && !this.#isStopping) {
      const message = this.#ready[this.#readyHead]!
      this.#ready[this.#readyHead++] = undefined!
      if (message.isLost) this.#leaveLane(message)
      else this.#start(message)
    }
    if (this.#readyHead === this.#ready.length && this.#readyHead > 0) {
      this.#ready = []
      this.#readyHead = 0
    }
    this.#isPumping = false
    this.#wakeFetcher?.()
  }

  #start (message: Message<Body>): void {
    this.#running.add(message)
    message.begin()
    let result: unknown
    let isPromise: boolean
    try {
      result = this.#handler(message)
      isPromise = typeof (result as PromiseLike<unknown> | undefined)?.then === 'function'
    } catch (error) {
      this.#ended(message, error, true)
      return
    }
    if (isPromise) {
      // whatever a handler's thenable does, it ends once
      Promise.resolve(result).then(() => this.#ended(message, undefined, false), (error) => this.#ended(message, error, true))
    } else {
      this.#ended(message, undefined, false)
    }
  }

  #ended (message: Message<Body>, error: unknown, hasFailed: boolean): void {
    if (this.#isAbandoned) return
    const retryDelayMs = message.takeRetryDelay()
    if (message.isLost) {
      this.#running.delete(message)
      this.#leaveLane(message)
    } else if (retryDelayMs !== undefined && message.settlement === undefined) {
      this.#running.delete(message)
      if (message.attempts < this.#options.attempts) this.#rest(message, retryDelayMs)
      else this.#giveUp(message, undefined)
    } else if (hasFailed && message.settlement === undefined) {
      this.#attemptFailed(message, error)
    } else {
      this.#running.delete(message)
      this.#track(message, message.settledPromise ?? message.ack(), () => {
        if (message.settlement === 'ack') {
          this.#completed++
          this.emit('completed', message)
        } else if (message.settlement === 'deadLetter') {
          this.#deadLettered++
          this.emit('deadLettered', message, error)
        }
      })
      this.#leaveLane(message)
    }
    this.#pump()
    this.#maybeIdle()
  }

  #attemptFailed (message: Message<Body>, error: unknown): void {
    this.#running.delete(message)
    this.#failed++
    let delayMs: number | undefined
    if (message.attempts < this.#options.attempts) {
      try {
        delayMs = this.#options.backoff(message.attempts, error)
      } catch (backoffError) {
        error = backoffError
      }
    }
    this.emit('failed', message, error, delayMs)
    if (delayMs === undefined) {
      this.#giveUp(message, error)
    } else if (!this.#consumption.isOrdered) {
      this.#track(message, message.retry({ delay: delayMs }), () => {})
    } else {
      this.#rest(message, delayMs)
    }
  }

  #giveUp (message: Message<Body>, error: unknown): void {
    this.#track(message, message.deadLetter(), () => {
      this.#deadLettered++
      this.emit('deadLettered', message, error)
    })
    this.#leaveLane(message)
  }

  /** Waits for another attempt, in place: what is behind it waits too. */
  #rest (message: Message<Body>, delayMs: number): void {
    if (this.#isStopping) {
      this.#track(message, this.#consumption.release([message]), () => {})
      return
    }
    message.countLocalAttempt()
    this.#resting.set(message, this.#consumption.clock.setTimer(delayMs, () => {
      this.#resting.delete(message)
      this.#ready.push(message)
      this.#pump()
    }))
  }

  /** Follows an acknowledgement to its end. */
  #track (message: Message<Body>, settled: Promise<void>, onSettled: () => void): void {
    this.#unsettled++
    settled.then(onSettled, (error) => {
      // a transaction that its handler gave up waiting for: done, or the message comes again when its lease ends
      if (isMqError(error, 'MQ_LEASE_LOST') || isMqError(error, 'MQ_TIMEOUT') || isMqError(error, 'MQ_ABORTED')) this.#leaseLost(message)
      else if (!this.#isStopping) this.#fail(error)
    }).finally(() => {
      this.#unsettled--
      if (this.#unsettled === MAX_UNSETTLED - 1) this.#wakeFetcher?.()
      this.#maybeIdle()
    })
  }

  #leaseLost (message: Message<Body>): void {
    this.#leasesLost++
    this.emit('leaseLost', message)
  }

  get #isIdle (): boolean { return this.#running.size === 0 && this.#unsettled === 0 }

  #maybeIdle (): void {
    if (this.#isStopping && this.#isIdle) this.#whenIdle?.()
  }

  get #waitingCount (): number {
    return this.#ready.length - this.#readyHead + this.#behindCount + this.#resting.size
  }

  * #waiting (): Iterable<Message<Body>> {
    for (let i = this.#readyHead; i < this.#ready.length; i++) yield this.#ready[i]!
    yield * this.#resting.keys()
    for (const behind of this.#behind.values()) yield * behind
  }

  * #held (): Iterable<Message<Body>> {
    yield * this.#running
    yield * this.#waiting()
  }
}

function laneOf (message: Message): string {
  return `${message.queueId}/${message.key ?? ''}`
}
