import { MqError } from '../base/index.ts'
import { clearResetOffset, commitConsumerOffset, deleteGroup, deleteTopic, setResetOffset, type EntryBodyWriter } from '../message/index.ts'
import { on, type KeyChange, type KeyValue, type Machine } from './machine.ts'
import { PendingValues } from './pending-values.ts'
import { defineValue } from './stored-value.ts'

/** Offsets of one group in one topic, by queueId. */
type TopicOffsets = Map<number, number>

const offsetsValue = defineValue<Array<{ queueId: number, offset: number }>>([{
  type: 'array',
  items: { type: 'record', name: 'QueueOffset', fields: [{ name: 'queueId', type: 'long' }, { name: 'offset', type: 'long' }] }
}])

/** Stands before the keys of resets. */
const RESET = '#reset@'

/** Offsets by group@topic and queueId, and which of those have changed since the last checkpoint. */
class OffsetTable {
  readonly prefix: string
  readonly groups = new Map<string, Map<string, TopicOffsets>>()
  readonly #changed = new Set<string>()

  constructor (prefix: string) {
    this.prefix = prefix
  }

  get (group: string, topic: string, queueId: number): number | undefined { return this.groups.get(group)?.get(topic)?.get(queueId) }

  set (group: string, topic: string, queueId: number, offset: number): void {
    this.#offsetsIn(group, topic).set(queueId, offset)
    this.#changed.add(keyOf(group, topic))
  }

  delete (group: string, topic: string, queueId: number): void {
    const topics = this.groups.get(group)
    const offsets = topics?.get(topic)
    if (offsets?.delete(queueId) !== true) return
    if (offsets.size === 0) this.#remove(group, topics!, topic)
    else this.#changed.add(keyOf(group, topic))
  }

  deleteTopic (topic: string): void {
    for (const [group, topics] of this.groups) this.#remove(group, topics, topic)
  }

  deleteGroup (group: string): void {
    const topics = this.groups.get(group)
    if (topics !== undefined) for (const topic of [...topics.keys()]) this.#remove(group, topics, topic)
  }

  freeze (into: KeyChange[]): void {
    for (const key of this.#changed) {
      const [group, topic] = namesIn(key)
      const offsets = this.groups.get(group)?.get(topic)
      into.push({ key: this.prefix + key, value: offsets === undefined ? undefined : encodeOffsets(offsets) })
    }
    this.#changed.clear()
  }

  load (key: string, value: Uint8Array): void {
    const [group, topic] = namesIn(key.slice(this.prefix.length))
    const offsets = this.#offsetsIn(group, topic)
    for (const { queueId, offset } of offsetsValue.decode(key, value)) offsets.set(queueId, offset)
  }

  * values (): Generator<KeyValue> {
    for (const [group, topics] of this.groups) {
      for (const [topic, offsets] of topics) yield { key: this.prefix + keyOf(group, topic), value: encodeOffsets(offsets) }
    }
  }

  clear (): void {
    this.groups.clear()
    this.#changed.clear()
  }

  #offsetsIn (group: string, topic: string): TopicOffsets {
    let topics = this.groups.get(group)
    if (topics === undefined) this.groups.set(group, topics = new Map())
    let offsets = topics.get(topic)
    if (offsets === undefined) topics.set(topic, offsets = new Map())
    return offsets
  }

  #remove (group: string, topics: Map<string, TopicOffsets>, topic: string): void {
    if (topics.delete(topic)) this.#changed.add(keyOf(group, topic))
    if (topics.size === 0) this.groups.delete(group)
  }
}

/**
 * The offset that a consumer group reads next, per group@topic and queue. A commit is obeyed as it comes, also a lower
 * one. Of several commits for one key in an entry only the last is written. A reset is an offset that an administrator
 * has set and the group's consumers do not know of yet.
 */
export class ConsumerOffsets implements Machine {
  readonly name = 'offset'
  readonly #offsets = new OffsetTable('')
  readonly #resets = new OffsetTable(RESET)
  /** Resets proposed and not applied; undefined: it is being cleared. */
  readonly #pendingResets = new PendingValues<number>()
  /** Commits in the entry being sealed, by group@topic@queueId; void when another entry has begun. */
  readonly #sealing = new Map<string, number>()
  #sealingGeneration = -1

  readonly handlers = [
    on(commitConsumerOffset, ({ group, topic, queueId, offset }) => { this.#offsets.set(group, topic, queueId, offset) }),
    on(setResetOffset, ({ group, topic, queueId, offset }) => {
      this.#pendingResets.settle(queueKeyOf(group, topic, queueId))
      this.#offsets.set(group, topic, queueId, offset)
      this.#resets.set(group, topic, queueId, offset)
    }),
    on(clearResetOffset, ({ group, topic, queueId }) => {
      this.#pendingResets.settle(queueKeyOf(group, topic, queueId))
      this.#resets.delete(group, topic, queueId)
    }),
    on(deleteTopic, ({ topic }) => { for (const table of this.#tables) table.deleteTopic(topic) }),
    on(deleteGroup, ({ group, removeOffsets }) => { if (removeOffsets) for (const table of this.#tables) table.deleteGroup(group) })
  ]

  /** The committed offset; undefined when the group has none in that queue. */
  offset (group: string, topic: string, queueId: number): number | undefined { return this.#offsets.get(group, topic, queueId) }

  /** Topics in which the group has offsets, with those by queueId. */
  offsetsOf (group: string): ReadonlyMap<string, ReadonlyMap<number, number>> { return this.#offsets.groups.get(group) ?? new Map() }

  groups (): IterableIterator<string> { return this.#offsets.groups.keys() }

  /** The reset that the group's consumers were not told of; undefined: there is none. As it will be once all that is proposed is applied. */
  proposedReset (group: string, topic: string, queueId: number): number | undefined {
    return this.#pendingResets.get(queueKeyOf(group, topic, queueId), this.#resets.get(group, topic, queueId))
  }

  static commitCostBytes (group: string, topic: string): number {
    return 10 + 1 + 2 * (5 + 10) + 3 * (group.length + topic.length)
  }

  /** For proposals: commits in the entry being sealed; one commit per key of an entry is written. */
  commit (writer: EntryBodyWriter, group: string, topic: string, queueId: number, offset: number): void {
    if (writer.generation !== this.#sealingGeneration) {
      this.#sealingGeneration = writer.generation
      this.#sealing.clear()
    }
    const key = queueKeyOf(group, topic, queueId)
    const payload = commitConsumerOffset.encode({ group, topic, queueId, offset })
    const ordinal = this.#sealing.get(key)
    if (ordinal !== undefined) writer.replaceCommand(ordinal, payload)
    else this.#sealing.set(key, writer.addCommand(commitConsumerOffset.type, payload))
  }

  /** For proposals: an administrator's move. Costs as much as a commit, like the next one. */
  reset (writer: EntryBodyWriter, group: string, topic: string, queueId: number, offset: number): void {
    const key = queueKeyOf(group, topic, queueId)
    this.#pendingResets.propose(key, offset)
    // a commit that follows in the same entry must stand after it
    this.#sealing.delete(key)
    writer.addCommand(setResetOffset.type, setResetOffset.encode({ group, topic, queueId, offset }))
  }

  /** For proposals: the consumers were told. */
  clearReset (writer: EntryBodyWriter, group: string, topic: string, queueId: number): void {
    this.#pendingResets.propose(queueKeyOf(group, topic, queueId), undefined)
    writer.addCommand(clearResetOffset.type, clearResetOffset.encode({ group, topic, queueId }))
  }

  // Commits that follow a deletion in the same entry must stand after it.
  proposeDeleteTopic (): void { this.#sealing.clear() }
  proposeDeleteGroup (): void { this.#sealing.clear() }

  resetOverlay (): void {
    this.#sealing.clear()
    this.#pendingResets.reset()
  }

  freeze (): KeyChange[] {
    const changes: KeyChange[] = []
    for (const table of this.#tables) table.freeze(changes)
    return changes
  }

  load (key: string, value: Uint8Array): void {
    (key.startsWith(RESET) ? this.#resets : this.#offsets).load(key, value)
  }

  * values (): Generator<KeyValue> {
    for (const table of this.#tables) yield * table.values()
  }

  clear (): void {
    for (const table of this.#tables) table.clear()
    this.resetOverlay()
  }

  get #tables (): readonly OffsetTable[] { return [this.#offsets, this.#resets] }
}

/** Neither name holds an '@'. */
function keyOf (group: string, topic: string): string { return `${group}@${topic}` }
function queueKeyOf (group: string, topic: string, queueId: number): string { return `${group}@${topic}@${queueId}` }

function namesIn (key: string): [group: string, topic: string] {
  const at = key.indexOf('@')
  if (at < 0) throw new MqError('MQ_CORRUPT', `state store: ${key} names no group and topic`, { key })
  return [key.slice(0, at), key.slice(at + 1)]
}

function encodeOffsets (offsets: TopicOffsets): Uint8Array {
  return offsetsValue.encode([...offsets].sort(([a], [b]) => a - b).map(([queueId, offset]) => ({ queueId, offset })))
}
