import { defineRequest, long, optional, text } from '../header-codec.ts'
import { RequestCode } from '../request-code.ts'

/**
 * 902 ADD_BROKER
 *
 *     brokerName  S
 *     brokerId    L  the number of the node + 1
 *     peerAddress S  where it listens for the other nodes, host:port
 *
 * RocketMQ names a configuration file instead: its container starts the broker.
 * @see RocketMQ AddBrokerRequestHeader
 */
export const addBroker = defineRequest(RequestCode.ADD_BROKER, { brokerName: text, brokerId: long, peerAddress: text })

/**
 * 903 REMOVE_BROKER
 *
 *     brokerClusterName  S?
 *     brokerName         S
 *     brokerId           S  the number of the node + 1; several with ; between them (RocketMQ: L, one)
 *
 * @see RocketMQ RemoveBrokerRequestHeader
 */
export const removeBroker = defineRequest(RequestCode.REMOVE_BROKER, { brokerClusterName: optional(text), brokerName: text, brokerId: text })
