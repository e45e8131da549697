import { EntryBody, HIDDEN_TARGET, propertiesAt, topicAt } from '../message/index.ts'
import { finishHash, hashOfKey, hashOfTopic, PRIME } from './key-hash.ts'
import type { KeyBlock } from './key-block.ts'

const encoder = new TextEncoder()
const KEYS = encoder.encode('KEYS\u0001')
const UNIQ_KEY = encoder.encode('UNIQ_KEY\u0001')
const PROPERTY_END = 2
const BLANK = 0x20
/** Further ones of a message are not found. */
export const MAX_KEYS_OF_MESSAGE = 64

/** Finds the keys of messages: each word of KEYS, and UNIQ_KEY. */
export class RecordKeys {
  readonly #seed: number

  /** 32 bits. */
  constructor (seed: number) {
    this.#seed = seed
  }

  hashOf (topic: string, key: string): number {
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

  /** In one pass over the properties: a send waits for it. */
  #addRecord (block: KeyBlock, bytes: Uint8Array, record: number, end: number, position: number): void {
    const properties = propertiesAt(bytes, record)
    const topicHash = hashOfTopic(this.#seed, bytes, topicAt(bytes, record), properties - 2)
    for (let at = properties, found = 0; at < end && found < 2; at++) {
      const first = bytes[at]
      if (first === UNIQ_KEY[0] && isAt(bytes, at, UNIQ_KEY)) {
        at = addKeys(block, topicHash, bytes, at + UNIQ_KEY.length, end, PROPERTY_END, position)
        found++
      } else if (first === KEYS[0] && isAt(bytes, at, KEYS)) {
        at = addKeys(block, topicHash, bytes, at + KEYS.length, end, BLANK, position)
        found++
      }
      while (at < end && bytes[at] !== PROPERTY_END) at++
    }
  }
}

/** Adds the words of the value that begins at `at`, which stand between `separator`s; returns where it ends, or they are too many. */
function addKeys (block: KeyBlock, topicHash: number, bytes: Uint8Array, at: number, end: number, separator: number, position: number): number {
  let hash = topicHash
  let from = at
  let count = 0
  for (; ; at++) {
    const byte = at < end ? bytes[at]! : PROPERTY_END
    if (byte !== separator && byte !== PROPERTY_END) {
      hash = Math.imul(hash ^ byte, PRIME)
      continue
    }
    if (at > from) {
      block.add(finishHash(hash), position)
      count++
    }
    if (byte === PROPERTY_END || count === MAX_KEYS_OF_MESSAGE) return at
    hash = topicHash
    from = at + 1
  }
}

function isAt (bytes: Uint8Array, at: number, name: Uint8Array): boolean {
  for (let i = 1; i < name.length; i++) if (bytes[at + i] !== name[i]) return false
  return true
}
