import { jsonBoolean, jsonInt, jsonLong, jsonMap, jsonText, type JsonFields, type JsonMap } from '../message/index.ts'
import type { Long } from './data-version.ts'

/**
 * Where the logical queues of a static topic lie on one broker. The name server hands it on to clients as the broker told it.
 * @see RocketMQ TopicQueueMappingInfo
 */
export interface TopicQueueMapping {
  readonly topic: string
  /** The broker's name. */
  readonly bname: string
  readonly scope: string | undefined
  readonly totalQueues: number
  readonly epoch: Long
  readonly dirty: boolean
  /** Logical to physical queue. */
  readonly currIdMap: ReadonlyMap<number, number>
}

/** Undefined when it names no topic or broker. */
export function readTopicQueueMapping (map: JsonMap | undefined): TopicQueueMapping | undefined {
  const topic = jsonText(map?.get('topic'))
  const bname = jsonText(map?.get('bname'))
  if (map === undefined || topic === undefined || bname === undefined) return undefined
  const currIdMap = new Map<number, number>()
  for (const [logical, physical] of jsonMap(map.get('currIdMap')) ?? []) {
    const [from, to] = [typeof logical === 'string' ? jsonInt(logical) : undefined, jsonInt(physical)]
    if (from !== undefined && to !== undefined) currIdMap.set(from, to)
  }
  return {
    topic,
    bname,
    scope: jsonText(map.get('scope')),
    totalQueues: jsonInt(map.get('totalQueues')) ?? 0,
    epoch: jsonLong(map.get('epoch')) ?? 0,
    dirty: jsonBoolean(map.get('dirty')) ?? false,
    currIdMap
  }
}

export function topicQueueMappingFields ({ topic, bname, scope, totalQueues, epoch, dirty, currIdMap }: TopicQueueMapping): JsonFields {
  return { topic, bname, scope, totalQueues, epoch, dirty, currIdMap }
}
