import { writeJson } from '../../message/index.ts'
import { answerConfigUpdate } from '../../namesrv/index.ts'
import { getBrokerConfig, ResponseCode, withBody, type Processor } from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'
import { dataVersionFields } from '../json-shapes.ts'
import { runtimeInfo } from '../runtime-info.ts'

/** The broker's own configuration, and how it does. @see RocketMQ AdminBrokerProcessor */
export function configurationProcessors (context: BrokerContext) {
  const { config, logger, clock, engine } = context
  let version = { counter: 0, timestampMs: 0 }

  const update: Processor = (request, connection) => answerConfigUpdate(config, request.body, (changes) => {
    version = { counter: version.counter + 1, timestampMs: clock.wallMs() }
    logger.info('the configuration was changed', { by: connection.peerText, changes: Object.fromEntries(changes) })
  })

  const get: Processor = () => ({
    code: ResponseCode.SUCCESS,
    extFields: getBrokerConfig.response.encode({ version: writeJson(dataVersionFields(engine.term, version)) }),
    body: Buffer.from(config.toProperties())
  })

  const runtime: Processor = async () => withBody({ table: new Map(await runtimeInfo(context)) })

  return { update, get, runtime }
}
