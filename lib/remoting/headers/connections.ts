import { RequestCode } from '../request-code.ts'
import { defineRequest, optional, text } from '../header-codec.ts'

/**
 * 203 GET_CONSUMER_CONNECTION_LIST
 *
 *     consumerGroup  S
 *     -> body: ConsumerConnection; code 206 when no member is there
 */
export const getConsumerConnectionList = defineRequest(RequestCode.GET_CONSUMER_CONNECTION_LIST, { consumerGroup: text })

/**
 * 204 GET_PRODUCER_CONNECTION_LIST
 *
 *     producerGroup  S
 *     -> body: ProducerConnection
 */
export const getProducerConnectionList = defineRequest(RequestCode.GET_PRODUCER_CONNECTION_LIST, { producerGroup: text })

/** 328 GET_ALL_PRODUCER_INFO: {"data":{group:[...]}} in the answer's body. */
export const getAllProducerInfo = defineRequest(RequestCode.GET_ALL_PRODUCER_INFO)

/**
 * 300 QUERY_TOPIC_CONSUME_BY_WHO
 *
 *     topic  S
 *     -> body: GroupList
 */
export const queryTopicConsumeByWho = defineRequest(RequestCode.QUERY_TOPIC_CONSUME_BY_WHO, { topic: text })

/**
 * 343 QUERY_TOPICS_BY_CONSUMER
 *
 *     group  S
 *     -> body: TopicList
 */
export const queryTopicsByConsumer = defineRequest(RequestCode.QUERY_TOPICS_BY_CONSUMER, { group: text })

/**
 * 345 QUERY_SUBSCRIPTION_BY_CONSUMER
 *
 *     group  S
 *     topic  S?
 *     -> body: {"group","subscriptionData","topic"}
 */
export const querySubscriptionByConsumer = defineRequest(RequestCode.QUERY_SUBSCRIPTION_BY_CONSUMER, { group: text, topic: optional(text) })
