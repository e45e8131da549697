import type { BrokerConfig } from '../config/index.ts'
import type { TopicConfig } from '../message/index.ts'
import { systemTopics } from '../namesrv/index.ts'
import { DISCARD_TOPIC } from '../store/index.ts'

/** Template of topics that a send makes. */
export const AUTO_CREATE_TOPIC = 'TBW102'
/** Holds nothing here: tools look at how many half messages there were, and wait. */
export const HALF_TOPIC = 'RMQ_SYS_TRANS_HALF_TOPIC'

export const Perm = { inherit: 1, write: 2, read: 4 } as const
const READ_WRITE = Perm.read | Perm.write

export interface BrokerNames {
  readonly brokerName: string
  readonly clusterName: string
}

/**
 * Topics that a broker has without anybody having made them. They are told to name servers and clients like others; one
 * of them is stored as soon as a message is sent to it.
 * @see RocketMQ TopicConfigManager
 */
export function systemTopicConfigs ({ brokerName, clusterName }: BrokerNames, config: BrokerConfig): Map<string, TopicConfig> {
  const topics = new Map<string, TopicConfig>()
  const add = (topic: string, queues: number, perm: number = READ_WRITE): void => { topics.set(topic, newTopic(topic, queues, perm)) }
  add('SELF_TEST_TOPIC', 1)
  add(AUTO_CREATE_TOPIC, config.defaultTopicQueueNums, config.autoCreateTopicEnable ? READ_WRITE | Perm.inherit : READ_WRITE)
  add('BenchmarkTest', 1024)
  if (config.clusterTopicEnable) add(clusterName, 16, READ_WRITE | Perm.inherit)
  if (config.brokerTopicEnable) add(brokerName, 1, READ_WRITE | Perm.inherit)
  add('OFFSET_MOVED_EVENT', 1)
  add('SCHEDULE_TOPIC_XXXX', config.messageDelayLevel.length)
  add(HALF_TOPIC, 1)
  add('RMQ_SYS_TRANS_OP_HALF_TOPIC', 1)
  add(DISCARD_TOPIC, 1)
  if (config.traceTopicEnable) add(config.msgTraceTopicName, 1)
  add(replyTopicOf(clusterName), 1)
  return topics
}

export function replyTopicOf (clusterName: string): string { return `${clusterName}_REPLY_TOPIC` }

/** Clients may not send there. @see RocketMQ TopicValidator.NOT_ALLOWED_SEND_TOPIC_SET */
export const noSendTopics: ReadonlySet<string> = new Set([
  'SCHEDULE_TOPIC_XXXX', HALF_TOPIC, 'RMQ_SYS_TRANS_OP_HALF_TOPIC', DISCARD_TOPIC, 'SELF_TEST_TOPIC', 'OFFSET_MOVED_EVENT'
])

/** What `GET_SYSTEM_TOPIC_LIST_FROM_BROKER` tells. */
export function systemTopicNames (names: BrokerNames): string[] {
  return [...new Set([...systemTopics, names.clusterName, names.brokerName, replyTopicOf(names.clusterName)])]
}

/** With as many queues to read from as to write to. */
export function newTopic (topic: string, queues: number, perm: number = READ_WRITE, topicSysFlag = 0): TopicConfig {
  return { topic, readQueueNums: queues, writeQueueNums: queues, perm, topicSysFlag, order: false, attributes: {} }
}
