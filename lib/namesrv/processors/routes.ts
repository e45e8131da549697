import { encodeJson } from '../../message/index.ts'
import { getRouteinfoByTopic, RequestCode, ResponseCode, VersionGate, failure, type RemotingFrame, type RemotingResponse } from '../../remoting/index.ts'
import { ORDER_TOPIC_CONFIG } from '../kv-config.ts'
import { inZone, topicRouteFields, withActingMasters, type TopicRoute } from '../route.ts'
import type { ProcessorContext, Processors } from './processor.ts'

/** Topics that brokers of one name use among themselves: they ask who is really there. */
const SYNC_BROKER_MEMBER_PREFIX = 'rmq_sys_SYNC_BROKER_MEMBER_'

/** What clients ask for: where a topic is. */
export function routeProcessors (context: ProcessorContext): Processors {
  return { [RequestCode.GET_ROUTEINFO_BY_TOPIC]: (request) => route(context, request) }
}

function route ({ clock, startedAtMs, table, kv, config: { values: settings } }: ProcessorContext, request: RemotingFrame): RemotingResponse {
  const { topic, acceptStandardJsonOnly } = getRouteinfoByTopic.request.decode(request)
  if (settings.needWaitForService && clock.nowMs() - startedAtMs < settings.waitSecondsForService * 1000) {
    return failure(ResponseCode.SYSTEM_ERROR, `the name server has just started and waits ${settings.waitSecondsForService} s for brokers (needWaitForService)`)
  }
  const found = table.route(topic)
  if (found === undefined) return failure(ResponseCode.TOPIC_NOT_EXIST, `no broker has registered topic ${topic} here (brokers registered: ${table.brokerCount})`)
  const orderTopicConf = settings.orderMessageEnable ? kv.get(ORDER_TOPIC_CONFIG, topic) : undefined
  const isStandard = request.version >= VersionGate.standardJsonRoute || acceptStandardJsonOnly === true
  const seen = nearby(settings.supportActingMaster && !topic.startsWith(SYNC_BROKER_MEMBER_PREFIX) ? withActingMasters(found) : found, request)
  return { code: ResponseCode.SUCCESS, body: encodeJson(topicRouteFields(seen, orderTopicConf), isStandard ? 'standard' : 'fastjson') }
}

/** Requesters in zone mode see the brokers of their zone. */
function nearby (found: TopicRoute, request: RemotingFrame): TopicRoute {
  const fields = request.extFields()
  const zoneName = fields.get('__ZONE_NAME')?.trim() ?? ''
  return fields.get('__ZONE_MODE')?.toLowerCase() === 'true' && zoneName !== '' ? inZone(found, zoneName) : found
}
