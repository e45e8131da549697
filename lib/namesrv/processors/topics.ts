import { jsonArray, jsonInt, jsonMap, jsonText, parseJson } from '../../message/index.ts'
import { deleteTopicInNamesrv, getTopicsByCluster, registerTopicInNamesrv, RequestCode, ResponseCode, failure, success, withBody, type RemotingFrame, type RemotingResponse } from '../../remoting/index.ts'
import { isSystemTopic, systemTopics } from '../system-topics.ts'
import type { QueueData } from '../route.ts'
import type { Processor, ProcessorContext, Processors } from './processor.ts'

const MAX_TOPIC_CHARACTERS = 255

/** Lists of topics, and topics that tools add or delete. */
export function topicProcessors (context: ProcessorContext): Processors {
  const { table } = context
  return {
    [RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER]: ifEnabled(context, 'enableAllTopicList', () => topicList(table.topics)),
    [RequestCode.GET_TOPICS_BY_CLUSTER]: ifEnabled(context, 'enableTopicList', (request) => topicList(table.topicsOfCluster(getTopicsByCluster.request.decode(request).cluster))),
    [RequestCode.GET_UNIT_TOPIC_LIST]: ifEnabled(context, 'enableTopicList', () => topicList(table.unitTopics('unit'))),
    [RequestCode.GET_HAS_UNIT_SUB_TOPIC_LIST]: ifEnabled(context, 'enableTopicList', () => topicList(table.unitTopics('unitSub'))),
    [RequestCode.GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST]: ifEnabled(context, 'enableTopicList', () => topicList(table.unitTopics('unitSubOnly'))),
    [RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS]: () => systemTopicList(context),
    [RequestCode.DELETE_TOPIC_IN_NAMESRV]: (request) => {
      const { topic, clusterName } = deleteTopicInNamesrv.request.decode(request)
      table.deleteTopic(topic, clusterName === '' ? undefined : clusterName)
      return success
    },
    [RequestCode.REGISTER_TOPIC_IN_NAMESRV]: (request) => registerTopic(context, request)
  }
}

function ifEnabled ({ config }: ProcessorContext, setting: 'enableAllTopicList' | 'enableTopicList', processor: Processor): Processor {
  return (request, connection) => config.values[setting] ? processor(request, connection) : failure(ResponseCode.SYSTEM_ERROR, `disabled by ${setting}=false`)
}

function topicList (topics: readonly string[], brokerAddr?: string): RemotingResponse {
  return withBody({ brokerAddr, topicList: topics })
}

/** Clusters and brokers have topics of their names; tools ask the broker at the address for the rest. */
function systemTopicList ({ table }: ProcessorContext): RemotingResponse {
  const names = [...table.clusters].flatMap(([cluster, brokerNames]) => [cluster, ...brokerNames])
  const address = table.brokerDatas[0]?.brokerAddrs.values().next().value
  return topicList([...new Set([...names, ...systemTopics, ...table.topics.filter(isSystemTopic)])], address)
}

function registerTopic ({ table }: ProcessorContext, request: RemotingFrame): RemotingResponse {
  const { topic } = registerTopicInNamesrv.request.decode(request)
  if (topic === '' || topic.length > MAX_TOPIC_CHARACTERS) return failure(ResponseCode.INVALID_PARAMETER, `a topic's name has 1 to ${MAX_TOPIC_CHARACTERS} characters`)
  const queues: QueueData[] = []
  for (const value of jsonArray(request.bodyBytes === 0 ? undefined : jsonMap(parseJson(request.body))?.get('queueDatas')) ?? []) {
    const map = jsonMap(value)
    const brokerName = jsonText(map?.get('brokerName'))
    const int = (name: string): number => Math.max(0, jsonInt(map?.get(name)) ?? 0)
    if (brokerName !== undefined) queues.push({ brokerName, readQueueNums: int('readQueueNums'), writeQueueNums: int('writeQueueNums'), perm: int('perm'), topicSysFlag: int('topicSysFlag') })
  }
  const reason = table.registerTopic(topic, queues)
  return reason === undefined ? success : failure(ResponseCode.SYSTEM_ERROR, reason)
}
