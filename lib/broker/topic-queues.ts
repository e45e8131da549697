import type { Clock, Logger } from '../base/index.ts'
import type { RunningConfig } from '../config/index.ts'
import { jsonArray, jsonInt, jsonMap, jsonText, parseJson } from '../message/index.ts'
import { addressText, getRouteinfoByTopic, ResponseCode, type RemotingClient } from '../remoting/index.ts'
import type { AssignableQueue } from './allocation.ts'
import { Perm, type BrokerNames } from './system-topics.ts'
import type { BrokerTopics } from './topics.ts'

const ASK_TIMEOUT_MS = 1000
const MAX_REMEMBERED = 10_000
/** Of one broker, whatever a name server says. */
const MAX_QUEUES = 65_536

export interface TopicQueuesOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly config: RunningConfig<'broker'>
  readonly client: RemotingClient
  readonly names: BrokerNames
  readonly topics: () => BrokerTopics
}

/** The queues of a topic on all brokers of the cluster: this one's as they are, the others' as a name server has told lately. */
export class TopicQueues {
  readonly #options: TopicQueuesOptions
  readonly #routes = new Map<string, { readonly askedAtMs: number, readonly queues: Promise<readonly AssignableQueue[]> }>()

  constructor (options: TopicQueuesOptions) {
    this.#options = options
  }

  /** Those that may be read; undefined: the topic is nowhere. */
  async of (topic: string): Promise<AssignableQueue[] | undefined> {
    const { topics, names: { brokerName } } = this.#options
    const own = topics().find(topic)
    const ownQueues = own === undefined || (own.perm & Perm.read) === 0 ? [] : queuesOf(topic, brokerName, own.readQueueNums)
    const others = await this.#others(topic)
    return own === undefined && others.length === 0 ? undefined : [...ownQueues, ...others]
  }

  #others (topic: string): Promise<readonly AssignableQueue[]> {
    const { clock, config: { values } } = this.#options
    const known = this.#routes.get(topic)
    if (known !== undefined && clock.nowMs() - known.askedAtMs < values.loadBalancePollNameServerInterval) return known.queues
    if (this.#routes.size >= MAX_REMEMBERED) this.#routes.clear()
    const queues = this.#ask(topic).then((found) => found ?? known?.queues ?? [])
    this.#routes.set(topic, { askedAtMs: clock.nowMs(), queues })
    return queues
  }

  /** Undefined: no name server answers. */
  async #ask (topic: string): Promise<readonly AssignableQueue[] | undefined> {
    const { client, config, logger, names: { brokerName } } = this.#options
    for (const server of config.values.namesrvAddr.map(addressText)) {
      try {
        const { code, body } = await client.invoke(server, { code: getRouteinfoByTopic.code, extFields: getRouteinfoByTopic.request.encode({ topic, acceptStandardJsonOnly: true }) }, { timeoutMs: ASK_TIMEOUT_MS })
        if (code === ResponseCode.TOPIC_NOT_EXIST) return []
        if (code === ResponseCode.SUCCESS) return queuesIn(body, topic).filter((queue) => queue.brokerName !== brokerName)
      } catch (error) {
        logger.debug('a name server does not tell the route of a topic', { nameServer: server, topic, error })
      }
    }
    return undefined
  }
}

function queuesIn (body: Uint8Array, topic: string): AssignableQueue[] {
  return (jsonArray(jsonMap(parseJson(body))?.get('queueDatas')) ?? []).flatMap((value) => {
    const map = jsonMap(value)
    const brokerName = jsonText(map?.get('brokerName'))
    const perm = jsonInt(map?.get('perm')) ?? 0
    return brokerName === undefined || (perm & Perm.read) === 0 ? [] : queuesOf(topic, brokerName, jsonInt(map?.get('readQueueNums')) ?? 0)
  })
}

function queuesOf (topic: string, brokerName: string, count: number): AssignableQueue[] {
  return Array.from({ length: Math.max(0, Math.min(count, MAX_QUEUES)) }, (_, queueId) => ({ topic, brokerName, queueId }))
}
