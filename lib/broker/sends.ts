import type { Clock, MqError } from '../base/index.ts'
import type { BrokerConfig, RunningConfig } from '../config/index.ts'
import { WireBatchPut, WirePut, type Topic, type WireBatchItem, type WireMessage, type WireOrigin } from '../engine/index.ts'
import { RecallHandleWriter, type Host } from '../message/index.ts'
import { ResponseCode, SendResponseEncoder, sendMessageResponse, type RemotingConnection, type RemotingFrame } from '../remoting/index.ts'
import { codeOf, type TakeOver } from './failures.ts'
import { RETRY_PREFIX } from './names.ts'
import { PendingSends, type PendingSend } from './pending-sends.ts'
import type { ReplicaAcks, StoredSend } from './replica-acks.ts'
import type { BrokerStats } from './stats.ts'
import { HALF_TOPIC } from './system-topics.ts'

const utf8 = new TextEncoder()

/** What depends on the configuration, made when that changes. */
class SendSettings {
  readonly values: BrokerConfig
  readonly encoder: SendResponseEncoder
  /** Properties that every single message gets. */
  readonly addedText: string
  readonly added: Uint8Array

  constructor (values: BrokerConfig, storeHost: Host, clusterName: string) {
    const { regionId, traceOn } = values
    this.values = values
    this.encoder = new SendResponseEncoder({ storeHost, regionId, traceOn })
    this.addedText = `CLUSTER\x01${clusterName}\x02MSG_REGION\x01${regionId}\x02TRACE_ON\x01${traceOn}\x02`
    this.added = utf8.encode(this.addedText)
  }
}

export interface SendsOptions {
  readonly clock: Clock
  readonly config: RunningConfig<'broker'>
  readonly storeHost: Host
  readonly clusterName: string
  readonly brokerName: string
  readonly stats: BrokerStats
  readonly maybeTakeOver: TakeOver
  readonly acks: ReplicaAcks
}

/** Sends under way, and how they are answered: no promise, no closure, one object each. */
export class Sends {
  readonly #options: SendsOptions
  readonly stats: BrokerStats
  readonly pending: PendingSends
  readonly maybeTakeOver: TakeOver
  readonly acks: ReplicaAcks
  readonly recallHandles: RecallHandleWriter
  #settings: SendSettings

  constructor (options: SendsOptions) {
    this.#options = options
    this.recallHandles = new RecallHandleWriter(options.brokerName)
    this.pending = new PendingSends(options.clock, () => options.config.values.syncFlushTimeout)
    this.stats = options.stats
    this.maybeTakeOver = options.maybeTakeOver
    this.acks = options.acks
    this.#settings = new SendSettings(options.config.values, options.storeHost, options.clusterName)
  }

  close (): void {
    this.pending.close()
    this.acks.close()
  }

  failed (send: PendingSend): void {
    this.pending.remove(send)
    this.stats.sendFailed()
  }

  /** Why it was not stored, unless another node stores it. */
  answerFailed (request: RemotingFrame, connection: RemotingConnection, error: MqError): void {
    if (!this.maybeTakeOver(request, connection, error)) connection.respond(request, { code: codeOf(error), remark: error.message })
  }

  get inFlight (): number { return this.pending.count + this.acks.waitingCount }

  get settings (): SendSettings {
    const { config, storeHost, clusterName } = this.#options
    if (this.#settings.values !== config.values) this.#settings = new SendSettings(config.values, storeHost, clusterName)
    return this.#settings
  }
}

/** A message from a client, answered when it is stored. */
export class SendPut extends WirePut implements PendingSend, StoredSend {
  previousSend: PendingSend | undefined = undefined
  nextSend: PendingSend | undefined = undefined
  tick = 0
  #isAnswered = false
  readonly #sends: Sends
  readonly #request: RemotingFrame
  readonly #connection: RemotingConnection
  readonly #uniqueKeyBytes: Uint8Array
  readonly #uniqueKeyStart: number
  readonly #uniqueKeyEnd: number
  readonly #isRecallable: boolean

  /** UNIQ_KEY is at `uniqueKeyBytes` [uniqueKeyStart, uniqueKeyEnd). `isRecallable`: the answer tells what it is taken back by, if it waits. */
  constructor (
    sends: Sends, destination: Topic, message: WireMessage, request: RemotingFrame, connection: RemotingConnection,
    uniqueKeyBytes: Uint8Array, uniqueKeyStart: number, uniqueKeyEnd: number, isRecallable: boolean
  ) {
    super(destination, message)
    this.#sends = sends
    this.#request = request
    this.#connection = connection
    this.#uniqueKeyBytes = uniqueKeyBytes
    this.#uniqueKeyStart = uniqueKeyStart
    this.#uniqueKeyEnd = uniqueKeyEnd
    this.#isRecallable = isRecallable
    sends.pending.add(this)
  }

  protected onStored (): void {
    const sends = this.#sends
    sends.pending.remove(this)
    if (this.half !== undefined) sends.stats.transactions.prepared++
    if (!this.isDuplicate) sends.stats.stored(this.half === undefined ? this.destination.name : HALF_TOPIC, 1, this.body.length)
    if (!this.#isAnswered) sends.acks.stored(this)
  }

  answer (code: ResponseCode): void {
    this.#isAnswered = true
    const out = this.#connection.beginResponse(this.#request)
    if (out === undefined) return
    const { settings: { encoder }, recallHandles } = this.#sends
    const handleBytes = this.#writeRecallHandle()
    encoder.encode(out, this.#request, code, this.queueId, this.queueOffset, this.physicalOffset, this.#uniqueKeyBytes, this.#uniqueKeyStart, this.#uniqueKeyEnd, recallHandles.bytes, handleBytes)
  }

  #writeRecallHandle (): number {
    const { destination: { name: topic }, deliverAtMs, physicalOffset } = this
    if (!this.#isRecallable || deliverAtMs === 0 || topic.startsWith(RETRY_PREFIX)) return 0
    return this.#sends.recallHandles.write(topic, deliverAtMs, this.#uniqueKeyBytes, this.#uniqueKeyStart, this.#uniqueKeyEnd, physicalOffset)
  }

  timeOut (): void {
    if (this.#isAnswered) return
    if (this.physicalOffset >= 0) this.answer(this.#sends.acks.lateCode)
    else this.#isAnswered = answerTimeout(this.#connection, this.#request)
  }

  protected onFailed (error: MqError): void {
    this.#sends.failed(this)
    if (!this.#isAnswered) this.#sends.answerFailed(this.#request, this.#connection, error)
  }
}

/** Several messages from a client in one request, answered when all are stored. */
export class SendBatchPut extends WireBatchPut implements PendingSend, StoredSend {
  previousSend: PendingSend | undefined = undefined
  nextSend: PendingSend | undefined = undefined
  tick = 0
  #isAnswered = false
  readonly #sends: Sends
  readonly #request: RemotingFrame
  readonly #connection: RemotingConnection
  readonly #transactionId: string | undefined

  constructor (sends: Sends, destination: Topic, origin: WireOrigin, items: readonly WireBatchItem[], request: RemotingFrame, connection: RemotingConnection, transactionId: string | undefined) {
    super(destination, origin, items)
    this.#sends = sends
    this.#request = request
    this.#connection = connection
    this.#transactionId = transactionId
    sends.pending.add(this)
  }

  protected onStored (): void {
    const sends = this.#sends
    sends.pending.remove(this)
    if (!this.isDuplicate) sends.stats.stored(this.destination.name, this.items.length, this.items.reduce((sum, { body }) => sum + body.length, 0))
    if (!this.#isAnswered) sends.acks.stored(this)
  }

  answer (code: ResponseCode): void {
    this.#isAnswered = true
    const { values: { regionId, traceOn } } = this.#sends.settings
    this.#connection.respond(this.#request, {
      code,
      extFields: sendMessageResponse.encode({
        msgId: this.messageIds().join(','),
        queueId: this.queueId,
        queueOffset: this.queueOffset,
        transactionId: this.#transactionId,
        MSG_REGION: regionId,
        TRACE_ON: String(traceOn)
      })
    })
  }

  timeOut (): void {
    if (this.#isAnswered) return
    if (this.physicalOffsets.length > 0) this.answer(this.#sends.acks.lateCode)
    else this.#isAnswered = answerTimeout(this.#connection, this.#request)
  }

  protected onFailed (error: MqError): void {
    this.#sends.failed(this)
    if (!this.#isAnswered) this.#sends.answerFailed(this.#request, this.#connection, error)
  }
}

/** It was not even written in time; it may still be. */
function answerTimeout (connection: RemotingConnection, request: RemotingFrame): true {
  connection.respond(request, { code: ResponseCode.SYSTEM_BUSY, remark: '[TIMEOUT_CLEAN_QUEUE] the message waited too long to be written (syncFlushTimeout); it may yet be stored' })
  return true
}
