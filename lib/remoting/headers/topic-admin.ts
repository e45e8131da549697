import { RequestCode } from '../request-code.ts'
import { bool, defineRequest, int, long, optional, text } from '../header-codec.ts'

/**
 * 17 UPDATE_AND_CREATE_TOPIC
 *
 *     topic            S
 *     defaultTopic     S
 *     readQueueNums    I
 *     writeQueueNums   I
 *     perm             I   bits: 1 inherit, 2 write, 4 read
 *     topicFilterType  S   SINGLE_TAG
 *     topicSysFlag     I?
 *     order            B
 *     attributes       S?  +key=value,-key
 *     force            B?
 *
 * @see RocketMQ CreateTopicRequestHeader
 */
export const updateAndCreateTopic = defineRequest(RequestCode.UPDATE_AND_CREATE_TOPIC, {
  topic: text,
  defaultTopic: text,
  readQueueNums: int,
  writeQueueNums: int,
  perm: int,
  topicFilterType: text,
  topicSysFlag: optional(int),
  order: bool,
  attributes: optional(text),
  force: optional(bool)
})

/** 18 UPDATE_AND_CREATE_TOPIC_LIST: {"topicConfigList":[TopicConfig]} in the body. */
export const updateAndCreateTopicList = defineRequest(RequestCode.UPDATE_AND_CREATE_TOPIC_LIST)

/**
 * 21 GET_ALL_TOPIC_CONFIG
 *
 *     topicSeq          I?  first of a page
 *     dataVersion       S?
 *     maxTopicNum       I?
 *     -> totalTopicNum  I?
 *     -> body: TopicConfigAndMappingSerializeWrapper
 */
export const getAllTopicConfig = defineRequest(RequestCode.GET_ALL_TOPIC_CONFIG,
  { topicSeq: optional(int), dataVersion: optional(text), maxTopicNum: optional(int) },
  { totalTopicNum: optional(int) })

/**
 * 202 GET_TOPIC_STATS_INFO
 *
 *     topic  S
 *     -> body: TopicStatsTable
 */
export const getTopicStatsInfo = defineRequest(RequestCode.GET_TOPIC_STATS_INFO, { topic: text })

/**
 * 215 DELETE_TOPIC_IN_BROKER
 *
 *     topic  S
 */
export const deleteTopicInBroker = defineRequest(RequestCode.DELETE_TOPIC_IN_BROKER, { topic: text })

/** 305 GET_SYSTEM_TOPIC_LIST_FROM_BROKER: TopicList in the answer's body. */
export const getSystemTopicListFromBroker = defineRequest(RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_BROKER)

/** 306 CLEAN_EXPIRED_CONSUMEQUEUE */
export const cleanExpiredConsumequeue = defineRequest(RequestCode.CLEAN_EXPIRED_CONSUMEQUEUE)

/** 316 CLEAN_UNUSED_TOPIC */
export const cleanUnusedTopic = defineRequest(RequestCode.CLEAN_UNUSED_TOPIC)

/** 329 DELETE_EXPIRED_COMMITLOG */
export const deleteExpiredCommitlog = defineRequest(RequestCode.DELETE_EXPIRED_COMMITLOG)

/**
 * 321 QUERY_CONSUME_QUEUE
 *
 *     topic          S
 *     queueId        I
 *     index          L
 *     count          I
 *     consumerGroup  S?
 *     -> body: QueryConsumeQueueResponseBody
 */
export const queryConsumeQueue = defineRequest(RequestCode.QUERY_CONSUME_QUEUE,
  { topic: text, queueId: int, index: long, count: int, consumerGroup: optional(text) })

/**
 * 351 GET_TOPIC_CONFIG
 *
 *     topic  S
 *     lo     B?
 *     -> body: TopicConfig; code 17 when there is none, which tools take for an answer
 */
export const getTopicConfig = defineRequest(RequestCode.GET_TOPIC_CONFIG, { topic: text, lo: optional(bool) })
