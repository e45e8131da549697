import { failure, queryConsumeQueue, queryMessage, ResponseCode, viewMessageById, withBody, type Processor } from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'
import { subscriptionFields } from '../subscription.ts'

const MAX_UNITS = 1024

/** Messages found otherwise than by pulling. @see RocketMQ QueryMessageProcessor */
export function messageProcessors ({ engine, topics, clients }: BrokerContext) {
  const view: Processor = async (request) => {
    const { offset } = viewMessageById.request.decode(request)
    const message = await engine.reads.viewMessage(offset)
    return message === undefined
      ? failure(ResponseCode.SYSTEM_ERROR, `can not find message by the offset, ${offset}`)
      : { code: ResponseCode.SUCCESS, body: message.record.bytes }
  }

  const byKey: Processor = (request) => {
    const { topic, key } = queryMessage.request.decode(request)
    return failure(ResponseCode.QUERY_NOT_FOUND, `messages cannot be looked up by key yet (topic ${topic}, key ${key}); by offset message id they can`)
  }

  const units: Processor = async (request) => {
    const { topic, queueId, index, count, consumerGroup } = queryConsumeQueue.request.decode(request)
    const topicConfig = topics.find(topic)
    if (topicConfig === undefined || queueId < 0 || queueId >= Math.max(topicConfig.readQueueNums, topicConfig.writeQueueNums)) return failure(ResponseCode.SYSTEM_ERROR, `${queueId}@${topic} is not exist!`)
    const { minOffset, maxOffset } = engine.reads.rangeOf(topic, queueId)
    if (index < minOffset || index >= maxOffset) return { code: ResponseCode.SUCCESS, remark: `index ${index} of ${queueId}@${topic} is not in [${minOffset}, ${maxOffset})` }
    const subscription = consumerGroup === undefined ? undefined : clients.consumerGroup(consumerGroup)?.subscriptions.get(topic)
    const found = await engine.reads.units(topic, queueId, index, Math.max(0, Math.min(count, MAX_UNITS)))
    return withBody({
      minQueueIndex: minOffset,
      maxQueueIndex: maxOffset,
      subscriptionData: subscription && subscriptionFields(subscription),
      queueData: found.map(({ physicalOffset, sizeBytes, tagsCode }) => ({
        physicOffset: physicalOffset, physicSize: sizeBytes, tagsCode, eval: subscription?.tagsCodes?.has(tagsCode) ?? true
      }))
    })
  }

  return { view, byKey, units }
}
