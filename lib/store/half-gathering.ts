import type { EntryBodyWriter } from '../message/index.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import { EntryNames } from './entry-names.ts'
import { halfBytes, halfCommit, halfPrepare, type CommittedHalf, type HalfCommit, type PreparedHalf } from './half-commands.ts'

type Writable<Value> = { -readonly [Name in keyof Value]: Value[Name] }

/** Gathers the half messages that an entry stores. */
export class Prepares {
  #generation = -1
  #firstHalfOffset = 0
  #names = new EntryNames()
  #halves: PreparedHalf[] = []

  /** Within a decision; takes `half` over, whose names get their numbers. Returns whether this has added a command. */
  add (writer: EntryBodyWriter, halfOffset: number, half: Writable<PreparedHalf>, topic: string, producerGroup: string): boolean {
    const isFirst = this.#generation !== writer.generation
    if (isFirst) {
      this.#generation = writer.generation
      this.#firstHalfOffset = halfOffset
      const names = this.#names = new EntryNames()
      const halves = this.#halves = [] as PreparedHalf[]
      writer.addGrowing(halfPrepare.type, () => halfPrepare.encode({ firstHalfOffset: this.#firstHalfOffset, names: names.names, halves }))
      writer.grow(halfBytes.command)
    }
    half.topic = this.#names.numberOf(writer, topic)
    half.producerGroup = this.#names.numberOf(writer, producerGroup)
    this.#halves.push(half)
    writer.grow(halfBytes.prepared)
    return isFirst
  }
}

/** Gathers half messages that an entry commits one after the other, while nothing else happens that has an order with these. */
export class Commits {
  #generation = -1
  #commandCount = 0
  #visibleCount = 0
  #targets = new Map<ConsumeQueue, number>()
  #heads: Array<HalfCommit['targets'][number]> = []
  #halves: CommittedHalf[] = []

  /** Within a decision: the half message is the next one of the queue, there. */
  add (writer: EntryBodyWriter, { halfOffset, physicalOffset, sizeBytes, tagsCode }: Omit<CommittedHalf, 'target'>, queue: ConsumeQueue, queueOffset: number): void {
    if (this.#generation !== writer.generation || this.#commandCount !== writer.commandCount || this.#visibleCount !== writer.visibleCount) this.#begin(writer)
    let target = this.#targets.get(queue)
    if (target === undefined) {
      target = this.#targets.size
      this.#targets.set(queue, target)
      this.#heads.push({ topic: queue.topic, queueId: queue.queueId, firstQueueOffset: queueOffset })
      writer.grow(halfBytes.target + 3 * queue.topic.length)
    }
    this.#halves.push({ halfOffset, target, physicalOffset, sizeBytes, tagsCode })
    writer.grow(halfBytes.committed)
  }

  /** A command was added to the entry that has no order with these. */
  noteOther (writer: EntryBodyWriter): void {
    if (this.#generation === writer.generation && this.#commandCount === writer.commandCount - 1) this.#commandCount++
  }

  #begin (writer: EntryBodyWriter): void {
    this.#generation = writer.generation
    this.#visibleCount = writer.visibleCount
    this.#targets = new Map()
    const targets = this.#heads = [] as Array<HalfCommit['targets'][number]>
    const halves = this.#halves = [] as CommittedHalf[]
    writer.addGrowing(halfCommit.type, () => halfCommit.encode({ targets, halves }))
    writer.grow(halfBytes.command)
    this.#commandCount = writer.commandCount
  }
}
