import { decodeMessageId, consumeMessageDirectly, failure, getConsumerRunningInfo, invokeBrokerToGetConsumerStatus, ResponseCode, type Processor } from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'
import { askConsumer, consumerStatus } from '../relay.ts'

/** What tools ask of a consumer by way of its broker. */
export function relayedProcessors (context: BrokerContext) {
  const { engine, groups, topics, names } = context

  const runningInfo: Processor = (request) => {
    const { consumerGroup, clientId } = getConsumerRunningInfo.request.decode(request)
    return askConsumer(context, { group: consumerGroup, clientId, code: request.code, extFields: Object.fromEntries(request.extFields()) })
  }

  /** The consumer gets the message that the id stands for, or none when there is none. */
  const consumeDirectly: Processor = async (request) => {
    const { consumerGroup, clientId, msgId, topic } = consumeMessageDirectly.request.decode(request)
    const extFields: Record<string, string> = { ...Object.fromEntries(request.extFields()), brokerName: names.brokerName }
    const message = msgId === undefined ? undefined : await engine.reads.viewMessage(decodeMessageId(msgId).physicalOffset)
    if (msgId !== undefined && message === undefined) return failure(ResponseCode.SYSTEM_ERROR, `there is no message ${msgId} here`)
    const topicConfig = topics.find(message?.topic ?? topic ?? '')
    if (topicConfig !== undefined) extFields.topicSysFlag = String(topicConfig.topicSysFlag)
    const group = groups.find(consumerGroup)
    if (group !== undefined) extFields.groupSysFlag = String(group.groupSysFlag)
    return await askConsumer(context, { group: consumerGroup, clientId: clientId ?? '', code: request.code, extFields, ...(message !== undefined && { body: message.record.bytes }) })
  }

  const status: Processor = (request) => {
    const { topic, group, clientAddr = '' } = invokeBrokerToGetConsumerStatus.request.decode(request)
    return consumerStatus(context, topic, group, clientAddr)
  }

  return { runningInfo, consumeDirectly, status }
}
