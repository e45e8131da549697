import { isMqError, type MqError } from '../../base/index.ts'
import type { UpdateRefusal } from '../../config/index.ts'
import { RequestCode, ResponseCode, failure, success } from '../../remoting/index.ts'
import type { ProcessorContext, Processors } from './processor.ts'

/** The name server's own config. */
export function configurationProcessors ({ config }: ProcessorContext): Processors {
  return {
    [RequestCode.UPDATE_NAMESRV_CONFIG]: async (request) => {
      try {
        await config.update(request.body)
        return success
      } catch (error) {
        if (!isMqError(error, 'MQ_INVALID_ARGUMENT')) throw error
        return failure(isFixed(error) ? ResponseCode.NO_PERMISSION : ResponseCode.INVALID_PARAMETER, error.message)
      }
    },
    [RequestCode.GET_NAMESRV_CONFIG]: () => ({ code: ResponseCode.SUCCESS, body: Buffer.from(config.toProperties()) })
  }
}

/** Whether a key was refused that is not to be changed while running, whatever the value. */
function isFixed (error: MqError): boolean {
  const refusals = (error.refusals ?? []) as readonly UpdateRefusal[]
  return refusals.some(({ reason }) => reason === 'not-changeable' || reason === 'no-effect')
}
