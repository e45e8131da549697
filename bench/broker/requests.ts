import { encodeRequest, OutboundBuffer, PullSysFlag, pullMessage, RequestCode, sendMessageV2, type HeaderType, type RemotingRequest } from '../../lib/remoting/index.ts'

export const TOPIC = 'bench'
export const GROUP = 'bench-consumers'
/** Numbers of requests have ten digits, so that a text can be overwritten. */
export const FIRST_OPAQUE = 1_000_000_000
const BINARY_OPAQUE_AT = 13
const UNIQUE_KEY = 'C0A80001000A2A9F4B1D5F7E00000000'
const COUNTER_DIGITS = 8
const HEX = Buffer.from('0123456789ABCDEF')

/** A frame of its own for a request. */
export function frameOf (type: HeaderType, request: RemotingRequest, opaque: number): Buffer {
  const out = new OutboundBuffer()
  encodeRequest(out, type, request, opaque, false)
  return Buffer.concat(out.take())
}

/**
 * Sends to one queue as a producer in Java makes them, one frame each: encoded once by the library, then copied, with the number
 * of the request and the unique key of the message put in.
 */
export class SendFrames {
  readonly #frame: Buffer
  readonly #isJson: boolean
  readonly #opaqueAt: number
  readonly #counterAt: number

  constructor (type: HeaderType, queueId: number, queues: number, body: Uint8Array) {
    const properties = `KEYS\u0001order-1\u0002UNIQ_KEY\u0001${UNIQUE_KEY}\u0002WAIT\u0001true\u0002TAGS\u0001bench\u0002`
    const extFields = sendMessageV2.encode({ a: 'bench-producers', b: TOPIC, c: 'TBW102', d: queues, e: queueId, f: 0, g: Date.now(), h: 0, i: properties, j: 0, k: false, m: false, n: 'bench-broker' })
    this.#frame = frameOf(type, { code: RequestCode.SEND_MESSAGE_V2, extFields, body }, FIRST_OPAQUE)
    const textAt = this.#frame.indexOf(`"opaque":${FIRST_OPAQUE}`)
    this.#isJson = textAt >= 0
    this.#opaqueAt = this.#isJson ? textAt + '"opaque":'.length : BINARY_OPAQUE_AT
    this.#counterAt = this.#frame.indexOf(UNIQUE_KEY) + UNIQUE_KEY.length - COUNTER_DIGITS
  }

  get sizeBytes (): number { return this.#frame.length }

  /** Writes the frame at `at`; returns where it ends. */
  write (into: Buffer, at: number, opaque: number): number {
    into.set(this.#frame, at)
    let counter = opaque
    for (let i = at + this.#counterAt + COUNTER_DIGITS - 1; i >= at + this.#counterAt; i--) {
      into[i] = HEX[counter & 15]!
      counter >>>= 4
    }
    if (!this.#isJson) {
      into.writeInt32BE(opaque, at + this.#opaqueAt)
    } else {
      let rest = opaque
      for (let i = at + this.#opaqueAt + 9; i >= at + this.#opaqueAt; i--) {
        into[i] = 48 + rest % 10
        rest = Math.floor(rest / 10)
      }
    }
    return at + this.#frame.length
  }
}

/** A pull as a push consumer makes it: with its subscription, committing what it has done. It does not wait. */
export function pullRequest (queueId: number, offset: number, max: number): RemotingRequest {
  return {
    code: RequestCode.PULL_MESSAGE,
    extFields: pullMessage.encode({
      consumerGroup: GROUP,
      topic: TOPIC,
      queueId,
      queueOffset: offset,
      maxMsgNums: max,
      sysFlag: PullSysFlag.commitOffset | PullSysFlag.subscription,
      commitOffset: offset,
      suspendTimeoutMillis: 0,
      subscription: '*',
      subVersion: 0,
      expressionType: 'TAG'
    })
  }
}
