import { isMqError } from '../../base/index.ts'
import type { BrokerConfig } from '../../config/index.ts'
import { writeJson } from '../../message/index.ts'
import { answerConfigUpdate } from '../../namesrv/index.ts'
import { failure, getBrokerConfig, ResponseCode, withBody, type Processor, type RemotingFrame, type RemotingResponse } from '../../remoting/index.ts'
import type { BrokerContext } from '../context.ts'
import { codeOf } from '../failures.ts'
import { ForwardedCaller } from '../forwarded-caller.ts'
import { changeFlushMode, FlushModeRefusal, proposeFlushMode } from '../group-flush-mode.ts'
import { dataVersionFields } from '../json-shapes.ts'
import { runtimeInfo } from '../runtime-info.ts'

/** The broker's own configuration, and how it does; of the group's the flush mode. @see RocketMQ AdminBrokerProcessor */
export function configurationProcessors (context: BrokerContext) {
  const { config, logger, clock, engine, forwarding } = context
  let version = { counter: 0, timestampMs: 0 }

  const update: Processor = (request, connection) => connection instanceof ForwardedCaller ? ofGroup(request, connection.connection) : ofNode(request, connection)

  /** What is the group's is decided first: when that fails, nothing has changed. */
  const ofNode = async (request: RemotingFrame, connection: Parameters<Processor>[1]): Promise<RemotingResponse> => {
    let decided: BrokerConfig['flushDiskType'] | undefined
    try {
      return await answerConfigUpdate(config, request.body, {
        decide: async (wanted) => {
          const flushDiskType = wanted.get('flushDiskType') as BrokerConfig['flushDiskType'] | undefined
          if (flushDiskType === undefined) return
          await changeFlushMode(context, flushDiskType, connection)
          decided = flushDiskType
        },
        onChanged: (changes) => {
          version = { counter: version.counter + 1, timestampMs: clock.wallMs() }
          logger.info('the configuration was changed', { by: connection.peerText, changes: Object.fromEntries(changes) })
        }
      })
    } catch (error) {
      if (error instanceof FlushModeRefusal) return error.response
      if (decided === undefined || !isMqError(error)) throw error
      return failure(codeOf(error), `flushDiskType is ${decided} now, and nothing else was changed: ${error.message}`)
    }
  }

  /** For another node, or this one. */
  const ofGroup = async (request: RemotingFrame, connection: Parameters<Processor>[1]): Promise<RemotingResponse | undefined> => {
    try {
      return await proposeFlushMode(context, request, connection)
    } catch (error) {
      if (forwarding.maybeTakeOver(request, connection, error)) return undefined
      throw error
    }
  }

  const get: Processor = () => ({
    code: ResponseCode.SUCCESS,
    extFields: getBrokerConfig.response.encode({ version: writeJson(dataVersionFields(engine.term, version)) }),
    body: Buffer.from(config.toProperties({ flushDiskType: engine.flushDiskType }))
  })

  const runtime: Processor = async () => withBody({ table: new Map(await runtimeInfo(context)) })

  return { update, get, runtime }
}
