import { letterSelection } from '../../engine/index.ts'
import { failure, resendDeadLetters, ResponseCode, type Processor } from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'

/** In one request: its client waits for the answer. */
const MOST = 1000

/** 17001 RESEND_DEAD_LETTERS: each once, whoever asks and how often. */
export function deadLetterProcessors ({ engine, groups, logger }: BrokerContext): { readonly resend: Processor } {
  const resend: Processor = async (request, connection) => {
    const { group, topic, msgIds, max = MOST } = resendDeadLetters.request.decode(request)
    if (groups.find(group) === undefined) return failure(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, `the consumer group ${group} does not exist`)
    if (max <= 0 || max > MOST) return failure(ResponseCode.INVALID_PARAMETER, `max is ${max}; from 1 to ${MOST} dead letters are sent again at once`)
    const resent = await engine.deadLetters.resend({ group, select: letterSelection({ topic, ids: msgIds?.split(',') }), max })
    logger.info(`${resent.resent} dead letters were sent again`, { group, ...resent, by: connection.peerText })
    return { code: ResponseCode.SUCCESS, extFields: resendDeadLetters.response.encode({ ...resent }) }
  }

  return { resend }
}
