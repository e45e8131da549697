import { MqError, viewOf, getInt64 } from '../base/index.ts'
import type { Host } from './record.ts'

/**
 * RocketMQ's offset message id: store host (IP and port, `hostHex`) and physicalOffset in upper-case hex; 32 digits or,
 * with an IPv6 host, 56.
 * @see RocketMQ MessageDecoder.createMessageId
 */
export function offsetMessageId (hostHex: string, physicalOffset: number): string {
  return hostHex + physicalOffset.toString(16).toUpperCase().padStart(16, '0')
}

export function hostHex (host: Host): string {
  let hex = ''
  for (const byte of host) hex += byte.toString(16).padStart(2, '0')
  return hex.toUpperCase()
}

/** @throws MQ_INVALID_ARGUMENT it is no offset message id */
export function decodeOffsetMessageId (id: string): { readonly storeHost: Host, readonly physicalOffset: number } {
  if ((id.length !== 32 && id.length !== 56) || !/^[0-9a-fA-F]*$/.test(id)) throw new MqError('MQ_INVALID_ARGUMENT', `${id.slice(0, 64)} is no offset message id`)
  const bytes = Uint8Array.from({ length: id.length / 2 }, (_, i) => Number.parseInt(id.slice(2 * i, 2 * i + 2), 16))
  const hostBytes = bytes.length - 8
  return { storeHost: bytes.slice(0, hostBytes), physicalOffset: getInt64(viewOf(bytes), hostBytes) }
}
