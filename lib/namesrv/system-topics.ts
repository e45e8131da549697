/** Topics that every broker has for itself. @see RocketMQ TopicValidator */
export const systemTopics: readonly string[] = [
  'TBW102', 'SCHEDULE_TOPIC_XXXX', 'BenchmarkTest', 'RMQ_SYS_TRANS_HALF_TOPIC', 'RMQ_SYS_TRACE_TOPIC', 'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  'TRANS_CHECK_MAX_TIME_TOPIC', 'SELF_TEST_TOPIC', 'OFFSET_MOVED_EVENT', 'CHECKPOINT_TOPIC'
]

const SYSTEM_TOPIC_PREFIX = 'rmq_sys_'
const known = new Set(systemTopics)

export function isSystemTopic (topic: string): boolean {
  return topic.startsWith(SYSTEM_TOPIC_PREFIX) || known.has(topic)
}
