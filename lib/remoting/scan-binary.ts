import { badFrame, type HeaderScan } from './header-scan.ts'
import { languageOfByte } from './language-code.ts'

/** Fixed part, remark length and length of the extension section of an otherwise empty header. */
export const MIN_BINARY_HEADER_BYTES = 21

/**
 * Scans a ROCKETMQ header, big-endian, at bytes [start, end):
 *
 *     code i16 | language u8 | version i16 | opaque i32 | flag i32 | remarkLength i32, remark | extLength i32, extension section
 *     extension section: repeated  keyLength i16, key, valueLength i32, value
 *
 * An empty value reads as no value, as RocketMQ reads it. Bytes after the extension section are ignored.
 * @throws MQ_BAD_FRAME a length does not fit
 * @see RocketMQ RocketMQSerializable
 */
export function scanBinaryHeader (bytes: Uint8Array, start: number, end: number, scan: HeaderScan): void {
  scan.reset()
  if (end - start < MIN_BINARY_HEADER_BYTES) throw badFrame(`a binary header of ${end - start} bytes is too short`)
  scan.code = int16(bytes, start)
  scan.language = languageOfByte(bytes[start + 2]!)
  scan.version = int16(bytes, start + 3)
  scan.opaque = int32(bytes, start + 5)
  scan.flag = int32(bytes, start + 9)
  const remarkBytes = int32(bytes, start + 13)
  let at = start + 17
  if (remarkBytes < 0 || remarkBytes > end - at - 4) throw badFrame(`a remark of ${remarkBytes} bytes does not fit its header`)
  if (remarkBytes > 0) {
    scan.remarkStart = at
    scan.remarkEnd = at += remarkBytes
  }
  const extBytes = int32(bytes, at)
  at += 4
  if (extBytes < 0 || extBytes > end - at) throw badFrame(`an extension section of ${extBytes} bytes does not fit its header`)
  const extEnd = at + extBytes
  while (at < extEnd) {
    if (extEnd - at < 6) throw badFrame('the extension section is cut short')
    const keyStart = at + 2
    const keyEnd = keyStart + int16(bytes, at)
    if (keyEnd < keyStart || keyEnd > extEnd - 4) throw badFrame('the length of an extension key does not fit')
    const valueStart = keyEnd + 4
    const valueEnd = valueStart + int32(bytes, keyEnd)
    if (valueEnd < valueStart || valueEnd > extEnd) throw badFrame('the length of an extension value does not fit')
    if (valueEnd > valueStart && keyEnd > keyStart) scan.add(keyStart, keyEnd, valueStart, valueEnd, 0)
    at = valueEnd
  }
}

function int16 (bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 | bytes[at + 1]! << 16) >> 16
}

function int32 (bytes: Uint8Array, at: number): number {
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!
}
