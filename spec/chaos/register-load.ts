import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../lib/base/index.ts'
import { getTopicConfig, queryConsumerOffset, RequestCode, ResponseCode, updateConsumerOffset } from '../../lib/remoting/index.ts'
import { jsonOf } from '../cluster/cluster.ts'
import type { AnyNode } from './any-node.ts'
import type { RegisterCall } from './linearizability.ts'

const CLIENTS = 4
const KEYS = 4
const PAUSE_MS = 30

/**
 * Clients that change and read the settings of topics and the offsets of consumer groups, at any node. Each setting and each offset
 * is a register. An answered change of a setting is done; an answered offset is only received, so it counts as of unknown outcome.
 */
export class RegisterLoad {
  readonly calls: RegisterCall[] = []
  readonly #node: AnyNode
  readonly #random: Random
  readonly #topic: string
  readonly #running: Promise<void[]>
  #isStopped = false
  #lastValue = 0
  /** Reads that were answered, by what they read. */
  readonly answered = { settings: 0, offsets: 0 }

  /** @param topic with at least four queues, whose offsets are committed */
  constructor (node: AnyNode, topic: string, random: Random) {
    this.#node = node
    this.#random = random
    this.#topic = topic
    this.#running = Promise.all(Array.from({ length: CLIENTS }, async () => {
      while (!this.#isStopped) {
        const key = Math.floor(this.#random.next() * KEYS)
        const isWrite = this.#random.next() < 0.4
        if (this.#random.next() < 0.5) await (isWrite ? this.#changeSetting(key) : this.#readSetting(key))
        else await (isWrite ? this.#commitOffset(key) : this.#readOffset(key))
        await sleep(PAUSE_MS)
      }
    }))
  }

  async stop (): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async #changeSetting (key: number): Promise<void> {
    const value = ++this.#lastValue
    const calledAt = performance.now()
    const outcome = await this.#node.invoke({
      code: RequestCode.UPDATE_AND_CREATE_TOPIC,
      extFields: {
        topic: `setting-${key}`, defaultTopic: 'TBW102', readQueueNums: 4, writeQueueNums: 4, perm: 6, topicFilterType: 'SINGLE_TAG', topicSysFlag: value, order: false
      }
    })
    if (outcome === 'not done') return
    const isDone = outcome !== 'unknown' && outcome.answer.code === ResponseCode.SUCCESS
    this.calls.push({ key: `setting ${key}`, kind: 'write', value, calledAt, returnedAt: isDone ? performance.now() : Infinity })
  }

  async #readSetting (key: number): Promise<void> {
    const calledAt = performance.now()
    const outcome = await this.#node.invoke({ code: RequestCode.GET_TOPIC_CONFIG, extFields: getTopicConfig.request.encode({ topic: `setting-${key}` }) })
    if (typeof outcome === 'string') return
    const { code, body } = outcome.answer
    if (code !== ResponseCode.SUCCESS && code !== ResponseCode.TOPIC_NOT_EXIST) return
    const value = code === ResponseCode.SUCCESS ? (jsonOf(body) as { topicSysFlag: number }).topicSysFlag : undefined
    this.answered.settings++
    this.calls.push({ key: `setting ${key}`, kind: 'read', value, calledAt, returnedAt: performance.now() })
  }

  async #commitOffset (key: number): Promise<void> {
    const commitOffset = ++this.#lastValue
    const calledAt = performance.now()
    const outcome = await this.#node.invoke({ code: RequestCode.UPDATE_CONSUMER_OFFSET, extFields: updateConsumerOffset.request.encode({ consumerGroup: 'register', topic: this.#topic, queueId: key, commitOffset }) })
    if (outcome !== 'not done') this.calls.push({ key: `offset ${key}`, kind: 'write', value: commitOffset, calledAt, returnedAt: Infinity })
  }

  async #readOffset (key: number): Promise<void> {
    const calledAt = performance.now()
    const outcome = await this.#node.invoke({ code: RequestCode.QUERY_CONSUMER_OFFSET, extFields: queryConsumerOffset.request.encode({ consumerGroup: 'register', topic: this.#topic, queueId: key, setZeroIfNotFound: false }) })
    if (typeof outcome === 'string') return
    const { answer } = outcome
    if (answer.code !== ResponseCode.SUCCESS && answer.code !== ResponseCode.QUERY_NOT_FOUND) return
    const value = answer.code === ResponseCode.SUCCESS ? queryConsumerOffset.response.decode(answer).offset : undefined
    this.answered.offsets++
    this.calls.push({ key: `offset ${key}`, kind: 'read', value, calledAt, returnedAt: performance.now() })
  }
}
