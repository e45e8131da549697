import { getInt64, setInt64, invariant, viewOf, MqError } from '../base/index.ts'
import { restamp } from './delivered-form.ts'
import { encodeMessage, encodeRecord, type Host, type MessageFields, type RecordFields } from './record.ts'

/**
 * The body of a log entry, big-endian: what one sealed batch holds, applied atomically and in order.
 *
 *     records    message records back to back (record.ts), written once, served as they are
 *     directory  where each record goes, so that apply never parses a record:
 *                  targetCount u16, then per target: topicLength u8, topic, queueId u32, firstQueueOffset u64;
 *                  then per record: sizeBytes u32, tagsCode i32, target u16 (the queue offsets of a target's records are consecutive;
 *                  HIDDEN_TARGET: it goes to no queue yet)
 *     commands   per command: recordsBefore u32 (how many records of this entry are applied first), type u16, lengthBytes u32, payload
 *     trailer    recordsBytes u32, messageCount u32, directoryBytes u32, commandCount u32
 */
const TRAILER_BYTES = 16
const ITEM_BYTES = 10
const COMMAND_HEADER_BYTES = 10
const MAX_TARGETS = 0xffff
/** Of a record that is only stored so far: a command tells what becomes of it. */
export const HIDDEN_TARGET = 0xffff

const utf8Decoder = new TextDecoder()
let generations = 0

/** Writes one entry's body into a slab, records first. One writer is reused for all entries of a slab's owner. */
export class EntryBodyWriter {
  #bytes: Uint8Array = new Uint8Array(0)
  #view: DataView = viewOf(this.#bytes)
  #start = 0
  #at = 0
  #limit = 0
  #bodyOffset = 0
  #directoryBytes = 2
  #commandBytes = 0
  #items = new DataView(new ArrayBuffer(1024 * ITEM_BYTES))
  #messageCount = 0
  #generation = 0
  #targets: Array<{ topic: Uint8Array, queueId: number, firstQueueOffset: number }> = []
  #commands: Array<{ recordsBefore: number, type: number, payload: Uint8Array | (() => Uint8Array) }> = []
  #visibleCount = 0

  /**
   * Starts a body at `bytes[start]`, which may take up to `limitBytes`. `bodyOffset` is the physicalOffset of that
   * first byte. `view` must cover the same memory as `bytes`.
   */
  begin (bytes: Uint8Array, view: DataView, start: number, limitBytes: number, bodyOffset: number): void {
    this.#bytes = bytes
    this.#view = view
    this.#start = this.#at = start
    this.#limit = start + limitBytes
    this.#bodyOffset = bodyOffset
    this.#directoryBytes = 2
    this.#commandBytes = 0
    this.#messageCount = this.#visibleCount = 0
    this.#generation = ++generations
    this.#targets = []
    this.#commands = []
  }

  /** Another number after every `begin` of any writer of this process: what a target's ordinal is remembered by. */
  get generation (): number { return this.#generation }
  get messageCount (): number { return this.#messageCount }
  /** Those of them that go to a queue. */
  get visibleCount (): number { return this.#visibleCount }
  get commandCount (): number { return this.#commands.length }
  get isEmpty (): boolean { return this.#messageCount === 0 && this.#commands.length === 0 }
  /** Bytes the body would take if it were finished now. */
  get sizeBytes (): number { return this.#at - this.#start + this.#directoryBytes + this.#commandBytes + TRAILER_BYTES }
  get remainingBytes (): number { return this.#limit - this.#start - this.sizeBytes }
  /** The physicalOffset of the next record. */
  get nextPhysicalOffset (): number { return this.#bodyOffset + this.#at - this.#start }
  get hasRoomForTarget (): boolean { return this.#targets.length < MAX_TARGETS }

  /** What a record of that size takes of `remainingBytes`, its directory item and a target of its own included. */
  static recordCostBytes (recordBytes: number, topicBytes: number): number { return recordBytes + ITEM_BYTES + 13 + topicBytes }
  static commandCostBytes (payloadBytes: number): number { return COMMAND_HEADER_BYTES + payloadBytes }
  /** Bytes of an otherwise empty body. */
  static readonly emptyBytes = 2 + TRAILER_BYTES

  /** Names a consume queue that records of this entry go to; the result is what `addRecord` takes. Name a queue once per entry. */
  addTarget (topic: Uint8Array, queueId: number, firstQueueOffset: number): number {
    this.#directoryBytes += 13 + topic.length
    return this.#targets.push({ topic, queueId, firstQueueOffset }) - 1
  }

  /** Writes a record; `record.physicalOffset` must be `nextPhysicalOffset`. Returns the record's size in bytes. */
  addRecord (target: number, tagsCode: number, record: RecordFields): number {
    const sizeBytes = encodeRecord(this.#bytes, this.#view, this.#at, record)
    this.#addItem(target, tagsCode, sizeBytes)
    return sizeBytes
  }

  /** `addRecord` for a message as its producer gave it; the record gets `nextPhysicalOffset`. Returns the record's size in bytes. */
  addMessage (
    target: number, tagsCode: number, message: MessageFields,
    topic: Uint8Array, queueId: number, queueOffset: number, storeTimestampMs: number, storeHost: Host
  ): number {
    const sizeBytes = encodeMessage(this.#bytes, this.#view, this.#at, message, topic, queueId, queueOffset, this.nextPhysicalOffset, storeTimestampMs, storeHost)
    this.#addItem(target, tagsCode, sizeBytes)
    return sizeBytes
  }

  /**
   * `addRecord` for a record that is stored already, anew as it is: with `nextPhysicalOffset` and these. Returns its
   * size in bytes.
   */
  addStored (target: number, tagsCode: number, record: Uint8Array, queueOffset: number, storeTimestampMs: number): number {
    this.#bytes.set(record, this.#at)
    restamp(this.#view, this.#at, queueOffset, this.nextPhysicalOffset, storeTimestampMs)
    this.#addItem(target, tagsCode, record.length)
    return record.length
  }

  #addItem (target: number, tagsCode: number, sizeBytes: number): void {
    this.#at += sizeBytes
    if (target !== HIDDEN_TARGET) this.#visibleCount++
    const item = this.#messageCount++ * ITEM_BYTES
    if (item === this.#items.byteLength) this.#growItems()
    this.#items.setUint32(item, sizeBytes)
    this.#items.setInt32(item + 4, tagsCode)
    this.#items.setUint16(item + 8, target)
    this.#directoryBytes += ITEM_BYTES
  }

  /**
   * Adds a command that is applied after the records (and commands) added so far. The payload is kept until `finish`.
   * Returns the command's ordinal, for `replaceCommand`.
   */
  addCommand (type: number, payload: Uint8Array): number {
    this.#commandBytes += COMMAND_HEADER_BYTES + payload.length
    return this.#commands.push({ recordsBefore: this.#messageCount, type, payload }) - 1
  }

  /**
   * `addCommand` for one that gathers what many proposals say: its payload is asked for by `finish`, and takes no more than what `grow`
   * has been told of.
   */
  addGrowing (type: number, encode: () => Uint8Array): void {
    this.#commandBytes += COMMAND_HEADER_BYTES
    this.#commands.push({ recordsBefore: this.#messageCount, type, payload: encode })
  }

  /** A command that grows has become longer, by so many bytes at most. */
  grow (bytes: number): void { this.#commandBytes += bytes }

  /** Puts another payload into a command added since the last `begin`; its place and type stay. */
  replaceCommand (ordinal: number, payload: Uint8Array): void {
    const command = this.#commands[ordinal]!
    this.#commandBytes += payload.length - (command.payload as Uint8Array).length
    command.payload = payload
  }

  /** Writes directory, commands and trailer; returns the body's size in bytes. */
  finish (): number {
    invariant(this.#at - this.#start + this.#directoryBytes + this.#commandBytes + TRAILER_BYTES <= this.#limit - this.#start, 'entry body exceeds its limit')
    const recordsBytes = this.#at - this.#start
    const view = this.#view
    let at = this.#at
    view.setUint16(at, this.#targets.length)
    at += 2
    for (const { topic, queueId, firstQueueOffset } of this.#targets) {
      view.setUint8(at, topic.length)
      this.#bytes.set(topic, at + 1)
      at += 1 + topic.length
      view.setUint32(at, queueId)
      setInt64(view, at + 4, firstQueueOffset)
      at += 12
    }
    const itemBytes = this.#messageCount * ITEM_BYTES
    this.#bytes.set(new Uint8Array(this.#items.buffer, 0, itemBytes), at)
    at += itemBytes
    for (const { recordsBefore, type, payload: given } of this.#commands) {
      const payload = typeof given === 'function' ? given() : given
      view.setUint32(at, recordsBefore)
      view.setUint16(at + 4, type)
      view.setUint32(at + 6, payload.length)
      this.#bytes.set(payload, at + COMMAND_HEADER_BYTES)
      at += COMMAND_HEADER_BYTES + payload.length
    }
    view.setUint32(at, recordsBytes)
    view.setUint32(at + 4, this.#messageCount)
    view.setUint32(at + 8, 2 + this.#targets.reduce((sum, target) => sum + 13 + target.topic.length, 0) + itemBytes)
    view.setUint32(at + 12, this.#commands.length)
    return at + TRAILER_BYTES - this.#start
  }

  #growItems (): void {
    const grown = new Uint8Array(this.#items.byteLength * 2)
    grown.set(new Uint8Array(this.#items.buffer))
    this.#items = new DataView(grown.buffer)
  }
}

export interface BodyTarget { readonly topic: string, readonly queueId: number, readonly firstQueueOffset: number }
export interface BodyCommand { readonly recordsBefore: number, readonly type: number, readonly payload: Uint8Array }

/**
 * Reads an entry's body in place. Meant for bytes whose checksum was verified; all lengths are checked all the same, so
 * that a body from a faulty sender is refused, never half applied.
 */
export class EntryBody {
  readonly messageCount: number
  readonly targets: readonly BodyTarget[]
  readonly commands: readonly BodyCommand[]
  readonly #view: DataView
  readonly #itemsAt: number

  /** @throws MQ_CORRUPT the sections do not add up */
  constructor (body: Uint8Array) {
    const view = this.#view = viewOf(body)
    const end = body.length - TRAILER_BYTES
    if (end < 2) throw new MqError('MQ_CORRUPT', 'entry body is shorter than its trailer')
    const recordsBytes = view.getUint32(end)
    const directoryBytes = view.getUint32(end + 8)
    this.messageCount = view.getUint32(end + 4)
    const commandsAt = recordsBytes + directoryBytes
    if (directoryBytes < 2 || commandsAt > end) throw new MqError('MQ_CORRUPT', 'entry body sections exceed the body')
    const targets: BodyTarget[] = []
    let at = recordsBytes
    const targetCount = view.getUint16(at)
    at += 2
    for (let i = 0; i < targetCount; i++) {
      const topicBytes = at < commandsAt ? view.getUint8(at) : 0
      if (at + 13 + topicBytes > commandsAt) throw new MqError('MQ_CORRUPT', 'entry directory is cut short')
      const topic = utf8Decoder.decode(body.subarray(at + 1, at + 1 + topicBytes))
      at += 1 + topicBytes
      targets.push({ topic, queueId: view.getUint32(at), firstQueueOffset: getInt64(view, at + 4) })
      at += 12
    }
    this.targets = targets
    this.#itemsAt = at
    if (at + this.messageCount * ITEM_BYTES !== commandsAt) throw new MqError('MQ_CORRUPT', 'entry directory does not match its record count')
    let total = 0
    for (let i = 0; i < this.messageCount; i++) {
      const target = this.targetOf(i)
      if (target >= targetCount && target !== HIDDEN_TARGET) throw new MqError('MQ_CORRUPT', 'entry directory names a target it lacks')
      total += this.sizeOf(i)
    }
    if (total !== recordsBytes) throw new MqError('MQ_CORRUPT', 'entry records do not add up')
    const commands: BodyCommand[] = []
    at = commandsAt
    for (let i = view.getUint32(end + 12); i > 0; i--) {
      if (at + COMMAND_HEADER_BYTES > end) throw new MqError('MQ_CORRUPT', 'entry commands are cut short')
      const payloadEnd = at + COMMAND_HEADER_BYTES + view.getUint32(at + 6)
      const recordsBefore = view.getUint32(at)
      if (payloadEnd > end || recordsBefore > this.messageCount) throw new MqError('MQ_CORRUPT', 'entry commands are cut short')
      commands.push({ recordsBefore, type: view.getUint16(at + 4), payload: body.subarray(at + COMMAND_HEADER_BYTES, payloadEnd) })
      at = payloadEnd
    }
    if (at !== end) throw new MqError('MQ_CORRUPT', 'entry body has bytes that belong to nothing')
    this.commands = commands
  }

  sizeOf (message: number): number { return this.#view.getUint32(this.#itemsAt + message * ITEM_BYTES) }
  tagsCodeOf (message: number): number { return this.#view.getInt32(this.#itemsAt + message * ITEM_BYTES + 4) }
  targetOf (message: number): number { return this.#view.getUint16(this.#itemsAt + message * ITEM_BYTES + 8) }
}
