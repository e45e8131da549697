import { invariant } from '../base/index.ts'
import { deleteTopic, HIDDEN_TARGET, type EntryBody } from '../message/index.ts'
import { delayDeliver, type DelayDeliver } from './delay-commands.ts'
import { halfCommit, type HalfCommit } from './half-commands.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import type { ConsumeQueues } from './consume-queues.ts'

interface Expected {
  readonly nextOffset: number
  readonly lastStampMs: number
  readonly maxPosition: number
}

/**
 * Finds the units of all queues again, from the log's head to the entry of a base dump: the dump says which queues
 * there were and how far they went, the directories of the entries say where the messages stand. Units below the log's
 * head are gone, as they should be.
 */
export class QueueRescan {
  readonly #queues: ConsumeQueues
  readonly #expected = new Map<ConsumeQueue, Expected>()
  readonly #begun = new Set<ConsumeQueue>()
  #stampMs: number

  /** `queues` is as loaded from the base dump; `stampMs` is time as it was at the log's head. */
  constructor (queues: ConsumeQueues, stampMs: number) {
    this.#queues = queues
    this.#stampMs = stampMs
    for (const queue of queues.all()) {
      this.#expected.set(queue, { nextOffset: queue.nextOffset, lastStampMs: queue.lastStampMs, maxPosition: queue.maxPosition })
      queue.deltas = undefined
      queue.lastStampMs = 0
    }
  }

  /** Time passes with every entry, whether it has a body or not. */
  advanceTime (stampMs: number): void {
    if (stampMs > this.#stampMs) this.#stampMs = stampMs
  }

  /** The next entry's directory, and what its commands deliver. */
  add (body: EntryBody, recordsPosition: number): void {
    const { targets, messageCount } = body
    const queues = targets.map(({ topic, queueId }) => this.#queues.find(topic, queueId))
    const next = targets.map(({ firstQueueOffset }) => firstQueueOffset)
    let position = recordsPosition
    let message = 0
    const addRecords = (to: number): void => {
      for (; message < to; message++) {
        const target = body.targetOf(message)
        const sizeBytes = body.sizeOf(message)
        if (target !== HIDDEN_TARGET) this.#addUnit(queues[target], next[target]!++, position, position, sizeBytes, body.tagsCodeOf(message))
        position += sizeBytes
      }
    }
    for (const { recordsBefore, type, payload } of body.commands) {
      if (type === delayDeliver.type) {
        addRecords(recordsBefore)
        this.#addDelivered(delayDeliver.decode(payload), position)
      } else if (type === halfCommit.type) {
        addRecords(recordsBefore)
        this.#addCommitted(halfCommit.decode(payload), position)
      } else if (type === deleteTopic.type) {
        addRecords(recordsBefore)
        this.#forget(deleteTopic.decode(payload).topic)
      }
    }
    addRecords(messageCount)
    this.#queues.pages.unpersistedUnits += messageCount
  }

  #addDelivered ({ parts }: DelayDeliver, position: number): void {
    for (const { topic, queueId, firstQueueOffset, units } of parts) {
      const queue = this.#queues.find(topic, queueId)
      units.forEach(({ physicalOffset, sizeBytes, tagsCode }, i) => { this.#addUnit(queue, firstQueueOffset + i, position, physicalOffset, sizeBytes, tagsCode) })
      this.#queues.pages.unpersistedUnits += units.length
    }
  }

  #addCommitted ({ targets, halves }: HalfCommit, position: number): void {
    const queues = targets.map(({ topic, queueId }) => this.#queues.find(topic, queueId))
    const next = targets.map(({ firstQueueOffset }) => firstQueueOffset)
    for (const { target, physicalOffset, sizeBytes, tagsCode } of halves) this.#addUnit(queues[target], next[target]!++, position, physicalOffset, sizeBytes, tagsCode)
    this.#queues.pages.unpersistedUnits += halves.length
  }

  /** `at` is where in the log the queue got it. What is from before the queue's creation was of a topic of the same name that was deleted. */
  #addUnit (queue: ConsumeQueue | undefined, offset: number, at: number, physicalOffset: number, sizeBytes: number, tagsCode: number): void {
    if (queue !== undefined && at >= queue.createdPosition) this.#push(queue, offset, physicalOffset, sizeBytes, tagsCode)
  }

  /** Deliveries take no room in the log: some from just before a deletion may stand where the new queue begins. */
  #forget (topic: string): void {
    for (const queue of this.#queues.queuesOf(topic)) {
      if (!this.#begun.delete(queue)) continue
      queue.forgetPages(queue.pages.length)
    }
  }

  #push (queue: ConsumeQueue, offset: number, position: number, sizeBytes: number, tagsCode: number): void {
    if (!this.#begun.has(queue)) {
      this.#begun.add(queue)
      queue.minOffset = queue.nextOffset = queue.persistedTo = offset
      queue.minPosition = Infinity
    }
    invariant(offset === queue.nextOffset, `${queue.topic}/${queue.queueId}: the log goes on at offset ${offset} after ${queue.nextOffset}`)
    this.#queues.pages.markAppended(queue)
    queue.push(position, sizeBytes, tagsCode, this.#stampMs)
  }

  /**
   * The entry of the base dump was the last one: every queue must have come to where the dump says it was. Of what lies below
   * the floor, which is removed, the log's head need not tell the time.
   */
  finish (floorPosition: number): void {
    for (const [queue, { nextOffset, lastStampMs, maxPosition }] of this.#expected) {
      if (this.#begun.has(queue)) {
        invariant(queue.nextOffset === nextOffset && (queue.lastStampMs === lastStampMs || maxPosition < floorPosition), `${queue.topic}/${queue.queueId}: the log leads to offset ${queue.nextOffset}, the base dump says ${nextOffset}`)
      } else {
        queue.minOffset = queue.persistedTo = nextOffset
        queue.minPosition = Infinity
        this.#queues.pages.markChanged(queue)
      }
      queue.lastStampMs = lastStampMs
      queue.maxPosition = maxPosition
    }
  }
}
