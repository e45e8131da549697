import type { Processor } from './connection.ts'
import { ResponseCode } from './response-code.ts'

/** Who answers what. */
export class Processors {
  readonly #byCode = new Map<number, Processor>()

  set (code: number, processor: Processor): void {
    this.#byCode.set(code, processor)
  }

  readonly process: Processor = (request, connection) => {
    const processor = this.#byCode.get(request.code)
    if (processor !== undefined) return processor(request, connection)
    return { code: ResponseCode.REQUEST_CODE_NOT_SUPPORTED, remark: `request type ${request.code} not supported` }
  }
}
