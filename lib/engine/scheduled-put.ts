import { encodeRecallHandle, NO_QUEUE_OFFSET, type EntryBodyWriter } from '../message/index.ts'
import { delayCost } from '../store/index.ts'
import { PutProposal } from './put-proposal.ts'
import { PutResult } from './put-result.ts'

/** Where a message was stored that waits for its time. It has no queue offset yet: -1. */
export class ScheduledPutResult extends PutResult {
  readonly #deliverAtMs: number
  readonly #uniqueKey: string

  constructor (topic: string, queueId: number, physicalOffset: number, storeTimestampMs: number, deliverAtMs: number, uniqueKey: string) {
    super(topic, queueId, NO_QUEUE_OFFSET, physicalOffset, storeTimestampMs)
    this.#deliverAtMs = deliverAtMs
    this.#uniqueKey = uniqueKey
  }

  override get deliverAtMs (): number { return this.#deliverAtMs }
  override get recallHandle (): string {
    const { topic, deliverAtMs, physicalOffset } = this
    return encodeRecallHandle({ topic, brokerName: '', deliverAtMs, uniqueKey: this.#uniqueKey, physicalOffset })!
  }

  override toJSON (): object { return { ...super.toJSON(), deliverAtMs: this.deliverAtMs, recallHandle: this.recallHandle } }
}

/** When a message is to come: so long after it is stored, or at a time, ms since 1970. */
export interface DeliveryTime {
  readonly delayMs?: number
  readonly deliverAtMs?: number
}

/** A message that comes to its queue later. Its properties hold `uniqueKey`, without blanks. */
export class ScheduledPutProposal extends PutProposal {
  readonly #time: DeliveryTime
  readonly #uniqueKey: string

  constructor (time: DeliveryTime, uniqueKey: string, ...put: ConstructorParameters<typeof PutProposal>) {
    super(...put)
    this.#time = time
    this.#uniqueKey = uniqueKey
  }

  protected override get commandBytes (): number { return delayCost.schedule(this.topic.name) }

  override write (writer: EntryBodyWriter, storeTimestampMs: number): void {
    const { delayMs = 0, deliverAtMs = storeTimestampMs + delayMs } = this.#time
    if (deliverAtMs <= storeTimestampMs) return super.write(writer, storeTimestampMs)
    const { topic, queueId } = this
    this.result = new ScheduledPutResult(topic.name, queueId, writer.nextPhysicalOffset, storeTimestampMs, deliverAtMs, this.#uniqueKey)
    topic.scheduleMessage(writer, this, queueId, this.tagsCode, storeTimestampMs, deliverAtMs)
  }
}
