import { decodeRecallHandle } from '../../message/index.ts'
import { failure, recallMessage, ResponseCode, type Processor, type RemotingResponse } from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'
import { Perm } from '../system-topics.ts'

/**
 * 370 RECALL_MESSAGE: a message that waits for its time is taken back, by what the answer to its send told.
 * @see RocketMQ RecallMessageProcessor. Divergence: success means that the message waited and is never delivered; a handle of one that does not is refused
 */
export function recallProcessors ({ engine, clock, config, names }: BrokerContext): { readonly recall: Processor } {
  const illegal = (why: string): RemotingResponse => failure(ResponseCode.ILLEGAL_OPERATION, `recall failed, ${why}`)

  const recall: Processor = async (request) => {
    const { topic, recallHandle } = recallMessage.request.decode(request)
    const { recallMessageEnable, allowRecallWhenBrokerNotWriteable, brokerPermission, timerMaxDelaySec, regionId } = config.values
    if (!recallMessageEnable) return failure(ResponseCode.NO_PERMISSION, 'recall failed, the broker does not take messages back: recallMessageEnable is off')
    if ((brokerPermission & Perm.write) === 0 && !allowRecallWhenBrokerNotWriteable) return failure(ResponseCode.SERVICE_NOT_AVAILABLE, 'recall failed, broker service not available')
    if (engine.store.metadata.topic(topic) === undefined) return failure(ResponseCode.TOPIC_NOT_EXIST, `recall failed, the topic[${topic}] not exist`)
    const handle = decodeRecallHandle(recallHandle)
    if (handle === undefined) return failure(ResponseCode.ILLEGAL_OPERATION, 'recall handle is invalid')
    if (handle.topic !== topic) return illegal('topic not match')
    if (handle.brokerName !== names.brokerName) return illegal(`the message is at broker ${handle.brokerName.slice(0, 128)}, not here`)
    const leftMs = handle.deliverAtMs - clock.wallMs()
    if (leftMs <= 0 || leftMs > timerMaxDelaySec * 1000) return illegal('timestamp invalid')
    if (!await engine.recalls.recall(handle)) return illegal('no such message waits: it was delivered, or taken back before')
    return { code: ResponseCode.SUCCESS, extFields: recallMessage.response.encode({ msgId: handle.uniqueKey, MSG_REGION: regionId }) }
  }

  return { recall }
}
