import { deleteGroup, deleteTopic, groupConfigSchema, putGroup, putSetting, putTopic, topicConfigSchema, type EntryBodyWriter, type GroupConfig, type TopicConfig } from '../message/index.ts'
import { on, type KeyChange, type KeyValue, type Machine } from './machine.ts'
import { PendingValues } from './pending-values.ts'
import { defineValue, type ValueType } from './stored-value.ts'

const settingSchema = 'string'

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
  readonly #topics = new Catalogue<TopicConfig>('topic/', defineValue([topicConfigSchema]))
  readonly #groups = new Catalogue<GroupConfig>('group/', defineValue([groupConfigSchema]))
  readonly #settings = new Catalogue<string>('setting/', defineValue([settingSchema]))

  readonly handlers = [
    on(putTopic, (config) => { this.#topics.apply(config.topic, sortedAttributes(config)) }),
    on(deleteTopic, ({ topic }) => { this.#topics.apply(topic, undefined) }),
    on(putGroup, (config) => { this.#groups.apply(config.group, sortedAttributes(config)) }),
    on(deleteGroup, ({ group }) => { this.#groups.apply(group, undefined) }),
    on(putSetting, ({ name, value }) => { this.#settings.apply(name, value === '' ? undefined : value) })
  ]

  topic (topic: string): TopicConfig | undefined { return this.#topics.applied.get(topic) }
  group (group: string): GroupConfig | undefined { return this.#groups.applied.get(group) }
  setting (name: string): string | undefined { return this.#settings.applied.get(name) }
  topics (): IterableIterator<TopicConfig> { return this.#topics.applied.values() }
  groups (): IterableIterator<GroupConfig> { return this.#groups.applied.values() }

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

  get #all (): ReadonlyArray<Catalogue<any>> { return [this.#topics, this.#groups, this.#settings] }
}

/** Equal attributes give equal bytes, whatever order they came in. */
function sortedAttributes<C extends { readonly attributes: Readonly<Record<string, string>> }> (config: C): C {
  const names = Object.keys(config.attributes).sort()
  return { ...config, attributes: Object.fromEntries(names.map((name) => [name, config.attributes[name]!])) }
}
