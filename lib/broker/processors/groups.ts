import { isMqError, MqError } from '../../base/index.ts'
import type { GroupChange } from '../../engine/index.ts'
import { jsonArray, jsonMap, parseJson } from '../../message/index.ts'
import {
  deleteSubscriptiongroup, failure, getAllSubscriptiongroupConfig, getSubscriptiongroupConfig, ResponseCode, success, withBody, type Processor, type RemotingResponse
} from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'
import { dataVersionFields, groupConfigFields, readGroupConfig } from '../json-shapes.ts'
import { groupNameRefusal } from '../names.ts'
import { page } from '../page.ts'

const MAX_RETRY_QUEUES = 1024

/** Consumer groups as administrators see and change them. @see RocketMQ AdminBrokerProcessor */
export function groupProcessors (context: BrokerContext) {
  const { engine, groups, limits } = context

  const put: Processor = (request) => {
    const map = jsonMap(parseJson(request.body))
    if (map === undefined) throw new MqError('MQ_INVALID_ARGUMENT', 'the body is no SubscriptionGroupConfig')
    return putAll([readGroupConfig(map)])
  }

  const putList: Processor = (request) =>
    putAll((jsonArray(jsonMap(parseJson(request.body))?.get('groupConfigList')) ?? []).map(jsonMap).filter((map) => map !== undefined).map(readGroupConfig))

  /** All of them or none. */
  async function putAll (changes: GroupChange[]): Promise<RemotingResponse> {
    for (const { config: { group, retryQueueNums } } of changes) {
      const refusal = groupNameRefusal(group)
      if (refusal !== undefined) return failure(ResponseCode.INVALID_PARAMETER, refusal)
      if (retryQueueNums > MAX_RETRY_QUEUES) return failure(ResponseCode.INVALID_PARAMETER, `retryQueueNums of group ${group} is ${retryQueueNums}; at most ${MAX_RETRY_QUEUES} are allowed`)
      if (groups.find(group) === undefined && engine.store.metadata.groupCount >= limits.maxGroups) return failure(ResponseCode.INVALID_PARAMETER, `the broker has ${limits.maxGroups} groups, more are not allowed`)
    }
    await engine.config.putGroups(changes)
    return success
  }

  const remove: Processor = async (request) => {
    const { groupName, cleanOffset = false } = deleteSubscriptiongroup.request.decode(request)
    await engine.config.deleteGroup(groupName, { removeOffsets: cleanOffset }).catch((error: unknown) => { if (!isMqError(error, 'MQ_GROUP_NOT_FOUND')) throw error })
    return success
  }

  const get: Processor = async (request) => {
    const { group } = getSubscriptiongroupConfig.request.decode(request)
    const config = groups.find(group) ?? await groups.ensure(group)
    return config === undefined ? failure(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, `the consumer group ${group} does not exist`) : withBody(groupConfigFields(config))
  }

  const getAll: Processor = (request) => {
    const { groupSeq, maxGroupNum } = getAllSubscriptiongroupConfig.request.decode(request)
    const all = groups.all()
    const subscriptionGroupTable = new Map([...page(all, groupSeq, maxGroupNum)].map(([name, config]) => [name, groupConfigFields(config)]))
    return {
      ...withBody({ dataVersion: dataVersionFields(engine.term, engine.config.version('group')), forbiddenTable: new Map(), subscriptionGroupTable }),
      extFields: getAllSubscriptiongroupConfig.response.encode({ totalGroupNum: all.size })
    }
  }

  return { put, putList, remove, get, getAll }
}
