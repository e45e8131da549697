import { isMqError } from '../../base/index.ts'
import type { Delivery, RemoteConsumer } from '../../engine/index.ts'
import { propertiesAt, tagsCodeIn, type GroupConfig, type RecordView } from '../../message/index.ts'
import {
  failure, notification, peekMessage, pollingInfo, PopInitMode, popMessage, ResponseCode, type HeaderOf, type Processor,
  type RemotingConnection, type RemotingFrame, type RemotingResponse
} from '../../remoting/index.ts'
import { ConnectionSignals } from '../connection-signals.ts'
import type { BrokerContext } from '../context.ts'
import { reviveQueueOf } from '../pop-handle.ts'
import { poppedInfo, poppedRecords } from '../popped-messages.ts'
import { Expressions, SubscriptionSyntaxError, TAG, type Wanted } from '../subscription.ts'
import { Perm } from '../system-topics.ts'
import { notFiltered } from './pull.ts'

const MAX_POPPED = 32
/** It goes into the log with each lease. Clients send a UUID. */
const MAX_ATTEMPT_ID_CHARACTERS = 255
/** The frame of a request that waits stays in memory: a longer one counts as in flight meanwhile, so that these are bounded. */
const MAX_PARKED_BYTES = 4096
/** How late a request may come after it should have been answered. */
const MAX_LATE_MS = 500
/** A connection without traffic is closed after two minutes; no client waits for as long as this. */
const MAX_WAIT_MS = 60_000

type PopRequest = HeaderOf<typeof popMessage.request>
/** What all requests here name. */
interface Place { readonly consumerGroup: string, readonly topic: string, readonly queueId: number }

/**
 * 200050 POP_MESSAGE, 200052 PEEK_MESSAGE, 200054 NOTIFICATION, 200055 POLLING_INFO: consumers that share queues message by
 * message. What is popped is checked out in the log, and comes again by itself. Checks come in RocketMQ's order.
 * @see RocketMQ PopMessageProcessor, PeekMessageProcessor, NotificationProcessor, PollingInfoProcessor. Divergence: no retry topics, see docs/divergence.md
 */
export function popProcessors (context: BrokerContext) {
  const { engine, config, groups, topics, stats, clock } = context
  const { remotePops } = engine
  const expressions = new Expressions()
  const signals = new ConnectionSignals()

  const pop: Processor = async (request, connection) => {
    const header = popMessage.request.decode(request)
    const { maxMsgNums, invisibleTime, pollTime, bornTime, consumerGroup: group, topic, order: isOrdered = false, attemptId = '' } = header
    if (isTooLate(bornTime, pollTime)) return nothingPopped(ResponseCode.POLLING_TIMEOUT)
    const permission = brokerRefusal()
    if (permission !== undefined) return permission
    if (maxMsgNums > MAX_POPPED || maxMsgNums <= 0) return failure(ResponseCode.INVALID_PARAMETER, `maxMsgNums ${maxMsgNums} is not in 1 to ${MAX_POPPED}`)
    if (!isInvisibleTime(invisibleTime)) return failure(ResponseCode.INVALID_PARAMETER, `invisibleTime ${invisibleTime} is not in 1 to ${maxInvisibleMs()} ms`)
    if (attemptId.length > MAX_ATTEMPT_ID_CHARACTERS) return failure(ResponseCode.INVALID_PARAMETER, `attemptId has ${attemptId.length} characters, more than ${MAX_ATTEMPT_ID_CHARACTERS}`)
    const groupConfig = await groupOrRefusal(header)
    if ('code' in groupConfig) return groupConfig
    const wanted = wantedBy(header)
    if ('code' in wanted) return wanted
    const { signal, end } = signals.listen(connection)
    try {
      const deliveries = await remotePops.pop({
        ...consumerOf(header, groupConfig),
        max: Math.min(maxMsgNums, config.values.maxTransferCountOnMessageInMemory),
        maxBytes: config.values.maxTransferBytesOnMessageInMemory,
        invisibleMs: invisibleTime,
        waitMs: waitMsOf(bornTime, pollTime),
        signal,
        onWait: () => { park(request, connection) },
        ...wantsOf(wanted)
      })
      if (deliveries.length === 0) return nothingPopped(ResponseCode.POLLING_TIMEOUT, restOf(header, groupConfig))
      if (connection.isClosed) {
        // nobody has seen them; what becomes of that is seen by who pops next
        remotePops.giveBack(deliveries).catch(() => {})
        return undefined
      }
      stats.got(topic, group, deliveries.length, deliveries.reduce((sum, { record }) => sum + record.sizeBytes, 0))
      return popped(deliveries, invisibleTime, isOrdered, restOf(header, groupConfig))
    } catch (error) {
      if (tooManyWait(error)) return nothingPopped(ResponseCode.POLLING_FULL)
      if (isMqError(error, 'MQ_ABORTED') && connection.isClosed) return undefined
      throw error
    } finally {
      end()
    }
  }

  const peek: Processor = async (request) => {
    const header = peekMessage.request.decode(request)
    const { consumerGroup: group, topic, queueId, maxMsgNums } = header
    const refusal = brokerRefusal() ?? await groupOrRefusal(header)
    if ('code' in refusal) return refusal
    const { values } = config
    const max = Math.max(1, Math.min(maxMsgNums, MAX_POPPED, values.maxTransferCountOnMessageInMemory))
    const pieces: Uint8Array[] = []
    let bytes = 0
    const queueIds = queueId >= 0 ? [queueId] : Array.from({ length: topics.find(topic)!.readQueueNums }, (_, id) => id)
    for (const id of queueIds) {
      if (pieces.length >= max || bytes >= values.maxTransferBytesOnMessageInMemory) break
      const fromOffset = Math.max(engine.reads.rangeOf(topic, id).minOffset, remotePops.nextOffset(group, topic, id))
      for (const { record } of await engine.read({ topic, queueId: id, fromOffset, maxMessages: max - pieces.length, maxBytes: values.maxTransferBytesOnMessageInMemory - bytes })) {
        pieces.push(record.bytes)
        bytes += record.sizeBytes
      }
    }
    if (pieces.length === 0) return nothingPopped(ResponseCode.PULL_NOT_FOUND)
    stats.got(topic, group, pieces.length, bytes)
    return { code: ResponseCode.SUCCESS, remark: 'FOUND', extFields: popMessage.response.encode({ popTime: clock.wallMs(), invisibleTime: 0, reviveQid: 0, restNum: restOf(header, refusal) }), body: pieces }
  }

  const notify: Processor = async (request, connection) => {
    const header = notification.request.decode(request)
    const refusal = brokerRefusal() ?? await groupOrRefusal(header)
    if ('code' in refusal) return refusal
    const { signal, end } = signals.listen(connection)
    try {
      const hasMsg = await remotePops.hasMessages({ ...consumerOf(header, refusal), waitMs: waitMsOf(header.bornTime, header.pollTime), signal, onWait: () => { park(request, connection) } })
      return { code: ResponseCode.SUCCESS, extFields: notification.response.encode({ hasMsg, pollingFull: false }) }
    } catch (error) {
      if (tooManyWait(error)) return { code: ResponseCode.SUCCESS, extFields: notification.response.encode({ hasMsg: false, pollingFull: true }) }
      if (isMqError(error, 'MQ_ABORTED') && connection.isClosed) return undefined
      throw error
    } finally {
      end()
    }
  }

  const polling: Processor = async (request) => {
    const header = pollingInfo.request.decode(request)
    const refusal = brokerRefusal() ?? await groupOrRefusal(header)
    if ('code' in refusal) return refusal
    const { consumerGroup: group, topic, queueId } = header
    return { code: ResponseCode.SUCCESS, extFields: pollingInfo.response.encode({ pollingNum: remotePops.waitingCount(group, topic, queueId < 0 ? undefined : queueId) }) }
  }

  function brokerRefusal (): RemotingResponse | undefined {
    const { brokerPermission } = config.values
    return (brokerPermission & Perm.read) === 0 ? failure(ResponseCode.NO_PERMISSION, `the broker's brokerPermission ${brokerPermission} does not allow to read`) : undefined
  }

  /** The group, made if it is new and may be made; else why not. */
  async function groupOrRefusal ({ consumerGroup, topic, queueId }: Place): Promise<GroupConfig | RemotingResponse> {
    const topicConfig = topics.find(topic)
    if (topicConfig === undefined) return failure(ResponseCode.TOPIC_NOT_EXIST, `topic[${topic}] not exist, apply first please!`)
    if ((topicConfig.perm & Perm.read) === 0) return failure(ResponseCode.NO_PERMISSION, `topic ${topic} is not to be read (perm ${topicConfig.perm})`)
    if (queueId >= topicConfig.readQueueNums) return failure(ResponseCode.INVALID_PARAMETER, `queueId ${queueId} is illegal: topic ${topic} has ${topicConfig.readQueueNums} queues to read`)
    const group = groups.find(consumerGroup) ?? await groups.ensure(consumerGroup)
    if (group === undefined) return failure(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, `subscription group [${consumerGroup}] does not exist and is not made on the way`)
    return group.consumeEnable ? group : failure(ResponseCode.NO_PERMISSION, `consumption by group ${consumerGroup} is switched off (consumeEnable=false)`)
  }

  function wantedBy ({ expType = TAG, exp }: PopRequest): Wanted | RemotingResponse {
    if (exp === undefined || exp === '') return {}
    if (expType !== TAG && !config.values.enablePropertyFilter) return failure(ResponseCode.SYSTEM_ERROR, notFiltered(expType))
    try {
      return expressions.wantedBy(expType, exp)
    } catch (error) {
      if (!(error instanceof SubscriptionSyntaxError)) throw error
      return failure(ResponseCode.SUBSCRIPTION_PARSE_FAILED, error.message)
    }
  }

  /** Delivered once, and then as often as the group's retries go. */
  function consumerOf ({ consumerGroup: group, topic, queueId, ...header }: Place & Partial<PopRequest>, { retryMaxTimes }: GroupConfig): RemoteConsumer & { readonly maxAttempts: number } {
    const { order: isOrdered = false, attemptId = '', initMode = PopInitMode.min } = header
    return { group, topic, ...(queueId >= 0 && { queueId }), isOrdered, attemptId, startsLast: initMode === PopInitMode.max, maxAttempts: Math.max(0, retryMaxTimes) + 1 }
  }

  function restOf (header: Place & Partial<PopRequest>, group: GroupConfig): number {
    // the topic may have gone while messages were read
    return topics.find(header.topic) === undefined ? 0 : remotePops.outlook(consumerOf(header, group)).restCount
  }

  function isTooLate (bornTime: number | undefined, pollTime: number): boolean {
    return bornTime !== undefined && bornTime > 0 && clock.wallMs() - bornTime - pollTime > MAX_LATE_MS
  }

  /** The consumer's clock may be another one than ours: it never waits longer than it asked for. */
  function waitMsOf (bornTime: number | undefined, pollTime: number): number {
    const leftMs = bornTime === undefined || bornTime <= 0 ? pollTime : bornTime + pollTime - clock.wallMs()
    return Math.max(0, Math.min(leftMs, pollTime, MAX_WAIT_MS))
  }

  function maxInvisibleMs (): number { return config.values.timerMaxDelaySec * 1000 }
  function isInvisibleTime (ms: number): boolean { return ms > 0 && ms <= maxInvisibleMs() }

  return { pop, peek, notify, polling }
}

function wantsOf ({ tagsCodes, filter }: Wanted): { readonly wants?: (record: RecordView) => boolean } {
  if (filter !== undefined) return { wants: ({ bytes }) => filter.matches(bytes, propertiesAt(bytes), bytes.length) }
  if (tagsCodes !== undefined) return { wants: ({ bytes }) => tagsCodes.has(tagsCodeIn(bytes.subarray(propertiesAt(bytes)))) }
  return {}
}

function park (request: RemotingFrame, connection: RemotingConnection): void {
  if (request.sizeBytes <= MAX_PARKED_BYTES) connection.park(request)
}

function tooManyWait (error: unknown): boolean { return isMqError(error, 'MQ_BUSY') && error.setting === 'maxWaitingConsumers' }

function popped (deliveries: readonly Delivery[], invisibleTime: number, isOrdered: boolean, restNum: number): RemotingResponse {
  const { startOffsetInfo, msgOffsetInfo, orderCountInfo } = poppedInfo(deliveries)
  const header = {
    popTime: deliveries[0]!.invisibleUntilMs - invisibleTime,
    invisibleTime,
    reviveQid: reviveQueueOf(isOrdered),
    restNum,
    startOffsetInfo,
    msgOffsetInfo,
    ...(isOrdered && orderCountInfo !== '' && { orderCountInfo })
  }
  return { code: ResponseCode.SUCCESS, remark: 'FOUND', extFields: popMessage.response.encode(header), body: poppedRecords(deliveries) }
}

/** Clients read the header whatever the code. */
function nothingPopped (code: ResponseCode, restNum = 0): RemotingResponse {
  return { code, remark: 'NO_MESSAGE_IN_QUEUE', extFields: popMessage.response.encode({ popTime: 0, invisibleTime: 0, reviveQid: 0, restNum }) }
}
