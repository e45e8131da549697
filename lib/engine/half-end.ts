import type { MqError } from '../base/index.ts'
import type { EntryBodyWriter } from '../message/index.ts'
import type { Proposal } from '../replica/index.ts'
import { halfCost, HalfOutcome, REFERENCE_MS } from '../store/index.ts'
import { refusalOf, type EndRequest, type EndResult } from './end-request.ts'
import { LONGEST_TOPIC } from './topic.ts'
import type { Transactions } from './transactions.ts'

/** Of one that is not there yet, or not any more. */
const COST_BYTES = halfCost.commit(LONGEST_TOPIC)

/**
 * The end of a transaction on its way into the log: the request and its decision in one object, as each transaction has one. Whoever
 * answers extends this: exactly one of `onEnded` and `onFailed` is called, once; neither may throw.
 */
export abstract class HalfEnding implements Proposal, EndRequest {
  readonly halfOffset: number
  readonly preparedPosition: number
  readonly producerGroup: string
  readonly idHash: number
  readonly outcome: EndRequest['outcome']
  readonly isAnswer: boolean
  readonly costBytes: number
  /** Consuming must go on where a disk is full. */
  get relieves (): boolean { return true }
  readonly #transactions: Transactions
  #result: EndResult | 'needs-bytes' = 'not-found'
  /** Of the half message, where it waits. */
  #topic = ''
  #sizeBytes = 0

  /** @see EndRequest */
  constructor (transactions: Transactions, halfOffset: number, preparedPosition: number, producerGroup: string, idHash: number, outcome: EndRequest['outcome'], isAnswer: boolean) {
    this.halfOffset = halfOffset
    this.preparedPosition = preparedPosition
    this.producerGroup = producerGroup
    this.idHash = idHash
    this.outcome = outcome
    this.isAnswer = isAnswer
    this.#transactions = transactions
    const topic = transactions.store.halves.topicOf(halfOffset)
    this.costBytes = topic === undefined ? COST_BYTES : halfCost.commit(topic)
  }

  abstract get uniqueKey (): string | undefined
  /** That is durable. Of a half message that was ended by this (`done`), its topic and the bytes of its record. */
  protected abstract onEnded (result: EndResult, topic: string, sizeBytes: number): void
  /** `error.outcome` says what became of it. */
  protected abstract onFailed (error: MqError): void

  decide (writer: EntryBodyWriter, storeTimestampMs: number): void {
    const transactions = this.#transactions
    const { halves } = transactions.store
    const unit = halves.proposedNow(this.halfOffset)
    const refusal = refusalOf(halves, unit, this, storeTimestampMs)
    if (refusal !== undefined) {
      this.#result = refusal
      return
    }
    this.#result = 'done'
    this.#topic = unit!.topic
    this.#sizeBytes = unit!.sizeBytes
    if (this.outcome === HalfOutcome.rollback) {
      halves.end(writer, unit!, HalfOutcome.rollback)
      return
    }
    const queue = transactions.queueOf(unit!)
    if (queue === undefined) {
      halves.end(writer, unit!, HalfOutcome.lost)
      this.#result = 'topic-gone'
    } else if (unit!.isDiscarded || storeTimestampMs - unit!.storedAtMs > REFERENCE_MS || unit!.physicalOffset < transactions.agedBelow) {
      this.#result = 'needs-bytes'
    } else {
      halves.commit(writer, unit!, queue)
    }
  }

  settle (): void {
    if (this.#result !== 'needs-bytes') {
      this.onEnded(this.#result, this.#topic, this.#sizeBytes)
      return
    }
    this.#transactions.commitAnew(this).then((result) => { this.onEnded(result, this.#topic, this.#sizeBytes) }, (error: MqError) => { this.onFailed(error) })
  }

  fail (error: MqError): void { this.onFailed(error) }
}
