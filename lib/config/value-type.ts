/** How values of one kind are read from text and written back. */
export interface ValueType<T> {
  /** What a value may be, for messages and tables: "a whole number from 0 to 65535". */
  readonly allowed: string
  /** Of trimmed text; undefined when it is not allowed. */
  readonly parse: (text: string) => T | undefined
  /** `parse(format(value))` equals `value`. */
  readonly format: (value: T) => string
}

export interface HostPort {
  /** A name or an address; IPv6 without its brackets. */
  readonly host: string
  readonly port: number
}

/** A node of a Raft group as `dLegerPeers` names it. */
export interface Peer extends HostPort {
  readonly id: string
  /** The digits of the id. */
  readonly number: number
  /** The port is the one for clients (written with `@`), not one for the other nodes. */
  readonly isClientPort: boolean
}

/** As Java's Boolean.parseBoolean for `true`, but what is neither word is refused instead of being false. */
export const boolean: ValueType<boolean> = {
  allowed: 'true or false',
  parse: (text) => text.toLowerCase() === 'true' ? true : text.toLowerCase() === 'false' ? false : undefined,
  format: String
}

const MAX_INT = 0x7fff_ffff

/** A whole number in [least, most]. */
export function int (least = 0, most = MAX_INT, unit = ''): ValueType<number> {
  return {
    allowed: `a whole number from ${least} to ${most}${unit === '' ? '' : ` ${unit}`}`,
    parse: (text) => {
      const value = /^[+-]?\d{1,16}$/.test(text) ? Number(text) + 0 : NaN
      return value >= least && value <= most ? value : undefined
    },
    format: String
  }
}

/** 0 lets the system choose. */
export const port = int(0, 65_535)
/** A time span. */
export const milliseconds = (least = 0): ValueType<number> => int(least, MAX_INT, 'ms')

export function oneOf<const T extends string> (...values: readonly T[]): ValueType<T> {
  return {
    allowed: values.length === 2 ? `${values[0]} or ${values[1]}` : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`,
    parse: (text) => values.find((value) => value === text),
    format: (value) => value
  }
}

const CONTROL = /\p{Cc}/u

/** May be empty. */
export const text: ValueType<string> = {
  allowed: 'text without control characters',
  parse: (given) => CONTROL.test(given) ? undefined : given,
  format: (value) => value
}

/** A cluster, broker or group: part of topic names and of registrations. Empty: see the key's default. */
export const name: ValueType<string> = {
  allowed: 'a name of at most 127 characters without blanks',
  parse: (given) => given.length > 127 || /\s/.test(given) || CONTROL.test(given) ? undefined : given,
  format: (value) => value
}

export const path: ValueType<string> = {
  allowed: 'a path',
  parse: text.parse,
  format: (value) => value
}

function parseHostPort (given: string): HostPort | undefined {
  const parts = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([^:;,@[\]\s]{1,255})):(\d{1,5})$/.exec(given)
  const port = Number(parts?.[3])
  return parts !== null && port >= 1 && port <= 65_535 ? { host: (parts[1] ?? parts[2])!, port } : undefined
}

function formatHostPort ({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** All items of a list with `;` between them, or undefined when one of them is not allowed. Empty items are skipped. */
function parseList<T> (given: string, parseItem: (item: string) => T | undefined): T[] | undefined {
  const items = given.split(';').map((item) => item.trim()).filter((item) => item !== '').map(parseItem)
  return items.includes(undefined) ? undefined : items as T[]
}

/** Name servers. */
export const addresses: ValueType<readonly HostPort[]> = {
  allowed: 'addresses HOST:PORT with ; between them',
  parse: (given) => parseList(given, parseHostPort),
  format: (value) => value.map(formatHostPort).join(';')
}

/** The lowest 16 bits of a raft node id are its number + 1. */
export const MAX_PEER_NUMBER = 65_533

/** The number in a node's id such as `n0`, or undefined when it is no such id. */
export function peerNumberOf (id: string): number | undefined {
  const digits = /^[A-Za-z_]{0,32}(\d{1,5})$/.exec(id)?.[1]
  return digits === undefined || Number(digits) > MAX_PEER_NUMBER ? undefined : Number(digits)
}

function parsePeer (given: string): Peer | undefined {
  const [, id, separator, rest] = /^(\w{1,64})([@-])(.*)$/.exec(given) ?? []
  if (id === undefined) return undefined
  const number = peerNumberOf(id)
  const address = parseHostPort(rest!)
  return number === undefined || address === undefined ? undefined : { id, number, ...address, isClientPort: separator === '@' }
}

/** Nodes of a group, each number once: Apache's `n0-host:port`, or `n0@host:port` with the port for clients. */
export const peers: ValueType<readonly Peer[]> = {
  allowed: 'nodes ID-HOST:PORT or ID@HOST:PORT with ; between them; an ID ends with a number, each number once',
  parse: (given) => {
    const list = parseList(given, parsePeer)
    return list !== undefined && new Set(list.map(({ number }) => number)).size === list.length ? list : undefined
  },
  format: (value) => value.map((peer) => `${peer.id}${peer.isClientPort ? '@' : '-'}${formatHostPort(peer)}`).join(';')
}

/** One node of a group, as `dLegerPeers` names it. Empty: see the key's default. */
export const peerId: ValueType<string> = {
  allowed: 'the ID of a node such as n0: it ends with a number',
  parse: (given) => given === '' || peerNumberOf(given) !== undefined ? given : undefined,
  format: (value) => value
}

export const peerIds: ValueType<readonly string[]> = {
  allowed: 'IDs of nodes such as n0 with ; between them',
  parse: (given) => parseList(given, (id) => peerNumberOf(id) === undefined ? undefined : id),
  format: (value) => value.join(';')
}

const MS_OF_UNIT: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const MAX_LEVELS = 128

function parseLevel (given: string): number | undefined {
  const parts = /^(\d{1,8})([smhd])$/.exec(given)
  return parts === null ? undefined : Number(parts[1]) * MS_OF_UNIT[parts[2]!]!
}

function formatLevel (ms: number): string {
  const unit = ['d', 'h', 'm', 's'].find((letter) => ms > 0 && ms % MS_OF_UNIT[letter]! === 0) ?? 's'
  return `${ms / MS_OF_UNIT[unit]!}${unit}`
}

/** The delay of level 1, 2, ... in ms. */
export const delayLevels: ValueType<readonly number[]> = {
  allowed: `1 to ${MAX_LEVELS} delays such as 10s, 5m, 2h or 1d with blanks between them`,
  parse: (given) => {
    const levels = given.split(/\s+/, MAX_LEVELS + 1).map(parseLevel)
    return levels.includes(undefined) || levels.length > MAX_LEVELS ? undefined : levels as number[]
  },
  format: (value) => value.map(formatLevel).join(' ')
}
