import { MqError } from '../base/index.ts'
import type { Host } from '../message/index.ts'

const DIGITS = new TextEncoder().encode('0123456789ABCDEF')

/** The bytes of a message id in front of its offset: upper-case hex of a store host, 16 or 40 of them. */
export function messageIdHead (storeHost: Host): Uint8Array {
  const head = new Uint8Array(2 * storeHost.length)
  for (let i = 0; i < storeHost.length; i++) {
    head[2 * i] = DIGITS[storeHost[i]! >> 4]!
    head[2 * i + 1] = DIGITS[storeHost[i]! & 15]!
  }
  return head
}

/** Writes a physicalOffset as the 16 digits that end a message id. */
export function writeOffsetHex (into: Uint8Array, at: number, physicalOffset: number): void {
  let high = Math.floor(physicalOffset / 0x1_0000_0000)
  let low = physicalOffset >>> 0
  for (let i = 7; i >= 0; i--) {
    into[at + i] = DIGITS[high & 15]!
    into[at + 8 + i] = DIGITS[low & 15]!
    high >>>= 4
    low >>>= 4
  }
}

/**
 * The offset message id: store host (IP address and port) and physicalOffset in upper-case hex, 32 or 56 characters.
 * @see RocketMQ MessageDecoder.createMessageId
 */
export function encodeMessageId (storeHost: Host, physicalOffset: number): string {
  const head = messageIdHead(storeHost)
  const bytes = new Uint8Array(head.length + 16)
  bytes.set(head)
  writeOffsetHex(bytes, head.length, physicalOffset)
  return String.fromCharCode(...bytes)
}

/** @throws MQ_INVALID_ARGUMENT the text is no offset message id (a UNIQ_KEY, which has 32 hex digits too, cannot be told apart) */
export function decodeMessageId (id: string): { readonly storeHost: Host, readonly physicalOffset: number } {
  if (!/^(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{56})$/.test(id)) throw new MqError('MQ_INVALID_ARGUMENT', `'${id}' is no message id`)
  const physicalOffset = Number(BigInt.asIntN(64, BigInt(`0x${id.slice(-16)}`)))
  return { storeHost: Uint8Array.from(Buffer.from(id.slice(0, -16), 'hex')), physicalOffset }
}
