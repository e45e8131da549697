import { RequestCode } from '../request-code.ts'
import { defineRequest, optional, text } from '../header-codec.ts'

/**
 * 34 HEART_BEAT: everything is in the body, JSON
 *
 *     -> IS_SUPPORT_HEART_BEAT_V2  S?  true
 *     -> IS_SUB_CHANGE             S?  true: send the subscriptions again
 *
 * The version of the response is what the client takes for the broker's.
 * @see RocketMQ HeartbeatData
 */
export const heartBeat = defineRequest(RequestCode.HEART_BEAT, {}, { IS_SUPPORT_HEART_BEAT_V2: optional(text), IS_SUB_CHANGE: optional(text) })

/**
 * 35 UNREGISTER_CLIENT
 *
 *     clientID       S
 *     producerGroup  S?
 *     consumerGroup  S?
 *
 * @see RocketMQ UnregisterClientRequestHeader
 */
export const unregisterClient = defineRequest(RequestCode.UNREGISTER_CLIENT, { clientID: text, producerGroup: optional(text), consumerGroup: optional(text) })

/**
 * 38 GET_CONSUMER_LIST_BY_GROUP
 *
 *     consumerGroup  S
 *     -> body: {"consumerIdList":[...]}
 */
export const getConsumerListByGroup = defineRequest(RequestCode.GET_CONSUMER_LIST_BY_GROUP, { consumerGroup: text })

/**
 * 40 NOTIFY_CONSUMER_IDS_CHANGED, broker to client, one-way
 *
 *     consumerGroup  S
 */
export const notifyConsumerIdsChanged = defineRequest(RequestCode.NOTIFY_CONSUMER_IDS_CHANGED, { consumerGroup: text })

/** 41 LOCK_BATCH_MQ: {"clientId","consumerGroup","mqSet","onlyThisBroker"} -> {"lockOKMQSet"} in the bodies, no header fields. */
export const lockBatchMq = defineRequest(RequestCode.LOCK_BATCH_MQ)

/** 42 UNLOCK_BATCH_MQ: the body of 41, an empty answer. */
export const unlockBatchMq = defineRequest(RequestCode.UNLOCK_BATCH_MQ)

/** 46 CHECK_CLIENT_CONFIG: {"clientId","group","namespace","subscriptionData"} in the body. Sent for subscriptions that are not by tag. */
export const checkClientConfig = defineRequest(RequestCode.CHECK_CLIENT_CONFIG)
