import { isMqError, MqError } from '../base/index.ts'
import { messageIdOf, type Delivery, type Engine, type StoredRecord } from '../engine/index.ts'
import { decodeProperties, Property } from '../message/index.ts'
import type { Codec } from './codec.ts'
import { checkDuration, checkKeys } from './arguments.ts'
import type { Duration } from './types.ts'

/** Knows how a topic's payloads are read at the moment: a newer Avro schema reads what the earlier ones wrote, not the other way round. */
export interface CodecSource {
  readonly codec: Codec
}

/** A message as it lies in its queue. Body and properties are decoded when first asked for. */
export class StoredMessage<Body = any> {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly #stored: StoredRecord
  readonly #source: CodecSource
  #body: Body | undefined
  #isDecoded = false
  #properties: ReadonlyMap<string, string> | undefined

  constructor (topic: string, stored: StoredRecord, source: CodecSource) {
    this.topic = topic
    this.queueId = stored.queueId
    this.queueOffset = stored.queueOffset
    this.#stored = stored
    this.#source = source
  }

  /** Where the message lies in the log, in bytes. */
  get physicalOffset (): number { return this.#stored.physicalOffset }
  /** When the leader accepted it, ms since 1970. */
  get storeTimestampMs (): number { return this.#stored.storeTimestampMs }
  /** RocketMQ's offset message id. */
  get id (): string { return messageIdOf(this.physicalOffset) }

  /** The payload's bytes: a view on the engine's memory. It stays valid; copy a small piece you keep for long. */
  get bytes (): Uint8Array { return this.#stored.record.body }

  /** @throws MQ_PAYLOAD_INVALID the bytes do not fit the topic's codec */
  get body (): Body {
    if (!this.#isDecoded) {
      this.#body = this.#source.codec.decode(this.bytes, this.#decoded) as Body
      this.#isDecoded = true
    }
    return this.#body as Body
  }

  get key (): string | undefined { return this.#decoded.get(Property.keys) }
  get tag (): string | undefined { return this.#decoded.get(Property.tags) }

  /** The properties given with send, and those the engine added. Key and tag have getters of their own. */
  get properties (): Readonly<Record<string, string>> {
    const properties: Record<string, string> = Object.create(null)
    for (const [name, value] of this.#decoded) if (name !== Property.keys && name !== Property.tags) properties[name] = value
    return properties
  }

  get #decoded (): ReadonlyMap<string, string> {
    return (this.#properties ??= decodeProperties(this.#stored.record.propertiesText))
  }
}

/** How a message that was handed out ended; undefined while it has not. */
export type Settlement = 'ack' | 'retry' | 'deadLetter'

export interface RetryOptions {
  /** Not before so long; default 0. */
  readonly delay?: Duration
}

/**
 * A message checked out to this consumer. Until its lease ends nobody else of the group gets it. It ends by `ack`,
 * `retry` or `deadLetter` (each resolves once that is durable), or by time: then it is delivered again.
 */
export class Message<Body = any> extends StoredMessage<Body> {
  readonly group: string
  readonly #engine: Engine
  readonly #delivery: Delivery
  /** Attempts made in this process without returning the lease (ordered consumption). */
  #localAttempts = 0
  /** Set by an ordered worker: a retry keeps the lease, so that nothing overtakes the message. */
  #retriesInPlace = false
  #retryDelayMs: number | undefined
  #wasBegun = false
  #settlement: Settlement | undefined
  #settled: Promise<void> | undefined
  #abort: AbortController | undefined
  #lostTo: Error | undefined

  constructor (engine: Engine, delivery: Delivery, source: CodecSource) {
    super(delivery.topic, delivery, source)
    this.group = delivery.group
    this.#engine = engine
    this.#delivery = delivery
  }

  /** Which delivery this is, from 1. */
  get attempts (): number { return this.#delivery.attempts + this.#localAttempts }

  /** Fires when the message is no longer this consumer's: its lease was lost, or the queue shuts down and cannot wait. */
  get signal (): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#lostTo !== undefined) this.#abort.abort(this.#lostTo)
    }
    return this.#abort.signal
  }

  /** What was asked for last: 'ack', 'retry', 'deadLetter'; undefined while the message is out. */
  get settlement (): Settlement | undefined { return this.#settlement }

  /**
   * Done. A second call returns the first one's promise.
   * @throws MQ_LEASE_LOST the lease had ended: the message is, or will be, delivered again
   */
  ack (): Promise<void> {
    return this.#settle('ack', 0)
  }

  /**
   * Gives the message back; it is delivered again, not before `delay` has passed. In an ordered worker it stays with the
   * worker, and the next message of its key waits for it.
   * @throws MQ_LEASE_LOST
   */
  retry (options: RetryOptions = {}): Promise<void> {
    let delayMs: number
    try {
      const { delay = 0 } = checkKeys('options', options, ['delay'])
      delayMs = checkDuration('delay', delay)
    } catch (error) {
      return Promise.reject(error)
    }
    if (this.#retriesInPlace && this.#settled === undefined) {
      this.#retryDelayMs = delayMs
      return Promise.resolve()
    }
    return this.#settle('retry', delayMs)
  }

  /** Moves the message to the group's dead letters, topic `%DLQ%<group>`. @throws MQ_LEASE_LOST */
  deadLetter (): Promise<void> {
    return this.#settle('deadLetter', 0)
  }

  /** Makes the lease last until `lease` from now, if it would end sooner; messages fetched together share it. @throws MQ_LEASE_LOST */
  async renew (lease: Duration): Promise<void> {
    const leaseMs = checkDuration('lease', lease, 1)
    const [renewed] = await this.#engine.renew([this.#delivery], leaseMs)
    if (renewed !== true) throw this.loseLease()
  }

  /** For the room's own use. */
  get delivery (): Delivery { return this.#delivery }

  /** For the room's own use. */
  isOf (engine: Engine): boolean { return this.#engine === engine }

  /** For the room's own use. @throws MQ_LEASE_LOST it is not this consumer's any more, as far as that is known, or it was settled */
  assertOut (): void {
    if (this.#settled !== undefined) throw this.#alreadySettled()
    if (isMqError(this.#lostTo, 'MQ_LEASE_LOST')) throw this.#lostTo
  }

  /** For the room's own use: what the settlement resolves with. */
  get settledPromise (): Promise<void> | undefined { return this.#settled }

  /** For the room's own use: the message is settled together with others. */
  settleWith (settlement: Settlement, settled: Promise<void>): void {
    this.#settlement = settlement
    this.#settled = settled
  }

  /** For the room's own use: a settlement that was refused for the moment and had no effect can be asked for again. */
  maybeReopen (error: unknown): void {
    if (isMqError(error) && error.retryable && error.outcome === 'not-applied') this.reopen()
  }

  /** For the room's own use: the settlement had no effect. */
  reopen (): void {
    this.#settlement = undefined
    this.#settled = undefined
  }

  /** For the room's own use: a handler has begun to work on it, so that this delivery counts. */
  begin (): void { this.#wasBegun = true }
  get wasBegun (): boolean { return this.#wasBegun }

  /** For the room's own use: `retry` shall keep the lease. */
  retryInPlace (): void { this.#retriesInPlace = true }

  /** For the room's own use: the delay of a retry in place that the handler has asked for, once. */
  takeRetryDelay (): number | undefined {
    const delayMs = this.#retryDelayMs
    this.#retryDelayMs = undefined
    return delayMs
  }

  /** For the room's own use: counts a failed attempt that keeps the lease. */
  countLocalAttempt (): void { this.#localAttempts++ }

  /** For the room's own use: the message is no longer this consumer's; returns why. */
  loseLease (reason: Error = this.#leaseLost()): Error {
    if (this.#lostTo === undefined) {
      this.#lostTo = reason
      this.#abort?.abort(reason)
    }
    return this.#lostTo
  }

  get isLost (): boolean { return this.#lostTo !== undefined }

  #settle (settlement: Settlement, delayMs: number): Promise<void> {
    if (this.#settled !== undefined) {
      return settlement === this.#settlement ? this.#settled : Promise.reject(this.#alreadySettled())
    }
    if (isMqError(this.#lostTo, 'MQ_LEASE_LOST')) return Promise.reject(this.#lostTo)
    this.#settlement = settlement
    const settled = settlement === 'ack'
      ? this.#engine.ack(this.#delivery)
      : settlement === 'retry'
        ? this.#engine.retryLater(this.#delivery, delayMs)
        : this.#engine.deadLetter(this.#delivery)
    return (this.#settled = settled.catch((error: unknown) => {
      this.maybeReopen(error)
      throw error
    }))
  }

  #alreadySettled (): MqError { return new MqError('MQ_LEASE_LOST', `the message was already given to ${this.#settlement}`) }

  #leaseLost (): MqError {
    return new MqError('MQ_LEASE_LOST', `the lease on message ${this.queueOffset} of ${this.topic}/${this.queueId} ended before it was acknowledged`)
  }
}
