import { viewOf } from '../base/index.ts'
import { patchBodyCrc, patchDelivered, RecordView } from '../message/index.ts'

/** What a pull came to, in RocketMQ's words. @see RocketMQ GetMessageStatus */
export const GetMessageStatus = {
  FOUND: 'FOUND',
  NO_MATCHED_MESSAGE: 'NO_MATCHED_MESSAGE',
  MESSAGE_WAS_REMOVING: 'MESSAGE_WAS_REMOVING',
  OFFSET_FOUND_NULL: 'OFFSET_FOUND_NULL',
  OFFSET_OVERFLOW_BADLY: 'OFFSET_OVERFLOW_BADLY',
  OFFSET_OVERFLOW_ONE: 'OFFSET_OVERFLOW_ONE',
  OFFSET_TOO_SMALL: 'OFFSET_TOO_SMALL',
  NO_MATCHED_LOGIC_QUEUE: 'NO_MATCHED_LOGIC_QUEUE',
  NO_MESSAGE_IN_QUEUE: 'NO_MESSAGE_IN_QUEUE'
} as const
export type GetMessageStatus = typeof GetMessageStatus[keyof typeof GetMessageStatus]

/**
 * The outcome of a read. Its records may be views on the log's memory: it is valid until the turn of the event loop ends in
 * which it was returned, or its promise was resolved, so copy out of it at once.
 */
export class GetMessagesResult {
  status: GetMessageStatus
  /** Where the reader is to go on. */
  nextBeginOffset: number
  minOffset: number
  maxOffset: number
  /** Of all records together: what `copyTo` writes. */
  sizeBytes = 0
  /** How much a filter had to look at. */
  filteredBytes = 0
  readonly #records: Uint8Array[] = []
  readonly #queueOffsets: number[] = []
  readonly #stamps: number[] = []

  constructor (status: GetMessageStatus, nextBeginOffset: number, minOffset: number, maxOffset: number) {
    this.status = status
    this.nextBeginOffset = nextBeginOffset
    this.minOffset = minOffset
    this.maxOffset = maxOffset
  }

  get messageCount (): number { return this.#records.length }
  queueOffsetOf (message: number): number { return this.#queueOffsets[message]! }
  storeTimestampMsOf (message: number): number { return this.#stamps[message]! }
  sizeBytesOf (message: number): number { return this.#records[message]!.length }

  /** Writes all records back to back at `target[at]`, as their consumer is to see them; returns where they end. */
  copyTo (target: Uint8Array, at: number): number {
    const view = viewOf(target)
    const records = this.#records
    for (let i = 0; i < records.length; i++) {
      const record = records[i]!
      target.set(record, at)
      patchDelivered(view, at, this.#queueOffsets[i]!, this.#stamps[i]!)
      patchBodyCrc(target, view, at)
      at += record.length
    }
    return at
  }

  /** One record as its consumer is to see it, in memory of its own. */
  message (message: number): RecordView {
    const bytes = this.#records[message]!.slice()
    const view = viewOf(bytes)
    patchDelivered(view, 0, this.#queueOffsets[message]!, this.#stamps[message]!)
    patchBodyCrc(bytes, view, 0)
    return new RecordView(bytes)
  }

  /** @private */
  add (record: Uint8Array, queueOffset: number, storeTimestampMs: number): void {
    this.#records.push(record)
    this.#queueOffsets.push(queueOffset)
    this.#stamps.push(storeTimestampMs)
    this.sizeBytes += record.length
  }
}
