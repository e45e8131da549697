import { isMqError, type MqError } from '../../base/index.ts'
import { RequestCode, ResponseCode } from '../../remoting/index.ts'
import { failure, success, type ProcessorContext, type Processors } from './processor.ts'

/** The name server's own configuration. */
export function configurationProcessors ({ configuration }: ProcessorContext): Processors {
  return {
    [RequestCode.UPDATE_NAMESRV_CONFIG]: async (request) => {
      try {
        await configuration.update(request.body)
        return success
      } catch (error) {
        if (!isMqError(error, 'MQ_INVALID_ARGUMENT')) throw error
        return failure(isFixed(error) ? ResponseCode.NO_PERMISSION : ResponseCode.INVALID_PARAMETER, error.message)
      }
    },
    [RequestCode.GET_NAMESRV_CONFIG]: () => ({ code: ResponseCode.SUCCESS, body: Buffer.from(configuration.toProperties()) })
  }
}

/** Whether a key was refused because it may not be changed while running, whatever the value. */
function isFixed ({ refusals }: MqError): boolean {
  return Array.isArray(refusals) && refusals.some((refusal) => refusal?.reason === 'not-changeable')
}
