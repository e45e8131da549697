import { crc32 } from 'node:zlib'

/**
 * The checksum of a body that clients know: CRC-32 of its stored bytes without the sign bit.
 * @see RocketMQ UtilAll.crc32
 */
export function bodyCrcOf (body: Uint8Array): number {
  return crc32(body) & 0x7fffffff
}
