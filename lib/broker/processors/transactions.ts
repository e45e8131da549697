import { isMqError, type MqError } from '../../base/index.ts'
import { HalfEnding, type EndResult } from '../../engine/index.ts'
import { HalfOutcome } from '../../store/index.ts'
import {
  decodeMessageId, EndTransactionHeader, failure, resumeCheckHalfMessage, ResponseCode, success, TransactionState, type Processor, type RemotingConnection, type RemotingFrame, type RemotingResponse
} from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'
import { tagsCodeAt } from '../wire-properties.ts'

const text = new TextDecoder()

/** What clients are told where RocketMQ's broker has words for it. */
const answers: Readonly<Record<EndResult, RemotingResponse>> = {
  done: success,
  already: success,
  otherwise: failure(ResponseCode.SYSTEM_ERROR, 'Find prepared transaction message failed: the transaction was ended otherwise before'),
  'not-found': failure(ResponseCode.SYSTEM_ERROR, 'Find prepared transaction message failed'),
  'wrong-group': failure(ResponseCode.SYSTEM_ERROR, 'The producer group wrong'),
  'wrong-position': failure(ResponseCode.SYSTEM_ERROR, 'The commit log offset wrong'),
  'wrong-id': failure(ResponseCode.SYSTEM_ERROR, 'The message id wrong'),
  'too-late': failure(ResponseCode.ILLEGAL_OPERATION, 'the time that the message gave its producer (CHECK_IMMUNITY_TIME_IN_SECONDS) is over: the producer is asked'),
  'topic-gone': failure(ResponseCode.TOPIC_NOT_EXIST, 'the topic of the message was deleted')
}

/** 37 END_TRANSACTION, 323 RESUME_CHECK_HALF_MESSAGE. @see RocketMQ EndTransactionProcessor, AdminBrokerProcessor */
export function transactionProcessors (context: BrokerContext): { readonly end: Processor, readonly resume: Processor } {
  const { engine, logger } = context
  const header = new EndTransactionHeader()

  const end: Processor = (request, connection) => {
    const { commitOrRollback } = header.read(request)
    // the producer does not know yet: it will be asked
    if (commitOrRollback === TransactionState.unknown) return success
    if (commitOrRollback !== TransactionState.commit && commitOrRollback !== TransactionState.rollback) return failure(ResponseCode.SYSTEM_ERROR, `${commitOrRollback} is no way to end a transaction`)
    engine.submit(new Ending(context, request, connection, header))
    return undefined
  }

  const resume: Processor = async (request, connection) => {
    const { msgId = '' } = resumeCheckHalfMessage.request.decode(request)
    const position = positionIn(msgId)
    const isWaiting = position !== undefined && await engine.transactions.revive(position)
    if (!isWaiting) return failure(ResponseCode.SYSTEM_ERROR, `there is no half message under the id ${msgId.slice(0, 64)}: an offset message id of TRANS_CHECK_MAX_TIME_TOPIC is expected`)
    logger.info('producers are asked again about a half message that was given up', { msgId, by: connection.peerText })
    return success
  }

  return { end, resume }
}

function positionIn (msgId: string): number | undefined {
  try {
    return decodeMessageId(msgId).physicalOffset
  } catch (error) {
    if (isMqError(error, 'MQ_INVALID_ARGUMENT')) return undefined
    throw error
  }
}

/** The end of a transaction, answered when it is durable. The text of the id is made only when its hash does not fit. */
class Ending extends HalfEnding {
  readonly #context: BrokerContext
  readonly #request: RemotingFrame
  readonly #connection: RemotingConnection
  readonly #idBytes: Uint8Array
  readonly #idStart: number
  readonly #idEnd: number

  constructor (context: BrokerContext, request: RemotingFrame, connection: RemotingConnection, header: EndTransactionHeader) {
    const { tranStateTableOffset, commitLogOffset, producerGroup, commitOrRollback, fromTransactionCheck, msgIdBytes, msgIdStart, msgIdEnd } = header
    const outcome = commitOrRollback === TransactionState.commit ? HalfOutcome.commit : HalfOutcome.rollback
    super(context.engine.transactions, tranStateTableOffset, commitLogOffset, producerGroup, tagsCodeAt(msgIdBytes, msgIdStart, msgIdEnd), outcome, fromTransactionCheck)
    this.#context = context
    this.#request = request
    this.#connection = connection
    this.#idBytes = msgIdBytes
    this.#idStart = msgIdStart
    this.#idEnd = msgIdEnd
  }

  get uniqueKey (): string { return text.decode(this.#idBytes.subarray(this.#idStart, this.#idEnd)) }

  protected onEnded (result: EndResult, topic: string, sizeBytes: number): void {
    const { stats, logger } = this.#context
    const { halfOffset, producerGroup, outcome } = this
    if (result === 'done') {
      const isCommit = outcome === HalfOutcome.commit
      stats.transactions[isCommit ? 'committed' : 'rolledBack']++
      if (isCommit) stats.stored(topic, 1, sizeBytes)
    }
    if (answers[result].code !== ResponseCode.SUCCESS) {
      stats.transactions.refused++
      logger.warn('a transaction was not ended', { halfOffset, producerGroup, why: result, by: this.#connection.peerText })
    }
    this.#connection.respond(this.#request, answers[result])
  }

  protected onFailed (error: MqError): void { this.#context.sends.answerFailed(this.#request, this.#connection, error) }
}
