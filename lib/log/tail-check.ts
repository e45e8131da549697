import { viewOf, type Disk, type DiskFile } from '../base/index.ts'
import type { EntryKind } from '../raft/index.ts'
import { basename, dirname } from 'node:path'
import { decodeHeader, ENTRY_HEADER_BYTES, ENTRY_MAGIC, readSyncedTo } from './entry.ts'
import { zeroRange, ZERO_STEP_BYTES } from './zeros.ts'

const MAGIC = new Uint8Array(4)
viewOf(MAGIC).setUint32(0, ENTRY_MAGIC)

export interface FoundHeader {
  readonly position: number
  readonly index: number
  readonly kind: EntryKind
  readonly syncedTo: number | undefined
}

/**
 * Looks for readable entry headers of this group in [fromByte, toByte) of a segment, at any byte: behind a bad entry
 * nothing tells where the next one begins. Calls `onHeader` for each; it returns true to stop.
 */
export async function findHeaders (file: DiskFile, basePosition: number, fromByte: number, toByte: number, groupSeed: bigint, onHeader: (header: FoundHeader) => boolean | void): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(Math.max(0, Math.min(ZERO_STEP_BYTES, toByte - fromByte)))
  const step = buffer.length - ENTRY_HEADER_BYTES
  if (step < 0) return
  for (let start = fromByte; start < toByte; start += step + 1) {
    const chunk = buffer.subarray(0, await file.read(buffer.subarray(0, Math.min(buffer.length, toByte - start)), start))
    const view = viewOf(chunk)
    for (let at = chunk.indexOf(MAGIC); at >= 0 && at + ENTRY_HEADER_BYTES <= chunk.length; at = chunk.indexOf(MAGIC, at + 1)) {
      const header = decodeHeader(chunk, view, at, groupSeed)
      if (header === undefined || header.physicalOffset !== basePosition + start + at) continue
      if (onHeader({ position: header.physicalOffset, index: header.index, kind: header.kind, syncedTo: readSyncedTo(chunk, view, at) }) === true) return
    }
    if (chunk.length < buffer.length) return
  }
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
