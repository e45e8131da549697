import type { RecordView } from '../message/index.ts'
import type { LeasedRange, PoppedRange } from '../store/index.ts'

/** A message as it lies in its queue. */
export interface StoredRecord {
  readonly queueId: number
  readonly queueOffset: number
  readonly physicalOffset: number
  readonly storeTimestampMs: number
  readonly record: RecordView
}

/** A message checked out by a group: the record, which delivery this is, and the handle of its lease. */
export class Delivery implements StoredRecord, LeasedRange {
  readonly group: string
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly physicalOffset: number
  readonly storeTimestampMs: number
  readonly attempts: number
  readonly record: RecordView
  readonly queue: number
  readonly lease: number
  /** When the lease ended, as of the checking out. */
  readonly invisibleUntilMs: number

  constructor (group: string, topic: string, stored: StoredRecord, { queue, lease, attempts, invisibleUntilMs }: Pick<PoppedRange, 'queue' | 'lease' | 'attempts' | 'invisibleUntilMs'>) {
    this.group = group
    this.topic = topic
    this.queueId = stored.queueId
    this.queueOffset = stored.queueOffset
    this.physicalOffset = stored.physicalOffset
    this.storeTimestampMs = stored.storeTimestampMs
    this.attempts = attempts
    this.record = stored.record
    this.queue = queue
    this.lease = lease
    this.invisibleUntilMs = invisibleUntilMs
  }

  get first (): number { return this.queueOffset }
  get count (): number { return 1 }
}
