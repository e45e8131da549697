/**
 * HAProxy's PROXY protocol: what a proxy says of a client before the client's own bytes.
 *
 *     version 1: `PROXY TCP4 1.2.3.4 5.6.7.8 1234 10911\r\n`, at most 107 bytes; or TCP6, or UNKNOWN
 *     version 2: signature 12 | version and command u8 | family u8 | length u16 | source, destination, ports, more
 *
 * @see https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt
 */
export interface Preface {
  /** 0 when there is none. */
  readonly sizeBytes: number
  /** Undefined when the proxy speaks for itself. */
  readonly peer?: { readonly host: string, readonly port: number }
}

const MAX_V1_BYTES = 107
const MAX_V2_BYTES = 16 + 2048
export const MAX_PREFACE_BYTES = MAX_V2_BYTES

const V1_START = Buffer.from('PROXY ')
const V2_SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

/** Looks at the first bytes of a connection, at least one. */
export function readPreface (bytes: Buffer): Preface | 'incomplete' | 'malformed' {
  if (startsAlike(bytes, V1_START)) return bytes.length < V1_START.length ? 'incomplete' : readV1(bytes)
  if (startsAlike(bytes, V2_SIGNATURE)) return bytes.length < V2_SIGNATURE.length ? 'incomplete' : readV2(bytes)
  return { sizeBytes: 0 }
}

function startsAlike (bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length)
  return bytes.subarray(0, length).equals(start.subarray(0, length))
}

function readV1 (bytes: Buffer): Preface | 'incomplete' | 'malformed' {
  const end = bytes.subarray(0, MAX_V1_BYTES).indexOf('\r\n')
  if (end < 0) return bytes.length < MAX_V1_BYTES ? 'incomplete' : 'malformed'
  const sizeBytes = end + 2
  const [, protocol, host, , port] = bytes.toString('latin1', 0, end).split(' ')
  if (protocol === 'UNKNOWN') return { sizeBytes }
  if ((protocol !== 'TCP4' && protocol !== 'TCP6') || host === undefined || !/^[0-9a-fA-F.:]+$/.test(host) || !/^\d{1,5}$/.test(port ?? '')) return 'malformed'
  return { sizeBytes, peer: { host, port: Number(port) & 0xffff } }
}

function readV2 (bytes: Buffer): Preface | 'incomplete' | 'malformed' {
  if (bytes.length < 16) return 'incomplete'
  const sizeBytes = 16 + bytes.readUInt16BE(14)
  const command = bytes[12]!
  if (sizeBytes > MAX_V2_BYTES || (command !== 0x20 && command !== 0x21)) return 'malformed'
  if (bytes.length < sizeBytes) return 'incomplete'
  const family = bytes[13]! >> 4
  if (command === 0x20 || (family !== 1 && family !== 2)) return { sizeBytes }
  const ipBytes = family === 1 ? 4 : 16
  if (sizeBytes < 16 + 2 * ipBytes + 4) return 'malformed'
  const ip = bytes.subarray(16, 16 + ipBytes)
  const host = family === 1 ? ip.join('.') : ip.toString('hex').replace(/(....)(?!$)/g, '$1:')
  return { sizeBytes, peer: { host, port: bytes.readUInt16BE(16 + 2 * ipBytes) } }
}
