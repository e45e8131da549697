import { RequestCode, ResponseCode } from '../../remoting/index.ts'
import { answerConfigUpdate } from '../config-update.ts'
import type { ProcessorContext, Processors } from './processor.ts'

/** The name server's own config. */
export function configurationProcessors ({ config }: ProcessorContext): Processors {
  return {
    [RequestCode.UPDATE_NAMESRV_CONFIG]: (request) => answerConfigUpdate(config, request.body),
    [RequestCode.GET_NAMESRV_CONFIG]: () => ({ code: ResponseCode.SUCCESS, body: Buffer.from(config.toProperties()) })
  }
}
