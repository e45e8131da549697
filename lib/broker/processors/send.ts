import type { BrokerConfig } from '../../config/index.ts'
import { Property, SysFlag } from '../../message/index.ts'
import { delayOfLevel, queueOfPriority, type HalfWish, type Topic, type WireBatchItem, type WireMessage } from '../../engine/index.ts'
import { BatchItems, failure, RequestCode, ResponseCode, SendMessageHeader, VersionGate, type Processor, type RemotingConnection, type RemotingFrame, type RemotingResponse } from '../../remoting/index.ts'
import { deadLetterTopicOf, dedupeHashOf, HALF_FORMAT } from '../../store/index.ts'
import type { BrokerContext } from '../context.ts'
import { failureOf } from '../failures.ts'
import { RETRY_PREFIX, topicNameRefusal } from '../names.ts'
import { SendBatchPut, SendPut } from '../sends.ts'
import { newTopic, noSendTopics, Perm } from '../system-topics.ts'
import { tagsCodeAt, WireProperties, withoutProperties } from '../wire-properties.ts'

const MAX_BATCH_TOPIC_CHARACTERS = 127
const MAX_PROPERTIES_BYTES = 32_767
const MAX_PRODUCER_GROUP_CHARACTERS = 255
const MAX_IMMUNITY_MS = 100 * 365 * 86_400_000
const none = new Uint8Array(0)
const utf8 = new TextEncoder()
const text = new TextDecoder()

type Writable<Value> = { -readonly [Name in keyof Value]: Value[Name] }

/** Where a send that got past the checks goes. */
interface Destination {
  readonly topic: Topic
  readonly queueId: number
  /** It goes to the dead letters instead. */
  readonly isDeadLetter: boolean
}

/**
 * 10 SEND_MESSAGE, 310 SEND_MESSAGE_V2, 320 SEND_BATCH_MESSAGE. Checks come in RocketMQ's order: clients know which of
 * several mistakes they are told.
 * @see RocketMQ AbstractSendMessageProcessor, SendMessageProcessor
 */
export function sendProcessors (context: BrokerContext): { readonly send: Processor } {
  const { engine, clock, config, sends, uniqueKeys } = context
  const header = new SendMessageHeader()
  const properties = new WireProperties()
  // what the next message is; taken over by the put that is made of it
  const message: Writable<WireMessage> = {
    queueId: 0,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: 0,
    bornHost: none,
    reconsumeTimes: 0,
    body: none,
    properties: none,
    addedProperties: none,
    tagsCode: 0,
    delayMs: 0,
    deliverAtMs: 0,
    dedupeHash: undefined,
    half: undefined
  }

  const send: Processor = (request, connection) => {
    header.read(request)
    const destination = destinationOf(context, header, request)
    if ('code' in destination) return destination
    return header.batch || request.code === RequestCode.SEND_BATCH_MESSAGE ? sendBatch(destination, request, connection) : sendOne(destination, request, connection)
  }

  function sendOne (destination: Destination, request: RemotingFrame, connection: RemotingConnection): RemotingResponse | undefined {
    const { propertiesBytes, propertiesStart, propertiesEnd } = header
    properties.scan(propertiesBytes, propertiesStart, propertiesEnd)
    // consumers before 4.6.1 send a transactional message on to its retry topic as it is
    const isHalf = properties.isTransactional && !destination.isDeadLetter && !(header.reconsumeTimes > 0 && properties.delayLevel > 0)
    const isTimed = properties.isTimed && properties.delayLevel === 0 && !destination.isDeadLetter
    const refusal = isHalf ? halfRefusal(context, properties) : isTimed ? timeRefusal() : undefined
    if (refusal !== undefined) return refusal
    const { settings } = sends
    message.dedupeHash = destination.topic.dedupeRule === undefined || header.reconsumeTimes > 0 || properties.isTransactional ? undefined : dedupeHash(propertiesBytes)
    let sent = propertiesBytes.subarray(propertiesStart, propertiesEnd)
    let added = settings.added
    let uniqueKeyBytes = propertiesBytes
    let { uniqueKeyStart, uniqueKeyEnd } = properties
    if (uniqueKeyStart === uniqueKeyEnd) {
      const uniqueKey = uniqueKeys.next()
      added = utf8.encode(`UNIQ_KEY\x01${uniqueKey}\x02${settings.addedText}`)
      uniqueKeyBytes = utf8.encode(uniqueKey)
      uniqueKeyStart = 0
      uniqueKeyEnd = uniqueKeyBytes.length
    }
    if (properties.hasPopCheck) sent = withoutProperties(sent, 'POP_CK')
    let { queueId } = destination
    if (properties.priority >= 0) {
      // what is something else as well is only that
      if (properties.isTransactional || properties.delayLevel > 0 || properties.isTimed || properties.hasShardingKey) sent = withoutProperties(sent, Property.priority)
      else if (!destination.isDeadLetter) queueId = queueOfPriority(properties.priority, destination.topic.queueCount)
    }
    if (destination.isDeadLetter) sent = withoutProperties(sent, 'DELAY')
    message.queueId = queueId
    message.flag = header.flag
    message.sysFlag = (header.sysFlag & ~SysFlag.transactionMask) | (isHalf ? SysFlag.prepared : 0)
    message.bornTimestampMs = header.bornTimestampMs
    message.bornHost = connection.peerHost
    message.reconsumeTimes = header.reconsumeTimes
    message.body = request.body
    message.properties = sent
    message.addedProperties = added
    message.tagsCode = properties.tagsCode
    message.delayMs = destination.isDeadLetter ? 0 : isTimed && properties.isTimeRelative ? Math.max(0, properties.timeMs) : delayOfLevel(config.values.messageDelayLevel, properties.delayLevel)
    message.deliverAtMs = isTimed && !properties.isTimeRelative ? properties.timeMs : 0
    message.half = isHalf ? halfOf(properties, header.producerGroup, tagsCodeAt(uniqueKeyBytes, uniqueKeyStart, uniqueKeyEnd), config.values) : undefined
    engine.submit(new SendPut(sends, destination.topic, message, request, connection, uniqueKeyBytes, uniqueKeyStart, uniqueKeyEnd, isTimed))
    return undefined
  }

  /** Of the id in `properties`, if there is one. */
  function dedupeHash (bytes: Uint8Array): bigint | undefined {
    const { dedupeIdStart, dedupeIdEnd } = properties
    return dedupeIdStart === dedupeIdEnd ? undefined : dedupeHashOf(bytes.subarray(dedupeIdStart, dedupeIdEnd))
  }

  /** Why the message of `properties` cannot come when it is to. */
  function timeRefusal (): RemotingResponse | undefined {
    const { timerWheelEnable, timerMaxDelaySec } = config.values
    if (!timerWheelEnable) return failure(ResponseCode.SYSTEM_ERROR, 'messages with a time of delivery are not allowed: timerWheelEnable is off')
    const { timeMs } = properties
    if (Number.isNaN(timeMs)) return failure(ResponseCode.MESSAGE_ILLEGAL, 'timer message illegal: its time of delivery is no number')
    const delayMs = properties.isTimeRelative ? timeMs : timeMs - clock.wallMs()
    if (delayMs > timerMaxDelaySec * 1000) return failure(ResponseCode.MESSAGE_ILLEGAL, `timer message illegal: a delay of ${delayMs} ms is longer than ${timerMaxDelaySec} s (timerMaxDelaySec)`)
    return undefined
  }

  function sendBatch (destination: Destination, request: RemotingFrame, connection: RemotingConnection): RemotingResponse | undefined {
    if (header.topic.length > MAX_BATCH_TOPIC_CHARACTERS) return failure(ResponseCode.MESSAGE_ILLEGAL, `the topic of a batch has at most ${MAX_BATCH_TOPIC_CHARACTERS} characters`)
    if (header.topic.startsWith(RETRY_PREFIX)) return failure(ResponseCode.MESSAGE_ILLEGAL, 'a batch cannot be sent to a retry topic')
    const items: WireBatchItem[] = []
    const remembers = destination.topic.dedupeRule !== undefined
    try {
      const batch = new BatchItems(request.bytes, request.bodyStart, request.end)
      while (batch.next()) {
        properties.scan(batch.bytes, batch.propertiesStart, batch.propertiesEnd)
        if (batch.bodyEnd === batch.bodyStart) return failure(ResponseCode.MESSAGE_ILLEGAL, 'the body of a message in the batch is empty')
        if (properties.isTransactional || properties.delayLevel > 0 || properties.isTimed) return failure(ResponseCode.MESSAGE_ILLEGAL, 'messages of a batch can neither be delayed nor transactional')
        items.push({
          flag: batch.flag,
          body: batch.bytes.subarray(batch.bodyStart, batch.bodyEnd),
          properties: batch.bytes.subarray(batch.propertiesStart, batch.propertiesEnd),
          tagsCode: properties.tagsCode,
          dedupeHash: remembers ? dedupeHash(batch.bytes) : undefined
        })
      }
    } catch (error) {
      return { ...failureOf(error), code: ResponseCode.MESSAGE_ILLEGAL }
    }
    properties.scan(header.propertiesBytes, header.propertiesStart, header.propertiesEnd)
    const transactionId = text.decode(header.propertiesBytes.subarray(properties.uniqueKeyStart, properties.uniqueKeyEnd))
    const origin = {
      queueId: destination.queueId,
      sysFlag: header.sysFlag & ~SysFlag.transactionMask,
      bornTimestampMs: header.bornTimestampMs,
      bornHost: connection.peerHost,
      reconsumeTimes: header.reconsumeTimes
    }
    engine.submit(new SendBatchPut(sends, destination.topic, origin, items, request, connection, transactionId === '' ? undefined : transactionId))
    return undefined
  }

  function destinationOf (context: BrokerContext, header: SendMessageHeader, request: RemotingFrame): Destination | RemotingResponse {
    const { values } = config
    const { topic: name } = header
    if (sends.inFlight >= values.sendThreadPoolQueueCapacity) {
      return failure(ResponseCode.SYSTEM_BUSY, `[OVERLOAD] ${sends.inFlight} sends are under way (sendThreadPoolQueueCapacity); send again a little later`)
    }
    const shortOfCopies = sends.acks.refusal()
    if (shortOfCopies !== undefined) return failure(ResponseCode.SYSTEM_ERROR, `[IN_SYNC_REPLICAS_NOT_ENOUGH] ${shortOfCopies}`)
    const topic = context.topics.destination(header)
    if ((values.brokerPermission & Perm.write) === 0 && topic?.config.order === true) return failure(ResponseCode.NO_PERMISSION, `the broker's brokerPermission ${values.brokerPermission} does not allow to send`)
    if (topic?.exists !== true) {
      const refusal = topicNameRefusal(name)
      if (refusal !== undefined) return failure(ResponseCode.INVALID_PARAMETER, refusal)
    }
    if (noSendTopics.has(name)) return failure(ResponseCode.NO_PERMISSION, `topic ${name} is the broker's own, nobody else may send to it`)
    if (topic === undefined) return failure(ResponseCode.TOPIC_NOT_EXIST, `topic[${name}] not exist, apply first please! It is not made on the way: autoCreateTopicEnable is off, or too many topics are there`)
    const { readQueueNums, writeQueueNums } = topic.config
    if (header.queueId >= Math.max(readQueueNums, writeQueueNums)) return failure(ResponseCode.INVALID_PARAMETER, `queueId ${header.queueId} is illegal: topic ${name} has ${readQueueNums} queues to read and ${writeQueueNums} to write`)
    if (request.bodyBytes === 0) return failure(ResponseCode.MESSAGE_ILLEGAL, 'the body of the message is empty')
    if (request.bodyBytes > values.maxMessageSize) return failure(ResponseCode.MESSAGE_ILLEGAL, `the body of the message has ${request.bodyBytes} bytes, at most ${values.maxMessageSize} are allowed (maxMessageSize)`)
    const propertiesBytes = header.propertiesEnd - header.propertiesStart
    if (propertiesBytes > MAX_PROPERTIES_BYTES) return failure(ResponseCode.MESSAGE_ILLEGAL, `the properties of the message have ${propertiesBytes} bytes, at most ${MAX_PROPERTIES_BYTES} are allowed`)
    return name.startsWith(RETRY_PREFIX) ? retryDestination(context, header, request, topic) : { topic, queueId: header.queueId, isDeadLetter: false }
  }

  return { send }
}

/**
 * Consumers that could not send a message back send it on to its retry topic themselves, counted once more than they got it; those
 * that consume in order do so only when they give it up.
 * @see RocketMQ SendMessageProcessor.handleRetryAndDLQ
 */
function retryDestination ({ engine, groups, topics }: BrokerContext, header: SendMessageHeader, request: RemotingFrame, topic: Topic): Destination | RemotingResponse {
  const name = header.topic.slice(RETRY_PREFIX.length)
  const group = groups.find(name)
  if (group === undefined) return failure(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, `the consumer group ${name} does not exist`)
  const maxReconsumeTimes = request.version >= VersionGate.maxReconsumeTimes && header.maxReconsumeTimes >= 0 ? header.maxReconsumeTimes : group.retryMaxTimes
  if (header.reconsumeTimes <= maxReconsumeTimes && !engine.locks.holdsAny(name)) return { topic, queueId: header.queueId, isDeadLetter: false }
  return { topic: topics.destinationOr(newTopic(deadLetterTopicOf(name), 1)), queueId: -1, isDeadLetter: true }
}

/** Why a half message is not taken. @see RocketMQ SendMessageProcessor */
function halfRefusal ({ engine, config, limits, names: { brokerName } }: BrokerContext, { delayLevel, isTimed, producerGroup }: WireProperties): RemotingResponse | undefined {
  if (config.values.rejectTransactionMessage) return failure(ResponseCode.NO_PERMISSION, `the broker[${brokerName}] sending transaction message is forbidden (rejectTransactionMessage)`)
  if (delayLevel > 0 || isTimed) return failure(ResponseCode.MESSAGE_ILLEGAL, 'a transactional message cannot be delayed')
  if (producerGroup.length > MAX_PRODUCER_GROUP_CHARACTERS) return failure(ResponseCode.MESSAGE_ILLEGAL, `PGROUP of the message has more than ${MAX_PRODUCER_GROUP_CHARACTERS} characters`)
  if (engine.format.group < HALF_FORMAT) return failure(ResponseCode.SERVICE_NOT_AVAILABLE, 'the group takes transactional messages once all its nodes are of a version that knows them')
  const { pendingCount } = engine.store.halves
  return pendingCount < limits.maxHalfMessages ? undefined : failure(ResponseCode.SYSTEM_BUSY, `[OVERLOAD] ${pendingCount} transactional messages wait for what their producers decide (maxHalfMessages)`)
}

function halfOf ({ producerGroup, immunity }: WireProperties, sender: string, idHash: number, { transactionTimeOut }: BrokerConfig): HalfWish {
  const seconds = immunity !== undefined && /^-?\d{1,15}$/.test(immunity) ? Number(immunity) : -1
  const immunityMs = Math.min(MAX_IMMUNITY_MS, seconds < 0 ? transactionTimeOut : 1000 * seconds)
  return {
    producerGroup: producerGroup === '' ? sender.slice(0, MAX_PRODUCER_GROUP_CHARACTERS) : producerGroup,
    idHash,
    checkAfterMs: immunity === undefined ? transactionTimeOut : immunityMs,
    immunityMs: immunity === undefined ? 0 : Math.max(1, immunityMs)
  }
}
