import type { RunningConfig } from '../config/index.ts'
import type { Engine, Topic } from '../engine/index.ts'
import type { TopicConfig } from '../message/index.ts'
import type { BrokerLimits } from './limits.ts'
import { RETRY_PREFIX } from './names.ts'
import { newTopic, Perm, systemTopicConfigs, type BrokerNames } from './system-topics.ts'

const UNIT_FLAG = 1

/** How a send says that its topic is to be made. */
export interface TopicWish {
  readonly topic: string
  readonly defaultTopic: string
  readonly defaultTopicQueueNums: number
  readonly unitMode: boolean
}

/** The topics of this broker: those that were made, and those that it has anyway. */
export class BrokerTopics {
  readonly #engine: Engine
  readonly #config: RunningConfig<'broker'>
  readonly #names: BrokerNames
  readonly #limits: BrokerLimits
  #system: ReadonlyMap<string, TopicConfig> = new Map()
  #systemOf: unknown

  constructor ({ engine, config, names, limits }: { readonly engine: Engine, readonly config: RunningConfig<'broker'>, readonly names: BrokerNames, readonly limits: BrokerLimits }) {
    this.#engine = engine
    this.#config = config
    this.#names = names
    this.#limits = limits
  }

  find (topic: string): TopicConfig | undefined {
    return this.#engine.store.metadata.topic(topic) ?? this.system.get(topic)
  }

  /** By name, as name servers are told. */
  all (): Map<string, TopicConfig> {
    const topics = new Map(this.system)
    for (const config of this.#engine.store.metadata.topics()) topics.set(config.topic, config)
    return topics
  }

  isSystem (topic: string): boolean { return this.system.has(topic) }

  /** Depends on the configuration, of which some may change. */
  get system (): ReadonlyMap<string, TopicConfig> {
    const { values } = this.#config
    if (this.#systemOf !== values) {
      this.#systemOf = values
      this.#system = systemTopicConfigs(this.#names, values)
    }
    return this.#system
  }

  /** Where messages to that topic go; undefined: it does not exist, and may not be made so. The first message makes it in its own entry. */
  destination (wish: TopicWish): Topic | undefined {
    const topic = this.#engine.topic(wish.topic)
    if (topic !== undefined) return topic
    const config = this.system.get(wish.topic) ?? this.#plan(wish)
    return config && this.#engine.topicPlanned(config)
  }

  /** The topic, or one with these queues that the first message makes. */
  destinationOr (config: TopicConfig): Topic {
    return this.#engine.topic(config.topic) ?? this.#engine.topicPlanned(config)
  }

  /** @see RocketMQ TopicConfigManager.createTopicInSendMessageMethod */
  #plan ({ topic, defaultTopic, defaultTopicQueueNums, unitMode }: TopicWish): TopicConfig | undefined {
    if (this.#engine.store.metadata.topicCount >= this.#limits.maxTopics) return undefined
    const sysFlag = unitMode ? UNIT_FLAG : 0
    if (topic.startsWith(RETRY_PREFIX)) return newTopic(topic, 1, undefined, sysFlag)
    const template = this.find(defaultTopic)
    if (template === undefined || (template.perm & Perm.inherit) === 0) return undefined
    const queues = Math.min(defaultTopicQueueNums, template.writeQueueNums)
    return queues > 0 ? newTopic(topic, queues, template.perm & ~Perm.inherit, sysFlag) : undefined
  }
}
