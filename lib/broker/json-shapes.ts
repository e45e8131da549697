import { jsonBoolean, jsonInt, jsonLong, jsonMap, jsonText, parseJson, writeJson, type GroupConfig, type JsonFields, type JsonMap, type TopicConfig } from '../message/index.ts'
import type { AttributeChanges, DataVersion } from '../engine/index.ts'
import { newGroup } from './groups.ts'
import { newTopic } from './system-topics.ts'

/** A queue as key or item. @see RocketMQ MessageQueue */
export function messageQueueFields (topic: string, brokerName: string, queueId: number): JsonFields {
  return { brokerName, queueId, topic }
}

export function dataVersionFields (term: number, { counter, timestampMs }: DataVersion): JsonFields {
  return { counter, stateVersion: term, timestamp: timestampMs }
}

/** @see RocketMQ SubscriptionGroupConfig */
export function groupConfigFields ({ group, groupRetryPolicy, attributes, ...config }: GroupConfig): JsonFields {
  return {
    ...config,
    groupName: group,
    attributes: new Map(Object.entries(attributes)),
    groupRetryPolicy: groupRetryPolicy === '' ? { type: 'CUSTOMIZED' } : parseJson(groupRetryPolicy)
  }
}

/** What is not said is as in a new group. Attributes are changes: `+name` gives one, `-name` takes it away. */
export function readGroupConfig (map: JsonMap): { readonly config: Omit<GroupConfig, 'attributes'>, readonly attributeChanges: AttributeChanges } {
  const group = jsonText(map.get('groupName')) ?? ''
  const { attributes: _, ...fresh } = newGroup(group)
  const bool = (name: keyof typeof fresh, otherwise: boolean): boolean => jsonBoolean(map.get(name)) ?? otherwise
  const int = (name: keyof typeof fresh, otherwise: number): number => jsonInt(map.get(name)) ?? otherwise
  const policy = jsonMap(map.get('groupRetryPolicy'))
  return {
    config: {
      group,
      consumeEnable: bool('consumeEnable', fresh.consumeEnable),
      consumeFromMinEnable: bool('consumeFromMinEnable', fresh.consumeFromMinEnable),
      consumeBroadcastEnable: bool('consumeBroadcastEnable', fresh.consumeBroadcastEnable),
      consumeMessageOrderly: bool('consumeMessageOrderly', fresh.consumeMessageOrderly),
      retryQueueNums: int('retryQueueNums', fresh.retryQueueNums),
      retryMaxTimes: int('retryMaxTimes', fresh.retryMaxTimes),
      brokerId: Number(jsonLong(map.get('brokerId')) ?? fresh.brokerId),
      whichBrokerWhenConsumeSlowly: Number(jsonLong(map.get('whichBrokerWhenConsumeSlowly')) ?? fresh.whichBrokerWhenConsumeSlowly),
      notifyConsumerIdsChangedEnable: bool('notifyConsumerIdsChangedEnable', fresh.notifyConsumerIdsChangedEnable),
      groupSysFlag: int('groupSysFlag', fresh.groupSysFlag),
      consumeTimeoutMinute: int('consumeTimeoutMinute', fresh.consumeTimeoutMinute),
      groupRetryPolicy: policy === undefined ? '' : writeJson(policy)
    },
    attributeChanges: readAttributeChanges(map)
  }
}

/** What is not said is as in a new topic of 16 queues. */
export function readTopicConfig (map: JsonMap): { readonly config: Omit<TopicConfig, 'attributes'>, readonly attributeChanges: AttributeChanges } {
  const { attributes: _, ...fresh } = newTopic(jsonText(map.get('topicName')) ?? '', 16)
  const int = (name: keyof typeof fresh, otherwise: number): number => jsonInt(map.get(name)) ?? otherwise
  return {
    config: {
      topic: fresh.topic,
      readQueueNums: int('readQueueNums', fresh.readQueueNums),
      writeQueueNums: int('writeQueueNums', fresh.writeQueueNums),
      perm: int('perm', fresh.perm),
      topicSysFlag: int('topicSysFlag', fresh.topicSysFlag),
      order: jsonBoolean(map.get('order')) ?? fresh.order
    },
    attributeChanges: readAttributeChanges(map)
  }
}

function readAttributeChanges (map: JsonMap): AttributeChanges {
  const changes: Record<string, string> = {}
  for (const [name, value] of jsonMap(map.get('attributes')) ?? []) if (typeof name === 'string') changes[name] = jsonText(value) ?? ''
  return changes
}
