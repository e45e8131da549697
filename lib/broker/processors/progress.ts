import { isMqError } from '../../base/index.ts'
import { JsonDouble, type JsonOutput, type JsonOutputKey } from '../../message/index.ts'
import {
  cloneGroupOffset, failure, getBrokerConsumeStats, getConsumeStats, invokeBrokerToResetOffset, queryConsumeTimeSpan, queryCorrectionOffset, ResponseCode, success, viewBrokerStatsData, withBody,
  type Processor, type RemotingResponse
} from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'
import { dataVersionFields, messageQueueFields } from '../json-shapes.ts'
import { pushReset } from '../relay.ts'
import { QueueWalk } from '../queue-walk.ts'
import type { WindowSum } from '../rate.ts'

/** How far groups are. @see RocketMQ AdminBrokerProcessor */
export function progressProcessors (context: BrokerContext) {
  const { engine, topics, clients, names: { brokerName }, stats, address, config } = context
  const { reads, offsets } = engine

  const newWalk = (): QueueWalk => new QueueWalk(context.clock, context.limits.maxQueuesPerAnswer)

  const consumeStats: Processor = async (request) => {
    const { consumerGroup, topic, topicList } = getConsumeStats.request.decode(request)
    const asked = topicList !== undefined && topicList !== '' ? [...new Set(topicList.split(';').filter((name) => name !== ''))] : topic !== undefined && topic !== '' ? [topic] : topicsOf(consumerGroup)
    return withBody((await statsOf(newWalk(), consumerGroup, asked, 'read', topic)).fields)
  }

  /** Where the group has offsets; while it is online, only what it subscribes to. */
  function topicsOf (group: string): string[] {
    const known = [...offsets.offsetsOf(group).keys()]
    const online = clients.consumerGroup(group)
    return online === undefined || online.members.size === 0 ? known : known.filter((topic) => online.subscriptions.has(topic))
  }

  async function statsOf (walk: QueueWalk, group: string, asked: readonly string[], kind: 'read' | 'write', tpsOf?: string): Promise<{ readonly fields: JsonOutput, readonly diff: number }> {
    const offsetTable = new Map<JsonOutputKey, JsonOutput>()
    let diff = 0
    for (const topic of asked) {
      const topicConfig = topics.find(topic)
      if (topicConfig === undefined) continue
      const queues = kind === 'read' ? topicConfig.readQueueNums : topicConfig.writeQueueNums
      await walk.topic(queues)
      for (let queueId = 0; queueId < queues; queueId++) {
        const brokerOffset = reads.rangeOf(topic, queueId).maxOffset
        const consumerOffset = Math.max(0, offsets.current(group, topic, queueId) ?? 0)
        const lastTimestamp = consumerOffset === 0 ? 0 : Math.max(0, await reads.storeTimestampAt(topic, queueId, consumerOffset - 1))
        const pullOffset = Math.max(consumerOffset, engine.remotePops.progress(group, topic, queueId)?.nextOffset ?? 0)
        offsetTable.set(messageQueueFields(topic, brokerName, queueId), { brokerOffset, consumerOffset, pullOffset, lastTimestamp })
        diff += brokerOffset - consumerOffset
      }
    }
    return { fields: { consumeTps: new JsonDouble(stats.consumeTps(group, tpsOf === '' ? undefined : tpsOf)), offsetTable }, diff }
  }

  const allConsumeStats: Processor = async (request) => {
    const { isOrder } = getBrokerConsumeStats.request.decode(request)
    const consumeStatsList: JsonOutput[] = []
    let totalDiff = 0
    const walk = newWalk()
    for (const group of context.groups.all().keys()) {
      const list: JsonOutput[] = []
      for (const topic of topicsOf(group)) {
        if (isOrder && topics.find(topic)?.order !== true) continue
        const { fields, diff } = await statsOf(walk, group, [topic], 'write', topic)
        list.push(fields)
        totalDiff += diff
      }
      if (list.length > 0) consumeStatsList.push(new Map([[group, list]]))
    }
    return withBody({ brokerAddr: address, consumeStatsList, totalDiff, totalInflightDiff: 0 })
  }

  const reset: Processor = async (request) => {
    const { topic, group, queueId = -1, offset, timestamp } = invokeBrokerToResetOffset.request.decode(request)
    if (!config.values.useServerSideResetOffset) return await pushReset(context, { topic, group, timestamp })
    try {
      const moved = await offsets.reset({ group, topic, timeMs: timestamp, ...(queueId >= 0 && { queueId }), ...(offset !== undefined && offset >= 0 && { offset }) })
      // who waits there asks again, and is told
      context.pulls.waiting.topicChanged(topic)
      engine.remotePops.moved(group, topic)
      return withBody({ offsetTable: new Map(moved.map((queue) => [messageQueueFields(topic, brokerName, queue.queueId), queue.offset])) })
    } catch (error) {
      if (!isMqError(error, 'MQ_INVALID_ARGUMENT')) throw error
      return failure(ResponseCode.SYSTEM_ERROR, error.message)
    }
  }

  const clone: Processor = async (request) => {
    const { srcGroup, destGroup, topic } = cloneGroupOffset.request.decode(request)
    if (await context.groups.ensure(destGroup) === undefined) return failure(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, `the consumer group ${destGroup.slice(0, 255)} does not exist and may not be made`)
    await offsets.clone({ from: srcGroup, to: destGroup, ...(topic !== undefined && topic !== '' && { topic }) })
    return success
  }

  /** Of each queue the least offset of the groups given, where it is less than that of the one compared with. */
  const corrections: Processor = (request) => {
    const { filterGroups = '', compareGroup, topic } = queryCorrectionOffset.request.decode(request)
    const filtered = new Set(filterGroups.split(',').filter((group) => group !== ''))
    const least = new Map<number, number>()
    for (const group of offsets.groups()) {
      if (filtered.has(group)) continue
      for (const [queueId, offset] of offsets.offsetsOf(group).get(topic) ?? []) least.set(queueId, Math.min(offset, least.get(queueId) ?? Infinity))
    }
    const compared = offsets.offsetsOf(compareGroup).get(topic)
    const corrected = [...least].map(([queueId, offset]) => [queueId, compared !== undefined && (compared.get(queueId) ?? Infinity) > offset ? offset : compared === undefined ? offset : Infinity] as const)
    return withBody({ correctionOffsets: new Map(corrected.filter(([, offset]) => offset !== Infinity)) })
  }

  /** When what the group has consumed last was stored, and what is oldest and newest. */
  const timeSpan: Processor = async (request) => {
    const { topic, group } = queryConsumeTimeSpan.request.decode(request)
    const topicConfig = topics.find(topic)
    if (topicConfig === undefined) return failure(ResponseCode.TOPIC_NOT_EXIST, `topic[${topic}] not exist`)
    const consumeTimeSpanSet: JsonOutput[] = []
    for (let queueId = 0; queueId < topicConfig.writeQueueNums; queueId++) {
      const { maxOffset } = reads.rangeOf(topic, queueId)
      const minTimeStamp = await reads.earliestStoreTimestamp(topic, queueId)
      const maxTimeStamp = maxOffset === 0 ? -1 : await reads.storeTimestampAt(topic, queueId, maxOffset - 1)
      const consumerOffset = offsets.current(group, topic, queueId) ?? 0
      const consumeTimeStamp = consumerOffset > 0 ? await reads.storeTimestampAt(topic, queueId, consumerOffset - 1) : minTimeStamp
      const nextTimeStamp = consumerOffset < maxOffset ? await reads.storeTimestampAt(topic, queueId, consumerOffset) : -1
      consumeTimeSpanSet.push({
        messageQueue: messageQueueFields(topic, brokerName, queueId), minTimeStamp, maxTimeStamp, consumeTimeStamp, delayTime: nextTimeStamp < 0 ? 0 : Math.max(0, context.clock.wallMs() - nextTimeStamp)
      })
    }
    return withBody({ consumeTimeSpanSet })
  }

  /** As RocketMQ's file has it. */
  const allOffsets: Processor = () => {
    const offsetTable = new Map<string, ReadonlyMap<number, number>>()
    for (const group of offsets.groups()) for (const [topic, queues] of offsets.offsetsOf(group)) offsetTable.set(`${topic}@${group}`, queues)
    return withBody({ dataVersion: dataVersionFields(engine.term, { counter: 0, timestampMs: 0 }), offsetTable })
  }

  /** Delayed messages are not in queues by level here: there are no offsets to tell. */
  const delayOffsets: Processor = () => withBody({ dataVersion: dataVersionFields(engine.term, { counter: 0, timestampMs: 0 }), offsetTable: new Map() })

  const statsData: Processor = (request): RemotingResponse => {
    const { statsName, statsKey } = viewBrokerStatsData.request.decode(request)
    const rate = stats.rate(statsName, statsKey)
    if (rate === undefined) return failure(ResponseCode.SYSTEM_ERROR, `The stats <${statsName}> <${statsKey}> not exist`)
    return withBody({ statsMinute: windowFields(rate.lastMinute), statsHour: windowFields(rate.lastHour), statsDay: windowFields(rate.lastDay) })
  }

  return { consumeStats, allConsumeStats, reset, clone, corrections, timeSpan, allOffsets, delayOffsets, statsData }
}

function windowFields ({ sum, tps, average }: WindowSum) {
  return { sum, tps: new JsonDouble(tps), avgpt: new JsonDouble(average) }
}
