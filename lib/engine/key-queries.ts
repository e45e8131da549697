import { MqError, within, type Clock } from '../base/index.ts'
import type { KeyIndex } from '../key-index/index.ts'
import { decodeProperties, MAX_PROPERTIES_BYTES, type RecordView } from '../message/index.ts'
import type { QueueReads, ViewedMessage } from './queue-reads.ts'

/** Messages looked at for one query: more of them only share a hash with the key, or are not to be seen. */
const MAX_LOOKED_AT = 1024
/** Who asks waits so long for an index that is being made anew, and for an answer. */
const MAX_WAIT_MS = 10_000

export interface KeyQuery {
  readonly topic: string
  readonly key: string
  /** Only UNIQ_KEY is looked at, else the words of KEYS too. */
  readonly isUnique: boolean
  /** When the message was stored, or delivered; both included. */
  readonly fromMs: number
  readonly toMs: number
  readonly maxMessages: number
  /** Of all together; the first one counts as fitting. */
  readonly maxBytes: number
}

export interface KeyQueriesOptions {
  readonly clock: Clock
  readonly index: KeyIndex
  readonly reads: Pick<QueueReads, 'viewMessage' | 'units'>
}

/** Finds messages by key, on any node, in what is applied there. */
export class KeyQueries {
  readonly #options: KeyQueriesOptions

  constructor (options: KeyQueriesOptions) {
    this.#options = options
  }

  /** How far the index reaches. */
  get end (): KeyIndex['end'] { return this.#options.index.end }

  /**
   * The latest messages of a topic with that key, in the order they stand in the log. What is not to be seen is not found: not yet
   * delivered, removed, of a topic that was deleted.
   * @throws MQ_UNAVAILABLE the index is being made anew, and that takes long, or is not possible now
   */
  async find ({ topic, key, isUnique, fromMs, toMs, maxMessages, maxBytes }: KeyQuery): Promise<ViewedMessage[]> {
    const { clock, index } = this.#options
    if (maxMessages <= 0 || key.length > MAX_PROPERTIES_BYTES) return []
    await this.#untilWhole()
    const found: Array<{ readonly position: number, readonly message: ViewedMessage }> = []
    const deadlineMs = clock.nowMs() + MAX_WAIT_MS
    let bytes = 0
    let lookedAt = 0
    for await (const position of index.find(topic, key, { fromMs, toMs })) {
      const message = await this.#visible(position, topic)
      if (message !== undefined && isIn(message.record.storeTimestampMs, fromMs, toMs) && hasKey(message.record, key, isUnique)) {
        bytes += message.record.sizeBytes
        if (found.length > 0 && bytes > maxBytes) break
        found.push({ position, message })
      }
      if (found.length >= maxMessages || ++lookedAt >= MAX_LOOKED_AT || clock.nowMs() > deadlineMs) break
    }
    return found.sort((a, b) => a.position - b.position).map(({ message }) => message)
  }

  /** Positions of messages of a topic that may have the key, delivered or not, the latest first; so many at most as are looked at for a query. @throws as `find` */
  async * positions (topic: string, key: string): AsyncGenerator<number> {
    await this.#untilWhole()
    let count = 0
    for await (const position of this.#options.index.find(topic, key, { fromMs: 0, toMs: Infinity })) {
      yield position
      if (++count === MAX_LOOKED_AT) return
    }
  }

  async #untilWhole (): Promise<void> {
    const { clock, index } = this.#options
    // with a part of it a message would seem not to be there
    if (await within(clock, MAX_WAIT_MS, index.whole()) !== true) throw new MqError('MQ_UNAVAILABLE', 'the index of keys is being made from the log, or cannot be now; ask again later')
  }

  /** The message, if a queue of the topic has it now. */
  async #visible (position: number, topic: string): Promise<ViewedMessage | undefined> {
    const message = await this.#options.reads.viewMessage(position)
    if (message === undefined || message.topic !== topic) return undefined
    const [unit] = await this.#options.reads.units(topic, message.queueId, message.queueOffset, 1)
    return unit?.queueOffset === message.queueOffset && unit.physicalOffset === position ? message : undefined
  }
}

function isIn (timeMs: number, fromMs: number, toMs: number): boolean { return timeMs >= fromMs && timeMs <= toMs }

function hasKey (record: RecordView, key: string, isUnique: boolean): boolean {
  const properties = decodeProperties(record.propertiesText)
  return properties.get('UNIQ_KEY') === key || (!isUnique && properties.get('KEYS')?.split(' ').includes(key) === true)
}
