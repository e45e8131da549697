import { getInt64, setInt64, hash64, viewOf, MqError } from '../base/index.ts'
import { EntryKind, type RaftEntry } from '../raft/index.ts'

/**
 * A log entry on disk and between nodes, big-endian: header, body, block checksums.
 *
 *      0 magic u32            16 logIndex i64         48 storeTimestampMs i64     72 syncedTo i64     \ local part
 *      4 version u8           24 term i64             56 bodyBytes u32            80 localChecksum u64 /
 *      5 kind u8              32 prevTerm i64         60 reserved u32             88 body
 *      6 flags u16            40 physicalOffset i64   64 headerChecksum u64          then u64 per 64 KiB block of the body
 *      8 sizeBytes u32
 *     12 messageCount u32
 *
 * headerChecksum is xxHash64 of bytes [0, 64), seeded with the group's seed; a block's checksum is seeded with
 * headerChecksum + its number, so it holds only for this entry, at this index and position, in this group. The local
 * part is each node's own: `syncedTo` is the position through which this node's fdatasync had returned when it issued
 * the write; its checksum is seeded with headerChecksum too.
 */
export const ENTRY_MAGIC = 0x4C4D5145
export const ENTRY_VERSION = 1
export const ENTRY_HEADER_BYTES = 88
export const BLOCK_BYTES = 64 * 1024
/** No entry is larger: the bound on a length read from disk or wire before anything is allocated. */
export const MAX_ENTRY_BYTES = 64 * 1024 * 1024
const LOCAL_AT = 72
const CHECKSUM_AT = 64
const POSITION_AT = 40
const STAMP_AT = 48
const BODY_BYTES_AT = 56
const TWO_64 = 1n << 64n

export interface EntryHeader {
  readonly kind: EntryKind
  readonly sizeBytes: number
  readonly messageCount: number
  readonly index: number
  readonly term: number
  readonly prevTerm: number
  readonly physicalOffset: number
  readonly storeTimestampMs: number
  readonly bodyBytes: number
  readonly checksum: bigint
}

export interface EntryFields {
  readonly kind: EntryKind
  readonly messageCount: number
  readonly index: number
  readonly term: number
  readonly prevTerm: number
  readonly physicalOffset: number
  readonly storeTimestampMs: number
}

/** 64-bit seed of all checksums of one group's log. */
export function seedOfGroup (groupId: Uint8Array): bigint {
  return hash64(groupId, 0n)
}

export function blockCountOf (bodyBytes: number): number {
  return Math.ceil(bodyBytes / BLOCK_BYTES)
}

export function entrySizeBytes (bodyBytes: number): number {
  return ENTRY_HEADER_BYTES + bodyBytes + 8 * blockCountOf(bodyBytes)
}

/**
 * Completes an entry whose body of `bodyBytes` already stands at `at + ENTRY_HEADER_BYTES`: writes the header before it
 * and the block checksums behind it. The local part is left zero (see `setSyncedTo`). Returns the entry's size in bytes.
 */
export function sealEntry (bytes: Uint8Array, view: DataView, at: number, fields: EntryFields, bodyBytes: number, groupSeed: bigint): number {
  const sizeBytes = entrySizeBytes(bodyBytes)
  view.setUint32(at, ENTRY_MAGIC)
  view.setUint8(at + 4, ENTRY_VERSION)
  view.setUint8(at + 5, fields.kind)
  view.setUint16(at + 6, 0)
  view.setUint32(at + 8, sizeBytes)
  view.setUint32(at + 12, fields.messageCount)
  setInt64(view, at + 16, fields.index)
  setInt64(view, at + 24, fields.term)
  setInt64(view, at + 32, fields.prevTerm)
  setInt64(view, at + POSITION_AT, fields.physicalOffset)
  setInt64(view, at + STAMP_AT, fields.storeTimestampMs)
  view.setUint32(at + BODY_BYTES_AT, bodyBytes)
  view.setUint32(at + 60, 0)
  const checksum = hash64(bytes.subarray(at, at + CHECKSUM_AT), groupSeed)
  view.setBigUint64(at + CHECKSUM_AT, checksum)
  bytes.fill(0, at + LOCAL_AT, at + ENTRY_HEADER_BYTES)
  const bodyAt = at + ENTRY_HEADER_BYTES
  const blocks = blockCountOf(bodyBytes)
  for (let block = 0; block < blocks; block++) {
    const from = bodyAt + block * BLOCK_BYTES
    const to = Math.min(from + BLOCK_BYTES, bodyAt + bodyBytes)
    view.setBigUint64(bodyAt + bodyBytes + 8 * block, hash64(bytes.subarray(from, to), blockSeed(checksum, block)))
  }
  return sizeBytes
}

/** Fills the local part of the entry at `at`. `syncedTo` is a position of the log, at most the entry's own. */
export function setSyncedTo (bytes: Uint8Array, view: DataView, at: number, syncedTo: number): void {
  setInt64(view, at + LOCAL_AT, syncedTo)
  view.setBigUint64(at + LOCAL_AT + 8, hash64(bytes.subarray(at + LOCAL_AT, at + LOCAL_AT + 8), view.getBigUint64(at + CHECKSUM_AT)))
}

/** The local part's `syncedTo`, or undefined when its checksum does not hold. The header must have been verified. */
export function readSyncedTo (bytes: Uint8Array, view: DataView, at: number): number | undefined {
  const expected = view.getBigUint64(at + LOCAL_AT + 8)
  const actual = hash64(bytes.subarray(at + LOCAL_AT, at + LOCAL_AT + 8), view.getBigUint64(at + CHECKSUM_AT))
  return expected === actual ? getInt64(view, at + LOCAL_AT) : undefined
}

/** The position that a header at `at` would tell, not verified. */
export function readPosition (view: DataView, at: number): number {
  return getInt64(view, at + POSITION_AT)
}

/**
 * The header at `at`, or undefined when the bytes there are no header of this group: magic, checksum or lengths do not
 * hold. `bytes` must hold ENTRY_HEADER_BYTES from `at`. The body is not looked at.
 * @throws MQ_FORMAT_TOO_NEW a valid header of a version this code does not know
 */
export function decodeHeader (bytes: Uint8Array, view: DataView, at: number, groupSeed: bigint): EntryHeader | undefined {
  if (view.getUint32(at) !== ENTRY_MAGIC) return undefined
  const checksum = view.getBigUint64(at + CHECKSUM_AT)
  if (hash64(bytes.subarray(at, at + CHECKSUM_AT), groupSeed) !== checksum) return undefined
  if (view.getUint8(at + 4) !== ENTRY_VERSION) {
    throw new MqError('MQ_FORMAT_TOO_NEW', `log entry format ${view.getUint8(at + 4)} is newer than ${ENTRY_VERSION}`)
  }
  const sizeBytes = view.getUint32(at + 8)
  const bodyBytes = view.getUint32(at + BODY_BYTES_AT)
  const kind = view.getUint8(at + 5)
  if (sizeBytes > MAX_ENTRY_BYTES || entrySizeBytes(bodyBytes) !== sizeBytes || kind < EntryKind.normal || kind > EntryKind.config) return undefined
  return {
    kind: kind as EntryKind,
    sizeBytes,
    messageCount: view.getUint32(at + 12),
    index: getInt64(view, at + 16),
    term: getInt64(view, at + 24),
    prevTerm: getInt64(view, at + 32),
    physicalOffset: readPosition(view, at),
    storeTimestampMs: getInt64(view, at + STAMP_AT),
    bodyBytes,
    checksum
  }
}

/**
 * The number of the first block in [fromBlock, toBlock) whose checksum does not hold, or -1. `bytes` holds the whole
 * entry from `at`, and `header` is its decoded header.
 */
export function firstBadBlock (bytes: Uint8Array, view: DataView, at: number, header: EntryHeader, fromBlock = 0, toBlock = blockCountOf(header.bodyBytes)): number {
  const bodyAt = at + ENTRY_HEADER_BYTES
  for (let block = fromBlock; block < toBlock; block++) {
    const from = bodyAt + block * BLOCK_BYTES
    const to = Math.min(from + BLOCK_BYTES, bodyAt + header.bodyBytes)
    if (hash64(bytes.subarray(from, to), blockSeed(header.checksum, block)) !== view.getBigUint64(bodyAt + header.bodyBytes + 8 * block)) return block
  }
  return -1
}

/** Seed of a block's checksum; for readers that hold only a piece of an entry. */
export function blockSeed (headerChecksum: bigint, block: number): bigint {
  return (headerChecksum + BigInt(block) + 1n) % TWO_64
}

/** The body of an entry whose header was verified, a view on its bytes. */
export function bodyOf ({ bytes }: RaftEntry): Uint8Array {
  const bodyBytes = viewOf(bytes).getUint32(BODY_BYTES_AT)
  return bytes.subarray(ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + bodyBytes)
}

/** The leader's stamp of an entry whose header was verified. */
export function stampMsOf ({ bytes }: RaftEntry): number {
  return getInt64(viewOf(bytes), STAMP_AT)
}
