import { MAX_PEER_NUMBER } from '../../config/index.ts'
import { addBroker, failure, removeBroker, ResponseCode, type Processor } from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'

/** Which nodes a group has, changed live; answered by the leader. */
export function nodeProcessors ({ node: { group }, names, logger }: BrokerContext): { readonly add: Processor, readonly remove: Processor } {
  const isOfAnother = (brokerName: string) => brokerName === names.brokerName ? undefined : failure(ResponseCode.INVALID_PARAMETER, `this is a node of broker ${names.brokerName}, not of ${brokerName}`)
  const alone = () => failure(ResponseCode.INVALID_PARAMETER, `${names.brokerName} is no group: its configuration has no dLegerPeers`)

  /** 902 ADD_BROKER: a node of that number may join. Answered when the group knows, whether it has come or not. */
  const add: Processor = async (request, connection) => {
    const { brokerName, brokerId, peerAddress } = addBroker.request.decode(request)
    const number = brokerId - 1
    if (group === undefined) return alone()
    if (number < 0 || number > MAX_PEER_NUMBER) return failure(ResponseCode.INVALID_PARAMETER, `${brokerId} is no broker id of a node`)
    const refusal = isOfAnother(brokerName)
    if (refusal !== undefined) return refusal
    await group.addPeer(number, peerAddress)
    logger.info(`n${number} may join the group`, { peerAddress, by: connection.peerText })
    return { code: ResponseCode.SUCCESS }
  }

  /** 903 REMOVE_BROKER: nodes leave, several in one step. Answered when they have. */
  const remove: Processor = async (request, connection) => {
    const { brokerName, brokerId } = removeBroker.request.decode(request)
    if (group === undefined) return alone()
    const refusal = isOfAnother(brokerName)
    if (refusal !== undefined) return refusal
    const numbers = brokerId.split(';').map((id) => Number(id) - 1)
    const members = group.members()
    const missing = numbers.find((number) => !members.some((member) => member.number === number))
    if (missing !== undefined) return failure(ResponseCode.INVALID_PARAMETER, `n${missing} is not of the group of ${brokerName}`)
    logger.info(`${numbers.map((number) => `n${number}`).join(', ')} leave the group`, { by: connection.peerText })
    await group.remove(members.filter(({ number }) => numbers.includes(number)).map(({ nodeId }) => nodeId))
    return { code: ResponseCode.SUCCESS }
  }

  return { add, remove }
}
