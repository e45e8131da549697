import { writeUtf8 } from './utf8.ts'

/** Names a message that waits for its time: what its sender may take it back by. */
export interface RecallHandle {
  readonly topic: string
  /** Of the broker that has it; empty: an embedded queue's. */
  readonly brokerName: string
  /** When it is due, ms since 1970. */
  readonly deliverAtMs: number
  /** The message's UNIQ_KEY. */
  readonly uniqueKey: string
  /** Where it was stored at first; undefined: the handle does not tell. */
  readonly physicalOffset: number | undefined
}

const VERSION = 'v1'
/** Of an embedded queue: an item may not be empty. */
const NO_BROKER = '-'
/** By what a length leaves when it is divided by four. */
const PADDING = ['', '', '==', '=']
const MAX_HANDLE_CHARACTERS = 4096
const utf8 = new TextDecoder()
const encoder = new TextEncoder()
const ALPHABET = encoder.encode('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')
const PAD = 0x3d
const BLANK = 0x20
/** Two numbers with a blank before each, and what the last three bytes may lack. */
const NUMBERS_BYTES = 2 * 17 + 2

/**
 * As RocketMQ's clients read it: base64 (of the alphabet for URLs, with padding) of `v1 topic brokerName deliverAtMs uniqueKey physicalOffset`;
 * they look at the first five items. Undefined: one of them has a blank in it, so that nobody could tell them apart.
 * @see RocketMQ RecallMessageHandle. Divergence: the last item
 */
export function encodeRecallHandle ({ topic, brokerName, deliverAtMs, uniqueKey, physicalOffset }: RecallHandle): string | undefined {
  if (topic === '' || uniqueKey === '' || topic.includes(' ') || uniqueKey.includes(' ') || brokerName.includes(' ')) return undefined
  const items = `${VERSION} ${topic} ${brokerName === '' ? NO_BROKER : brokerName} ${deliverAtMs} ${uniqueKey}${physicalOffset === undefined ? '' : ` ${physicalOffset}`}`
  const text = Buffer.from(items).toString('base64url')
  return text + PADDING[text.length & 3]!
}

/** Writes `encodeRecallHandle`s of messages that one broker has, without a text for each: every send of such a message is answered with one. */
export class RecallHandleWriter {
  readonly #brokerName: string
  #topic: string | undefined
  /** What all handles of the topic begin with. */
  #head: Uint8Array | undefined
  #items = new Uint8Array(0)
  /** So many of them are in `bytes` already: the same in all handles of the topic. */
  #encodedTo = 0
  /** Where the last handle is, from the first byte on: plain ASCII. */
  bytes = new Uint8Array(0)

  constructor (brokerName: string) {
    this.#brokerName = brokerName
  }

  /** UNIQ_KEY is at `key` [keyStart, keyEnd). Returns how many of `bytes` it takes; 0: there is none. */
  write (topic: string, deliverAtMs: number, key: Uint8Array, keyStart: number, keyEnd: number, physicalOffset: number): number {
    if (topic !== this.#topic) this.#begin(topic)
    const head = this.#head
    if (head === undefined || keyEnd === keyStart) return 0
    const mostBytes = head.length + NUMBERS_BYTES + keyEnd - keyStart
    if (mostBytes > this.#items.length) {
      this.#items = new Uint8Array(2 * mostBytes)
      this.#items.set(head)
      this.bytes = new Uint8Array(4 * Math.ceil(this.#items.length / 3))
      this.#encodedTo = 0
    }
    const items = this.#items
    let at = writeUtf8(items, head.length, String(deliverAtMs))
    items[at++] = BLANK
    for (let i = keyStart; i < keyEnd; i++) {
      const byte = key[i]!
      if (byte === BLANK) return 0
      items[at++] = byte
    }
    items[at++] = BLANK
    const bytes = writeBase64(this.bytes, items, this.#encodedTo, writeUtf8(items, at, String(physicalOffset)))
    this.#encodedTo = head.length - head.length % 3
    return bytes
  }

  #begin (topic: string): void {
    this.#topic = topic
    const hasBlank = topic === '' || topic.includes(' ') || this.#brokerName.includes(' ')
    this.#head = hasBlank ? undefined : encoder.encode(`${VERSION} ${topic} ${this.#brokerName === '' ? NO_BROKER : this.#brokerName} `)
    this.#items = new Uint8Array(0)
  }
}

/** Of the first `length` bytes, after which two more are scratch; those before `from`, a multiple of three, are there. Returns how many characters. */
function writeBase64 (into: Uint8Array, bytes: Uint8Array, from: number, length: number): number {
  bytes[length] = bytes[length + 1] = 0
  let at = from / 3 * 4
  for (let i = from; i < length; i += 3) {
    const bits = bytes[i]! << 16 | bytes[i + 1]! << 8 | bytes[i + 2]!
    into[at] = ALPHABET[bits >>> 18]!
    into[at + 1] = ALPHABET[bits >>> 12 & 63]!
    into[at + 2] = ALPHABET[bits >>> 6 & 63]!
    into[at + 3] = ALPHABET[bits & 63]!
    at += 4
  }
  if (length % 3 !== 0) into[at - 1] = PAD
  if (length % 3 === 1) into[at - 2] = PAD
  return at
}

/** Undefined: the text is no such handle. */
export function decodeRecallHandle (text: string): RecallHandle | undefined {
  if (text.length > MAX_HANDLE_CHARACTERS || !/^[A-Za-z0-9_-]+={0,2}$/.test(text)) return undefined
  const [version, topic = '', brokerName = '', deliverAt = '', uniqueKey = '', position = ''] = utf8.decode(Buffer.from(text, 'base64url')).split(' ')
  if (version !== VERSION || topic === '' || brokerName === '' || uniqueKey === '' || !/^\d{1,15}$/.test(deliverAt)) return undefined
  const physicalOffset = /^\d{1,15}$/.test(position) ? Number(position) : undefined
  return { topic, brokerName: brokerName === NO_BROKER ? '' : brokerName, deliverAtMs: Number(deliverAt), uniqueKey, physicalOffset }
}
