import type { RunningConfig } from '../config/index.ts'
import type { Engine } from '../engine/index.ts'
import type { GroupConfig } from '../message/index.ts'
import { retryTopicOf } from '../store/index.ts'
import type { BrokerLimits } from './limits.ts'
import { groupNameRefusal } from './names.ts'
import { newTopic } from './system-topics.ts'

const SYSTEM_GROUPS = [
  'TOOLS_CONSUMER', 'FILTERSRV_CONSUMER', 'SELF_TEST_C_GROUP', 'CID_ONS-HTTP-PROXY', 'CID_ONSAPI_PULL', 'CID_ONSAPI_PERMISSION', 'CID_ONSAPI_OWNER', 'CID_RMQ_SYS_TRANS'
]

/** A group nobody has configured. @see RocketMQ SubscriptionGroupConfig */
export function newGroup (group: string): GroupConfig {
  return {
    group,
    consumeEnable: true,
    consumeFromMinEnable: true,
    consumeBroadcastEnable: true,
    consumeMessageOrderly: false,
    retryQueueNums: 1,
    retryMaxTimes: 16,
    brokerId: 0,
    whichBrokerWhenConsumeSlowly: 1,
    notifyConsumerIdsChangedEnable: true,
    groupSysFlag: 0,
    consumeTimeoutMinute: 15,
    attributes: {},
    groupRetryPolicy: ''
  }
}

/** The consumer groups of this broker: those that were made, and those that it has anyway. */
export class BrokerGroups {
  readonly #engine: Engine
  readonly #config: RunningConfig<'broker'>
  readonly #limits: BrokerLimits
  readonly #system: ReadonlyMap<string, GroupConfig> = new Map(SYSTEM_GROUPS.map((group) => [group, newGroup(group)]))
  readonly #ensuring = new Map<string, Promise<unknown>>()

  constructor ({ engine, config, limits }: { readonly engine: Engine, readonly config: RunningConfig<'broker'>, readonly limits: BrokerLimits }) {
    this.#engine = engine
    this.#config = config
    this.#limits = limits
  }

  find (group: string): GroupConfig | undefined {
    return this.#engine.store.metadata.group(group) ?? this.#system.get(group)
  }

  /** By name. */
  all (): Map<string, GroupConfig> {
    const groups = new Map(this.#system)
    for (const config of this.#engine.store.metadata.groups()) groups.set(config.group, config)
    return groups
  }

  isSystem (group: string): boolean { return this.#system.has(group) }

  /** The group, made if it is new and may be made, with the topic of its retries in the same entry. Undefined: it is not there. */
  async ensure (group: string): Promise<GroupConfig | undefined> {
    const known = this.find(group)
    if (known === undefined && !this.#mayMake(group)) return undefined
    if (!this.isComplete(group)) await this.#make(known ?? newGroup(group))
    return this.find(group)
  }

  /** Whether `ensure` would have something to do. */
  isComplete (group: string): boolean {
    const known = this.find(group)
    return known !== undefined && (known.retryQueueNums <= 0 || this.#engine.store.metadata.topic(retryTopicOf(group)) !== undefined)
  }

  #mayMake (group: string): boolean {
    return this.#config.values.autoCreateSubscriptionGroup && groupNameRefusal(group) === undefined && this.#engine.store.metadata.groupCount < this.#limits.maxGroups && this.#engine.store.metadata.topicCount < this.#limits.maxTopics
  }

  /** Many members of a group may come at once. */
  #make (config: GroupConfig): Promise<unknown> {
    const { group, retryQueueNums } = config
    let ensuring = this.#ensuring.get(group)
    if (ensuring === undefined) {
      ensuring = this.#engine.config.ensureGroup(config, newTopic(retryTopicOf(group), Math.max(1, retryQueueNums))).finally(() => { this.#ensuring.delete(group) })
      this.#ensuring.set(group, ensuring)
    }
    return ensuring
  }
}
