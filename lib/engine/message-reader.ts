import { isMqError, MqError, viewOf, type Logger } from '../base/index.ts'
import type { RaftLog } from '../log/index.ts'
import { patchDelivered, RecordView } from '../message/index.ts'
import type { ConsumeQueue, Store, UnitPage } from '../store/index.ts'
import type { StoredRecord } from './delivery.ts'

/** Copies of a batch share memory up to about this size: what a consumer keeps alive by keeping one message. */
const COPY_BYTES = 64 * 1024

/** What is read of the log. */
export type RecordLog = Pick<RaftLog, 'read' | 'readNow' | 'floor'>

/** What messages are read with. */
export interface ReadPorts {
  readonly store: Store
  readonly log: RecordLog
  readonly logger: Logger
}

/** Reads messages by queue and offset: units from the store, records from the log; from memory where they are there. */
export class MessageReader {
  readonly #store: Store
  readonly #log: RecordLog
  readonly #logger: Logger

  constructor ({ store, log, logger }: ReadPorts) {
    this.#store = store
    this.#log = log
    this.#logger = logger
  }

  /**
   * The messages at [fromOffset, fromOffset + count) of a queue, as far as they exist; retention may have removed the
   * first ones. A record that cannot be read any more (its bytes are damaged) is reported, and left out.
   */
  async read (queue: ConsumeQueue, fromOffset: number, count: number, maxBytes = Infinity): Promise<StoredRecord[]> {
    const records: StoredRecord[] = []
    const to = Math.min(fromOffset + count, queue.nextOffset)
    let offset = Math.max(fromOffset, queue.minOffset)
    let bytes = 0
    while (offset < to && bytes < maxBytes) {
      const units = this.#store.consumeQueues.unitsNow(queue, offset, to - offset) ?? await this.#unitsFrom(queue, offset, to - offset)
      if (units === undefined) {
        offset = Math.max(offset + 1, queue.minOffset)
        continue
      }
      const { page } = units
      const copies = new Copies(page, units.from, units.to)
      for (let unit = units.from; unit < units.to && bytes < maxBytes; unit++, offset++) {
        const physicalOffset = page.physicalOffsetOf(unit)
        const sizeBytes = page.sizeBytesOf(unit)
        const record = this.#log.readNow(physicalOffset, sizeBytes) ?? await readRecord(this.#log, this.#logger, queue, offset, physicalOffset, sizeBytes)
        if (record === undefined) continue
        bytes += sizeBytes
        const storeTimestampMs = page.storeTimestampMsOf(unit)
        records.push({ queueId: queue.queueId, queueOffset: offset, physicalOffset, storeTimestampMs, record: new RecordView(copies.take(record, offset, storeTimestampMs)) })
      }
    }
    return records
  }

  async #unitsFrom (queue: ConsumeQueue, offset: number, count: number): Promise<Awaited<ReturnType<Store['consumeQueues']['units']>> | undefined> {
    try {
      return await this.#store.consumeQueues.units(queue, offset, count)
    } catch (error) {
      if (isMqError(error, 'MQ_OFFSET_TOO_SMALL')) return undefined
      throw error
    }
  }
}

/** A record's bytes, valid until the next turn of the event loop; undefined when they cannot be read any more, which is reported unless retention is why. */
export async function readRecord (log: RecordLog, logger: Logger, queue: ConsumeQueue, offset: number, physicalOffset: number, sizeBytes: number): Promise<Uint8Array | undefined> {
  if (physicalOffset < log.floor.physicalOffset) return undefined
  try {
    return await log.read(physicalOffset, sizeBytes)
  } catch (error) {
    if (!isMqError(error, 'MQ_CORRUPT') && !isMqError(error, 'MQ_MESSAGE_NOT_FOUND')) throw error
    if (physicalOffset >= log.floor.physicalOffset) {
      logger.error(`message ${offset} of ${queue.topic}/${queue.queueId} cannot be read and counts as removed: ${error.message}`, { physicalOffset, error })
    }
    return undefined
  }
}

/**
 * Copies of records side by side: a view on the log's memory lives too short for a consumer, and would keep megabytes
 * of it from being freed.
 */
class Copies {
  readonly #page: UnitPage
  readonly #to: number
  #unit: number
  #memory: Uint8Array = new Uint8Array(0)
  #view: DataView = viewOf(this.#memory)
  #at = 0

  constructor (page: UnitPage, from: number, to: number) {
    this.#page = page
    this.#unit = from
    this.#to = to
  }

  /** Records come in the order of the units; some may be left out. */
  take (record: Uint8Array, queueOffset: number, storeTimestampMs: number): Uint8Array {
    if (this.#at + record.length > this.#memory.length) this.#reserve(record.length)
    const copy = this.#memory.subarray(this.#at, this.#at + record.length)
    copy.set(record)
    patchDelivered(this.#view, this.#at, queueOffset, storeTimestampMs)
    this.#at += record.length
    return copy
  }

  #reserve (neededBytes: number): void {
    let bytes = 0
    while (this.#unit < this.#to && bytes < COPY_BYTES) bytes += this.#page.sizeBytesOf(this.#unit++)
    this.#memory = new Uint8Array(Math.max(neededBytes, bytes))
    this.#view = viewOf(this.#memory)
    this.#at = 0
  }
}

export function offsetTooSmall (queue: ConsumeQueue, offset: number): MqError {
  return new MqError('MQ_OFFSET_TOO_SMALL', `${queue.topic}/${queue.queueId} begins at offset ${queue.minOffset}, ${offset} was removed`, { minOffset: queue.minOffset })
}
