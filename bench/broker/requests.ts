import { encodeRequest, HeaderType, OutboundBuffer, PullSysFlag, pullMessage, RequestCode, sendMessageV2, type RemotingRequest } from '../../lib/remoting/index.ts'

export const TOPIC = 'bench'
export const GROUP = 'bench-consumers'
/** Numbers of requests have ten digits, so that a text can be overwritten. */
export const FIRST_OPAQUE = 1_000_000_000
const BINARY_OPAQUE_AT = 13
const OPAQUE_LABEL = '"opaque":'
/** In the properties of messages it is given a number for each. */
export const UNIQUE_KEY = 'C0A80001000A2A9F4B1D5F7E00000000'
/** In the properties of messages it is given another one for each, evenly between a second and an hour. */
export const DELAY_MS = '0003599'
const LEAST_DELAY_MS = 1000
const MOST_DELAY_MS = 3_600_000
/** As text of properties in a request. */
export const DEFAULT_PROPERTIES = `KEYS\u0001order-1\u0002UNIQ_KEY\u0001${UNIQUE_KEY}\u0002WAIT\u0001true\u0002TAGS\u0001bench\u0002`
const COUNTER_DIGITS = 8
const HEX = Buffer.from('0123456789ABCDEF')

/** A frame of its own for a request. */
export function frameOf (type: HeaderType, request: RemotingRequest, opaque: number): Buffer {
  const out = new OutboundBuffer()
  encodeRequest(out, type, request, opaque, false)
  return Buffer.concat(out.take())
}

/**
 * Sends as a producer in Java makes them, to one queue after the other, side by side in memory: each was encoded once by the
 * library. What is sent is a piece of the ring, with the number of each request and the unique key of its message put in, wherever that stands.
 */
export class SendRing {
  readonly #bytes: Buffer
  /** Where each frame begins, and where the last one ends. */
  readonly #starts: number[] = [0]
  readonly #isJson: boolean
  readonly #opaqueAt: number[] = []
  readonly #counterAt: number[][] = []
  readonly #delayAt: number[][] = []
  #next = 0
  /** How many frames the last `next` gave. */
  count = 0

  /** A ring of so many frames. They are used again: there must be twice as many as are under way. */
  constructor (type: HeaderType, queues: number, body: Uint8Array, frames: number, properties = DEFAULT_PROPERTIES) {
    const ofQueues = Array.from({ length: queues }, (_, queueId) => {
      const extFields = sendMessageV2.encode({ a: 'bench-producers', b: TOPIC, c: 'TBW102', d: queues, e: queueId, f: 0, g: Date.now(), h: 0, i: properties, j: 0, k: false, m: false, n: 'bench-broker' })
      return frameOf(type, { code: RequestCode.SEND_MESSAGE_V2, extFields, body }, FIRST_OPAQUE)
    })
    this.#isJson = type === HeaderType.json
    const all = Array.from({ length: frames }, (_, i) => ofQueues[i % queues]!)
    this.#bytes = Buffer.concat(all)
    for (const frame of all) {
      const start = this.#starts.at(-1)!
      this.#opaqueAt.push(start + (this.#isJson ? frame.indexOf(OPAQUE_LABEL) + OPAQUE_LABEL.length : BINARY_OPAQUE_AT))
      this.#counterAt.push(placesOf(UNIQUE_KEY, frame).map((at) => start + at + UNIQUE_KEY.length - COUNTER_DIGITS))
      this.#delayAt.push(placesOf(DELAY_MS, frame).map((at) => start + at))
      this.#starts.push(start + frame.length)
    }
  }

  /** The next `wanted` frames or, at the end of the ring, fewer (`count`), numbered from `opaque` on. */
  next (wanted: number, opaque: number): Buffer {
    const from = this.#next
    const to = Math.min(from + wanted, this.#opaqueAt.length)
    for (let i = from; i < to; i++) this.#number(i, opaque + i - from)
    this.#next = to % this.#opaqueAt.length
    this.count = to - from
    return this.#bytes.subarray(this.#starts[from], this.#starts[to])
  }

  #number (frame: number, opaque: number): void {
    const bytes = this.#bytes
    for (const counterAt of this.#counterAt[frame]!) {
      let counter = opaque
      for (let i = counterAt + COUNTER_DIGITS - 1; i >= counterAt; i--) {
        bytes[i] = HEX[counter & 15]!
        counter >>>= 4
      }
    }
    for (const delayAt of this.#delayAt[frame]!) {
      let delayMs = LEAST_DELAY_MS + (Math.imul(opaque, 0x9e3779b1) >>> 0) % (MOST_DELAY_MS - LEAST_DELAY_MS)
      for (let i = delayAt + DELAY_MS.length - 1; i >= delayAt; i--) {
        bytes[i] = 48 + delayMs % 10
        delayMs = Math.floor(delayMs / 10)
      }
    }
    const at = this.#opaqueAt[frame]!
    if (!this.#isJson) {
      bytes.writeInt32BE(opaque, at)
      return
    }
    let rest = opaque
    for (let i = at + 9; i >= at; i--) {
      bytes[i] = 48 + rest % 10
      rest = Math.floor(rest / 10)
    }
  }
}

function placesOf (text: string, frame: Buffer): number[] {
  const places: number[] = []
  for (let at = frame.indexOf(text); at >= 0; at = frame.indexOf(text, at + text.length)) places.push(at)
  return places
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
