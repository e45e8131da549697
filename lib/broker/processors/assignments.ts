import { MqError } from '../../base/index.ts'
import { jsonInt, jsonLimits, jsonMap, jsonText, parseJson, type JsonFields, type JsonMap } from '../../message/index.ts'
import { failure, ResponseCode, success, withBody, type Processor, type RemotingFrame } from '../../remoting/index.ts'
import { allocateForPop, allocations, inOrder, type AssignableQueue } from '../allocation.ts'
import type { BrokerContext } from '../context.ts'
import { BROADCASTING } from '../heartbeat.ts'
import { messageQueueFields } from '../json-shapes.ts'
import { isRetryTopic, RequestMode, type RequestModeOf } from '../request-modes.ts'

/**
 * 400 QUERY_ASSIGNMENT, 401 SET_MESSAGE_REQUEST_MODE, 402 GET_ALL_MESSAGE_REQUEST_MODE: who consumes which queues, and whether by pull or by pop, where
 * consumers leave that to the broker.
 * @see RocketMQ QueryAssignmentProcessor
 */
export function assignmentProcessors ({ clients, config, groups, limits, requestModes, topicQueues, topics, logger }: BrokerContext) {
  const query: Processor = async (request) => {
    const body = read(request)
    const topic = textIn(body, 'topic')
    const group = textIn(body, 'consumerGroup')
    const mode = requestModes.of(topic, group)
    const queues = await assigned(topic, group, textIn(body, 'clientId'), jsonText(body.get('messageModel')), jsonText(body.get('strategyName')), mode)
    // without a list the consumer keeps what it has
    return withBody(queues === undefined ? {} : { messageQueueAssignments: queues.map((queue) => ({ messageQueue: messageQueueFields(queue.topic, queue.brokerName, queue.queueId), mode: mode.mode })) })
  }

  async function assigned (topic: string, group: string, clientId: string, messageModel: string | undefined, strategyName: string | undefined, { mode, popShareQueueNum }: RequestModeOf): Promise<AssignableQueue[] | undefined> {
    const all = await topicQueues.of(topic)
    if (all === undefined || messageModel === BROADCASTING || !config.values.serverLoadBalancerEnable) return all
    const clientIds = clients.consumerGroup(group)?.clientIds ?? []
    const allocate = allocations.get(strategyName ?? '')
    if (clientIds.length === 0 || allocate === undefined) {
      logger.debug('a consumer asks for its queues, and there are none for it', { topic, group, clientId, strategyName })
      return undefined
    }
    const at = clientIds.sort().indexOf(clientId)
    const queues = inOrder(all)
    if (mode === RequestMode.pop && (at >= 0 || popShareQueueNum <= 0)) return allocateForPop(allocate, queues, at, clientIds.length, popShareQueueNum)
    return at < 0 ? [] : allocate(queues, at, clientIds.length)
  }

  const setMode: Processor = async (request) => {
    const body = read(request)
    const topic = textIn(body, 'topic')
    const group = textIn(body, 'consumerGroup')
    const mode = jsonText(body.get('mode')) ?? RequestMode.pull
    const popShareQueueNum = jsonInt(body.get('popShareQueueNum')) ?? 0
    if (isRetryTopic(topic)) return failure(ResponseCode.NO_PERMISSION, 'retry topic is not allowed to set mode')
    if (topics.find(topic) === undefined) return failure(ResponseCode.TOPIC_NOT_EXIST, `topic[${topic}] not exist`)
    if (groups.find(group) === undefined) return failure(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, `subscription group [${group}] does not exist`)
    if (mode !== RequestMode.pull && mode !== RequestMode.pop) return failure(ResponseCode.INVALID_PARAMETER, `mode ${JSON.stringify(mode.slice(0, 64))} is neither PULL nor POP`)
    await requestModes.set(topic, group, { mode, popShareQueueNum })
    logger.info('how a group consumes a topic was set', { topic, group, mode, popShareQueueNum })
    return success
  }

  const allModes: Processor = () => {
    const messageRequestModeMap = new Map<string, Map<string, JsonFields>>()
    for (const mode of requestModes.all()) {
      const byGroup = messageRequestModeMap.get(mode.topic) ?? new Map<string, JsonFields>()
      messageRequestModeMap.set(mode.topic, byGroup.set(mode.consumerGroup, { ...mode }))
    }
    return withBody({ messageRequestModeMap })
  }

  /** @throws MQ_INVALID_ARGUMENT */
  function read (request: RemotingFrame): JsonMap {
    const body = request.body.length === 0 ? undefined : jsonMap(parseJson(request.body, { ...jsonLimits, maxBytes: limits.maxHeartbeatBytes }))
    if (body === undefined) throw new MqError('MQ_INVALID_ARGUMENT', 'the body is no object')
    return body
  }

  return { query, setMode, allModes }
}

/** @throws MQ_INVALID_ARGUMENT */
function textIn (body: JsonMap, name: string): string {
  const value = jsonText(body.get(name))
  if (value === undefined || value === '') throw new MqError('MQ_INVALID_ARGUMENT', `the request names no ${name}`)
  return value
}
