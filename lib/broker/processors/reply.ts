import { decodeProperties, encodeProperties } from '../../message/index.ts'
import { failure, pushReplyMessageToClient, ResponseCode, SendMessageHeader, sendMessageResponse, type Processor } from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'

const PUSH_TIMEOUT_MS = 10_000
const text = new TextDecoder()

/**
 * 324 SEND_REPLY_MESSAGE, 325 SEND_REPLY_MESSAGE_V2: the answer to a request that came as a message. It is handed to the
 * producer that waits for it, and not stored.
 * @see RocketMQ ReplyMessageProcessor
 */
export function replyProcessors ({ clock, clients, config, address }: BrokerContext): { readonly reply: Processor } {
  const header = new SendMessageHeader()

  const reply: Processor = async (request, connection) => {
    const { producerGroup, topic, defaultTopic, defaultTopicQueueNums, queueId, sysFlag, flag, bornTimestampMs, reconsumeTimes, unitMode, propertiesBytes, propertiesStart, propertiesEnd } = header.read(request)
    const asSent = { producerGroup, topic, defaultTopic, defaultTopicQueueNums, queueId, sysFlag, flag, bornTimestamp: bornTimestampMs, reconsumeTimes, unitMode }
    const properties = decodeProperties(text.decode(propertiesBytes.subarray(propertiesStart, propertiesEnd)))
    const clientId = properties.get('REPLY_TO_CLIENT')
    if (clientId === undefined) return failure(ResponseCode.SYSTEM_ERROR, 'REPLY_TO_CLIENT is missing: nobody waits for the reply')
    const waiting = clients.connectionOf(clientId)
    if (waiting === undefined) return failure(ResponseCode.SYSTEM_ERROR, `push reply message fail, channel of <${clientId}> not found.`)
    const nowMs = clock.wallMs()
    properties.set('PUSH_REPLY_TIME', String(nowMs))
    try {
      const answer = await waiting.invoke({
        code: pushReplyMessageToClient.code,
        extFields: pushReplyMessageToClient.request.encode({
          ...asSent,
          properties: encodeProperties(properties),
          bornHost: connection.peerText,
          storeHost: address,
          storeTimestamp: nowMs
        }),
        body: request.body
      }, { timeoutMs: PUSH_TIMEOUT_MS })
      if (answer.code !== ResponseCode.SUCCESS) return failure(ResponseCode.SYSTEM_ERROR, `push reply message to ${clientId} fail: ${answer.remark ?? `code ${answer.code}`}`)
    } catch (error) {
      return failure(ResponseCode.SYSTEM_ERROR, `push reply message to ${clientId} fail: ${(error as Error).message}`)
    }
    const { regionId, traceOn } = config.values
    return { code: ResponseCode.SUCCESS, extFields: sendMessageResponse.encode({ msgId: '0', queueId, queueOffset: 0, MSG_REGION: regionId, TRACE_ON: String(traceOn) }) }
  }

  return { reply }
}
