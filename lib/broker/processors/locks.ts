import { MqError } from '../../base/index.ts'
import { jsonArray, jsonInt, jsonLimits, jsonMap, jsonText, parseJson } from '../../message/index.ts'
import { success, withBody, type Processor, type RemotingFrame } from '../../remoting/index.ts'
import type { LockableQueue } from '../../engine/index.ts'
import type { BrokerContext } from '../context.ts'
import { messageQueueFields } from '../json-shapes.ts'

/** Queues that one consumer of a group has for itself. @see RocketMQ AdminBrokerProcessor, RebalanceLockManager */
export function lockProcessors ({ engine, names: { brokerName }, limits }: BrokerContext) {
  const lock: Processor = async (request) => {
    const { group, clientId, queues } = read(request)
    const held = await engine.locks.lock(group, clientId, queues)
    return withBody({ lockOKMQSet: held.map(({ topic, queueId }) => messageQueueFields(topic, brokerName, queueId)) })
  }

  const unlock: Processor = async (request) => {
    const { group, clientId, queues } = read(request)
    await engine.locks.unlock(group, clientId, queues)
    return success
  }

  function read (request: RemotingFrame): { readonly group: string, readonly clientId: string, readonly queues: LockableQueue[] } {
    const body = jsonMap(parseJson(request.body, { ...jsonLimits, maxBytes: limits.maxHeartbeatBytes }))
    const group = jsonText(body?.get('consumerGroup'))
    const clientId = jsonText(body?.get('clientId'))
    if (group === undefined || clientId === undefined) throw new MqError('MQ_INVALID_ARGUMENT', 'the request names no consumerGroup or no clientId')
    const queues: LockableQueue[] = []
    for (const value of jsonArray(body?.get('mqSet')) ?? []) {
      const map = jsonMap(value)
      const topic = jsonText(map?.get('topic'))
      const queueId = jsonInt(map?.get('queueId'))
      // those of other brokers are theirs
      if (topic !== undefined && queueId !== undefined && jsonText(map?.get('brokerName')) === brokerName) queues.push({ topic, queueId })
    }
    return { group, clientId, queues }
  }

  return { lock, unlock }
}
