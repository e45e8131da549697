import type { Schema } from 'avsc'
import { defineCommand } from './command.ts'

/** Attributes of topics and groups: RocketMQ's free text pairs. */
export type Attributes = Readonly<Record<string, string>>

/** @see RocketMQ TopicConfig */
export interface TopicConfig {
  readonly topic: string
  readonly readQueueNums: number
  readonly writeQueueNums: number
  /** 4 read, 2 write, 1 inherit. */
  readonly perm: number
  readonly topicSysFlag: number
  readonly order: boolean
  readonly attributes: Attributes
}

/** @see RocketMQ SubscriptionGroupConfig */
export interface GroupConfig {
  readonly group: string
  readonly consumeEnable: boolean
  readonly consumeFromMinEnable: boolean
  readonly consumeBroadcastEnable: boolean
  readonly consumeMessageOrderly: boolean
  readonly retryQueueNums: number
  readonly retryMaxTimes: number
  readonly brokerId: number
  readonly whichBrokerWhenConsumeSlowly: number
  readonly notifyConsumerIdsChangedEnable: boolean
  readonly groupSysFlag: number
  readonly consumeTimeoutMinute: number
  readonly attributes: Attributes
  /** JSON as an administrator gave it; empty: the default. */
  readonly groupRetryPolicy: string
}

export const topicConfigSchema: Schema = {
  type: 'record',
  name: 'TopicConfig',
  fields: [
    { name: 'topic', type: 'string' },
    { name: 'readQueueNums', type: 'int' },
    { name: 'writeQueueNums', type: 'int' },
    { name: 'perm', type: 'int' },
    { name: 'topicSysFlag', type: 'int' },
    { name: 'order', type: 'boolean' },
    { name: 'attributes', type: { type: 'map', values: 'string' } }
  ]
}

const groupFields: Array<{ name: string, type: Schema }> = [
  { name: 'group', type: 'string' },
  { name: 'consumeEnable', type: 'boolean' },
  { name: 'consumeFromMinEnable', type: 'boolean' },
  { name: 'consumeBroadcastEnable', type: 'boolean' },
  { name: 'consumeMessageOrderly', type: 'boolean' },
  { name: 'retryQueueNums', type: 'int' },
  { name: 'retryMaxTimes', type: 'int' },
  { name: 'brokerId', type: 'long' },
  { name: 'whichBrokerWhenConsumeSlowly', type: 'long' },
  { name: 'notifyConsumerIdsChangedEnable', type: 'boolean' },
  { name: 'groupSysFlag', type: 'int' },
  { name: 'consumeTimeoutMinute', type: 'int' },
  { name: 'attributes', type: { type: 'map', values: 'string' } }
]

/** Oldest first. */
export const groupConfigSchemas: readonly Schema[] = [
  { type: 'record', name: 'GroupConfig', fields: groupFields },
  { type: 'record', name: 'GroupConfig', fields: [...groupFields, { name: 'groupRetryPolicy', type: 'string', default: '' }] }
]

/** Makes a topic or replaces its configuration. */
export const putTopic = defineCommand<TopicConfig>({ type: 0x0101, name: 'putTopic', versions: [topicConfigSchema] })

/** Removes a topic, its queues and all groups' offsets in it. */
export const deleteTopic = defineCommand<{ readonly topic: string }>({
  type: 0x0102,
  name: 'deleteTopic',
  versions: [{ type: 'record', name: 'DeleteTopic', fields: [{ name: 'topic', type: 'string' }] }]
})

/** Makes a consumer group or replaces its configuration. */
export const putGroup = defineCommand<GroupConfig>({ type: 0x0103, name: 'putGroup', versions: groupConfigSchemas })

export const deleteGroup = defineCommand<{ readonly group: string, readonly removeOffsets: boolean }>({
  type: 0x0104,
  name: 'deleteGroup',
  versions: [{ type: 'record', name: 'DeleteGroup', fields: [{ name: 'group', type: 'string' }, { name: 'removeOffsets', type: 'boolean' }] }]
})

/** A setting of the whole raft group: flush mode, addresses of nodes, … An empty value removes it. */
export const putSetting = defineCommand<{ readonly name: string, readonly value: string }>({
  type: 0x0105,
  name: 'putSetting',
  versions: [{ type: 'record', name: 'PutSetting', fields: [{ name: 'name', type: 'string' }, { name: 'value', type: 'string' }] }]
})

/** Where a consumer group is in a queue: the offset it reads next. Obeyed also when it is lower than before. */
export const commitConsumerOffset = defineCommand<{ readonly group: string, readonly topic: string, readonly queueId: number, readonly offset: number }>({
  type: 0x0201,
  name: 'commitConsumerOffset',
  versions: [{
    type: 'record',
    name: 'CommitConsumerOffset',
    fields: [{ name: 'group', type: 'string' }, { name: 'topic', type: 'string' }, { name: 'queueId', type: 'long' }, { name: 'offset', type: 'long' }]
  }]
})

/** An administrator moves a group: it is to read from there, and until its consumers were told, what they commit does not count. */
export const setResetOffset = defineCommand<{ readonly group: string, readonly topic: string, readonly queueId: number, readonly offset: number }>({
  type: 0x0202,
  name: 'setResetOffset',
  versions: [{
    type: 'record',
    name: 'SetResetOffset',
    fields: [{ name: 'group', type: 'string' }, { name: 'topic', type: 'string' }, { name: 'queueId', type: 'long' }, { name: 'offset', type: 'long' }]
  }]
})

/** The group's consumer was told. */
export const clearResetOffset = defineCommand<{ readonly group: string, readonly topic: string, readonly queueId: number }>({
  type: 0x0203,
  name: 'clearResetOffset',
  versions: [{
    type: 'record',
    name: 'ClearResetOffset',
    fields: [{ name: 'group', type: 'string' }, { name: 'topic', type: 'string' }, { name: 'queueId', type: 'long' }]
  }]
})

/** Retention: what stands below this position of the log is gone. The position is the beginning of an entry. */
export const setFloor = defineCommand<{ readonly position: number }>({
  type: 0x0301,
  name: 'setFloor',
  versions: [{ type: 'record', name: 'SetFloor', fields: [{ name: 'position', type: 'long' }] }]
})

/** From here on the log and the state may be of that data format. Code that does not know it stops at it. */
export const raiseFormat = defineCommand<{ readonly version: number }>({
  type: 0x0302,
  name: 'raiseFormat',
  versions: [{ type: 'record', name: 'RaiseFormat', fields: [{ name: 'version', type: 'int' }] }]
})
