import { PropertyValues } from '../filter/index.ts'
import { EntryBody, HIDDEN_TARGET, propertiesAt, topicAt } from '../message/index.ts'
import { hashOfKey, hashOfTopic } from './key-hash.ts'
import type { KeyBlock } from './key-block.ts'

const KEYS = 0
const UNIQ_KEY = 1
const BLANK = 0x20
/** Further ones of a message are not found. */
export const MAX_KEYS_OF_MESSAGE = 64

/** Finds the keys of messages: each word of KEYS, and UNIQ_KEY. */
export class RecordKeys {
  readonly #seed: number
  readonly #values = new PropertyValues(['KEYS', 'UNIQ_KEY'])

  /** 32 bits. */
  constructor (seed: number) {
    this.#seed = seed
  }

  hashOf (topic: string, key: string): number {
    const encoder = new TextEncoder()
    return hashOfKey(hashOfTopic(this.#seed, encoder.encode(topic)), encoder.encode(key))
  }

  /** Adds the keys of all records of an entry to a block. `recordsPosition` is where they begin in the log. */
  addAll (block: KeyBlock, bytes: Uint8Array, body: EntryBody, recordsPosition: number): void {
    for (let i = 0, at = 0; i < body.messageCount; i++) {
      const sizeBytes = body.sizeOf(i)
      if (body.targetOf(i) === HIDDEN_TARGET) block.hasHidden = true
      this.#addRecord(block, bytes, at, at + sizeBytes, recordsPosition + at)
      at += sizeBytes
    }
  }

  #addRecord (block: KeyBlock, bytes: Uint8Array, at: number, end: number, position: number): void {
    const properties = propertiesAt(bytes, at)
    const values = this.#values
    values.find(bytes, properties, end)
    const keysAt = values.from[KEYS]!
    const uniqueAt = values.from[UNIQ_KEY]!
    if (keysAt < 0 && uniqueAt < 0) return
    const topicHash = hashOfTopic(this.#seed, bytes, topicAt(bytes, at), properties - 2)
    if (uniqueAt >= 0) block.add(hashOfKey(topicHash, bytes, uniqueAt, values.to[UNIQ_KEY]!), position)
    if (keysAt < 0) return
    const keysEnd = values.to[KEYS]!
    let count = 0
    for (let from = keysAt; from < keysEnd && count < MAX_KEYS_OF_MESSAGE;) {
      let to = from
      while (to < keysEnd && bytes[to] !== BLANK) to++
      if (to > from) {
        block.add(hashOfKey(topicHash, bytes, from, to), position)
        count++
      }
      from = to + 1
    }
  }
}
