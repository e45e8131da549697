import { invariant, type MqError } from '../base/index.ts'
import type { Kv } from '../kv/index.ts'
import { deleteTopic, HIDDEN_TARGET, type BodyTarget, type EntryBody } from '../message/index.ts'
import { delayDeliver } from './delay-commands.ts'
import { halfCommit } from './half-commands.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import { on, type KeyChange, type KeyValue, type Machine } from './machine.ts'
import { searchOffset, type TimeBoundary } from './offset-search.ts'
import { HEADS_PER_VALUE, headsKey, headsValue, topicOfHeadsKey, type QueueHead } from './queue-heads.ts'
import { QueuePages } from './queue-pages.ts'
import { QueueTable } from './queue-table.ts'
import { defineValue } from './stored-value.ts'
import { UnitReader, type Units } from './unit-reader.ts'

const NEXT_NUMBER_KEY = '#'
const nextNumberValue = defineValue<number>(['long'])

export interface ConsumeQueuesOptions {
  readonly kv: Kv
  /** Bound of the cache of decoded pages. */
  readonly pageCacheBytes: number
  /** A stored page turned out damaged. */
  readonly onDamage: (error: MqError) => void
}

/**
 * The consume queues: for each topic and queueId, which messages it holds and where they stand in the log. Units come
 * from the directories of applied entries; a queue comes into being with its first unit.
 */
export class ConsumeQueues implements Machine {
  readonly name = 'queue'
  readonly pages: QueuePages
  readonly reader: UnitReader
  readonly table = new QueueTable()
  #nextNumber = 1
  #nextNumberChanged = false
  /**
   * Called after an entry was applied, once for each queue that it appended to, with the offset of the first new message;
   * the queue's `nextOffset` is the end. For who waits for messages.
   */
  onAppended: ((queue: ConsumeQueue, fromOffset: number) => void) | undefined
  #grown: Array<{ readonly queue: ConsumeQueue, readonly fromOffset: number }> = []

  readonly handlers = [
    on(deleteTopic, ({ topic }) => { this.#delete(topic) }),
    on(delayDeliver, ({ parts }, { recordPosition, storeTimestampMs }) => {
      for (const { units, ...target } of parts) {
        const queue = this.targetQueue(target, recordPosition)
        for (const { physicalOffset, sizeBytes, tagsCode } of units) queue.push(physicalOffset, sizeBytes, tagsCode, storeTimestampMs)
        this.pages.unpersistedUnits += units.length
      }
    }),
    on(halfCommit, ({ targets, halves }, { recordPosition, storeTimestampMs }) => {
      const queues = targets.map((target) => this.targetQueue(target, recordPosition))
      for (const { target, physicalOffset, sizeBytes, tagsCode } of halves) queues[target]!.push(physicalOffset, sizeBytes, tagsCode, storeTimestampMs)
      this.pages.unpersistedUnits += halves.length
    })
  ]

  constructor ({ kv, pageCacheBytes, onDamage }: ConsumeQueuesOptions) {
    this.reader = new UnitReader({ kv, cacheBytes: pageCacheBytes, onDamage })
    this.pages = new QueuePages(kv, this.reader)
  }

  /** The queue as applied; undefined when it never had a message. */
  find (topic: string, queueId: number): ConsumeQueue | undefined { return this.table.find(topic, queueId) }
  /** The leader's handle for sealing, whether the queue exists or not. Ask for it anew in every decision. */
  proposed (topic: string, queueId: number): ConsumeQueue { return this.table.proposed(topic, queueId) }
  queuesOf (topic: string): ConsumeQueue[] { return this.table.createdOf(topic) }
  all (): Iterable<ConsumeQueue> { return this.table.created() }

  unitsNow (queue: ConsumeQueue, offset: number, maxUnits: number): Units | undefined { return this.reader.unitsNow(queue, offset, maxUnits) }
  async units (queue: ConsumeQueue, offset: number, maxUnits: number): Promise<Units> { return await this.reader.units(queue, offset, maxUnits) }
  async searchOffset (queue: ConsumeQueue, timeMs: number, boundary?: TimeBoundary): Promise<number> { return await searchOffset(this.reader, queue, timeMs, boundary) }

  /** For proposals: only this machine's part, see Store.deleteTopic. */
  proposeDeleteTopic (topic: string): void { this.table.proposeDelete(topic) }

  /** Starts on an entry's directory; `apply` it piece by piece, between the entry's commands. */
  directory (body: EntryBody, recordsPosition: number, stampMs: number): DirectoryCursor {
    return new DirectoryCursor(this, body, recordsPosition, stampMs)
  }

  /** The queue that a directory's target names, as of now; it is made on its first message. */
  targetQueue ({ topic, queueId, firstQueueOffset }: BodyTarget, position: number): ConsumeQueue {
    const queue = this.table.applied(topic, queueId)
    if (!queue.isCreated) {
      queue.number = this.#nextNumber++
      queue.createdPosition = position
      this.#nextNumberChanged = true
    }
    invariant(firstQueueOffset === queue.nextOffset, `${topic}/${queueId} is at offset ${queue.nextOffset}, an entry gives ${firstQueueOffset}`)
    this.pages.markAppended(queue)
    if (this.onAppended !== undefined) this.#grown.push({ queue, fromOffset: queue.nextOffset })
    return queue
  }

  /** An entry was applied: tells who waits for messages. */
  tellAppended (): void {
    const grown = this.#grown
    if (grown.length === 0) return
    this.#grown = []
    for (const { queue, fromOffset } of grown) this.onAppended?.(queue, fromOffset)
  }

  /** Moves minOffset of all queues up to the floor; returns whether any moved. Costs a read per queue whose first unit is below it. */
  async settle (floorPosition: number): Promise<boolean> {
    let moved = false
    for (const queue of [...this.table.created()]) {
      if (queue.minPosition < floorPosition && await this.pages.raiseMinOffset(queue, floorPosition)) moved = true
    }
    return moved
  }

  resetOverlay (): void { this.table.resetOverlay() }

  freeze (): KeyChange[] {
    const changes: KeyChange[] = []
    if (this.#nextNumberChanged) {
      changes.push({ key: NEXT_NUMBER_KEY, value: nextNumberValue.encode(this.#nextNumber) })
      this.#nextNumberChanged = false
    }
    const groups = new Map<string, { readonly topic: string, readonly queueId: number }>()
    for (const queue of this.pages.takeDirty()) groups.set(headsKey(queue.topic, queue.queueId), queue)
    for (const [key, { topic, queueId }] of groups) {
      const heads = this.#headsOf(topic, queueId)
      changes.push({ key, value: heads.length === 0 ? undefined : headsValue.encode(heads) })
    }
    return changes
  }

  load (key: string, value: Uint8Array): void {
    if (key === NEXT_NUMBER_KEY) {
      this.#nextNumber = nextNumberValue.decode(key, value)
      return
    }
    const topic = topicOfHeadsKey(key)
    for (const head of headsValue.decode(key, value)) {
      const queue = this.table.applied(topic, head.queueId)
      queue.number = head.number
      queue.createdPosition = head.createdPosition
      queue.nextOffset = queue.persistedTo = head.nextOffset
      queue.minOffset = head.minOffset
      queue.minPosition = head.minPosition < 0 ? Infinity : head.minPosition
      queue.maxPosition = head.maxPosition
      queue.lastStampMs = head.lastStampMs
      queue.deltas = head.deltas.length === 0 ? undefined : head.deltas
    }
  }

  /** All values as `freeze` writes them when everything changed. */
  * heads (): Generator<KeyValue> {
    yield { key: NEXT_NUMBER_KEY, value: nextNumberValue.encode(this.#nextNumber) }
    const keys = new Set<string>()
    for (const { topic, queueId } of this.table.created()) {
      const key = headsKey(topic, queueId)
      if (keys.has(key)) continue
      keys.add(key)
      yield { key, value: headsValue.encode(this.#headsOf(topic, queueId)) }
    }
  }

  /** Without what replicas may be at different points with: how far minOffset has followed the floor, and how units are stored. */
  * values (): Generator<KeyValue> {
    yield { key: NEXT_NUMBER_KEY, value: nextNumberValue.encode(this.#nextNumber) }
    for (const queue of this.table.created()) {
      const head = { ...headOf(queue), minOffset: 0, minPosition: -1, deltas: [] }
      yield { key: `${queue.topic}/${queue.queueId}`, value: headsValue.encode([head]) }
    }
  }

  clear (): void {
    this.#grown = []
    this.table.clear()
    this.pages.clear()
    this.reader.cache.clear()
    this.#nextNumber = 1
    this.#nextNumberChanged = false
  }

  #delete (topic: string): void {
    for (const queue of this.table.delete(topic)) this.pages.remove(queue)
  }

  #headsOf (topic: string, queueId: number): QueueHead[] {
    const first = queueId - queueId % HEADS_PER_VALUE
    const heads: QueueHead[] = []
    for (let id = first; id < first + HEADS_PER_VALUE; id++) {
      const queue = this.table.find(topic, id)
      if (queue !== undefined) heads.push(headOf(queue))
    }
    return heads
  }
}

function headOf (queue: ConsumeQueue): QueueHead {
  const { queueId, number, createdPosition, nextOffset, minOffset, minPosition, maxPosition, lastStampMs, deltas = [] } = queue
  return { queueId, number, createdPosition, nextOffset, minOffset, minPosition: minPosition === Infinity ? -1 : minPosition, maxPosition, lastStampMs, deltas }
}

/** Applies an entry's directory: a unit for each record, in order. */
export class DirectoryCursor {
  readonly #queues: ConsumeQueues
  readonly #body: EntryBody
  readonly #stampMs: number
  readonly #targets: Array<ConsumeQueue | undefined>
  #position: number
  #next = 0

  constructor (queues: ConsumeQueues, body: EntryBody, recordsPosition: number, stampMs: number) {
    this.#queues = queues
    this.#body = body
    this.#position = recordsPosition
    this.#stampMs = stampMs
    this.#targets = new Array<ConsumeQueue | undefined>(body.targets.length).fill(undefined)
  }

  /** Where the next record begins. */
  get position (): number { return this.#position }

  /** Applies the records up to, not including, the one numbered `to`. */
  apply (to: number): void {
    const body = this.#body
    const targets = this.#targets
    const stampMs = this.#stampMs
    let position = this.#position
    for (let i = this.#next; i < to; i++) {
      const target = body.targetOf(i)
      if (target === HIDDEN_TARGET) {
        position += body.sizeOf(i)
        continue
      }
      const queue = targets[target] ?? (targets[target] = this.#queues.targetQueue(body.targets[target]!, position))
      const sizeBytes = body.sizeOf(i)
      queue.push(position, sizeBytes, body.tagsCodeOf(i), stampMs)
      position += sizeBytes
    }
    this.#position = position
    this.#next = to
  }

  finish (): void {
    this.#queues.pages.unpersistedUnits += this.#next
  }
}
