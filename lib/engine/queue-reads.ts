import { isMqError, viewOf, type Logger } from '../base/index.ts'
import type { SqlFilter } from '../filter/index.ts'
import { patchBodyCrc, patchDelivered, propertiesAt, RecordView } from '../message/index.ts'
import type { ConsumeQueue, Store, TimeBoundary, Units } from '../store/index.ts'
import { GetMessagesResult, GetMessageStatus } from './get-messages-result.ts'
import { readRecord, type ReadPorts, type RecordLog } from './message-reader.ts'
import { hasQueue } from './topic.ts'

/** At least so many units are looked at for one request, however few of them match. @see RocketMQ maxFilterMessageSize */
const MIN_SCANNED_UNITS = 800
/** About so many bytes are looked at by a filter for one request: neither a long message nor a costly expression holds others up. */
const MOST_FILTERED_BYTES = 4 * 1024 * 1024
/** After so many waits in one request for what is not in memory, records are copied as they come. */
const MOST_WAITS_ANEW = 8

export interface GetMessagesRequest {
  readonly topic: string
  readonly queueId: number
  readonly fromOffset: number
  readonly maxMessages: number
  /** Of all records together; the first one counts as fitting. */
  readonly maxBytes: number
  /** Only messages with one of these tag codes; undefined: all. Different tags may share a code. */
  readonly tagsCodes?: ReadonlySet<number> | undefined
  /** Only messages whose properties it matches. */
  readonly filter?: Pick<SqlFilter, 'matches' | 'costOf'> | undefined
}

export interface QueueRange {
  /** 0 with `maxOffset` 0: the queue never had a message. */
  readonly minOffset: number
  /** The offset the next message will get. */
  readonly maxOffset: number
}

/** A unit of a consume queue. */
export interface QueueUnit {
  readonly queueOffset: number
  readonly physicalOffset: number
  readonly sizeBytes: number
  readonly tagsCode: number
  readonly storeTimestampMs: number
}

/** A message found by its position in the log. Its bytes, as its consumer is to see them, are the caller's. */
export interface ViewedMessage {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly record: RecordView
}

/** Reading queues by offset, as RocketMQ's clients and tools do. What was applied is there to be read, on any node. */
export class QueueReads {
  readonly #store: Store
  readonly #log: RecordLog
  readonly #logger: Logger

  constructor ({ store, log, logger }: ReadPorts) {
    this.#store = store
    this.#log = log
    this.#logger = logger
  }

  /**
   * At once when all that is needed is in memory; else by promise, which rejects only when the engine has stopped. Either way
   * records are to be copied out of the result at once: what it refers to is valid until the turn of the event loop ends.
   */
  getMessages (request: GetMessagesRequest): GetMessagesResult | Promise<GetMessagesResult> {
    const { topic, queueId, fromOffset } = request
    const queue = this.#store.consumeQueues.find(topic, queueId)
    if (queue === undefined) {
      const config = this.#store.metadata.topic(topic)
      const exists = config !== undefined && hasQueue(config, queueId)
      return new GetMessagesResult(exists ? GetMessageStatus.NO_MESSAGE_IN_QUEUE : GetMessageStatus.NO_MATCHED_LOGIC_QUEUE, 0, 0, 0)
    }
    const { minOffset, nextOffset } = queue
    if (!(fromOffset >= minOffset)) return new GetMessagesResult(GetMessageStatus.OFFSET_TOO_SMALL, minOffset, minOffset, nextOffset)
    if (fromOffset === nextOffset) return new GetMessagesResult(GetMessageStatus.OFFSET_OVERFLOW_ONE, fromOffset, minOffset, nextOffset)
    if (fromOffset > nextOffset) return new GetMessagesResult(GetMessageStatus.OFFSET_OVERFLOW_BADLY, nextOffset, minOffset, nextOffset)
    const scan = new Scan(this.#store, this.#log, queue, request)
    return scan.advance() ? scan.finish() : this.#scanCold(scan)
  }

  /**
   * After each wait the scan begins anew, since views found before it are void; so what it comes to is in memory as a whole, and nothing
   * was copied. With many waits that would not end where memory is short: then records are copied as they come.
   */
  async #scanCold (scan: Scan): Promise<GetMessagesResult> {
    for (let waits = 1; ; waits++) {
      if (waits === MOST_WAITS_ANEW && scan.copyRecords()) return scan.finish()
      if (scan.missingBytes === 0) {
        let units: Units
        try {
          units = await this.#store.consumeQueues.units(scan.queue, scan.offset, scan.maxUnits)
        } catch (error) {
          if (!isMqError(error, 'MQ_OFFSET_TOO_SMALL')) throw error
          return scan.removed()
        }
        if (scan.goOn(units)) return scan.finish()
      } else {
        const record = await readRecord(this.#log, this.#logger, scan.queue, scan.offset, scan.missingPosition, scan.missingBytes)
        if (scan.goOnWith(record)) return scan.finish()
      }
    }
  }

  /** The message that begins at that position; undefined when there is none that may be seen. */
  async viewMessage (physicalOffset: number): Promise<ViewedMessage | undefined> {
    const located = await this.#store.locate(physicalOffset)
    if (located === undefined) return undefined
    const { topic, queueId, queueOffset, record, storeTimestampMs } = located
    const bytes = record.slice()
    const view = viewOf(bytes)
    patchDelivered(view, 0, queueOffset, storeTimestampMs)
    patchBodyCrc(bytes, view, 0)
    return { topic, queueId, queueOffset, record: new RecordView(bytes) }
  }

  /** The queue's range of offsets; all 0 while it has none. */
  rangeOf (topic: string, queueId: number): QueueRange {
    const queue = this.#store.consumeQueues.find(topic, queueId)
    return { minOffset: queue?.minOffset ?? 0, maxOffset: queue?.nextOffset ?? 0 }
  }

  /**
   * The offset for a time. `lower`: of the first message stored at it or later, else the one after the last; `upper`: of
   * the last message stored at it or earlier, else 0. Of an empty queue 0.
   */
  async searchOffset (topic: string, queueId: number, timeMs: number, boundary: TimeBoundary = 'lower'): Promise<number> {
    const { consumeQueues } = this.#store
    const queue = consumeQueues.find(topic, queueId)
    if (queue === undefined || (boundary === 'upper' && queue.unitCount === 0)) return queue?.nextOffset ?? 0
    const offset = await consumeQueues.searchOffset(queue, timeMs, boundary)
    if (boundary === 'lower' || offset > queue.minOffset) return offset
    const [unit] = await this.units(topic, queueId, offset, 1)
    return unit !== undefined && unit.storeTimestampMs > timeMs ? 0 : offset
  }

  /** When the message was stored; -1 when it is not there. */
  async storeTimestampAt (topic: string, queueId: number, queueOffset: number): Promise<number> {
    const [unit] = await this.units(topic, queueId, queueOffset, 1)
    return unit?.queueOffset === queueOffset ? unit.storeTimestampMs : -1
  }

  /** Of the oldest message of the queue; -1 when it has none. */
  async earliestStoreTimestamp (topic: string, queueId: number): Promise<number> {
    return await this.storeTimestampAt(topic, queueId, this.rangeOf(topic, queueId).minOffset)
  }

  /** Units from `fromOffset` on, or from the first that is there; at most `maxUnits`. */
  async units (topic: string, queueId: number, fromOffset: number, maxUnits: number): Promise<QueueUnit[]> {
    const { consumeQueues } = this.#store
    const queue = consumeQueues.find(topic, queueId)
    const found: QueueUnit[] = []
    if (queue === undefined) return found
    for (let offset = Math.max(fromOffset, queue.minOffset); offset < queue.nextOffset && found.length < maxUnits;) {
      const units = await consumeQueues.units(queue, offset, maxUnits - found.length).catch((error: unknown) => {
        if (isMqError(error, 'MQ_OFFSET_TOO_SMALL')) return undefined
        throw error
      })
      if (units === undefined) {
        if (queue.isRetired) break
        offset = Math.max(offset + 1, queue.minOffset)
        continue
      }
      const { page, from, to } = units
      for (let unit = from; unit < to; unit++, offset++) {
        found.push({ queueOffset: offset, physicalOffset: page.physicalOffsetOf(unit), sizeBytes: page.sizeBytesOf(unit), tagsCode: page.tagsCodeOf(unit), storeTimestampMs: page.storeTimestampMsOf(unit) })
      }
    }
    return found
  }
}

/** One request's way along its queue. */
class Scan {
  readonly queue: ConsumeQueue
  result: GetMessagesResult
  readonly #store: Store
  readonly #log: RecordLog
  readonly #request: GetMessagesRequest
  readonly #to: number
  offset: number
  /** Records are copied, so that what was found stays when the turn of the event loop ends. */
  #copies = false
  #removed = 0
  /** Offsets of records that were found to be removed, or damaged. */
  readonly #unreadable = new Set<number>()
  /** What `advance` stopped at: bytes of the log, or with 0 the units at `offset`. */
  missingPosition = 0
  missingBytes = 0
  #stampMs = 0

  constructor (store: Store, log: RecordLog, queue: ConsumeQueue, request: GetMessagesRequest) {
    this.#store = store
    this.#log = log
    this.queue = queue
    this.#request = request
    this.offset = request.fromOffset
    this.#to = Math.min(queue.nextOffset, request.fromOffset + Math.max(MIN_SCANNED_UNITS, request.maxMessages))
    this.result = this.#emptyResult()
  }

  get maxUnits (): number { return this.#to - this.offset }

  #emptyResult (): GetMessagesResult {
    return new GetMessagesResult(GetMessageStatus.OFFSET_FOUND_NULL, this.#request.fromOffset, this.queue.minOffset, this.queue.nextOffset)
  }

  /** From the first message found so far: what was passed over before it needs no second look. */
  #beginAnew (): void {
    const { filteredBytes } = this.result
    if (this.result.messageCount > 0) this.offset = this.result.queueOffsetOf(0)
    this.result = this.#emptyResult()
    this.result.filteredBytes = filteredBytes
  }

  /** Goes on as far as memory leads, and `loaded` (units at `offset`, which may not have stayed there); true: that was to the end. */
  advance (loaded?: Units): boolean {
    const { consumeQueues, floorPosition } = this.#store
    const { result } = this
    const { maxMessages, maxBytes, tagsCodes, filter } = this.#request
    while (this.offset < this.#to && result.messageCount < maxMessages) {
      const units = loaded ?? consumeQueues.unitsNow(this.queue, this.offset, this.maxUnits)
      loaded = undefined
      if (units === undefined) {
        this.missingBytes = 0
        return false
      }
      const { page, from, to } = units
      for (let unit = from; unit < to && result.messageCount < maxMessages; unit++, this.offset++) {
        if (tagsCodes !== undefined && !tagsCodes.has(page.tagsCodeOf(unit))) continue
        const position = page.physicalOffsetOf(unit)
        // later deliveries of older messages do not keep those from being removed
        if (position < floorPosition || (this.#unreadable.size > 0 && this.#unreadable.has(this.offset))) {
          this.#removed++
          continue
        }
        const sizeBytes = page.sizeBytesOf(unit)
        if (result.messageCount > 0 && result.sizeBytes + sizeBytes > maxBytes) return true
        const record = this.#log.readNow(position, sizeBytes)
        if (record === undefined) {
          this.missingPosition = position
          this.missingBytes = sizeBytes
          this.#stampMs = page.storeTimestampMsOf(unit)
          return false
        }
        if (filter !== undefined && !this.#isWanted(filter, record)) {
          if (result.filteredBytes < MOST_FILTERED_BYTES) continue
          this.offset++
          return true
        }
        result.add(this.#copies ? record.slice() : record, this.offset, page.storeTimestampMsOf(unit))
      }
    }
    return true
  }

  #isWanted (filter: NonNullable<GetMessagesRequest['filter']>, record: Uint8Array): boolean {
    const from = propertiesAt(record)
    this.result.filteredBytes += record.length + filter.costOf(record.length - from)
    return filter.matches(record, from, record.length)
  }

  /** From now on what is found stays: begins anew for the last time. */
  copyRecords (): boolean {
    this.#copies = true
    this.#beginAnew()
    return this.advance()
  }

  /** After a wait for the units at `offset`. */
  goOn (loaded: Units): boolean {
    if (this.#copies) return this.advance(loaded)
    this.#beginAnew()
    return this.advance()
  }

  /** After a wait for the record at `offset`; undefined: it cannot be read any more. */
  goOnWith (record: Uint8Array | undefined): boolean {
    if (record === undefined) this.#unreadable.add(this.offset)
    if (!this.#copies) {
      this.#beginAnew()
    } else if (record !== undefined) {
      const { filter } = this.#request
      const isWanted = filter === undefined || this.#isWanted(filter, record)
      if (isWanted) this.result.add(record.slice(), this.offset, this.#stampMs)
      this.offset++
      if (!isWanted && this.result.filteredBytes >= MOST_FILTERED_BYTES) return true
    }
    return this.advance()
  }

  finish (): GetMessagesResult {
    const { result } = this
    const scanned = this.offset - this.#request.fromOffset
    if (result.messageCount > 0) result.status = GetMessageStatus.FOUND
    else if (scanned > 0) result.status = this.#removed === scanned ? GetMessageStatus.MESSAGE_WAS_REMOVING : GetMessageStatus.NO_MATCHED_MESSAGE
    result.nextBeginOffset = this.offset
    result.minOffset = this.queue.minOffset
    return result
  }

  /** Retention, or a deletion of the topic, came in between. */
  removed (): GetMessagesResult {
    const { queue, result } = this
    if (result.messageCount > 0 && this.#copies) return this.finish()
    const { minOffset, nextOffset } = queue
    return queue.isRetired
      ? new GetMessagesResult(GetMessageStatus.NO_MATCHED_LOGIC_QUEUE, 0, 0, 0)
      : new GetMessagesResult(GetMessageStatus.OFFSET_TOO_SMALL, minOffset, minOffset, nextOffset)
  }
}
