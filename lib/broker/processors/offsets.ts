import {
  failure, getEarliestMsgStoretime, getMaxOffset, getMinOffset, queryConsumerOffset, ResponseCode, searchOffsetByTimestamp, success, updateConsumerOffset, type HeaderOf, type Processor,
  type RemotingResponse
} from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'

/** Where groups are, and where queues begin and end. @see RocketMQ ConsumerManageProcessor, AdminBrokerProcessor */
export function offsetProcessors ({ engine, topics, groups, clients }: BrokerContext) {
  const { reads, offsets } = engine

  const query: Processor = (request) => {
    const header = queryConsumerOffset.request.decode(request)
    const { consumerGroup: group, topic, queueId } = header
    const known = offsets.query({ group, topic, queueId })
    return known instanceof Promise ? known.then((offset) => queried(header, offset)) : queried(header, known)
  }

  /** A group without an offset begins at 0 where nothing was removed yet, whatever it asked for: that is what clients are used to. */
  function queried ({ consumerGroup, topic, queueId, setZeroIfNotFound }: HeaderOf<typeof queryConsumerOffset.request>, offset: number | undefined): RemotingResponse {
    if (offset !== undefined) return offsetAnswer(offset)
    const isYoung = reads.rangeOf(topic, queueId).minOffset <= 0
    return isYoung && setZeroIfNotFound !== false ? offsetAnswer(0) : failure(ResponseCode.QUERY_NOT_FOUND, `group ${consumerGroup} has no offset in queue ${queueId} of ${topic}: it may be new`)
  }

  const update: Processor = (request, connection) => {
    const { consumerGroup: group, topic, queueId, commitOffset, fromOffset } = updateConsumerOffset.request.decode(request)
    if (groups.find(group) === undefined) return failure(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, `the consumer group ${group} does not exist`)
    if (topics.find(topic) === undefined) return failure(ResponseCode.TOPIC_NOT_EXIST, `topic ${topic} does not exist`)
    if (queueId < 0) return failure(ResponseCode.INVALID_PARAMETER, `queueId ${queueId} is illegal`)
    const clientId = clients.clientIdOf(connection)
    if (fromOffset === undefined) offsets.commit({ group, topic, queueId }, commitOffset, clientId)
    else offsets.commitFrom({ group, topic, queueId }, fromOffset < 0 ? undefined : fromOffset, commitOffset, clientId)
    return success
  }

  const search: Processor = async (request) => {
    const { topic, queueId, timestamp, boundaryType } = searchOffsetByTimestamp.request.decode(request)
    return offsetAnswer(await reads.searchOffset(topic, queueId, timestamp, boundaryType?.toLowerCase() === 'upper' ? 'upper' : 'lower'))
  }

  const max: Processor = (request) => {
    const { topic, queueId } = getMaxOffset.request.decode(request)
    return offsetAnswer(reads.rangeOf(topic, queueId).maxOffset)
  }

  const min: Processor = (request) => {
    const { topic, queueId } = getMinOffset.request.decode(request)
    return offsetAnswer(reads.rangeOf(topic, queueId).minOffset)
  }

  const earliestStoreTime: Processor = async (request) => {
    const { topic, queueId } = getEarliestMsgStoretime.request.decode(request)
    return { code: ResponseCode.SUCCESS, extFields: getEarliestMsgStoretime.response.encode({ timestamp: await reads.earliestStoreTimestamp(topic, queueId) }) }
  }

  return { query, update, search, max, min, earliestStoreTime }
}

function offsetAnswer (offset: number): RemotingResponse {
  return { code: ResponseCode.SUCCESS, extFields: getMaxOffset.response.encode({ offset }) }
}
