import { isDeepStrictEqual } from 'node:util'
import { MqError } from '../base/index.ts'
import { EntryBodyWriter, putGroup, putTopic, type Attributes, type GroupConfig, type TopicConfig } from '../message/index.ts'
import type { Proposal } from '../replica/index.ts'
import type { DataVersion, MetadataKind, Store } from '../store/index.ts'
import { changedAttributes, groupAttributeRules, topicAttributeRules, type AttributeChanges } from './attributes.ts'
import { Decision } from './decision.ts'
import { readRetryPolicy } from './retry-policy.ts'
import { createTopicCostBytes } from './topic.ts'

/** A topic as it is to be; its attributes as they are, with these changes. */
export interface TopicChange {
  readonly config: Omit<TopicConfig, 'attributes'>
  readonly attributeChanges?: AttributeChanges
}

export interface GroupChange {
  readonly config: Omit<GroupConfig, 'attributes'>
  readonly attributeChanges?: AttributeChanges
}

const SETTING_BYTES = 64
const MAX_QUEUES = 65_536

/**
 * Configuration of topics, groups and of the broker as administrators change it, or heartbeats make it: each request is
 * one entry, all of it or nothing. What changes nothing is not logged.
 */
export class ConfigChanges {
  readonly #store: Store
  readonly #submit: (proposal: Proposal) => void
  readonly #listeners: Array<(kind: MetadataKind, name: string) => void> = []

  constructor (store: Store, submit: (proposal: Proposal) => void) {
    this.#store = store
    this.#submit = submit
    store.metadata.onChange = (kind, name) => { for (const listener of this.#listeners) listener(kind, name) }
  }

  /** Told of each change as it is applied, within its entry; `store.metadata` has it already. The listener may not throw. */
  onChange (listener: (kind: MetadataKind, name: string) => void): void { this.#listeners.push(listener) }

  /** How often topics, or groups, have changed. */
  version (kind: MetadataKind): DataVersion { return this.#store.metadata.version(kind) }

  /** Makes or changes topics. @throws MQ_INVALID_ARGUMENT a value or an attribute; MQ_MESSAGE_TOO_LARGE they are too many for one entry */
  async putTopics (changes: readonly TopicChange[]): Promise<void> {
    const { metadata } = this.#store
    const configs = changes.map(({ config }) => ({ ...config, attributes: {} }))
    for (const config of configs) assertTopic(config)
    const costBytes = configs.reduce((sum, config) => sum + createTopicCostBytes(config), 0) + attributesBytes(changes) + changes.reduce((sum, { config: { topic } }) => sum + textsBytes(metadata.topic(topic)?.attributes), 0)
    await this.#decide(costBytes, false, (writer) => {
      const decided = changes.map(({ config, attributeChanges = {} }) => ({ ...config, attributes: changedAttributes(topicAttributeRules, metadata.proposedTopic(config.topic)?.attributes, attributeChanges) }))
      for (const config of decided) if (!isDeepStrictEqual(metadata.proposedTopic(config.topic), config)) metadata.putTopic(writer, config)
    })
  }

  /** Makes or changes consumer groups. @throws MQ_INVALID_ARGUMENT a value or an attribute; MQ_MESSAGE_TOO_LARGE they are too many for one entry */
  async putGroups (changes: readonly GroupChange[]): Promise<void> {
    const { metadata } = this.#store
    for (const { config } of changes) assertGroup({ ...config, attributes: {} })
    const costBytes = changes.reduce((sum, { config }) => sum + groupCostBytes({ ...config, attributes: metadata.group(config.group)?.attributes ?? {} }), attributesBytes(changes))
    await this.#decide(costBytes, false, (writer) => {
      const decided = changes.map(({ config, attributeChanges = {} }) => ({ ...config, attributes: changedAttributes(groupAttributeRules, metadata.proposedGroup(config.group)?.attributes, attributeChanges) }))
      for (const config of decided) if (!isDeepStrictEqual(metadata.proposedGroup(config.group), config)) metadata.putGroup(writer, config)
    })
  }

  /** A group that is seen for the first time, with the topic of its retries; what of them is there stays as it is. Resolves with whether anything was made. */
  async ensureGroup (group: GroupConfig, retryTopic: TopicConfig): Promise<boolean> {
    const { metadata } = this.#store
    assertGroup(group)
    assertTopic(retryTopic)
    return await this.#decide(groupCostBytes(group) + createTopicCostBytes(retryTopic), true, (writer) => {
      const makesGroup = metadata.proposedGroup(group.group) === undefined
      const makesTopic = metadata.proposedTopic(retryTopic.topic) === undefined
      if (makesGroup) metadata.putGroup(writer, group)
      if (makesTopic) metadata.putTopic(writer, retryTopic)
      return makesGroup || makesTopic
    })
  }

  /** A topic unless it is there. Resolves with whether it was made. */
  async ensureTopic (config: TopicConfig): Promise<boolean> {
    const { metadata } = this.#store
    assertTopic(config)
    return await this.#decide(createTopicCostBytes(config), false, (writer) => {
      if (metadata.proposedTopic(config.topic) !== undefined) return false
      metadata.putTopic(writer, config)
      return true
    })
  }

  /** Its locks end with it; messages that wait for its retry topic do not. @throws MQ_GROUP_NOT_FOUND */
  async deleteGroup (group: string, { removeOffsets }: { readonly removeOffsets: boolean }): Promise<void> {
    await this.#decide(EntryBodyWriter.commandCostBytes(SETTING_BYTES + 3 * group.length), true, (writer) => {
      if (this.#store.metadata.proposedGroup(group) === undefined) throw new MqError('MQ_GROUP_NOT_FOUND', `there is no group ${group}`)
      this.#store.deleteGroup(writer, group, { removeOffsets })
    })
  }

  /** Settings that hold for the whole group of brokers; an empty value removes one. Read them from `store.metadata.setting`. */
  async putSettings (settings: Readonly<Record<string, string>>): Promise<void> {
    const { metadata } = this.#store
    const entries = Object.entries(settings)
    const costBytes = entries.reduce((sum, [name, value]) => sum + EntryBodyWriter.commandCostBytes(SETTING_BYTES + 3 * (name.length + value.length)), 0)
    await this.#decide(costBytes, false, (writer) => {
      for (const [name, value] of entries) if ((metadata.proposedSetting(name) ?? '') !== value) metadata.putSetting(writer, name, value)
    })
  }

  async #decide<Result> (costBytes: number, relieves: boolean, decide: (writer: EntryBodyWriter) => Result): Promise<Result> {
    const decision = new Decision(costBytes, decide, { relieves })
    this.#submit(decision)
    return await decision.done
  }
}

/** What comes from outside must never be found wrong only while it is being logged. */
function assertTopic (config: TopicConfig): void {
  const { topic, readQueueNums, writeQueueNums } = config
  if (!putTopic.isValid(config)) throw new MqError('MQ_INVALID_ARGUMENT', `the configuration of topic ${String(topic).slice(0, 64)} holds a value of a wrong type or size`)
  for (const count of [readQueueNums, writeQueueNums]) if (count < 0 || count > MAX_QUEUES) throw new MqError('MQ_INVALID_ARGUMENT', `topic ${topic.slice(0, 64)} may have up to ${MAX_QUEUES} queues, not ${count}`)
}

function assertGroup (config: GroupConfig): void {
  if (!putGroup.isValid(config)) throw new MqError('MQ_INVALID_ARGUMENT', `the configuration of group ${String(config.group).slice(0, 64)} holds a value of a wrong type or size`)
  readRetryPolicy(config.groupRetryPolicy)
}

export function groupCostBytes ({ group, attributes, groupRetryPolicy }: GroupConfig): number {
  return EntryBodyWriter.commandCostBytes(128 + 3 * (group.length + groupRetryPolicy.length) + textsBytes(attributes))
}

function attributesBytes (changes: ReadonlyArray<{ readonly attributeChanges?: AttributeChanges }>): number {
  return changes.reduce((sum, { attributeChanges }) => sum + textsBytes(attributeChanges), 0)
}

function textsBytes (texts: Attributes = {}): number {
  return Object.entries(texts).flat().reduce((sum, text) => sum + 5 + 3 * text.length, 0)
}
