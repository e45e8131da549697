import { MqError } from '../base/index.ts'
import { bodyCrcOf, EntryBodyWriter, hostHex, MAX_PROPERTIES_BYTES, offsetMessageId, recordSizeBytes, type BatchItem, type Host, type RecordFields } from '../message/index.ts'
import type { Proposal } from '../replica/index.ts'
import { dedupeCost, delayCost, halfCost, type DedupeId, type DedupeRule } from '../store/index.ts'
import { LONGEST_TOPIC, type Topic } from './topic.ts'

/** An IPv6 host takes 12 bytes more than an IPv4 one; and a separator may be missing after the sender's properties. */
const SPARE_BYTES = 25
/** A hundred years. */
const MAX_DELAY_MS = 100 * 365 * 86_400_000
const NO_BYTES = new Uint8Array(0)

/** What the messages of one send request have in common. */
export interface WireOrigin {
  /** Below 0: any queue of the topic, chosen when it is stored. */
  readonly queueId: number
  readonly sysFlag: number
  readonly bornTimestampMs: number
  readonly bornHost: Host
  readonly reconsumeTimes: number
  /** Stored behind the sender's properties: what the broker adds. */
  readonly addedProperties?: Uint8Array
}

/** A message that its consumers do not see before its producer has said so. */
export interface HalfWish {
  /** Who is asked when it says nothing. */
  readonly producerGroup: string
  /** `tagsCodeOf` its UNIQ_KEY. */
  readonly idHash: number
  readonly checkAfterMs: number
  /** How long the producer may end it without having been asked; 0: for ever. */
  readonly immunityMs: number
}

/** A message as it came over the wire. */
export interface WireMessage extends WireOrigin {
  readonly flag: number
  readonly body: Uint8Array
  /** Stored text, as the client sent it. */
  readonly properties: Uint8Array
  /** `tagsCodeIn` the properties. */
  readonly tagsCode: number
  /** It comes to its queue that much later; absent or 0: at once. */
  readonly delayMs?: number
  /** Or then, ms since 1970; what has passed is at once. */
  readonly deliverAtMs?: number
  /** xxHash64 of its id: where its topic remembers those, a message that was stored lately is not stored again. */
  readonly dedupeHash?: bigint | undefined
  /** It is the half of a transaction; not with a delay. */
  readonly half?: HalfWish | undefined
}

/**
 * A message from a client on its way into the log. Whoever sends the answer extends this: exactly one of `onStored` and
 * `onFailed` is called, once, never within `submit` of a message that is taken; neither may throw. Body and properties
 * are copied when the message is sealed, mostly at the end of the turn: they must not change before the outcome is told.
 */
export abstract class WirePut implements Proposal, RecordFields {
  readonly destination: Topic
  readonly costBytes: number
  // what is stored, see RecordFields; `queueId` and the four below are decided when the message is sealed
  queueId: number
  flag: number
  sysFlag: number
  bornTimestampMs: number
  bornHost: Host
  reconsumeTimes: number
  body: Uint8Array
  properties: Uint8Array
  addedProperties: Uint8Array
  readonly tagsCode: number
  readonly delayMs: number
  /** When it comes to its queue, once it is stored; 0: it is there. */
  deliverAtMs: number
  readonly dedupeHash: bigint | undefined
  /** It was stored before: what is told of its place is that of then. */
  isDuplicate = false
  readonly half: HalfWish | undefined
  bodyCrc = 0
  queueOffset = -1
  physicalOffset = -1
  storeTimestampMs = 0
  topic: Uint8Array = NO_BYTES
  #refusal: MqError | undefined

  constructor (destination: Topic, message: WireMessage) {
    this.destination = destination
    this.queueId = message.queueId
    this.flag = message.flag
    this.sysFlag = message.sysFlag
    this.bornTimestampMs = message.bornTimestampMs
    this.bornHost = message.bornHost
    this.reconsumeTimes = message.reconsumeTimes
    this.body = message.body
    this.properties = message.properties
    this.addedProperties = message.addedProperties ?? NO_BYTES
    this.tagsCode = message.tagsCode
    this.delayMs = message.delayMs ?? 0
    this.deliverAtMs = message.deliverAtMs ?? 0
    this.half = message.half
    this.dedupeHash = message.dedupeHash
    this.costBytes = costBytesOf(destination, this.body, this.properties, this.addedProperties) + destination.creationCostBytes +
      (this.delayMs > 0 || this.deliverAtMs > 0 ? delayCost.schedule(destination.name) : 0) +
      (this.dedupeHash === undefined ? 0 : dedupeCost.remember(destination.name) + dedupeCost.message) +
      (this.half === undefined ? 0 : halfCost.prepare(destination.name, this.half.producerGroup))
  }

  /**
   * It is durable: `queueId`, `queueOffset`, `physicalOffset` and `storeTimestampMs` say where and when. A message with a
   * delay has no queue offset yet: -1; that of a half message is its number among those.
   */
  protected abstract onStored (): void
  /** `error.outcome` says what became of it. */
  protected abstract onFailed (error: MqError): void

  /** RocketMQ's offset message id, once it is stored. */
  get messageId (): string { return offsetMessageId(hostHex(this.storeHost), this.physicalOffset) }
  get storeHost (): Host { return this.destination.storeHost }
  get preparedTransactionOffset (): number { return 0 }

  decide (writer: EntryBodyWriter, storeTimestampMs: number): void {
    const { destination } = this
    const deliverAtMs = this.delayMs > 0 ? storeTimestampMs + this.delayMs : this.deliverAtMs > storeTimestampMs ? this.deliverAtMs : 0
    this.#refusal = refusalOf(destination, this.properties, this.addedProperties, deliverAtMs === 0 ? 0 : deliverAtMs - storeTimestampMs) ?? destination.ensure(writer, this.queueId)
    if (this.#refusal !== undefined) return
    this.bodyCrc = bodyCrcOf(this.body)
    const rule = this.dedupeHash === undefined || !destination.canRemember ? undefined : destination.dedupeRule
    if (rule !== undefined && this.#isKnown(rule, this.dedupeHash!, storeTimestampMs)) return
    if (this.queueId < 0) this.queueId = destination.nextQueueId()
    const queue = destination.queue(this.queueId)
    this.topic = queue.of.topicBytes
    this.deliverAtMs = deliverAtMs
    if (this.half !== undefined) this.#prepare(writer, storeTimestampMs, this.half)
    else if (deliverAtMs > 0) destination.schedule(writer, this, this.tagsCode, storeTimestampMs, deliverAtMs)
    else queue.appendRecord(writer, this, this.tagsCode, storeTimestampMs)
    if (rule === undefined) return
    const { queueId, queueOffset, physicalOffset } = this
    destination.remember(writer, rule, [{ id: this.#idOf(this.dedupeHash!), queueId, queueOffset, physicalOffset, deliverAtMs }], storeTimestampMs)
  }

  #isKnown (rule: DedupeRule, hash: bigint, nowMs: number): boolean {
    const known = this.destination.remembered(this.#idOf(hash), rule, nowMs)
    if (known === undefined) return false
    this.isDuplicate = true
    this.queueId = known.queueId
    this.queueOffset = known.queueOffset
    this.physicalOffset = known.physicalOffset
    this.storeTimestampMs = known.storeTimestampMs
    this.deliverAtMs = known.deliverAtMs
    return true
  }

  #idOf (hash: bigint): DedupeId { return { hash, bodyCrc: this.bodyCrc, bodyBytes: this.body.length } }

  #prepare (writer: EntryBodyWriter, storeTimestampMs: number, { producerGroup, idHash, checkAfterMs, immunityMs }: HalfWish): void {
    const immuneUntilMs = immunityMs === 0 ? 0 : storeTimestampMs + immunityMs
    this.queueOffset = this.destination.prepare(writer, this, this.tagsCode, storeTimestampMs, { producerGroup, idHash, checkAtMs: storeTimestampMs + checkAfterMs, immuneUntilMs })
  }

  settle (): void {
    if (this.destination.creationCostBytes !== 0) this.destination.confirm()
    if (this.#refusal === undefined) this.onStored()
    else this.onFailed(this.#refusal)
  }

  fail (error: MqError): void { this.onFailed(error) }
}

/** A message of a batch. */
export interface WireBatchItem extends BatchItem {
  readonly tagsCode: number
  /** @see WireMessage */
  readonly dedupeHash?: bigint | undefined
}

/** Several messages of one request for one queue: stored side by side in one entry, with consecutive offsets, or none of them. */
export abstract class WireBatchPut implements Proposal {
  readonly destination: Topic
  readonly items: readonly WireBatchItem[]
  readonly costBytes: number
  readonly #origin: WireOrigin
  readonly #addedProperties: Uint8Array
  /** Decided when the batch is sealed. */
  queueId: number
  /** Of the first message. */
  queueOffset = -1
  storeTimestampMs = 0
  readonly physicalOffsets: number[] = []
  /** All of them were stored before. */
  isDuplicate = false
  #refusal: MqError | undefined

  constructor (destination: Topic, origin: WireOrigin, items: readonly WireBatchItem[]) {
    this.destination = destination
    this.items = items
    this.queueId = origin.queueId
    this.#origin = origin
    const added = this.#addedProperties = origin.addedProperties ?? NO_BYTES
    this.costBytes = items.reduce((sum, { body, properties }) => sum + costBytesOf(destination, body, properties, added), destination.creationCostBytes) +
      (items.some(({ dedupeHash }) => dedupeHash !== undefined) ? dedupeCost.remember(destination.name) + items.length * dedupeCost.message : 0)
  }

  /** @see WirePut */
  protected abstract onStored (): void
  protected abstract onFailed (error: MqError): void

  /** RocketMQ's offset message ids of all messages, in order. */
  messageIds (): string[] {
    const host = hostHex(this.destination.storeHost)
    return this.physicalOffsets.map((physicalOffset) => offsetMessageId(host, physicalOffset))
  }

  decide (writer: EntryBodyWriter, storeTimestampMs: number): void {
    const { destination, items } = this
    const added = this.#addedProperties
    for (let i = 0; i < items.length && this.#refusal === undefined; i++) this.#refusal = refusalOf(destination, items[i]!.properties, added)
    this.#refusal ??= destination.ensure(writer, this.queueId)
    if (this.#refusal !== undefined) return
    const rule = destination.canRemember && items.every(({ dedupeHash }) => dedupeHash !== undefined) ? destination.dedupeRule : undefined
    const ids = rule === undefined ? [] : items.map(({ body, dedupeHash }) => ({ hash: dedupeHash!, bodyCrc: bodyCrcOf(body), bodyBytes: body.length }))
    if (rule !== undefined && this.#areKnown(rule, ids, storeTimestampMs)) return
    if (this.queueId < 0) this.queueId = destination.nextQueueId()
    const queue = destination.queue(this.queueId)
    const { sysFlag, bornTimestampMs, bornHost, reconsumeTimes } = this.#origin
    const record: RecordFields = {
      bodyCrc: 0,
      queueId: this.queueId,
      flag: 0,
      queueOffset: -1,
      physicalOffset: -1,
      sysFlag,
      bornTimestampMs,
      bornHost,
      storeTimestampMs,
      storeHost: destination.storeHost,
      reconsumeTimes,
      preparedTransactionOffset: 0,
      body: NO_BYTES,
      topic: queue.of.topicBytes,
      properties: NO_BYTES,
      addedProperties: added
    }
    for (const { flag, body, properties, tagsCode } of items) {
      record.flag = flag
      record.body = body
      record.properties = properties
      record.bodyCrc = bodyCrcOf(body)
      queue.appendRecord(writer, record, tagsCode, storeTimestampMs)
      this.physicalOffsets.push(record.physicalOffset)
    }
    this.queueOffset = record.queueOffset - items.length + 1
    this.storeTimestampMs = storeTimestampMs
    if (rule === undefined) return
    const { queueId, queueOffset, physicalOffsets } = this
    destination.remember(writer, rule, ids.map((id, i) => ({ id, queueId, queueOffset: queueOffset + i, physicalOffset: physicalOffsets[i]!, deliverAtMs: 0 })), storeTimestampMs)
  }

  /** All of them, as a batch was stored. */
  #areKnown (rule: DedupeRule, ids: readonly DedupeId[], nowMs: number): boolean {
    const known = ids.map((id) => this.destination.remembered(id, rule, nowMs))
    const first = known[0]
    if (first === undefined || known.some((place, i) => place?.queueId !== first.queueId || place.queueOffset !== first.queueOffset + i || place.deliverAtMs !== 0)) return false
    this.isDuplicate = true
    this.queueId = first.queueId
    this.queueOffset = first.queueOffset
    this.storeTimestampMs = first.storeTimestampMs
    for (const place of known) this.physicalOffsets.push(place!.physicalOffset)
    return true
  }

  settle (): void {
    if (this.destination.creationCostBytes !== 0) this.destination.confirm()
    if (this.#refusal === undefined) this.onStored()
    else this.onFailed(this.#refusal)
  }

  fail (error: MqError): void { this.onFailed(error) }
}

function costBytesOf ({ nameBytes }: Topic, body: Uint8Array, properties: Uint8Array, added: Uint8Array): number {
  return EntryBodyWriter.recordCostBytes(recordSizeBytes(body.length, nameBytes, properties.length + added.length) + SPARE_BYTES, nameBytes)
}

/** What would not fit into a record's or the directory's lengths, or could not be logged. */
function refusalOf ({ name, nameBytes }: Topic, properties: Uint8Array, added: Uint8Array, delayMs = 0): MqError | undefined {
  if (!Number.isInteger(delayMs) || delayMs > MAX_DELAY_MS) return new MqError('MQ_INVALID_ARGUMENT', `a delay is a whole number of ms up to ${MAX_DELAY_MS}, not ${delayMs}`)
  const propertiesBytes = properties.length + added.length + 1
  if (propertiesBytes > MAX_PROPERTIES_BYTES) return new MqError('MQ_MESSAGE_TOO_LARGE', `the properties take ${propertiesBytes} bytes, more than ${MAX_PROPERTIES_BYTES}`, { limitBytes: MAX_PROPERTIES_BYTES })
  return nameBytes > LONGEST_TOPIC.length ? new MqError('MQ_INVALID_ARGUMENT', `the topic's name takes ${nameBytes} bytes, more than ${LONGEST_TOPIC.length} (${name.slice(0, 64)}...)`) : undefined
}
