import { MqError, type Clock } from '../base/index.ts'
import { dedupeHashOf, DEFAULT_DEDUPE_COUNT, hasPriorities, MAX_PRIORITY, PutBatchProposal, PutProposal, queueOfPriority, SpecialPutProposal, type DeliveryTime, type Engine, type PutResult } from '../engine/index.ts'
import { encodeProperties, propertiesSizeBytes, MAX_PROPERTIES_BYTES, NAME_END, Property, PROPERTY_END, tagsCodeOf } from '../message/index.ts'
import { checkDuration, checkTime, checkInteger, checkKeys, checkObject, checkSignal, invalid, isWellFormed, wrongType } from './arguments.ts'
import type { TopicRoute, TopicRoutes } from './topic-routes.ts'
import type { BatchItem, MessageOptions, SendOptions, WaitOptions } from './types.ts'

const messageKeys = ['key', 'tag', 'properties', 'queueId', 'delay', 'deliverAt', 'dedupe', 'ttl', 'priority']
const sendKeys = [...messageKeys, 'signal', 'timeoutMs']
const itemKeys = ['body', 'topic', ...messageKeys]
/** Of a topic that does not say. */
const DEFAULT_DEDUPE = { windowMs: 10 * 60_000, maxCount: DEFAULT_DEDUPE_COUNT }

/** The last moment of the year 2100: whatever waits beyond was not meant. */
const MAX_TIME_MS = 4_133_980_799_999
/** Property names that users set by options of their own, or that belong to the engine. */
const reserved = new Set<string>(Object.values(Property))

type Resolve = (result: PutResult) => void
type Reject = (error: unknown) => void

/** What the promise being made is settled with: one function for all promises, where a closure each would be garbage each. */
const taken: { resolve: Resolve, reject: Reject } = { resolve () {}, reject () {} }
function takeFunctions (resolve: Resolve, reject: Reject): void {
  taken.resolve = resolve
  taken.reject = reject
}

/**
 * Turns sends into proposals. The way of an ordinary send is: one look-up of the topic, checks, one proposal; no
 * closure but the promise's own two.
 */
export class Sender {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #routes: TopicRoutes
  readonly #maxMessageBytes: number
  readonly #maxEntryBytes: number
  #scheduled = 0
  #lastTag: string | undefined
  #lastTagsCode = 0

  constructor (engine: Engine, clock: Clock, routes: TopicRoutes, limits: { readonly maxMessageBytes: number, readonly maxEntryBytes: number }) {
    this.#engine = engine
    this.#clock = clock
    this.#routes = routes
    this.#maxMessageBytes = limits.maxMessageBytes
    this.#maxEntryBytes = limits.maxEntryBytes
  }

  /** `own`: properties of the engine's own, as stored text. */
  send (topic: string, body: unknown, options: SendOptions | undefined, own = ''): Promise<PutResult> {
    const promise = new Promise<PutResult>(takeFunctions)
    // At once: what encodes the body is others' code, which may send something too.
    const { resolve, reject } = taken
    try {
      const route = this.#routes.get(topic)
      if (options === undefined) {
        this.#engine.submit(new PutProposal(route.topic, route.nextQueueId(), this.#encode(route, body), '', '', 0, '', resolve, reject))
      } else {
        this.#sendWith(route, body, options, own, resolve, reject)
      }
    } catch (error) {
      reject(error)
    }
    return promise
  }

  #sendWith (route: TopicRoute, body: unknown, options: SendOptions, own: string, resolve: Resolve, reject: Reject): void {
    if (options === null || typeof options !== 'object') throw wrongType('options', 'an object', options)
    for (const name in options) if (name !== 'key' && name !== 'tag' && !sendKeys.includes(name)) checkKeys('options', options, sendKeys)
    const { key, tag, properties, queueId, delay, deliverAt, dedupe, ttl, priority, signal, timeoutMs } = options
    const time = delay === undefined && deliverAt === undefined ? undefined : checkDelivery(delay, deliverAt)
    const proposal = this.#put(route, body, key, tag, properties, queueId, time, dedupe, ttl === undefined ? own : own + ttlText(ttl), priority, resolve, reject)
    if (signal !== undefined || timeoutMs !== undefined) this.#guard(proposal, checkSignal(signal), timeoutMs)
    else this.#engine.submit(proposal)
  }

  #put (
    route: TopicRoute, body: unknown, key: unknown, tag: unknown, properties: MessageOptions['properties'], queueId: unknown, time: DeliveryTime | undefined, dedupe: unknown, own: string, priority: unknown,
    resolve: Resolve, reject: Reject
  ): PutProposal {
    const keys = key === undefined ? '' : checkText('key', key)
    const tags = tag === undefined ? '' : tag === this.#lastTag ? tag as string : this.#checkTag(tag)
    // Before the body is encoded: others' code, which may send with another tag.
    const tagsCode = tags === '' ? 0 : this.#lastTagsCode
    let propertiesText = properties === undefined ? own : propertiesTextOf(properties) + own
    const byPriority = priority === undefined ? undefined : checkPriority(route, priority, queueId)
    if (byPriority !== undefined) propertiesText += `${Property.priority}${NAME_END}${priority as number}${PROPERTY_END}`
    let uniqueKey = ''
    const id = dedupe === undefined ? undefined : checkText('dedupe', dedupe)
    if (id !== undefined) propertiesText += `${Property.dedupeId}${NAME_END}${id}${PROPERTY_END}`
    if (time !== undefined) {
      uniqueKey = `${this.#engine.session}-${(this.#scheduled++).toString(36)}`
      propertiesText += `${Property.uniqueKey}${NAME_END}${uniqueKey}${PROPERTY_END}`
    }
    if (3 * (keys.length + tags.length + propertiesText.length) + 12 > MAX_PROPERTIES_BYTES) checkPropertiesSize(keys, tags, propertiesText)
    const queue = byPriority !== undefined ? byPriority : queueId !== undefined ? checkQueueId(route, queueId) : keys === '' ? route.nextQueueId() : route.queueOf(keys)
    const bytes = this.#encode(route, body)
    if (time === undefined && id === undefined) return new PutProposal(route.topic, queue, bytes, keys, tags, tagsCode, propertiesText, resolve, reject)
    const special = {
      time,
      dedupe: id === undefined ? undefined : { hash: dedupeHashOf(id), defaultRule: DEFAULT_DEDUPE },
      // what was stored before is known by the id, if handles can bear that
      uniqueKey: id === undefined || id.includes(' ') ? uniqueKey : id
    }
    return new SpecialPutProposal(special, route.topic, queue, bytes, keys, tags, tagsCode, propertiesText, resolve, reject)
  }

  /** Senders use few tags, mostly the same one many times. */
  #checkTag (tag: unknown): string {
    const checked = checkText('tag', tag)
    this.#lastTag = checked
    this.#lastTagsCode = tagsCodeOf(checked)
    return checked
  }

  #encode (route: TopicRoute, body: unknown): Uint8Array {
    const bytes = route.codec.encode(body)
    if (bytes.length > this.#maxMessageBytes) throw tooLarge('the body takes', bytes.length, 'maxMessageBytes', this.#maxMessageBytes)
    return bytes
  }

  sendBatch (topic: string | undefined, messages: unknown, options: WaitOptions = {}): Promise<PutResult[]> {
    return new Promise((resolve, reject) => {
      if (!Array.isArray(messages)) throw wrongType('messages', 'an array', messages)
      checkKeys('options', options, ['signal', 'timeoutMs'])
      const puts = (messages as ReadonlyArray<BatchItem<unknown> & { readonly topic?: string }>).map((item, i) => {
        checkKeys(`messages[${i}]`, item, itemKeys)
        if (topic !== undefined && item.topic !== undefined && item.topic !== topic) throw invalid(`messages[${i}].topic`, `left out, or ${topic}`, item.topic)
        return this.#putOf((topic ?? item.topic)!, item.body, item)
      })
      if (puts.length === 0) return resolve([])
      this.guard(new PutBatchProposal(puts, resolve, reject), 'the batch takes up to', checkSignal(options.signal), options.timeoutMs)
    })
  }

  /** One of several that are stored together: its own promise is nobody's. */
  put (topic: string, body: unknown, options: MessageOptions): PutProposal {
    checkKeys('options', options, messageKeys)
    return this.#putOf(topic, body, options)
  }

  #putOf (topic: string, body: unknown, { key, tag, properties, queueId, delay, deliverAt, dedupe, ttl, priority }: MessageOptions): PutProposal {
    const unused: Resolve & Reject = () => {}
    return this.#put(this.#routes.get(topic), body, key, tag, properties, queueId, checkDelivery(delay, deliverAt), dedupe, ttl === undefined ? '' : ttlText(ttl), priority, unused, unused)
  }

  /** Submits several that are stored together. */
  guard (proposal: PutBatchProposal, what: string, signal: AbortSignal | undefined, timeoutMs: unknown): void {
    if (proposal.isOfSeveral && proposal.costBytes > this.#maxEntryBytes) throw tooLarge(what, proposal.costBytes, 'maxEntryBytes', this.#maxEntryBytes)
    this.#guard(proposal, signal, timeoutMs)
  }

  /** Submits what the caller may give up waiting for. */
  #guard (proposal: PutProposal | PutBatchProposal, signal: AbortSignal | undefined, timeoutMs: unknown): void {
    const limitMs = timeoutMs === undefined ? undefined : checkDuration('timeoutMs', timeoutMs)
    if (signal?.aborted === true) throw new MqError('MQ_ABORTED', 'the request was aborted', { cause: signal.reason })
    const outcome = (): { outcome: 'not-applied' | 'unknown' } => ({ outcome: proposal.cancel() ? 'not-applied' : 'unknown' })
    const onAbort = (): void => { proposal.fail(new MqError('MQ_ABORTED', 'the request was aborted', { ...outcome(), cause: signal!.reason })) }
    const timer = limitMs === undefined
      ? undefined
      : this.#clock.setTimer(limitMs, () => { proposal.fail(new MqError('MQ_TIMEOUT', `the request did not finish in ${limitMs} ms`, outcome())) })
    signal?.addEventListener('abort', onAbort, { once: true })
    proposal.onEnd = () => {
      timer?.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
    this.#engine.submit(proposal)
  }
}

/** As stored. */
export function ttlText (ttl: unknown): string {
  return `${Property.timeToLive}${NAME_END}${checkDuration('ttl', ttl, 1)}${PROPERTY_END}`
}

/** Undefined: at once. */
export function checkDelivery (delay: unknown, deliverAt: unknown): DeliveryTime | undefined {
  if (delay !== undefined && deliverAt !== undefined) throw invalid('deliverAt', 'left out where there is a delay', deliverAt)
  if (delay !== undefined) return { delayMs: checkDuration('delay', delay) }
  return deliverAt === undefined ? undefined : { deliverAtMs: checkTime('deliverAt', deliverAt, MAX_TIME_MS) }
}

function checkQueueId (route: TopicRoute, queueId: unknown): number {
  const checked = checkInteger('queueId', queueId, 0)
  if (checked >= route.topic.queueCount) {
    throw new MqError('MQ_QUEUE_NOT_FOUND', `topic ${route.topic.name} has ${route.topic.queueCount} queues, there is no queue ${checked}`)
  }
  return checked
}

/** The queue of that priority. */
function checkPriority ({ topic }: TopicRoute, priority: unknown, queueId: unknown): number {
  const checked = checkInteger('priority', priority, 0, MAX_PRIORITY)
  if (queueId !== undefined) throw invalid('queueId', 'left out where there is a priority', queueId)
  if (!hasPriorities(topic.attributes)) throw new MqError('MQ_INVALID_ARGUMENT', `topic ${topic.name} has no priorities: make it with { priority: true }`)
  return queueOfPriority(checked, topic.queueCount)
}

/** Short, of ASCII characters without the separators: one loop over it costs less than three calls that search it. */
function isPlain (text: string): boolean {
  if (text.length > 64) return false
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit <= 2 || unit >= 0x80) return false
  }
  return true
}

/** A key or a tag. */
function checkText (what: string, text: unknown): string {
  if (typeof text !== 'string') throw wrongType(what, 'a string', text)
  if (text.length === 0) throw invalid(what, 'at least one character long', text)
  if (isPlain(text)) return text
  if (text.includes(NAME_END) || text.includes(PROPERTY_END)) throw invalid(what, 'without the characters U+0001 and U+0002', text)
  if (!isWellFormed(text)) throw invalid(what, 'without halves of surrogate pairs', text)
  return text
}

function propertiesTextOf (properties: unknown): string {
  const pairs = Object.entries(checkObject('properties', properties))
  for (const [name, value] of pairs) {
    if (typeof value !== 'string') throw wrongType(`properties.${name}`, 'a string', value)
    if (name.length === 0) throw invalid('a property\'s name', 'at least one character long', name)
    if (value.length === 0) throw invalid(`properties.${name}`, 'at least one character long', value)
    if (reserved.has(name)) throw invalid('a property\'s name', 'none of the engine\'s own (key and tag are options)', name)
  }
  const text = encodeProperties(pairs as Array<[string, string]>)
  if (!isWellFormed(text)) throw invalid('properties', 'without halves of surrogate pairs', text)
  return text
}

function checkPropertiesSize (keys: string, tags: string, propertiesText: string): void {
  const bytes = propertiesSizeBytes({ keys, tags, propertiesText })
  if (bytes > MAX_PROPERTIES_BYTES) {
    throw new MqError('MQ_MESSAGE_TOO_LARGE', `key, tag and properties take ${bytes} bytes, at most ${MAX_PROPERTIES_BYTES} fit`, { limitBytes: MAX_PROPERTIES_BYTES })
  }
}

function tooLarge (what: string, sizeBytes: number, setting: string, limitBytes: number): MqError {
  return new MqError('MQ_MESSAGE_TOO_LARGE', `${what} ${sizeBytes} bytes, the limit is ${limitBytes} (${setting})`, { sizeBytes, setting, limitBytes })
}
