import { MqError } from '../base/index.ts'
import { bodyCrcOf, encodeRecallHandle, NO_QUEUE_OFFSET, type EntryBodyWriter } from '../message/index.ts'
import { dedupeCost, delayCost, type DedupeId, type DedupeRule } from '../store/index.ts'
import { PutProposal } from './put-proposal.ts'
import { PutResult } from './put-result.ts'

/** When a message is to come: so long after it is stored, or at a time, ms since 1970. */
export interface DeliveryTime {
  readonly delayMs?: number
  readonly deliverAtMs?: number
}

/** What few messages have. */
export interface SpecialPut {
  /** Undefined: at once. */
  readonly time: DeliveryTime | undefined
  /** Undefined: it is a new one, whatever was sent before. */
  readonly dedupe: { readonly hash: bigint, readonly defaultRule: DedupeRule } | undefined
  /** What its properties name it by, of a message with `time`. */
  readonly uniqueKey: string
}

/** Where a message was stored that waits for its time, or that was stored before. */
export class SpecialPutResult extends PutResult {
  readonly #deliverAtMs: number
  readonly #uniqueKey: string
  readonly #isDuplicate: boolean

  /** @param deliverAtMs 0: it was in its queue at once */
  constructor (place: Pick<PutResult, 'topic' | 'queueId' | 'queueOffset' | 'physicalOffset' | 'storeTimestampMs'>, deliverAtMs: number, uniqueKey: string, isDuplicate = false) {
    super(place.topic, place.queueId, place.queueOffset, place.physicalOffset, place.storeTimestampMs)
    this.#deliverAtMs = deliverAtMs
    this.#uniqueKey = uniqueKey
    this.#isDuplicate = isDuplicate
  }

  override get isDuplicate (): boolean { return this.#isDuplicate }
  override get deliverAtMs (): number | undefined { return this.#deliverAtMs === 0 ? undefined : this.#deliverAtMs }
  override get recallHandle (): string | undefined {
    const { topic, deliverAtMs, physicalOffset } = this
    return deliverAtMs === undefined ? undefined : encodeRecallHandle({ topic, brokerName: '', deliverAtMs, uniqueKey: this.#uniqueKey, physicalOffset })
  }

  override toJSON (): object {
    const { deliverAtMs, recallHandle, isDuplicate } = this
    return { ...super.toJSON(), ...deliverAtMs !== undefined && { deliverAtMs, recallHandle }, ...isDuplicate && { isDuplicate } }
  }
}

/** A message that comes to its queue later, or that is stored only if it was not before. */
export class SpecialPutProposal extends PutProposal {
  readonly #special: SpecialPut

  constructor (special: SpecialPut, ...put: ConstructorParameters<typeof PutProposal>) {
    super(...put)
    this.#special = special
  }

  protected override get commandBytes (): number { return delayCost.schedule(this.topic.name) + dedupeCost.remember(this.topic.name) + dedupeCost.message }

  override prepare (writer: EntryBodyWriter): MqError | undefined {
    if (this.#special.dedupe !== undefined && !this.topic.canRemember) return new MqError('MQ_UNAVAILABLE', 'the group cannot tell what is sent again before all of its nodes run this version: send without dedupe, or later')
    return super.prepare(writer)
  }

  override write (writer: EntryBodyWriter, storeTimestampMs: number): void {
    const { topic } = this
    const { dedupe, uniqueKey } = this.#special
    if (dedupe === undefined) return this.#store(writer, storeTimestampMs)
    const rule = topic.dedupeRule ?? dedupe.defaultRule
    const id: DedupeId = { hash: dedupe.hash, bodyCrc: bodyCrcOf(this.body), bodyBytes: this.body.length }
    const known = topic.remembered(id, rule, storeTimestampMs)
    if (known !== undefined) {
      this.result = new SpecialPutResult({ topic: topic.name, ...known }, known.deliverAtMs, uniqueKey, true)
      return
    }
    this.#store(writer, storeTimestampMs)
    const { queueId, queueOffset, physicalOffset, deliverAtMs = 0 } = this.result
    topic.remember(writer, rule, [{ id, queueId, queueOffset, physicalOffset, deliverAtMs }], storeTimestampMs)
  }

  #store (writer: EntryBodyWriter, storeTimestampMs: number): void {
    const { time, uniqueKey } = this.#special
    const deliverAtMs = time === undefined ? 0 : time.deliverAtMs ?? storeTimestampMs + time.delayMs!
    if (deliverAtMs <= storeTimestampMs) return super.write(writer, storeTimestampMs)
    const { topic, queueId } = this
    const physicalOffset = writer.nextPhysicalOffset
    this.result = new SpecialPutResult({ topic: topic.name, queueId, queueOffset: NO_QUEUE_OFFSET, physicalOffset, storeTimestampMs }, deliverAtMs, uniqueKey)
    topic.scheduleMessage(writer, this, queueId, this.tagsCode, storeTimestampMs, deliverAtMs)
  }
}
