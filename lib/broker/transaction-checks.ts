import { viewOf, type Logger } from '../base/index.ts'
import type { TransactionCheck } from '../engine/index.ts'
import { encodeRecord, findProperty, Property, recordSizeBytes, type Host } from '../message/index.ts'
import { checkTransactionState, encodeMessageId, type RemotingRequest } from '../remoting/index.ts'
import type { ClientRegistry } from './client-registry.ts'
import type { BrokerStats } from './stats.ts'

const UNIQUE_KEY = new TextEncoder().encode(Property.uniqueKey)
const text = new TextDecoder()

export interface TransactionChecksOptions {
  readonly clients: ClientRegistry
  readonly logger: Logger
  readonly stats: BrokerStats
  readonly storeHost: Host
  readonly brokerName: string
}

/**
 * Asks producers what became of transactions: one of the group that is connected, each in turn. It answers by ending the
 * transaction, if it knows; nothing is waited for.
 * @see RocketMQ ProducerManager.getAvailableChannel, Broker2Client.checkProducerTransactionState
 */
export class TransactionChecks {
  readonly #options: TransactionChecksOptions
  #turn = 0

  constructor (options: TransactionChecksOptions) {
    this.#options = options
  }

  /** Never throws. */
  ask (check: TransactionCheck): void {
    const { clients, logger, stats } = this.#options
    const { producerGroup, halfOffset, topic } = check.unit
    const producers = [...clients.producerGroups.get(producerGroup)?.values() ?? []]
    let request: RemotingRequest | undefined
    for (let i = 0; i < producers.length; i++) {
      const { connection } = producers[(this.#turn + i) % producers.length]!
      try {
        connection.invokeOneWay(request ??= this.#request(check))
        this.#turn += i + 1
        stats.transactions.checks++
        return
      } catch {
        // it is gone, or does not read: another one may be there
      }
    }
    stats.transactions.checksInVain++
    logger.warn('no producer could be asked what became of a transaction', { producerGroup, topic, halfOffset })
  }

  #request ({ unit: { halfOffset, preparedPosition, topic }, record }: TransactionCheck): RemotingRequest {
    const { storeHost, brokerName } = this.#options
    const { body, properties, bornHost } = record
    const bytes = new Uint8Array(recordSizeBytes(body.length, record.topic.length, properties.length) + 2 * 20)
    const sizeBytes = encodeRecord(bytes, viewOf(bytes), 0, { ...record, bornHost })
    const key = findProperty(properties, UNIQUE_KEY)
    const msgId = key === undefined ? undefined : text.decode(key)
    return {
      code: checkTransactionState.code,
      extFields: checkTransactionState.request.encode({
        topic,
        tranStateTableOffset: halfOffset,
        commitLogOffset: preparedPosition,
        msgId,
        transactionId: msgId,
        offsetMsgId: encodeMessageId(storeHost, preparedPosition),
        bname: brokerName
      }),
      body: bytes.subarray(0, sizeBytes)
    }
  }
}
