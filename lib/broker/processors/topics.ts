import { isMqError } from '../../base/index.ts'
import { parseAttributeChanges, type TopicChange } from '../../engine/index.ts'
import { jsonArray, JsonDouble, jsonMap, parseJson, type TopicConfig } from '../../message/index.ts'
import { isSystemTopic, topicConfigFields } from '../../namesrv/index.ts'
import {
  deleteTopicInBroker, failure, getAllTopicConfig, getTopicConfig, getTopicStatsInfo, ResponseCode, success, updateAndCreateTopic, withBody, type Processor, type RemotingResponse
} from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'
import { dataVersionFields, messageQueueFields, readTopicConfig } from '../json-shapes.ts'
import { topicNameRefusal } from '../names.ts'
import { page } from '../page.ts'
import { HALF_TOPIC, systemTopicNames } from '../system-topics.ts'

const MAX_QUEUES = 65_536
const MAX_PERM = 15
const BY_ITSELF = 'messages are removed by age (fileReservedTime) and size of the log (fileReservedBytes), whole files at a time'

/** Topics as administrators see and change them. @see RocketMQ AdminBrokerProcessor */
export function topicProcessors (context: BrokerContext) {
  const { engine, topics, names, registration } = context

  const put: Processor = (request) => {
    const { topic, readQueueNums, writeQueueNums, perm, topicSysFlag = 0, order, attributes } = updateAndCreateTopic.request.decode(request)
    const config = { topic, readQueueNums, writeQueueNums, perm, topicSysFlag, order }
    return putAll(() => [{ config, attributeChanges: parseAttributeChanges(attributes ?? '') }])
  }

  const putList: Processor = (request) =>
    putAll(() => (jsonArray(jsonMap(parseJson(request.body))?.get('topicConfigList')) ?? []).map(jsonMap).filter((map) => map !== undefined).map(readTopicConfig))

  /** All of them or none. Who asked may send at once: clients are to find the topics. */
  async function putAll (read: () => TopicChange[]): Promise<RemotingResponse> {
    try {
      const changes = read()
      for (const change of changes) {
        const refusal = refusalOf(change)
        if (refusal !== undefined) return failure(ResponseCode.INVALID_PARAMETER, refusal)
      }
      await engine.config.putTopics(changes)
      await registration.known()
      return success
    } catch (error) {
      // attributes that are not allowed
      if (!isMqError(error, 'MQ_INVALID_ARGUMENT')) throw error
      return failure(ResponseCode.SYSTEM_ERROR, error.message)
    }
  }

  function refusalOf ({ config, attributeChanges = {} }: TopicChange): string | undefined {
    const { topic, readQueueNums, writeQueueNums, perm } = config
    if (isSystemTopic(topic) || topics.isSystem(topic)) return `topic ${topic} is the broker's own and not to be changed`
    if (attributeChanges['+message.type'] === 'MIXED' && !context.config.values.enableMixedMessageType) return `topic ${topic} may not be for messages of every kind (enableMixedMessageType=false)`
    for (const [name, queues] of [['readQueueNums', readQueueNums], ['writeQueueNums', writeQueueNums]] as const) if (queues < 0 || queues > MAX_QUEUES) return `${name} of topic ${topic} is ${queues}; 0 to ${MAX_QUEUES} are allowed`
    if (perm < 0 || perm > MAX_PERM) return `perm of topic ${topic} is ${perm}; it is a sum of 4 (read), 2 (write) and 1 (inherit)`
    const isNew = topics.find(topic) === undefined
    if (isNew && engine.store.metadata.topicCount >= context.limits.maxTopics) return `the broker has ${context.limits.maxTopics} topics, more are not allowed`
    return topicNameRefusal(topic)
  }

  const remove: Processor = async (request) => {
    const { topic } = deleteTopicInBroker.request.decode(request)
    if (topic.trim() === '') return failure(ResponseCode.INVALID_PARAMETER, 'the name of the topic is empty')
    if (isSystemTopic(topic) || topics.isSystem(topic)) return failure(ResponseCode.INVALID_PARAMETER, `topic ${topic} is the broker's own and not to be deleted`)
    await engine.deleteTopic(topic).catch((error: unknown) => { if (!isMqError(error, 'MQ_TOPIC_NOT_FOUND')) throw error })
    return success
  }

  const get: Processor = (request) => {
    const { topic } = getTopicConfig.request.decode(request)
    const config = topics.find(topic)
    return config === undefined ? notThere(topic) : withBody(topicConfigFields(config))
  }

  const getAll: Processor = (request) => {
    const { topicSeq, maxTopicNum } = getAllTopicConfig.request.decode(request)
    const all = topics.all()
    const table = new Map([...page(all, topicSeq, maxTopicNum)].map(([name, config]) => [name, topicConfigFields(config)]))
    const dataVersion = dataVersionFields(engine.term, engine.config.version('topic'))
    return {
      ...withBody({ dataVersion, topicConfigTable: table, topicQueueMappingDetailMap: new Map(), mappingDataVersion: { counter: 0, stateVersion: 0, timestamp: 0 } }),
      extFields: getAllTopicConfig.response.encode({ totalTopicNum: all.size })
    }
  }

  const stats: Processor = async (request) => {
    const { topic } = getTopicStatsInfo.request.decode(request)
    const config = topics.find(topic)
    if (config === undefined) return notThere(topic)
    const offsetTable = new Map()
    for (let queueId = 0; queueId < queuesOf(config); queueId++) {
      const { minOffset, maxOffset } = topic === HALF_TOPIC ? halfRange() : engine.reads.rangeOf(topic, queueId)
      const lastUpdateTimestamp = maxOffset === 0 ? 0 : Math.max(0, await engine.reads.storeTimestampAt(topic, queueId, maxOffset - 1))
      offsetTable.set(messageQueueFields(topic, names.brokerName, queueId), { minOffset, maxOffset, lastUpdateTimestamp })
    }
    return withBody({ offsetTable, topicPutTps: new JsonDouble(context.stats.putTps(topic)) })
  }

  /** Of the numbers of half messages: from the first that waits. */
  function halfRange () {
    const { firstPendingOffset: minOffset, nextOffset: maxOffset } = engine.store.halves
    return { minOffset, maxOffset }
  }

  const systemList: Processor = () => withBody({ topicList: systemTopicNames(names) })

  /** What RocketMQ's broker does by hand, this one does by itself. */
  const tidy: Processor = () => ({ code: ResponseCode.SUCCESS, remark: BY_ITSELF })

  /** Looks at once, where this broker leads, and not only each minute. */
  const removeExpired: Processor = async () => {
    await engine.runRetention()
    return { code: ResponseCode.SUCCESS }
  }

  return { put, putList, remove, get, getAll, stats, systemList, tidy, removeExpired }
}

function queuesOf ({ readQueueNums, writeQueueNums }: TopicConfig): number {
  return Math.max(readQueueNums, writeQueueNums)
}

function notThere (topic: string): RemotingResponse {
  return failure(ResponseCode.TOPIC_NOT_EXIST, `No topic in this broker. topic: ${topic}`)
}
