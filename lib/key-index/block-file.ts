import { getInt64, hash64, MqError, setInt64, turn, viewOf, type Clock, type Disk, type DiskFile } from '../base/index.ts'
import { MAX_FOUND_IN_BLOCK, type BlockBounds, type KeyBlock } from './key-block.ts'

/**
 * A sealed block in a file, big-endian. Keys lie in buckets by the highest bits of their hashes, in a bucket in the order they came:
 *
 *     magic u32 | version u32 | from i64 | to i64 | lastIndex i64 | lastTerm i64 | minStampMs i64 | maxStampMs i64 | keyCount u32 | hasHidden u32
 *     1024 buckets: where it ends, in keys u32 | checksum u32
 *     checksum u64 of all before
 *     keys: hash u32 | offset u32 of the message's position from `from`
 *
 * Checksums are xxHash64 (of a bucket the lower half), seeded with the group's seed. Nothing is synced: what a crash leaves that does not
 * fit its checksums is made anew from the log.
 */
const MAGIC = 0x4C4D514B
const VERSION = 1
const HEADER_BYTES = 64
const BUCKET_BITS = 10
const BUCKETS = 1 << BUCKET_BITS
const HEAD_BYTES = HEADER_BYTES + BUCKETS * 8 + 8
const KEY_BYTES = 8
/** Keys put in their place before others get a turn. */
const SLICE_KEYS = 32_768
const SLICE_BUCKETS = 128

export function blockFileName (from: number): string { return `${String(from).padStart(20, '0')}.keys` }

/** Writes the block, in slices; it must not change meanwhile. */
export async function writeBlockFile ({ disk, clock }: { readonly disk: Disk, readonly clock: Clock }, path: string, seed: bigint, block: KeyBlock): Promise<void> {
  const bytes = new Uint8Array(HEAD_BYTES + block.keyCount * KEY_BYTES)
  const view = viewOf(bytes)
  const ends = await fillBuckets(clock, view, block)
  await writeHead(clock, bytes, view, seed, block, ends)
  const file = await disk.open(`${path}.new`, { create: true })
  try {
    await file.truncate(0)
    await file.write(bytes, 0)
  } finally {
    await file.close()
  }
  await disk.rename(`${path}.new`, path)
}

/** Returns where each bucket ends, in keys. */
async function fillBuckets (clock: Clock, view: DataView, { hashes, offsets, keyCount }: KeyBlock): Promise<Uint32Array> {
  const counts = new Uint32Array(BUCKETS)
  for (let i = 0; i < keyCount; i++) counts[bucketOf(hashes[i]!)]!++
  const next = new Uint32Array(BUCKETS)
  for (let bucket = 1; bucket < BUCKETS; bucket++) next[bucket] = next[bucket - 1]! + counts[bucket - 1]!
  for (let i = 0; i < keyCount; i++) {
    const at = HEAD_BYTES + next[bucketOf(hashes[i]!)]!++ * KEY_BYTES
    view.setUint32(at, hashes[i]!)
    view.setUint32(at + 4, offsets[i]!)
    if (i % SLICE_KEYS === SLICE_KEYS - 1) await turn(clock)
  }
  return next
}

async function writeHead (clock: Clock, bytes: Uint8Array, view: DataView, seed: bigint, { from, to, lastIndex, lastTerm, minStampMs, maxStampMs, keyCount, hasHidden }: BlockBounds, ends: Uint32Array): Promise<void> {
  view.setUint32(0, MAGIC)
  view.setUint32(4, VERSION)
  const numbers = [from, to, lastIndex, lastTerm, minStampMs, maxStampMs]
  numbers.forEach((value, i) => { setInt64(view, 8 + i * 8, value) })
  view.setUint32(56, keyCount)
  view.setUint32(60, hasHidden ? 1 : 0)
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const at = HEADER_BYTES + bucket * 8
    const begin = bucket === 0 ? 0 : ends[bucket - 1]!
    view.setUint32(at, ends[bucket]!)
    view.setUint32(at + 4, checksumOf(bytes.subarray(HEAD_BYTES + begin * KEY_BYTES, HEAD_BYTES + ends[bucket]! * KEY_BYTES), seed))
    if (bucket % SLICE_BUCKETS === SLICE_BUCKETS - 1) await turn(clock)
  }
  view.setBigUint64(HEAD_BYTES - 8, hash64(bytes.subarray(0, HEAD_BYTES - 8), seed))
}

/** Reads what the file is of. @throws MQ_CORRUPT it is not whole, or of another group */
export async function readBounds (file: DiskFile, seed: bigint): Promise<BlockBounds> {
  const { bounds } = await readHead(file, seed)
  if (await file.sizeBytes() !== HEAD_BYTES + bounds.keyCount * KEY_BYTES) throw damaged(file, 'its size is wrong')
  return bounds
}

/** Positions of messages that have a key with that hash, the latest first. @throws MQ_CORRUPT */
export async function findInFile (file: DiskFile, seed: bigint, hash: number): Promise<number[]> {
  const { bounds, view: head } = await readHead(file, seed)
  const bucketAt = HEADER_BYTES + bucketOf(hash) * 8
  const begin = bucketOf(hash) === 0 ? 0 : head.getUint32(bucketAt - 8)
  const end = head.getUint32(bucketAt)
  if (begin > end || end > bounds.keyCount) throw damaged(file, 'its buckets are wrong')
  const bytes = new Uint8Array((end - begin) * KEY_BYTES)
  const view = viewOf(bytes)
  if (await file.read(bytes, HEAD_BYTES + begin * KEY_BYTES) < bytes.length || checksumOf(bytes, seed) !== head.getUint32(bucketAt + 4)) throw damaged(file, 'keys do not fit their checksum')
  const found: number[] = []
  for (let at = bytes.length - KEY_BYTES; at >= 0 && found.length < MAX_FOUND_IN_BLOCK; at -= KEY_BYTES) if (view.getUint32(at) === hash) found.push(bounds.from + view.getUint32(at + 4))
  return found
}

async function readHead (file: DiskFile, seed: bigint): Promise<{ readonly bounds: BlockBounds, readonly view: DataView }> {
  const bytes = new Uint8Array(HEAD_BYTES)
  const view = viewOf(bytes)
  if (await file.read(bytes, 0) < HEAD_BYTES || view.getUint32(0) !== MAGIC || view.getUint32(4) !== VERSION) throw damaged(file, 'it has no head of this version')
  if (view.getBigUint64(HEAD_BYTES - 8) !== hash64(bytes.subarray(0, HEAD_BYTES - 8), seed)) throw damaged(file, 'its head does not fit its checksum')
  const [from, to, lastIndex, lastTerm, minStampMs, maxStampMs] = [8, 16, 24, 32, 40, 48].map((at) => getInt64(view, at)) as [number, number, number, number, number, number]
  return { bounds: { from, to, lastIndex, lastTerm, minStampMs, maxStampMs, keyCount: view.getUint32(56), hasHidden: view.getUint32(60) === 1 }, view }
}

function bucketOf (hash: number): number { return hash >>> (32 - BUCKET_BITS) }

function checksumOf (bytes: Uint8Array, seed: bigint): number { return Number(BigInt.asUintN(32, hash64(bytes, seed))) }

function damaged (file: DiskFile, reason: string): MqError {
  return new MqError('MQ_CORRUPT', `${file.path}: ${reason}`, { file: file.path })
}
