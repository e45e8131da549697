import { isMqError } from '../base/index.ts'
import { encodeJson, jsonLong, jsonMap, objectKey, jsonInt, jsonText, parseJson, type JsonOutput, type JsonOutputKey } from '../message/index.ts'
import {
  failure, getConsumerStatusFromClient, resetConsumerClientOffset, ResponseCode, VersionGate, withBody, type ExtFields, type RemotingFrame, type RemotingResponse
} from '../remoting/index.ts'
import type { BrokerContext } from './context.ts'
import { messageQueueFields } from './json-shapes.ts'
import type { Member } from './member.ts'

const RELAY_TIMEOUT_MS = 10_000
const STATUS_TIMEOUT_MS = 5000

export interface Relayed {
  readonly group: string
  readonly clientId: string
  readonly code: number
  readonly extFields: ExtFields
  readonly body?: Uint8Array
}

/** Asks one consumer of a group, and answers what it does. @see RocketMQ AdminBrokerProcessor.callConsumer */
export async function askConsumer ({ clients }: BrokerContext, { group, clientId, code, extFields, body }: Relayed): Promise<RemotingResponse> {
  const member = clients.consumerGroup(group)?.member(clientId)
  if (member === undefined) return failure(ResponseCode.SYSTEM_ERROR, `The Consumer <${group}> <${clientId}> not online`)
  if (member.version < VersionGate.relayedRequests) return failure(ResponseCode.SYSTEM_ERROR, `The Consumer <${group}> <${clientId}> Version <${member.version}> too low to finish`)
  try {
    const answer = await member.connection.invoke({ code, extFields, body }, { timeoutMs: RELAY_TIMEOUT_MS })
    return { code: answer.code, remark: answer.remark, extFields: Object.fromEntries(answer.extFields()), body: answer.body }
  } catch (error) {
    if (isMqError(error, 'MQ_TIMEOUT')) return failure(ResponseCode.CONSUME_MSG_TIMEOUT, `consumer <${group}> <${clientId}> Timeout: it did not answer within ${RELAY_TIMEOUT_MS} ms`)
    return failure(ResponseCode.SYSTEM_ERROR, `invoke consumer <${group}> <${clientId}> failed: ${(error as Error).message}`)
  }
}

/**
 * The consumers of a group are told to move themselves: for those that do not follow the broker's own resets.
 * @see RocketMQ Broker2Client.resetOffset
 */
export async function pushReset (context: BrokerContext, { topic, group, timestamp }: { readonly topic: string, readonly group: string, readonly timestamp: number }): Promise<RemotingResponse> {
  const { topics, clients, engine: { reads }, names: { brokerName } } = context
  const config = topics.find(topic)
  if (config === undefined) return failure(ResponseCode.SYSTEM_ERROR, `topic ${topic} does not exist`)
  const members = [...clients.consumerGroup(group)?.members.values() ?? []]
  if (members.length === 0) return failure(ResponseCode.CONSUMER_NOT_ONLINE, `Consumer not online, so can not reset offset. Group: ${group} Topic: ${topic} Timestamp: ${timestamp}`)
  const offsetTable = new Map<JsonOutputKey, JsonOutput>()
  for (let queueId = 0; queueId < config.writeQueueNums; queueId++) {
    const offset = timestamp < 0 ? reads.rangeOf(topic, queueId).maxOffset : await reads.searchOffset(topic, queueId, timestamp)
    offsetTable.set(messageQueueFields(topic, brokerName, queueId), offset)
  }
  const tooOld = members.find(({ version }) => version < VersionGate.resetOffsetPush)
  if (tooOld !== undefined) return failure(ResponseCode.SYSTEM_ERROR, `the client ${tooOld.clientId} does not support this feature: its version is ${tooOld.version}`)
  const extFields = resetConsumerClientOffset.request.encode({ topic, group, timestamp, isForce: true })
  const body = encodeJson({ offsetTable })
  for (const { connection } of members) {
    try {
      connection.invokeOneWay({ code: resetConsumerClientOffset.code, extFields, body })
    } catch {
      // it is gone, or does not read: it starts from the offsets that the others commit
    }
  }
  return withBody({ offsetTable })
}

/** Where each consumer of a group thinks it is. @see RocketMQ Broker2Client.getConsumeStatus */
export async function consumerStatus ({ clients }: BrokerContext, topic: string, group: string, clientId: string): Promise<RemotingResponse> {
  const all = [...clients.consumerGroup(group)?.members.values() ?? []]
  const members = all.filter((member) => clientId === '' || member.clientId === clientId)
  if (all.length === 0) return failure(ResponseCode.SYSTEM_ERROR, `No Any Consumer online in the consumer group: [${group}]`)
  const consumerTable = new Map<string, JsonOutput>()
  await Promise.all(members.map(async (member) => {
    const offsets = await statusOf(member, topic, group)
    if (offsets !== undefined) consumerTable.set(member.clientId, offsets)
  }))
  return withBody({ consumerTable })
}

async function statusOf ({ connection, version }: Member, topic: string, group: string): Promise<JsonOutput> {
  if (version < VersionGate.resetOffsetPush) return undefined
  let answer: RemotingFrame
  try {
    answer = await connection.invoke({ code: getConsumerStatusFromClient.code, extFields: getConsumerStatusFromClient.request.encode({ topic, group }) }, { timeoutMs: STATUS_TIMEOUT_MS })
  } catch {
    return undefined
  }
  if (answer.code !== ResponseCode.SUCCESS || answer.bodyBytes === 0) return undefined
  const offsets = new Map<JsonOutputKey, JsonOutput>()
  for (const [key, value] of jsonMap(jsonMap(parseJson(answer.body))?.get('messageQueueTable')) ?? []) {
    const queue = objectKey(key)
    const offset = jsonLong(value)
    if (queue === undefined || offset === undefined) continue
    offsets.set(messageQueueFields(jsonText(queue.get('topic')) ?? '', jsonText(queue.get('brokerName')) ?? '', jsonInt(queue.get('queueId')) ?? 0), offset)
  }
  return offsets
}
