import { MqError, type Clock, type Timer } from '../base/index.ts'
import type { Arrival, Engine, PutResult } from '../engine/index.ts'
import { encodeProperties, Property } from '../message/index.ts'
import { checkDuration, checkKeys, checkSignal, invalid, wrongType } from './arguments.ts'
import { StoredMessage } from './message.ts'
import { ttlText, type Sender } from './sender.ts'
import { REPLY_TOPIC, type TopicRoutes } from './topic-routes.ts'
import type { MessageOptions, WaitOptions } from './types.ts'

export interface RequestOptions extends Pick<MessageOptions, 'key' | 'tag' | 'properties' | 'queueId'> {
  /** How long to wait for the reply, and how long the request is handed out; default 30 s. */
  readonly timeoutMs?: number
  /** Gives up waiting. */
  readonly signal?: AbortSignal
}

export type ReplyOptions = Pick<MessageOptions, 'tag' | 'properties'> & WaitOptions

interface Waiting {
  readonly resolve: (reply: StoredMessage) => void
  readonly reject: (error: Error) => void
}

const DEFAULT_TIMEOUT_MS = 30_000
/** Requests of one process that wait. */
const MAX_WAITING = 100_000
const REPLY = 'reply'

/**
 * Requests and their replies, both of them messages: a request lies in its topic like any other, its reply in a topic for all replies. Properties are those of RocketMQ's
 * request-reply: CORRELATION_ID, REPLY_TO_CLIENT, TTL, and MSG_TYPE of the reply. Whoever asked looks at what comes to the topic of replies on its
 * node, so the reply finds it wherever it was given.
 */
export class Requests {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #sender: Sender
  readonly #routes: TopicRoutes
  readonly #waiting = new Map<string, Waiting>()
  #isListening = false
  #isClosed = false
  #count = 0

  constructor (engine: Engine, clock: Clock, sender: Sender, routes: TopicRoutes) {
    this.#engine = engine
    this.#clock = clock
    this.#sender = sender
    this.#routes = routes
  }

  async request<Reply> (topic: string, body: unknown, options: RequestOptions = {}): Promise<StoredMessage<Reply>> {
    checkKeys('options', options, ['key', 'tag', 'properties', 'queueId', 'timeoutMs', 'signal'])
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal, ...rest } = options
    const limitMs = checkDuration('timeoutMs', timeoutMs, 1)
    checkSignal(signal)?.throwIfAborted()
    this.#engine.assertOpen()
    if (this.#isClosed) throw new MqError('MQ_CLOSED', 'the queue is closing')
    if (this.#waiting.size >= MAX_WAITING) throw new MqError('MQ_BUSY', `${MAX_WAITING} requests wait for their replies already`, { bound: MAX_WAITING })
    this.#listen()
    const id = `${this.#engine.session}-${(this.#count++).toString(36)}`
    const own = encodeProperties([[Property.correlationId, id], [Property.replyToClient, this.#engine.session]]) + ttlText(limitMs)
    const hold = this.#engine.holdProcess()
    let timer: Timer | undefined
    let onAbort: (() => void) | undefined
    try {
      return await new Promise<StoredMessage<Reply>>((resolve, reject) => {
        // before it is sent: the reply may be here as soon as the request is
        this.#waiting.set(id, { resolve, reject })
        timer = this.#clock.setTimer(limitMs, () => { reject(new MqError('MQ_TIMEOUT', `no reply to the request came in ${limitMs} ms`, { outcome: 'unknown' })) })
        onAbort = () => { reject(new MqError('MQ_ABORTED', 'waiting for the reply was aborted', { outcome: 'unknown', cause: signal!.reason })) }
        signal?.addEventListener('abort', onAbort, { once: true })
        this.#sender.send(topic, body, rest, own).catch(reject)
      })
    } finally {
      this.#waiting.delete(id)
      timer?.cancel()
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
      hold.cancel()
    }
  }

  async reply (request: StoredMessage, body: unknown, options: ReplyOptions = {}): Promise<PutResult> {
    if (!(request instanceof StoredMessage)) throw wrongType('message', 'the message of a request', request)
    checkKeys('options', options, ['tag', 'properties', 'timeoutMs', 'signal'])
    const { [Property.correlationId]: id, [Property.replyToClient]: client, [Property.timeToLive]: ttl } = request.properties
    if (id === undefined || client === undefined) throw invalid('message', 'a request: it has CORRELATION_ID and REPLY_TO_CLIENT', request)
    const own = encodeProperties([[Property.messageType, REPLY], [Property.correlationId, id], [Property.replyToClient, client], ...(ttl === undefined ? [] : [[Property.timeToLive, ttl] as const])])
    return await this.#sender.send(REPLY_TOPIC, body, options, own)
  }

  /** Nothing comes any more. */
  close (): void {
    this.#isClosed = true
    for (const { reject } of this.#waiting.values()) reject(new MqError('MQ_CLOSED', 'the queue is closed, and the reply has not come', { outcome: 'unknown' }))
  }

  #listen (): void {
    if (this.#isListening) return
    this.#isListening = true
    this.#engine.onArrival((arrival) => {
      if (arrival.topic === REPLY_TOPIC && this.#waiting.size > 0) this.#take(arrival).catch(() => {}) // who waits is told by its time
    })
    this.#engine.onFailure(() => { this.close() })
  }

  async #take ({ queueId, fromOffset, toOffset }: Arrival): Promise<void> {
    const route = this.#routes.get(REPLY_TOPIC)
    for (const stored of await this.#engine.read({ topic: REPLY_TOPIC, queueId, fromOffset, maxMessages: toOffset - fromOffset })) {
      const message = new StoredMessage(REPLY_TOPIC, stored, route)
      this.#waiting.get(message.properties[Property.correlationId] ?? '')?.resolve(message)
    }
  }
}
