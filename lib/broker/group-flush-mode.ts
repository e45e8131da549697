import { isMqError, MqError } from '../base/index.ts'
import { keyTables, parseProperties, type BrokerConfig } from '../config/index.ts'
import { failure, RequestCode, ResponseCode, success, type RemotingConnection, type RemotingFrame, type RemotingResponse } from '../remoting/index.ts'
import type { BrokerContext } from './context.ts'
import { codeOf } from './failures.ts'

type FlushDiskType = BrokerConfig['flushDiskType']

const KEY = 'flushDiskType'

/** The group did not change its flush mode, or nobody knows; `response` is for whoever asked. */
export class FlushModeRefusal extends Error {
  readonly response: RemotingResponse

  constructor (code: ResponseCode, remark: string) {
    super(remark)
    this.response = failure(code, remark)
  }
}

/**
 * Has the leader change the flush mode of the group, whoever that is. Resolves when it is decided and this node obeys it.
 * @throws FlushModeRefusal
 */
export async function changeFlushMode ({ engine, forwarding }: BrokerContext, flushDiskType: FlushDiskType, connection: RemotingConnection): Promise<void> {
  const { code, remark } = await asked(forwarding.ask({ code: RequestCode.UPDATE_BROKER_CONFIG, body: Buffer.from(`${KEY}=${flushDiskType}`) }, connection))
  if (code !== ResponseCode.SUCCESS) {
    throw new FlushModeRefusal(code as ResponseCode, code === ResponseCode.SYSTEM_ERROR ? `nobody knows whether ${KEY} was changed: ${remark}` : `${KEY} was not changed: ${remark}`)
  }
  try {
    await engine.flushModeInForce()
  } catch (error) {
    if (!isMqError(error)) throw error
    throw new FlushModeRefusal(codeOf(error), `${KEY} is ${flushDiskType} now, but this node may not obey it yet: ${error.message}`)
  }
}

/** The answer, or what became of it where there is none. */
async function asked (answer: Promise<RemotingFrame>): Promise<Pick<RemotingFrame, 'code' | 'remark'>> {
  try {
    return await answer
  } catch (error) {
    if (!isMqError(error)) throw error
    return { code: codeOf(error), remark: error.message }
  }
}

/** What the leader does of it, for the node that was asked: nothing in its own configuration. @throws as Engine.setFlushDiskType */
export async function proposeFlushMode ({ engine, logger }: BrokerContext, request: RemotingFrame, connection: RemotingConnection): Promise<RemotingResponse> {
  const [property, ...others] = parseProperties(request.body, 'update')
  const wanted = property?.key === KEY && others.length === 0 ? keyTables.broker.flushDiskType.type.parse(property.value) : undefined
  if (wanted === undefined) throw new MqError('MQ_INVALID_ARGUMENT', `nodes ask each other for ${KEY} alone`)
  const before = engine.flushDiskType
  await engine.setFlushDiskType(wanted)
  if (before !== wanted) logger.info('the flush mode of the group was changed', { [KEY]: wanted, by: connection.peerText })
  return success
}
