import { hash64, viewOf, setInt64, getInt64, MqError, replaceFile, type Disk, type Random } from '../base/index.ts'
import type { NodeId } from '../raft/index.ts'
import { DATA_FORMAT_VERSION, OLDEST_DATA_FORMAT } from './data-format.ts'

/**
 * Who this data directory is: the group its log belongs to, the node it is in that group, and that node's incarnation
 * (a node that lost its disk comes back under a new one). The founders are the voters the group began with, the
 * configuration before the log's first entry.
 *
 *      0 magic u32 | 4 formatVersion u16 | 6 founderCount u16 | 8 groupId 16 bytes | 24 nodeId i64 | 32 incarnation i64 |
 *     40 founders i64 each | xxHash64 of all before u64
 */
export interface Identity {
  readonly groupId: Uint8Array
  readonly nodeId: NodeId
  readonly incarnation: number
  /** Empty for a node that joins a group. */
  readonly founders: readonly NodeId[]
}

export const GROUP_ID_BYTES = 16
const MAGIC = 0x4C4D5149
const HEADER_BYTES = 40
const CHECKSUM_SEED = 0x6964656E74697479n

export function randomGroupId (random: Random): Uint8Array {
  return Uint8Array.from({ length: GROUP_ID_BYTES }, () => Math.floor(random.next() * 256))
}

/** `formatVersion`: that of the whole data directory. */
export function encodeIdentity ({ groupId, nodeId, incarnation, founders }: Identity, formatVersion = DATA_FORMAT_VERSION): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + founders.length * 8 + 8)
  const view = viewOf(bytes)
  view.setUint32(0, MAGIC)
  view.setUint16(4, formatVersion)
  view.setUint16(6, founders.length)
  bytes.set(groupId, 8)
  setInt64(view, 24, nodeId)
  setInt64(view, 32, incarnation)
  founders.forEach((id, i) => setInt64(view, HEADER_BYTES + i * 8, id))
  view.setBigUint64(bytes.length - 8, hash64(bytes.subarray(0, -8), CHECKSUM_SEED))
  return bytes
}

/**
 * @throws MQ_FORMAT_TOO_NEW written by a later version of this product
 * @throws MQ_NOT_A_DATA_DIRECTORY the file is something else
 * @throws MQ_CORRUPT the checksum or a length does not hold
 */
export function decodeIdentity (bytes: Uint8Array, file: string): Identity {
  const view = viewOf(bytes)
  if (bytes.length < 4 || view.getUint32(0) !== MAGIC) {
    // A flipped bit in the magic must not turn a data directory into "no data directory": the rest still tells.
    if (bytes.length >= HEADER_BYTES + 8 && differingBits(view.getUint32(0), MAGIC) <= 8) throw damaged(file, 0)
    throw new MqError('MQ_NOT_A_DATA_DIRECTORY', `${file} is not an identity file of LedgerMQ`, { file })
  }
  if (bytes.length < HEADER_BYTES + 8) throw damaged(file, bytes.length)
  const checksumHolds = view.getBigUint64(bytes.length - 8) === hash64(bytes.subarray(0, -8), CHECKSUM_SEED)
  const version = formatVersionIn(bytes)
  // Every format keeps the checksum in the last 8 bytes, so a newer file is told from a damaged one.
  if (!checksumHolds) throw damaged(file, 0)
  if (version > DATA_FORMAT_VERSION) {
    throw new MqError('MQ_FORMAT_TOO_NEW', `${file}: data format ${version}, this version reads up to ${DATA_FORMAT_VERSION}`, { file, version })
  }
  if (version < OLDEST_DATA_FORMAT) throw new MqError('MQ_FORMAT_TOO_OLD', `${file}: data format ${version}`, { file, version })
  const founderCount = view.getUint16(6)
  if (HEADER_BYTES + founderCount * 8 + 8 !== bytes.length) throw damaged(file, 6)
  return {
    groupId: bytes.slice(8, 8 + GROUP_ID_BYTES),
    nodeId: getInt64(view, 24),
    incarnation: getInt64(view, 32),
    founders: Array.from({ length: founderCount }, (_, i) => getInt64(view, HEADER_BYTES + i * 8))
  }
}

/** The format of the directory whose identity this is, once `decodeIdentity` has found it whole. */
export function formatVersionIn (identity: Uint8Array): number { return viewOf(identity).getUint16(4) }

/** The identity of `directory`, or undefined when it has none. */
export async function readIdentity (disk: Disk, directory: string): Promise<Identity | undefined> {
  const file = `${directory}/identity`
  const bytes = await disk.readFile(file)
  return bytes === undefined ? undefined : decodeIdentity(bytes, file)
}

/** Makes the identity durable: whole under its name, or not there at all. */
export async function writeIdentity (disk: Disk, directory: string, identity: Identity, formatVersion = DATA_FORMAT_VERSION): Promise<void> {
  await replaceFile(disk, `${directory}/identity`, encodeIdentity(identity, formatVersion))
}

function damaged (file: string, byte: number): MqError {
  return new MqError('MQ_CORRUPT', `${file} is damaged (its checksum does not hold); restore the file from a backup of this node`, { file, byte })
}

function differingBits (a: number, b: number): number {
  let bits = 0
  for (let left = (a ^ b) >>> 0; left !== 0; left = (left & (left - 1)) >>> 0) bits++
  return bits
}
