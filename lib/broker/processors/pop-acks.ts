import { MqError } from '../../base/index.ts'
import { jsonArray, jsonInt, jsonLimits, jsonLong, jsonMap, jsonText, parseJson, type JsonMap, type JsonValue } from '../../message/index.ts'
import { ackMessage, changeMessageInvisibleTime, failure, ResponseCode, success, type HeaderOf, type Processor, type RemotingResponse } from '../../remoting/index.ts'
import type { HeldMessage } from '../../store/index.ts'
import type { BrokerContext } from '../context.ts'
import { parsePopHandle, type PopHandle } from '../pop-handle.ts'

/** Offsets that one set of bits may name: as many as a lease covers, and more. */
const MAX_BITSET_BYTES = 1024
/** Messages that one request may name: each is looked for among the leases of its queue. */
const MAX_BATCH_MESSAGES = 8 * MAX_BITSET_BYTES
const NORMAL_TOPIC = '0'
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/**
 * 200051 ACK_MESSAGE, 200151 BATCH_ACK_MESSAGE, 200053 CHANGE_MESSAGE_INVISIBLETIME: what becomes of messages that were popped.
 * A handle that is no more valid changes nothing; clients are told with NO_MESSAGE, of which they make NO_EXIST.
 * @see RocketMQ AckMessageProcessor, ChangeInvisibleTimeProcessor. Divergence: it answers an acknowledgement that comes too late with success
 */
export function popAckProcessors ({ engine, config, topics, limits, names: { brokerName } }: BrokerContext) {
  const { remotePops } = engine

  const ack: Processor = async (request) => {
    const header = ackMessage.request.decode(request)
    const handle = handleOrRefusal(header)
    if ('code' in handle) return handle
    return await remotePops.ack(messageOf(header, handle)) ? success : notHeld(header)
  }

  /** Clients read the header of the answer before its code. */
  const changeInvisible: Processor = async (request) => {
    const answer = await changed(changeMessageInvisibleTime.request.decode(request))
    return { ...answer, extFields: answer.extFields ?? changeMessageInvisibleTime.response.encode({ popTime: 0, invisibleTime: 0, reviveQid: 0 }) }
  }

  async function changed (header: HeaderOf<typeof changeMessageInvisibleTime.request>): Promise<RemotingResponse> {
    const { invisibleTime } = header
    const handle = handleOrRefusal(header)
    if ('code' in handle) return handle
    const maxMs = config.values.timerMaxDelaySec * 1000
    if (invisibleTime < 0 || invisibleTime > maxMs) return failure(ResponseCode.INVALID_PARAMETER, `invisibleTime ${invisibleTime} is not in 0 to ${maxMs} ms`)
    const changed = await remotePops.changeInvisible(messageOf(header, handle), invisibleTime)
    if (changed === undefined) return notHeld(header)
    return { code: ResponseCode.SUCCESS, extFields: changeMessageInvisibleTime.response.encode({ popTime: changed.invisibleUntilMs - invisibleTime, invisibleTime, reviveQid: handle.reviveQueueId }) }
  }

  /** What is not held any more is passed over, as RocketMQ does. */
  const batchAck: Processor = async (request) => {
    const body = request.body.length === 0 ? undefined : jsonMap(parseJson(request.body, { ...jsonLimits, maxBytes: limits.maxHeartbeatBytes }))
    const acks = jsonArray(body?.get('acks')) ?? []
    if (acks.length === 0) return failure(ResponseCode.NO_MESSAGE, 'there is nothing to acknowledge in it')
    const messages: HeldMessage[] = []
    for (const item of acks) {
      for (const message of messagesIn(item)) {
        if (messages.push(message) > MAX_BATCH_MESSAGES) throw malformed(`it names more than ${MAX_BATCH_MESSAGES} messages`)
      }
    }
    await remotePops.ackAll(messages)
    return success
  }

  /** The handle, if header and handle name the same message of a queue that is there. */
  function handleOrRefusal ({ topic, queueId, offset, extraInfo }: HeaderOf<typeof ackMessage.request>): PopHandle | RemotingResponse {
    const topicConfig = topics.find(topic)
    if (topicConfig === undefined) return failure(ResponseCode.TOPIC_NOT_EXIST, `topic[${topic}] not exist, apply first please!`)
    if (queueId < 0 || queueId >= topicConfig.readQueueNums) return failure(ResponseCode.MESSAGE_ILLEGAL, `queueId ${queueId} is illegal: topic ${topic} has ${topicConfig.readQueueNums} queues to read`)
    const { minOffset, maxOffset } = engine.reads.rangeOf(topic, queueId)
    if (offset < minOffset || offset >= maxOffset) return failure(ResponseCode.NO_MESSAGE, `offset is illegal: ${offset} is not in ${minOffset} to ${maxOffset} of ${topic}@${queueId}`)
    const handle = parsePopHandle(extraInfo)
    if (handle === undefined) return failure(ResponseCode.INVALID_PARAMETER, `extraInfo is no handle of a popped message: ${JSON.stringify(extraInfo.slice(0, 100))}`)
    if (handle.brokerName !== brokerName || handle.queueId !== queueId || handle.queueOffset !== offset) return failure(ResponseCode.NO_MESSAGE, `the handle is of another message: ${extraInfo.slice(0, 200)}`)
    return handle
  }

  return { ack, batchAck, changeInvisible }
}

function messageOf ({ consumerGroup: group, topic, queueId, offset }: HeaderOf<typeof ackMessage.request>, { popTimeMs, invisibleMs }: PopHandle): HeldMessage {
  return { group, topic, queueId, offset, invisibleUntilMs: popTimeMs + invisibleMs }
}

function notHeld ({ consumerGroup, topic, queueId, offset }: HeaderOf<typeof ackMessage.request>): RemotingResponse {
  return failure(ResponseCode.NO_MESSAGE, `group ${consumerGroup} does not hold message ${offset} of ${topic}@${queueId} under that handle: its invisible time was over, or the handle was replaced`)
}

/** `{"c":group,"t":topic,"r":"0","so":startOffset,"q":queueId,"rq":reviveQid,"pt":popTime,"it":invisibleTime,"b":bits}`, or with the names in full. */
function * messagesIn (value: JsonValue): Iterable<HeldMessage> {
  const item = jsonMap(value)
  if (item === undefined) throw malformed('an item is no object')
  const group = jsonText(field(item, 'c', 'consumerGroup'))
  const topic = jsonText(field(item, 't', 'topic'))
  const retry = jsonText(field(item, 'r', 'retry')) ?? NORMAL_TOPIC
  const [startOffset, popTime, invisibleTime] = ([['so', 'startOffset'], ['pt', 'popTime'], ['it', 'invisibleTime']] as const).map(([short, long]) => Number(jsonLong(field(item, short, long)) ?? -1))
  const queueId = jsonInt(field(item, 'q', 'queueId'))
  const bits = jsonText(field(item, 'b', 'bitSet'))
  if (group === undefined || topic === undefined || queueId === undefined || bits === undefined || startOffset! < 0 || popTime! < 0 || invisibleTime! < 0) throw malformed('a field is missing')
  if (bits.length > MAX_BITSET_BYTES * 4 / 3 || !BASE64.test(bits)) throw malformed('the set of bits is too long, or not in base64')
  // there are no retry topics in which messages could lie
  if (retry !== NORMAL_TOPIC) return
  const bytes = Buffer.from(bits, 'base64')
  for (let i = 0; i < 8 * bytes.length; i++) {
    if ((bytes[i >>> 3]! & (1 << (i & 7))) !== 0) yield { group, topic, queueId, offset: startOffset! + i, invisibleUntilMs: popTime! + invisibleTime! }
  }
}

function field (item: JsonMap, short: string, long: string): JsonValue | undefined { return item.get(short) ?? item.get(long) }

function malformed (why: string): MqError { return new MqError('MQ_INVALID_ARGUMENT', `the body is no batch of acknowledgements: ${why}`) }
