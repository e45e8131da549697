import { join } from 'node:path'
import { hash64, loadChecksum, replaceFile, viewOf, type Disk, type Random } from '../base/index.ts'
import type { NodeId } from '../raft/index.ts'
import { makeNodeId } from '../replica/index.ts'

/*
 * Who an empty node will be: magic u32 | number u16 | zero u16 | incarnation u32 | xxHash64 of all before u64. It stands until the
 * directory has an identity: a directory that loses that later must not find its old name here.
 */
const MAGIC = 0x4C4D494E
const BYTES = 20
const CHECKSUM_SEED = 0x696E6361726E6174n
const INCARNATIONS = 2 ** 32

const fileOf = (directory: string): string => join(directory, 'incarnation')

/** The id that the empty node of that number has: drawn once and durable before this resolves. */
export async function ensureIncarnation (disk: Disk, directory: string, random: Random, number: number): Promise<NodeId> {
  await loadChecksum()
  const stored = await disk.readFile(fileOf(directory))
  const known = stored === undefined ? undefined : decode(stored)
  if (known?.number === number) {
    // a process that was killed may have left a name that only the system's cache has
    await disk.syncDirectory(directory)
    return makeNodeId(number, known.incarnation)
  }
  // a damaged one names nobody that anybody has met as a member
  const incarnation = 1 + Math.floor(random.next() * (INCARNATIONS - 1))
  await replaceFile(disk, fileOf(directory), encode(number, incarnation))
  return makeNodeId(number, incarnation)
}

/** The directory has an identity. */
export async function removeIncarnation (disk: Disk, directory: string): Promise<void> {
  if (await disk.readFile(fileOf(directory)) === undefined) return
  await disk.unlink(fileOf(directory))
  await disk.syncDirectory(directory)
}

function encode (number: number, incarnation: number): Uint8Array {
  const bytes = new Uint8Array(BYTES)
  const view = viewOf(bytes)
  view.setUint32(0, MAGIC)
  view.setUint16(4, number)
  view.setUint32(8, incarnation)
  view.setBigUint64(12, hash64(bytes.subarray(0, 12), CHECKSUM_SEED))
  return bytes
}

function decode (bytes: Uint8Array): { readonly number: number, readonly incarnation: number } | undefined {
  if (bytes.length !== BYTES) return undefined
  const view = viewOf(bytes)
  if (view.getUint32(0) !== MAGIC || view.getBigUint64(12) !== hash64(bytes.subarray(0, 12), CHECKSUM_SEED)) return undefined
  return { number: view.getUint16(4), incarnation: view.getUint32(8) }
}
