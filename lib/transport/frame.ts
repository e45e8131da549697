import { MqError } from '../base/index.ts'
import { MAX_ENTRY_BYTES } from '../log/index.ts'
import { MAX_CALL_BYTES } from './peer-network.ts'

/**
 * A peer link, big-endian: PEER_MAGIC from the side that connected, then frames both ways:
 *
 *     followingBytes u32 | type u8 | headerBytes u24 | header | payload (the rest)
 *
 * The header is an Avro record of the frame's type (headers.ts), behind it in appends a table of the entries. The payload is
 * raw: the bytes of entries back to back, a call's body or answer.
 */
export const PREFIX_BYTES = 8
const LENGTH_BYTES = 4

/**
 * What a peer link begins with; the last byte is the major version of the protocol. No other protocol of a client port begins
 * so: a remoting frame begins with a length below 2^31, TLS with 0x16, a proxy's preface with 'P' or a line end.
 */
export const PEER_MAGIC = Uint8Array.of(0xfb, 0x4c, 0x51, 0x01)

export const FrameType = {
  hello: 1,
  challenge: 2,
  proof: 3,
  accepted: 4,
  refused: 5,
  /** Part of hello and accepted, no frame. */
  description: 6,
  ping: 8,
  pong: 9,
  requestVote: 16,
  requestPreVote: 17,
  requestVoteReply: 18,
  requestPreVoteReply: 19,
  heartbeat: 20,
  heartbeatReply: 21,
  timeoutNow: 22,
  readIndex: 23,
  readIndexReply: 24,
  transferLeadership: 25,
  appendEntries: 32,
  appendEntriesReply: 33,
  installSnapshot: 34,
  call: 48,
  answer: 49,
  failure: 50
} as const
export type FrameType = typeof FrameType[keyof typeof FrameType]

/** What a link is for: a large append must not delay a vote, nor a catch-up an append. */
export const LinkKind = { votes: 1, appends: 2, calls: 3, stranger: 4 } as const
export type LinkKind = typeof LinkKind[keyof typeof LinkKind]

/** Before the two sides know each other nothing longer is read. */
export const MAX_HANDSHAKE_BYTES = 4096
const MAX_HEADER_BYTES = 16 * 1024
/** A table of that many entries is read. */
export const MAX_ENTRIES_PER_APPEND = 65_536
export const ENTRY_ITEM_BYTES = 16
/** Entries of ordinary size come many in a frame, one larger one alone. */
const MAX_APPEND_BYTES = 2 * MAX_ENTRY_BYTES

interface FrameBounds {
  readonly maxHeaderBytes: number
  readonly maxPayloadBytes: number
}

const HANDSHAKE: FrameBounds = { maxHeaderBytes: MAX_HANDSHAKE_BYTES, maxPayloadBytes: 0 }
const HEADER_ONLY: FrameBounds = { maxHeaderBytes: MAX_HEADER_BYTES, maxPayloadBytes: 0 }
const APPEND: FrameBounds = { maxHeaderBytes: MAX_HEADER_BYTES + MAX_ENTRIES_PER_APPEND * ENTRY_ITEM_BYTES, maxPayloadBytes: MAX_APPEND_BYTES }
const WITH_BODY: FrameBounds = { maxHeaderBytes: MAX_HEADER_BYTES, maxPayloadBytes: MAX_CALL_BYTES }

const boundsOf: ReadonlyArray<FrameBounds | undefined> = Array.from({ length: 256 }, (_, type) => {
  switch (type) {
    case FrameType.appendEntries: return APPEND
    case FrameType.call:
    case FrameType.answer:
    case FrameType.installSnapshot: return WITH_BODY
    case FrameType.description: return undefined
    default: return type >= FrameType.hello && type <= FrameType.refused ? HANDSHAKE : (Object.values(FrameType) as number[]).includes(type) ? HEADER_ONLY : undefined
  }
})

/**
 * Payload bytes of the frame whose prefix is at `at`.
 * @throws MQ_BAD_FRAME unknown type or one that does not belong there, or a length beyond its bound
 */
export function checkFrame (bytes: Uint8Array, at: number, isIntroduced: boolean): number {
  const followingBytes = bytes[at]! * 0x1000000 + (bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!)
  const headerBytes = headerBytesOf(bytes, at)
  const payloadBytes = followingBytes - (PREFIX_BYTES - LENGTH_BYTES) - headerBytes
  const bounds = boundsOf[bytes[at + 4]!]
  if (bounds === undefined || (!isIntroduced && bounds !== HANDSHAKE)) throw badFrame(`frame of type ${bytes[at + 4]!}`)
  if (headerBytes > bounds.maxHeaderBytes || payloadBytes < 0 || payloadBytes > bounds.maxPayloadBytes) {
    throw badFrame(`frame of type ${bytes[at + 4]!} with a header of ${headerBytes} and ${followingBytes} bytes in all`)
  }
  return payloadBytes
}

export function headerBytesOf (bytes: Uint8Array, at: number): number {
  return bytes[at + 5]! << 16 | bytes[at + 6]! << 8 | bytes[at + 7]!
}

export function writePrefix (bytes: Uint8Array, at: number, type: FrameType, headerBytes: number, payloadBytes: number): void {
  const followingBytes = PREFIX_BYTES - LENGTH_BYTES + headerBytes + payloadBytes
  bytes[at] = followingBytes >>> 24
  bytes[at + 1] = followingBytes >>> 16
  bytes[at + 2] = followingBytes >>> 8
  bytes[at + 3] = followingBytes
  bytes[at + 4] = type
  bytes[at + 5] = headerBytes >>> 16
  bytes[at + 6] = headerBytes >>> 8
  bytes[at + 7] = headerBytes
}

export function badFrame (what: string, cause?: unknown): MqError {
  return new MqError('MQ_BAD_FRAME', `peer link: ${what}`, { cause })
}
