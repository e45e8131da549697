import { MqError } from '../base/index.ts'
import { EntryBodyWriter, LOCAL_HOST, propertiesSizeBytes, recordSizeBytes, type Host, type MessageFields } from '../message/index.ts'
import type { Proposal } from '../replica/index.ts'
import { PutResult } from './put-result.ts'
import type { Topic } from './topic.ts'

/** What all messages from this process have in common. On the prototype, so that a proposal stays small. */
abstract class LocalMessage {
  get bodyCrc (): number { return 0 }
  get flag (): number { return 0 }
  get sysFlag (): number { return 0 }
  get bornHost (): Host { return LOCAL_HOST }
  get reconsumeTimes (): number { return 0 }
  get preparedTransactionOffset (): number { return 0 }
}

/**
 * A message on its way: the request, the decision and its promise in one object, because there is one for each message.
 * The body is copied into the entry when the batch is sealed.
 */
export class PutProposal extends LocalMessage implements Proposal, MessageFields {
  readonly topic: Topic
  readonly queueId: number
  readonly body: Uint8Array
  readonly keys: string
  readonly tags: string
  readonly tagsCode: number
  readonly propertiesText: string
  readonly costBytes: number
  readonly #bodyBytes: number
  /** Called once when it has settled or failed; for those who set a timer or a listener for it. */
  onEnd: (() => void) | undefined = undefined
  #resolve: ((result: PutResult) => void) | undefined
  #reject: ((error: unknown) => void) | undefined
  #isDecided = false
  #refusal: MqError | undefined
  #result: PutResult | undefined

  constructor (
    topic: Topic, queueId: number, body: Uint8Array, keys: string, tags: string, tagsCode: number, propertiesText: string,
    resolve: (result: PutResult) => void, reject: (error: unknown) => void
  ) {
    super()
    this.topic = topic
    this.queueId = queueId
    this.body = body
    this.keys = keys
    this.tags = tags
    this.tagsCode = tagsCode
    this.propertiesText = propertiesText
    this.costBytes = EntryBodyWriter.recordCostBytes(recordSizeBytes(body.length, topic.nameBytes, propertiesSizeBytes(this)), topic.nameBytes) + topic.creationCostBytes + this.commandBytes
    this.#bodyBytes = body.length
    this.#resolve = resolve
    this.#reject = reject
  }

  /** What commands about it take. */
  protected get commandBytes (): number { return 0 }
  /** The producer is this process: a message is born when it is stored. */
  get bornTimestampMs (): number { return this.#result!.storeTimestampMs }

  decide (writer: EntryBodyWriter, storeTimestampMs: number): void {
    if (this.#isDecided || this.#resolve === undefined) return
    this.#isDecided = true
    this.#refusal = this.prepare(writer)
    if (this.#refusal === undefined) this.write(writer, storeTimestampMs)
  }

  /** Within a decision: why it cannot be written, if so. */
  prepare (writer: EntryBodyWriter): MqError | undefined {
    if (this.body.length === this.#bodyBytes) return this.topic.ensure(writer, this.queueId)
    return new MqError('MQ_INVALID_ARGUMENT', `the bytes of the body were transferred or resized before they were stored (${this.#bodyBytes} bytes are ${this.body.length} now)`)
  }

  /** Writes the message into an entry; also for batches, which decide for their members. */
  write (writer: EntryBodyWriter, storeTimestampMs: number): void {
    const { topic, queueId } = this
    const queue = topic.queue(queueId)
    this.#result = new PutResult(topic.name, queueId, queue.proposedNextOffset, writer.nextPhysicalOffset, storeTimestampMs)
    queue.append(writer, this, this.tagsCode, storeTimestampMs)
  }

  /** Once it is written. */
  get result (): PutResult { return this.#result! }
  protected set result (result: PutResult) { this.#result = result }

  settle (): void {
    const resolve = this.#resolve
    if (resolve === undefined) return
    this.#resolve = undefined
    if (this.topic.creationCostBytes !== 0) this.topic.confirm()
    if (this.onEnd !== undefined) this.onEnd()
    if (this.#refusal === undefined) resolve(this.result)
    else this.#reject!(this.#refusal)
  }

  fail (error: MqError): void {
    if (this.#resolve === undefined) return
    this.#resolve = undefined
    if (this.onEnd !== undefined) this.onEnd()
    this.#reject!(error)
  }

  /** Takes it back; false when it was decided already and can no longer be stopped. */
  cancel (): boolean {
    if (this.#isDecided) return false
    this.#isDecided = true
    return true
  }
}

/** Messages of one or several topics, stored side by side in one entry: all or none. */
export class PutBatchProposal implements Proposal {
  readonly puts: readonly PutProposal[]
  readonly costBytes: number
  onEnd: (() => void) | undefined = undefined
  #resolve: ((results: PutResult[]) => void) | undefined
  readonly #reject: (error: unknown) => void
  #isDecided = false
  #refusal: MqError | undefined

  /** `moreBytes`: what else goes with them. */
  constructor (puts: readonly PutProposal[], resolve: (results: PutResult[]) => void, reject: (error: unknown) => void, moreBytes = 0) {
    this.puts = puts
    this.costBytes = puts.reduce((sum, put) => sum + put.costBytes, moreBytes)
    this.#resolve = resolve
    this.#reject = reject
  }

  decide (writer: EntryBodyWriter, storeTimestampMs: number): void {
    if (this.#isDecided || this.#resolve === undefined) return
    this.#isDecided = true
    // all are asked before the first is written; a topic made for a batch that is then refused stays, which harms nobody
    this.#refusal = this.prepare(writer)
    if (this.#refusal === undefined) this.write(writer, storeTimestampMs)
  }

  /** It is not one message, which may be as large as it is. */
  get isOfSeveral (): boolean { return this.puts.length > 1 }

  /** Why they cannot be written, if so. */
  protected prepare (writer: EntryBodyWriter): MqError | undefined {
    for (const put of this.puts) {
      const refusal = put.prepare(writer)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  protected write (writer: EntryBodyWriter, storeTimestampMs: number): void {
    for (const put of this.puts) put.write(writer, storeTimestampMs)
  }

  settle (): void {
    const resolve = this.#resolve
    if (resolve === undefined) return
    this.#resolve = undefined
    for (const { topic } of this.puts) if (topic.creationCostBytes !== 0) topic.confirm()
    this.onEnd?.()
    if (this.#refusal === undefined) resolve(this.puts.map((put) => put.result))
    else this.#reject(this.#refusal)
  }

  fail (error: MqError): void {
    if (this.#resolve === undefined) return
    this.#resolve = undefined
    this.onEnd?.()
    this.#reject(error)
  }

  /** Takes it back; false when it was decided already and can no longer be stopped. */
  cancel (): boolean {
    if (this.#isDecided) return false
    this.#isDecided = true
    return true
  }
}
