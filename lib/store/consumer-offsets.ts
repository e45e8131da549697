import { MqError } from '../base/index.ts'
import { commitConsumerOffset, deleteGroup, deleteTopic, type EntryBodyWriter } from '../message/index.ts'
import { on, type KeyChange, type KeyValue, type Machine } from './machine.ts'
import { defineValue } from './stored-value.ts'

/** Offsets of one group in one topic, by queueId. */
type TopicOffsets = Map<number, number>

const offsetsValue = defineValue<Array<{ queueId: number, offset: number }>>([{
  type: 'array',
  items: { type: 'record', name: 'QueueOffset', fields: [{ name: 'queueId', type: 'long' }, { name: 'offset', type: 'long' }] }
}])

/**
 * The offset that a consumer group reads next, per group@topic and queue. A commit is obeyed as it comes, also a lower
 * one. Of several commits for one key in an entry only the last is written.
 */
export class ConsumerOffsets implements Machine {
  readonly name = 'offset'
  readonly #groups = new Map<string, Map<string, TopicOffsets>>()
  readonly #changed = new Set<string>()
  /** Commits in the entry being sealed, by group@topic@queueId; void when another entry has begun. */
  readonly #sealing = new Map<string, number>()
  #sealingGeneration = -1

  readonly handlers = [
    on(commitConsumerOffset, ({ group, topic, queueId, offset }) => {
      topicOffsetsIn(this.#groups, group, topic).set(queueId, offset)
      this.#changed.add(keyOf(group, topic))
    }),
    on(deleteTopic, ({ topic }) => {
      for (const [group, topics] of this.#groups) this.#remove(group, topics, topic)
    }),
    on(deleteGroup, ({ group, removeOffsets }) => {
      const topics = this.#groups.get(group)
      if (removeOffsets && topics !== undefined) for (const topic of [...topics.keys()]) this.#remove(group, topics, topic)
    })
  ]

  /** The committed offset; undefined when the group has none in that queue. */
  offset (group: string, topic: string, queueId: number): number | undefined {
    return this.#groups.get(group)?.get(topic)?.get(queueId)
  }

  /** Topics in which the group has offsets, with those by queueId. */
  offsetsOf (group: string): ReadonlyMap<string, ReadonlyMap<number, number>> { return this.#groups.get(group) ?? new Map() }

  groups (): IterableIterator<string> { return this.#groups.keys() }

  static commitCostBytes (group: string, topic: string): number {
    return 10 + 1 + 2 * (5 + 10) + 3 * (group.length + topic.length)
  }

  /** For proposals: commits in the entry being sealed; one commit per key of an entry is written. */
  commit (writer: EntryBodyWriter, group: string, topic: string, queueId: number, offset: number): void {
    if (writer.generation !== this.#sealingGeneration) {
      this.#sealingGeneration = writer.generation
      this.#sealing.clear()
    }
    const key = `${keyOf(group, topic)}@${queueId}`
    const payload = commitConsumerOffset.encode({ group, topic, queueId, offset })
    const ordinal = this.#sealing.get(key)
    if (ordinal !== undefined) writer.replaceCommand(ordinal, payload)
    else this.#sealing.set(key, writer.addCommand(commitConsumerOffset.type, payload))
  }

  // Commits that follow a deletion in the same entry must stand after it.
  proposeDeleteTopic (): void { this.#sealing.clear() }
  proposeDeleteGroup (): void { this.#sealing.clear() }

  resetOverlay (): void { this.#sealing.clear() }

  freeze (): KeyChange[] {
    const changes: KeyChange[] = []
    for (const key of this.#changed) {
      const [group, topic] = namesIn(key)
      const offsets = this.#groups.get(group)?.get(topic)
      changes.push({ key, value: offsets === undefined ? undefined : encodeOffsets(offsets) })
    }
    this.#changed.clear()
    return changes
  }

  load (key: string, value: Uint8Array): void {
    const [group, topic] = namesIn(key)
    const offsets = topicOffsetsIn(this.#groups, group, topic)
    for (const { queueId, offset } of offsetsValue.decode(key, value)) offsets.set(queueId, offset)
  }

  * values (): Generator<KeyValue> {
    for (const [group, topics] of this.#groups) {
      for (const [topic, offsets] of topics) yield { key: keyOf(group, topic), value: encodeOffsets(offsets) }
    }
  }

  clear (): void {
    this.#groups.clear()
    this.#changed.clear()
    this.#sealing.clear()
  }

  #remove (group: string, topics: Map<string, TopicOffsets>, topic: string): void {
    if (topics.delete(topic)) this.#changed.add(keyOf(group, topic))
    if (topics.size === 0) this.#groups.delete(group)
  }
}

/** Neither name holds an '@'. */
function keyOf (group: string, topic: string): string { return `${group}@${topic}` }

function namesIn (key: string): [group: string, topic: string] {
  const at = key.indexOf('@')
  if (at < 0) throw new MqError('MQ_CORRUPT', `state store: ${key} names no group and topic`, { key })
  return [key.slice(0, at), key.slice(at + 1)]
}

function topicOffsetsIn (groups: Map<string, Map<string, TopicOffsets>>, group: string, topic: string): TopicOffsets {
  let topics = groups.get(group)
  if (topics === undefined) groups.set(group, topics = new Map())
  let offsets = topics.get(topic)
  if (offsets === undefined) topics.set(topic, offsets = new Map())
  return offsets
}

function encodeOffsets (offsets: TopicOffsets): Uint8Array {
  return offsetsValue.encode([...offsets].sort(([a], [b]) => a - b).map(([queueId, offset]) => ({ queueId, offset })))
}
