import { deleteGroup, deleteTopic, groupConfigSchemas, putGroup, putSetting, putTopic, topicConfigSchema, type EntryBodyWriter, type GroupConfig, type TopicConfig } from '../message/index.ts'
import { on, type ApplyContext, type KeyChange, type KeyValue, type Machine } from './machine.ts'
import { PendingValues } from './pending-values.ts'
import { defineValue, type ValueType } from './stored-value.ts'

/** Counts the changes of topics, or of groups, and tells when the last one was made. @see RocketMQ DataVersion */
export interface DataVersion {
  readonly counter: number
  readonly timestampMs: number
}

const NO_VERSION: DataVersion = { counter: 0, timestampMs: 0 }

const topicValue = defineValue<TopicConfig>([topicConfigSchema])
const groupValue = defineValue<GroupConfig>(groupConfigSchemas)
const settingValue = defineValue<string>(['string'])
const versionValue = defineValue<DataVersion>([{ type: 'record', name: 'DataVersion', fields: [{ name: 'counter', type: 'long' }, { name: 'timestampMs', type: 'long' }] }])

export type MetadataKind = 'topic' | 'group' | 'setting'

/** Values of one kind by name, with their overlay and what changed since the last checkpoint. */
class Catalogue<V> {
  readonly prefix: string
  readonly applied = new Map<string, V>()
  readonly pending = new PendingValues<V>()
  readonly #type: ValueType<V>
  readonly #changed = new Set<string>()

  constructor (prefix: string, type: ValueType<V>) {
    this.prefix = prefix
    this.#type = type
  }

  /** As it will be once all that is proposed is applied. */
  proposed (name: string): V | undefined { return this.pending.get(name, this.applied.get(name)) }

  apply (name: string, value: V | undefined): void {
    this.pending.settle(name)
    if (value === undefined) this.applied.delete(name)
    else this.applied.set(name, value)
    this.#changed.add(name)
  }

  freeze (into: KeyChange[]): void {
    for (const name of this.#changed) {
      const value = this.applied.get(name)
      into.push({ key: this.prefix + name, value: value === undefined ? undefined : this.#type.encode(value) })
    }
    this.#changed.clear()
  }

  load (name: string, value: Uint8Array): void { this.applied.set(name, this.#type.decode(this.prefix + name, value)) }

  * values (): Generator<KeyValue> {
    for (const [name, value] of this.applied) yield { key: this.prefix + name, value: this.#type.encode(value) }
  }

  clear (): void {
    this.applied.clear()
    this.#changed.clear()
    this.pending.reset()
  }
}

/** Topics, consumer groups and the settings of the raft group. Names hold no checks here: who proposes has made them. */
export class Metadata implements Machine {
  readonly name = 'meta'
  readonly #topics = new Catalogue<TopicConfig>('topic/', topicValue)
  readonly #groups = new Catalogue<GroupConfig>('group/', groupValue)
  readonly #settings = new Catalogue<string>('setting/', settingValue)
  readonly #versions = new Catalogue<DataVersion>('version/', versionValue)
  /** Told of each change, right after it was applied, within its entry. */
  onChange: ((kind: MetadataKind, name: string) => void) | undefined

  readonly handlers = [
    on(putTopic, (config, context) => { this.#change('topic', this.#topics, config.topic, sortedAttributes(config), context) }),
    on(deleteTopic, ({ topic }, context) => { this.#change('topic', this.#topics, topic, undefined, context) }),
    on(putGroup, (config, context) => { this.#change('group', this.#groups, config.group, sortedAttributes(config), context) }),
    on(deleteGroup, ({ group }, context) => { this.#change('group', this.#groups, group, undefined, context) }),
    on(putSetting, ({ name, value }, context) => { this.#change('setting', this.#settings, name, value === '' ? undefined : value, context) })
  ]

  #change<V> (kind: MetadataKind, catalogue: Catalogue<V>, name: string, value: V | undefined, { storeTimestampMs }: ApplyContext): void {
    catalogue.apply(name, value)
    this.#versions.apply(kind, { counter: this.version(kind).counter + 1, timestampMs: storeTimestampMs })
    this.onChange?.(kind, name)
  }

  version (kind: MetadataKind): DataVersion { return this.#versions.applied.get(kind) ?? NO_VERSION }

  topic (topic: string): TopicConfig | undefined { return this.#topics.applied.get(topic) }
  group (group: string): GroupConfig | undefined { return this.#groups.applied.get(group) }
  setting (name: string): string | undefined { return this.#settings.applied.get(name) }
  settings (): Iterable<readonly [name: string, value: string]> { return this.#settings.applied }
  topics (): IterableIterator<TopicConfig> { return this.#topics.applied.values() }
  groups (): IterableIterator<GroupConfig> { return this.#groups.applied.values() }
  get topicCount (): number { return this.#topics.applied.size }
  get groupCount (): number { return this.#groups.applied.size }

  // What follows is for proposals: the state as it will be, and changes written into the entry being sealed.

  proposedTopic (topic: string): TopicConfig | undefined { return this.#topics.proposed(topic) }
  proposedGroup (group: string): GroupConfig | undefined { return this.#groups.proposed(group) }
  proposedSetting (name: string): string | undefined { return this.#settings.proposed(name) }

  putTopic (writer: EntryBodyWriter, config: TopicConfig): void {
    this.#topics.pending.propose(config.topic, config)
    writer.addCommand(putTopic.type, putTopic.encode(config))
  }

  putGroup (writer: EntryBodyWriter, config: GroupConfig): void {
    this.#groups.pending.propose(config.group, config)
    writer.addCommand(putGroup.type, putGroup.encode(config))
  }

  putSetting (writer: EntryBodyWriter, name: string, value: string): void {
    this.#settings.pending.propose(name, value === '' ? undefined : value)
    writer.addCommand(putSetting.type, putSetting.encode({ name, value }))
  }

  /** Only this machine's part of a deletion: see Store.deleteTopic and deleteGroup, which write the command. */
  proposeDeleteTopic (topic: string): void { this.#topics.pending.propose(topic, undefined) }
  proposeDeleteGroup (group: string): void { this.#groups.pending.propose(group, undefined) }

  resetOverlay (): void {
    for (const catalogue of this.#all) catalogue.pending.reset()
  }

  freeze (): KeyChange[] {
    const changes: KeyChange[] = []
    for (const catalogue of this.#all) catalogue.freeze(changes)
    return changes
  }

  load (key: string, value: Uint8Array): void {
    const catalogue = this.#all.find(({ prefix }) => key.startsWith(prefix))
    catalogue?.load(key.slice(catalogue.prefix.length), value)
  }

  * values (): Generator<KeyValue> {
    for (const catalogue of this.#all) yield * catalogue.values()
  }

  clear (): void {
    for (const catalogue of this.#all) catalogue.clear()
  }

  get #all (): ReadonlyArray<Catalogue<any>> { return [this.#topics, this.#groups, this.#settings, this.#versions] }
}

/** Equal attributes give equal bytes, whatever order they came in. */
function sortedAttributes<C extends { readonly attributes: Readonly<Record<string, string>> }> (config: C): C {
  const names = Object.keys(config.attributes).sort()
  return { ...config, attributes: Object.fromEntries(names.map((name) => [name, config.attributes[name]!])) }
}
