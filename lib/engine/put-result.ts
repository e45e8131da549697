import { messageIdOf } from './message-id.ts'

/** Where a message was stored. `id` is made when asked for. */
export class PutResult {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  /** Where the message lies in the log, in bytes. */
  readonly physicalOffset: number
  /** When the leader accepted it, ms since 1970. */
  readonly storeTimestampMs: number

  constructor (topic: string, queueId: number, queueOffset: number, physicalOffset: number, storeTimestampMs: number) {
    this.topic = topic
    this.queueId = queueId
    this.queueOffset = queueOffset
    this.physicalOffset = physicalOffset
    this.storeTimestampMs = storeTimestampMs
  }

  /** RocketMQ's offset message id. */
  get id (): string { return messageIdOf(this.physicalOffset) }

  /** When it is delivered, ms since 1970, and what it is taken back by; undefined: it is in its queue. */
  get deliverAtMs (): number | undefined { return undefined }
  get recallHandle (): string | undefined { return undefined }

  /** The message was stored before: this tells where, of then. */
  get isDuplicate (): boolean { return false }

  toJSON (): object {
    const { id, topic, queueId, queueOffset, physicalOffset, storeTimestampMs } = this
    return { id, topic, queueId, queueOffset, physicalOffset, storeTimestampMs }
  }
}
