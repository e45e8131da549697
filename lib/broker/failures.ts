import { isMqError, type ErrorCode, type MqError } from '../base/index.ts'
import { ResponseCode, type Processor, type RemotingConnection, type RemotingFrame, type RemotingResponse } from '../remoting/index.ts'

/** What clients are told of an error; where the table has nothing it is SYSTEM_ERROR. */
const codes: Partial<Record<ErrorCode, ResponseCode>> = {
  MQ_BUSY: ResponseCode.SYSTEM_BUSY,
  MQ_MESSAGE_TOO_LARGE: ResponseCode.MESSAGE_ILLEGAL,
  MQ_INVALID_ARGUMENT: ResponseCode.INVALID_PARAMETER,
  MQ_TOPIC_NOT_FOUND: ResponseCode.TOPIC_NOT_EXIST,
  MQ_GROUP_NOT_FOUND: ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST,
  MQ_QUEUE_NOT_FOUND: ResponseCode.INVALID_PARAMETER,
  MQ_DISK_ROOM: ResponseCode.SERVICE_NOT_AVAILABLE,
  MQ_CLOSED: ResponseCode.SERVICE_NOT_AVAILABLE,
  MQ_NOT_LEADER: ResponseCode.SERVICE_NOT_AVAILABLE,
  MQ_UNAVAILABLE: ResponseCode.SERVICE_NOT_AVAILABLE,
  MQ_OVERWRITTEN: ResponseCode.SERVICE_NOT_AVAILABLE
}

export function codeOf (error: MqError): ResponseCode {
  return codes[error.code] ?? ResponseCode.SYSTEM_ERROR
}

/** The answer to a request that failed so. @throws what is no MqError */
export function failureOf (error: unknown): RemotingResponse {
  if (!isMqError(error)) throw error
  return { code: codeOf(error), remark: error.message }
}

/** Takes a failed request over that another node can carry out; returns whether it does. */
export type TakeOver = (request: RemotingFrame, connection: RemotingConnection, error: unknown) => boolean

/** The processor, with its errors answered by their code. */
export function answering (processor: Processor, maybeTakeOver: TakeOver): Processor {
  return (request, connection) => {
    const failed = (error: unknown): RemotingResponse | undefined => maybeTakeOver(request, connection, error) ? undefined : failureOf(error)
    try {
      const answer = processor(request, connection)
      return answer instanceof Promise ? answer.catch(failed) : answer
    } catch (error) {
      return failed(error)
    }
  }
}
