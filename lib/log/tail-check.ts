import { viewOf, type Disk, type DiskFile } from '../base/index.ts'
import type { EntryKind } from '../raft/index.ts'
import { basename, dirname } from 'node:path'
import { decodeHeader, ENTRY_HEADER_BYTES, ENTRY_MAGIC, readPosition, readSyncedTo } from './entry.ts'
import type { BadEntry } from './entry-walk.ts'
import { END_BYTES, endOfNonZero, zeroRange, ZERO_STEP_BYTES } from './zeros.ts'

/** Where something follows the last entry, and an earlier segment's bytes behind it hide where it ends, so much of it is taken for it. */
const UNKNOWN_END_BYTES = 1024 * 1024
const MAGIC = new Uint8Array(4)
viewOf(MAGIC).setUint32(0, ENTRY_MAGIC)

export interface FoundHeader {
  readonly position: number
  readonly index: number
  readonly prevTerm: number
  readonly sizeBytes: number
  readonly kind: EntryKind
  readonly syncedTo: number | undefined
}

/**
 * Looks for readable entry headers of this group in [fromByte, toByte) of a segment, at any byte: behind a bad entry
 * nothing tells where the next one begins. Calls `onHeader` for each that is in its place; it returns true to stop.
 */
export async function findHeaders (file: DiskFile, basePosition: number, fromByte: number, toByte: number, groupSeed: bigint, onHeader: (header: FoundHeader) => boolean | void): Promise<void> {
  await scanMagic(file, fromByte, toByte, (chunk, view, at, fileByte) => {
    // First, as there may be very many that an earlier segment has left.
    if (readPosition(view, at) !== basePosition + fileByte) return false
    const header = decodeHeader(chunk, view, at, groupSeed)
    if (header === undefined) return false
    return onHeader({ position: header.physicalOffset, index: header.index, prevTerm: header.prevTerm, sizeBytes: header.sizeBytes, kind: header.kind, syncedTo: readSyncedTo(chunk, view, at) }) === true
  })
}

/** The first header behind a bad entry, in the segment that ends at `endPosition`; undefined: there is none. */
export async function nextHeader (file: DiskFile, basePosition: number, { fileByte, index }: BadEntry, endPosition: number, groupSeed: bigint): Promise<FoundHeader | undefined> {
  let found: FoundHeader | undefined
  await findHeaders(file, basePosition, fileByte + 1, endPosition - basePosition, groupSeed, (header) => {
    if (header.index > index) found = header
    return found !== undefined
  })
  return found
}

async function hasOlderHeader (file: DiskFile, basePosition: number, fromByte: number, toByte: number, groupSeed: bigint): Promise<boolean> {
  let isFound = false
  await scanMagic(file, fromByte, toByte, (chunk, view, at) => {
    isFound = readPosition(view, at) < basePosition && decodeHeader(chunk, view, at, groupSeed) !== undefined
    return isFound
  })
  return isFound
}

/** Calls `onMagic` wherever a header may begin; it returns true to stop. */
async function scanMagic (file: DiskFile, fromByte: number, toByte: number, onMagic: (chunk: Uint8Array, view: DataView, at: number, fileByte: number) => boolean): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(Math.max(0, Math.min(ZERO_STEP_BYTES, toByte - fromByte)))
  const step = buffer.length - ENTRY_HEADER_BYTES
  if (step < 0) return
  for (let start = fromByte; start < toByte; start += step + 1) {
    const chunk = buffer.subarray(0, await file.read(buffer.subarray(0, Math.min(buffer.length, toByte - start)), start))
    const view = viewOf(chunk)
    for (let at = chunk.indexOf(MAGIC); at >= 0 && at + ENTRY_HEADER_BYTES <= chunk.length; at = chunk.indexOf(MAGIC, at + 1)) {
      if (onMagic(chunk, view, at, start + at)) return
    }
    if (chunk.length < buffer.length) return
  }
}

export interface BehindEnd {
  /** Where what was written there to this segment ends, a byte of the file; where the look began when nothing was. */
  readonly writtenEnd: number
  /** An earlier segment has left something there, too. */
  readonly hasOlder: boolean
  /** Through here the log was once synced, as headers tell that can be read; 0 when none does. */
  readonly syncedTo: number
}

/**
 * What stands behind the last good entry of a segment, which ends at `fromByte`. What an earlier segment has left in the
 * file is told by a header whose position is below the segment: then zeros behind the last entry are the end of the log,
 * unless a header that is in its place follows, and else all but zeros was written to this segment.
 */
export async function lookBehindEnd (file: DiskFile, basePosition: number, fromByte: number, fileBytes: number, groupSeed: bigint): Promise<BehindEnd> {
  const junkEnd = await endOfNonZero(file, fromByte, fileBytes)
  let foundEnd = fromByte
  let syncedTo = 0
  await findHeaders(file, basePosition, fromByte, junkEnd, groupSeed, (header) => {
    foundEnd = Math.max(foundEnd, header.position - basePosition + header.sizeBytes)
    // An entry that begins right here is bad itself, and no witness against itself.
    if (header.position > basePosition + fromByte) syncedTo = Math.max(syncedTo, header.syncedTo ?? 0)
  })
  const hasOlder = await hasOlderHeader(file, basePosition, fromByte, junkEnd, groupSeed)
  if (!hasOlder) return { writtenEnd: junkEnd, hasOlder, syncedTo }
  const isEnd = await endOfNonZero(file, fromByte, Math.min(fromByte + END_BYTES, fileBytes)) === fromByte
  const writtenEnd = foundEnd > fromByte || isEnd ? foundEnd : fromByte + UNKNOWN_END_BYTES
  return { writtenEnd: Math.min(writtenEnd, junkEnd), hasOlder, syncedTo }
}

/** What the good entry at that byte of a segment says was synced when it was written; undefined when that part of it is not readable. */
export async function syncedToAt (file: DiskFile, atByte: number, groupSeed: bigint): Promise<number | undefined> {
  const bytes = new Uint8Array(ENTRY_HEADER_BYTES)
  if (await file.read(bytes, atByte) < bytes.length) return undefined
  const view = viewOf(bytes)
  return decodeHeader(bytes, view, 0, groupSeed) === undefined ? undefined : readSyncedTo(bytes, view, 0)
}

/**
 * Writes [fromByte, toByte) of the file over itself. When a sync fails, the system takes the pages for clean that the
 * medium never saw: it goes on showing them, and a later sync does nothing for them. A process that finds such bytes
 * must write them again before a sync of its own means anything. Not synced.
 */
export async function writeAgain (file: DiskFile, fromByte: number, toByte: number): Promise<void> {
  const chunk = new Uint8Array(Math.max(0, Math.min(ZERO_STEP_BYTES, toByte - fromByte)))
  for (let at = fromByte; at < toByte; at += chunk.length) {
    const bytes = chunk.subarray(0, Math.min(chunk.length, toByte - at))
    await file.write(bytes.subarray(0, await file.read(bytes, at)), at)
  }
}

/** Copies [fromByte, toByte) of the file to `<file>.torn` (`.2.torn`, … when there is one) and syncs it. Returns its name. */
export async function keepAside (disk: Disk, file: DiskFile, fromByte: number, toByte: number): Promise<string> {
  const directory = dirname(file.path)
  const taken = new Set((await disk.list(directory) ?? []).map(({ name }) => name))
  const stem = basename(file.path)
  let name = `${stem}.torn`
  for (let number = 2; taken.has(name); number++) name = `${stem}.${number}.torn`
  const aside = await disk.open(`${directory}/${name}`, { create: true })
  try {
    const chunk = new Uint8Array(Math.min(ZERO_STEP_BYTES, toByte - fromByte))
    for (let at = fromByte; at < toByte; at += chunk.length) {
      const bytes = chunk.subarray(0, Math.min(chunk.length, toByte - at))
      await aside.write(bytes.subarray(0, await file.read(bytes, at)), at - fromByte)
    }
    await aside.sync()
  } finally {
    await aside.close()
  }
  await disk.syncDirectory(directory)
  return `${directory}/${name}`
}

/** Makes [fromByte, toByte) zeros, durably. */
export async function wipe (file: DiskFile, fromByte: number, toByte: number): Promise<void> {
  await zeroRange(file, fromByte, toByte)
  await file.sync()
}
