import { RequestCode } from '../request-code.ts'
import { bool, defineRequest, int, optional, text } from '../header-codec.ts'

/**
 * 105 GET_ROUTEINFO_BY_TOPIC
 *
 *     topic                   S
 *     acceptStandardJsonOnly  B?  true: quoted keys, whatever the requester's version
 *     -> body: TopicRouteData; code 17 when the topic is unknown
 *
 * @see RocketMQ GetRouteInfoRequestHeader
 */
export const getRouteinfoByTopic = defineRequest(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: text, acceptStandardJsonOnly: optional(bool) })

/** 106 GET_BROKER_CLUSTER_INFO: ClusterInfo in the answer's body, with unquoted numeric keys for everybody. */
export const getBrokerClusterInfo = defineRequest(RequestCode.GET_BROKER_CLUSTER_INFO)

/**
 * 205 WIPE_WRITE_PERM_OF_BROKER
 *
 *     brokerName         S
 *     -> wipeTopicCount  I
 */
export const wipeWritePermOfBroker = defineRequest(RequestCode.WIPE_WRITE_PERM_OF_BROKER, { brokerName: text }, { wipeTopicCount: int })

/**
 * 327 ADD_WRITE_PERM_OF_BROKER
 *
 *     brokerName        S
 *     -> addTopicCount  I
 */
export const addWritePermOfBroker = defineRequest(RequestCode.ADD_WRITE_PERM_OF_BROKER, { brokerName: text }, { addTopicCount: int })

/** 206 GET_ALL_TOPIC_LIST_FROM_NAMESERVER: TopicList in the answer's body. */
export const getAllTopicListFromNameserver = defineRequest(RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER)

/**
 * 216 DELETE_TOPIC_IN_NAMESRV
 *
 *     topic        S
 *     clusterName  S?
 */
export const deleteTopicInNamesrv = defineRequest(RequestCode.DELETE_TOPIC_IN_NAMESRV, { topic: text, clusterName: optional(text) })

/**
 * 217 REGISTER_TOPIC_IN_NAMESRV
 *
 *     topic  S
 *     body: {"queueDatas":[...]}
 */
export const registerTopicInNamesrv = defineRequest(RequestCode.REGISTER_TOPIC_IN_NAMESRV, { topic: text })

/**
 * 224 GET_TOPICS_BY_CLUSTER
 *
 *     cluster  S
 *     -> body: TopicList
 */
export const getTopicsByCluster = defineRequest(RequestCode.GET_TOPICS_BY_CLUSTER, { cluster: text })

/** 304 GET_SYSTEM_TOPIC_LIST_FROM_NS: TopicList of cluster names, broker names and system topics; brokerAddr is one of the addresses. */
export const getSystemTopicListFromNs = defineRequest(RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS)

/** 311 GET_UNIT_TOPIC_LIST: TopicList in the answer's body. */
export const getUnitTopicList = defineRequest(RequestCode.GET_UNIT_TOPIC_LIST)

/** 312 GET_HAS_UNIT_SUB_TOPIC_LIST: TopicList in the answer's body. */
export const getHasUnitSubTopicList = defineRequest(RequestCode.GET_HAS_UNIT_SUB_TOPIC_LIST)

/** 313 GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST: TopicList in the answer's body. */
export const getHasUnitSubUnunitTopicList = defineRequest(RequestCode.GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST)
