import { isMqError, MqError, type Logger } from '../base/index.ts'
import { DEFAULT_MAX_CALL_BYTES, type Caller, type CallHandler, type CallHandlerOptions } from './peer-network.ts'

interface Method {
  readonly handler: CallHandler
  readonly openToStrangers: boolean
  readonly maxBytes: number
}

/** The methods that a node offers to others. */
export class CallHandlers {
  readonly #methods = new Map<string, Method>()
  readonly #logger: Logger

  constructor (logger: Logger) {
    this.#logger = logger
  }

  set (method: string, handler: CallHandler, { openToStrangers = false, maxBytes = DEFAULT_MAX_CALL_BYTES }: CallHandlerOptions = {}): void {
    this.#methods.set(method, { handler, openToStrangers, maxBytes })
  }

  /** Runs the handler at once. Rejects with an MqError whatever it throws. */
  async serve (method: string, body: Uint8Array, caller: Caller, isStranger: boolean): Promise<Uint8Array> {
    const found = this.#methods.get(method)
    if (found === undefined) throw new MqError('MQ_INVALID_ARGUMENT', `the node has no method '${method}'`, { method })
    if (isStranger && !found.openToStrangers) throw new MqError('MQ_INVALID_ARGUMENT', `'${method}' is for members of the group`, { method })
    if (body.length > found.maxBytes) throw new MqError('MQ_MESSAGE_TOO_LARGE', `'${method}' takes up to ${found.maxBytes} bytes, not ${body.length}`, { method })
    try {
      return await found.handler(body, caller)
    } catch (error) {
      if (isMqError(error)) throw error
      this.#logger.error(`${method} of node ${caller.nodeId} failed`, { error })
      throw new MqError('MQ_PEER_FAILED', `'${method}' failed: ${error instanceof Error ? error.message : String(error)}`, { method })
    }
  }
}
