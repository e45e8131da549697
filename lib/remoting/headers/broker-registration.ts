import { RequestCode } from '../request-code.ts'
import { bool, defineRequest, int, long, optional, text } from '../header-codec.ts'

/** What names a broker to a name server. */
const broker = { brokerName: text, brokerAddr: text, clusterName: text, brokerId: long }

/**
 * 103 REGISTER_BROKER, broker to name server
 *
 *     brokerName              S
 *     brokerAddr              S   ip:port for clients
 *     clusterName             S
 *     haServerAddr            S
 *     brokerId                L   0 is the master
 *     heartbeatTimeoutMillis  L?
 *     enableActingMaster      B?
 *     compressed              B?  Java says false even when the body is zlib
 *     bodyCrc32               I?  crc32 & 0x7FFFFFFF of the body; 0: unchecked
 *     body: RegisterBrokerBody
 *     -> haServerAddr         S?
 *     -> masterAddr           S?
 *     -> body: KVTable of ORDER_TOPIC_CONFIG
 *
 * @see RocketMQ RegisterBrokerRequestHeader
 */
export const registerBroker = defineRequest(RequestCode.REGISTER_BROKER,
  { ...broker, haServerAddr: text, heartbeatTimeoutMillis: optional(long), enableActingMaster: optional(bool), compressed: optional(bool), bodyCrc32: optional(int) },
  { haServerAddr: optional(text), masterAddr: optional(text) })

/**
 * 104 UNREGISTER_BROKER
 *
 *     brokerName   S
 *     brokerAddr   S
 *     clusterName  S
 *     brokerId     L
 */
export const unregisterBroker = defineRequest(RequestCode.UNREGISTER_BROKER, broker)

/**
 * 322 QUERY_DATA_VERSION; counts as a sign of life
 *
 *     brokerName   S
 *     brokerAddr   S
 *     clusterName  S
 *     brokerId     L
 *     body: the broker's DataVersion
 *     -> changed   B
 *     -> body: the name server's DataVersion
 */
export const queryDataVersion = defineRequest(RequestCode.QUERY_DATA_VERSION, broker, { changed: bool })

/**
 * 904 BROKER_HEARTBEAT
 *
 *     clusterName             S
 *     brokerAddr              S
 *     brokerName              S
 *     brokerId                L?
 *     epoch                   I?
 *     maxOffset               L?
 *     confirmOffset           L?
 *     heartbeatTimeoutMillis  L?
 *     electionPriority        I?
 */
export const brokerHeartbeat = defineRequest(RequestCode.BROKER_HEARTBEAT, {
  clusterName: text,
  brokerAddr: text,
  brokerName: text,
  brokerId: optional(long),
  epoch: optional(int),
  maxOffset: optional(long),
  confirmOffset: optional(long),
  heartbeatTimeoutMillis: optional(long),
  electionPriority: optional(int)
})

/**
 * 901 GET_BROKER_MEMBER_GROUP
 *
 *     clusterName  S
 *     brokerName   S
 *     -> body: {"brokerMemberGroup":{"brokerAddrs","brokerName","cluster"}}
 */
export const getBrokerMemberGroup = defineRequest(RequestCode.GET_BROKER_MEMBER_GROUP, { clusterName: text, brokerName: text })

/**
 * 905 NOTIFY_MIN_BROKER_ID_CHANGE, name server to broker
 *
 *     minBrokerId        L?
 *     brokerName         S?
 *     minBrokerAddr      S?
 *     offlineBrokerAddr  S?
 *     haBrokerAddr       S?
 */
export const notifyMinBrokerIdChange = defineRequest(RequestCode.NOTIFY_MIN_BROKER_ID_CHANGE, {
  minBrokerId: optional(long),
  brokerName: optional(text),
  minBrokerAddr: optional(text),
  offlineBrokerAddr: optional(text),
  haBrokerAddr: optional(text)
})
