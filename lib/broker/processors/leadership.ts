import { MqError } from '../../base/index.ts'
import { electMaster, failure, ResponseCode, type Processor } from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'

/** Who leads. @see RocketMQ's controller, which is asked for a master in the same way */
export function leadershipProcessors ({ engine, node: { group }, names, logger, address }: BrokerContext): { readonly elect: Processor } {
  /** 1002 ELECT_MASTER: any node is asked; the one of that broker id (its number + 1) is to lead. Answered when it does. */
  const elect: Processor = async (request, connection) => {
    const { brokerName, brokerId } = electMaster.request.decode(request)
    if (brokerName !== names.brokerName) return failure(ResponseCode.INVALID_PARAMETER, `this is a node of broker ${names.brokerName}, not of ${brokerName}`)
    const member = group?.members().find(({ number, role }) => number + 1 === brokerId && role === 'voter')
    if (member === undefined) return failure(ResponseCode.INVALID_PARAMETER, `no node n${brokerId - 1} has a vote in the group of ${brokerName}`)
    logger.info(`n${member.number} is to lead`, { by: connection.peerText })
    try {
      await engine.transferLeadership(member.nodeId)
    } catch (error) {
      if (!(error instanceof MqError)) throw error
      return failure(ResponseCode.SERVICE_NOT_AVAILABLE, error.message)
    }
    return { code: ResponseCode.SUCCESS, extFields: electMaster.response.encode({ masterBrokerId: brokerId, masterAddress: member.isSelf ? address : member.address, masterEpoch: engine.term }) }
  }

  return { elect }
}
