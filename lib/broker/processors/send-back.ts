import { consumerSendMsgBack, failure, ResponseCode, success, VersionGate, type Processor } from '../../remoting/index.ts'
import { deadLetterTopicOf, retryTopicOf } from '../../store/index.ts'
import type { BrokerContext } from '../context.ts'
import { newTopic, Perm } from '../system-topics.ts'

/**
 * 36 CONSUMER_SEND_MSG_BACK: a message that could not be consumed comes again later, or becomes a dead letter.
 * @see RocketMQ AbstractSendMessageProcessor.consumerSendMsgBack
 */
export function sendBackProcessors ({ engine, groups, topics, config, stats, logger }: BrokerContext): { readonly sendBack: Processor } {
  const sendBack: Processor = async (request) => {
    const { offset, group, delayLevel, maxReconsumeTimes } = consumerSendMsgBack.request.decode(request)
    const { brokerPermission, messageDelayLevel } = config.values
    const groupConfig = groups.find(group)
    if (groupConfig === undefined) return failure(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, `subscription group not exist, ${group}`)
    if ((brokerPermission & Perm.write) === 0) return failure(ResponseCode.NO_PERMISSION, `the broker's brokerPermission ${brokerPermission} does not allow to send`)
    if (groupConfig.retryQueueNums <= 0) return success
    const retryTopic = topics.destinationOr(newTopic(retryTopicOf(group), groupConfig.retryQueueNums))
    if ((retryTopic.config.perm & Perm.write) === 0) return failure(ResponseCode.NO_PERMISSION, `topic ${retryTopic.name} is not to be written (perm ${retryTopic.config.perm})`)
    const message = await engine.reads.viewMessage(offset)
    if (message === undefined) return failure(ResponseCode.SYSTEM_ERROR, `look message by offset failed, ${offset}`)
    const isCounted = maxReconsumeTimes !== undefined && request.version >= VersionGate.maxReconsumeTimes
    const sent = await engine.sendBack({
      record: message.record,
      group,
      delayLevel,
      levels: messageDelayLevel,
      retryTopic,
      deadLetterTopic: topics.destinationOr(newTopic(deadLetterTopicOf(group), 1)),
      ...(isCounted && { maxReconsumeTimes })
    })
    stats.sentBack(message.topic, group)
    if (sent === 'dead-letter') logger.warn('a message was given up and is a dead letter now', { group, topic: message.topic, queueId: message.queueId, queueOffset: message.queueOffset })
    return success
  }

  return { sendBack }
}
