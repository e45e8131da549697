import { MqError } from '../base/index.ts'
import type { Host } from '../message/index.ts'
import type { Address } from './network.ts'

/** `host:port`, the host of an IPv6 address in brackets. */
export function addressText ({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** @throws MQ_INVALID_ARGUMENT the text is no `host:port` or `[IPv6]:port` */
export function parseAddress (text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%\w+)?)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text.trim())
  const port = Number(match?.[3])
  if (match === null || port > 0xffff) throw new MqError('MQ_INVALID_ARGUMENT', `'${text}' is no address of the form host:port`)
  return { host: match[1] ?? match[2]!, port }
}

/**
 * An address as records store it: 4 or 16 bytes of IP address and 4 of port. IPv4 inside IPv6 (::ffff:1.2.3.4) is IPv4.
 * What is no IP address (a name, a path) is 0.0.0.0.
 */
export function encodeHost ({ host, port }: Address): Host {
  const ip = ipv4Bytes(host.replace(/^::ffff:(?=\d+\.)/i, '')) ?? ipv6Bytes(host) ?? [0, 0, 0, 0]
  return Uint8Array.of(...ip, 0, 0, port >> 8, port & 0xff)
}

/** The inverse of `encodeHost`. */
export function decodeHost (bytes: Host): Address {
  const ip = bytes.subarray(0, bytes.length - 4)
  const port = bytes[bytes.length - 2]! << 8 | bytes[bytes.length - 1]!
  if (ip.length === 4) return { host: ip.join('.'), port }
  const groups = Array.from({ length: 8 }, (_, i) => (ip[2 * i]! << 8 | ip[2 * i + 1]!).toString(16))
  return { host: groups.join(':').replace(/(^|:)0(:0)+(:|$)/, '::'), port }
}

function ipv4Bytes (host: string): number[] | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(host)) return undefined
  const bytes = host.split('.').map(Number)
  return bytes.every((byte) => byte <= 255) ? bytes : undefined
}

function ipv6Bytes (host: string): number[] | undefined {
  const [address = ''] = host.split('%')
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address)
  const tail = dotted === null ? undefined : ipv4Bytes(dotted[2]!)
  if (dotted !== null && tail === undefined) return undefined
  const text = dotted === null ? address : `${dotted[1]}${hex(tail![0]! << 8 | tail![1]!)}:${hex(tail![2]! << 8 | tail![3]!)}`
  if (!/^[0-9a-fA-F:]*:[0-9a-fA-F:]*$/.test(text)) return undefined
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [left = [], right = []] = halves.map((half) => half === '' ? [] : half.split(':'))
  const zeros = 8 - left.length - right.length
  if (halves.length === 1 ? zeros !== 0 : zeros < 1) return undefined
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right].map((group) => /^[0-9a-fA-F]{1,4}$/.test(group) ? parseInt(group, 16) : -1)
  return groups.includes(-1) ? undefined : groups.flatMap((group) => [group >> 8, group & 0xff])
}

const hex = (value: number): string => value.toString(16)
