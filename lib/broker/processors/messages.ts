import { Buffer } from 'node:buffer'
import { failure, queryConsumeQueue, queryMessage, ResponseCode, viewMessageById, withBody, type Processor } from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'
import { subscriptionFields } from '../subscription.ts'

const MAX_UNITS = 1024
/** Queries by key under way at once. */
const MAX_QUERIES = 32
/** Messages in one answer, and their bytes together: it has to fit into a frame. @see RocketMQ maxMsgsNumBatch */
const MAX_FOUND = 64
const MAX_FOUND_BYTES = 8 * 1024 * 1024

/** Messages found otherwise than by pulling. @see RocketMQ QueryMessageProcessor */
export function messageProcessors ({ config, engine, topics, clients }: BrokerContext) {
  const view: Processor = async (request) => {
    const { offset } = viewMessageById.request.decode(request)
    const message = await engine.reads.viewMessage(offset)
    return message === undefined
      ? failure(ResponseCode.SYSTEM_ERROR, `can not find message by the offset, ${offset}`)
      : { code: ResponseCode.SUCCESS, body: message.record.bytes }
  }

  let queries = 0
  const byKey: Processor = async (request) => {
    const { topic, key, maxNum, beginTimestamp, endTimestamp, _UNIQUE_KEY_QUERY: uniqueFlag } = queryMessage.request.decode(request)
    const { keys } = engine
    if (keys === undefined) return failure(ResponseCode.QUERY_NOT_FOUND, 'messages cannot be looked up by key (messageIndexEnable=false); by offset message id they can')
    if (queries >= MAX_QUERIES) return failure(ResponseCode.SYSTEM_BUSY, `[OVERLOAD] ${MAX_QUERIES} queries by key are under way; ask again a little later`)
    queries++
    try {
      const isUnique = uniqueFlag === 'true'
      const maxMessages = isUnique ? config.values.defaultQueryMaxNum : Math.min(maxNum, MAX_FOUND)
      const found = await keys.find({ topic, key, isUnique, fromMs: Number(beginTimestamp), toMs: Number(endTimestamp), maxMessages, maxBytes: MAX_FOUND_BYTES })
      if (found.length === 0) return failure(ResponseCode.QUERY_NOT_FOUND, 'can not find message, maybe time range not correct')
      const { position, stampMs } = keys.end
      return {
        code: ResponseCode.SUCCESS,
        extFields: queryMessage.response.encode({ indexLastUpdateTimestamp: stampMs, indexLastUpdatePhyoffset: position }),
        body: Buffer.concat(found.map(({ record }) => record.bytes))
      }
    } finally {
      queries--
    }
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
