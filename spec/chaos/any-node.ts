import { isMqError, type Random } from '../../lib/base/index.ts'
import { encodeProperties } from '../../lib/message/index.ts'
import { RequestCode, ResponseCode, sendMessageResponse, sendMessageV2, type HeaderOf, type RemotingFrame, type RemotingRequest } from '../../lib/remoting/index.ts'
import type { BrokerGroup, Cluster } from '../cluster/cluster.ts'

const TIMEOUT_MS = 3000
/** Of other codes nobody knows. */
const NOT_DONE: readonly number[] = [ResponseCode.SYSTEM_BUSY, ResponseCode.SERVICE_NOT_AVAILABLE, ResponseCode.GO_AWAY]

/** What a caller can know of a request. */
export type Outcome<Answer = RemotingFrame> = { readonly answer: Answer } | 'not done' | 'unknown'

/** A message for one queue; its body is the id and a blank. */
export interface OneMessage {
  readonly topic: string
  readonly queueId: number
  readonly id: string
  readonly properties: Readonly<Record<string, string>>
}

/** Makes requests of a group, each of any of its nodes, as clients that know no leader. */
export class AnyNode {
  readonly #cluster: Cluster
  readonly #group: BrokerGroup
  readonly #random: Random

  constructor (cluster: Cluster, group: BrokerGroup, random: Random) {
    this.#cluster = cluster
    this.#group = group
    this.#random = random
  }

  async invoke (request: RemotingRequest): Promise<Outcome> {
    const { nodes } = this.#group
    const { address } = nodes[Math.floor(this.#random.next() * nodes.length)]!
    try {
      const answer = await this.#cluster.client.invoke(address, request, { timeoutMs: TIMEOUT_MS })
      return NOT_DONE.includes(answer.code) ? 'not done' : { answer }
    } catch (error) {
      if (!isMqError(error)) throw error
      return error.outcome === 'not-applied' ? 'not done' : 'unknown'
    }
  }

  async send ({ topic, queueId, id, properties }: OneMessage): Promise<Outcome<HeaderOf<typeof sendMessageResponse>>> {
    const extFields = sendMessageV2.encode({
      a: 'chaos', b: topic, c: 'TBW102', d: 4, e: queueId, f: 0, g: Date.now(), h: 0, i: encodeProperties(Object.entries(properties)), j: 0, k: false, m: false
    })
    const outcome = await this.invoke({ code: RequestCode.SEND_MESSAGE_V2, extFields, body: Buffer.from(`${id} ${'.'.repeat(100)}`) })
    if (typeof outcome === 'string') return outcome
    return outcome.answer.code === ResponseCode.SUCCESS ? { answer: sendMessageResponse.decode(outcome.answer) } : 'unknown'
  }
}
