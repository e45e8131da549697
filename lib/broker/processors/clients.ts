import { jsonLimits, jsonMap, parseJson } from '../../message/index.ts'
import { failure, getConsumerListByGroup, heartBeat, ResponseCode, success, unregisterClient, withBody, type Processor } from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'
import { decodeHeartbeat } from '../heartbeat.ts'
import { Expressions, readSubscription, SubscriptionSyntaxError, TAG } from '../subscription.ts'
import { notFiltered } from './pull.ts'

/** Who is there. @see RocketMQ ClientManageProcessor, ConsumerManageProcessor */
export function clientProcessors ({ clients, config, engine, groups, limits }: BrokerContext) {
  /**
   * Groups that are new are made first: nobody is a member of a group that is not there. A node that does not lead takes the
   * client's word: the leader gets the same heartbeat, and what it makes comes here a little later.
   */
  const heartbeat: Processor = (request, connection) => {
    const said = decodeHeartbeat(request.body, limits)
    const answer = () => {
      const wantsAll = clients.heartbeat(said, (group) => !engine.role.isLeader || groups.find(group) !== undefined, request, connection)
      return { code: ResponseCode.SUCCESS, extFields: heartBeat.response.encode({ IS_SUPPORT_HEART_BEAT_V2: 'true', IS_SUB_CHANGE: String(wantsAll) }) }
    }
    if (!engine.role.isLeader) return answer()
    const incomplete = said.consumers.filter(({ group }) => !groups.isComplete(group))
    return incomplete.length === 0 ? answer() : Promise.all(incomplete.map(({ group }) => groups.ensure(group))).then(answer)
  }

  /** Clients tell every node; locks are the leader's. */
  const unregister: Processor = (request, connection) => {
    const { clientID, producerGroup, consumerGroup } = unregisterClient.request.decode(request)
    clients.unregister(connection, producerGroup, consumerGroup)
    return consumerGroup === undefined || !engine.role.isLeader ? success : engine.locks.unregister(clientID, consumerGroup).then(() => success)
  }

  const consumerList: Processor = (request) => {
    const { consumerGroup } = getConsumerListByGroup.request.decode(request)
    const consumerIdList = clients.consumerGroup(consumerGroup)?.clientIds ?? []
    return consumerIdList.length === 0 ? failure(ResponseCode.SYSTEM_ERROR, `no consumer for this group, ${consumerGroup}`) : withBody({ consumerIdList })
  }

  /** Asked before the first heartbeat of a consumer that filters by other means than tags. */
  const checkConfig: Processor = (request) => {
    const subscription = readSubscription(jsonMap(parseJson(request.body, { ...jsonLimits, maxBytes: limits.maxHeartbeatBytes }))?.get('subscriptionData'))
    if (subscription === undefined) return failure(ResponseCode.SUBSCRIPTION_PARSE_FAILED, 'there is no subscription in it')
    const { expressionType, subString } = subscription
    if (expressionType !== TAG && !config.values.enablePropertyFilter) return failure(ResponseCode.SYSTEM_ERROR, notFiltered(expressionType))
    try {
      new Expressions().wantedBy(expressionType, subString)
      return success
    } catch (error) {
      if (!(error instanceof SubscriptionSyntaxError)) throw error
      return failure(ResponseCode.SUBSCRIPTION_PARSE_FAILED, error.message)
    }
  }

  return { heartbeat, unregister, consumerList, checkConfig }
}
