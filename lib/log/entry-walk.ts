import { isMqError, MqError, type DiskFile } from '../base/index.ts'
import { decodeHeader, ENTRY_HEADER_BYTES, firstBadBlock, BLOCK_BYTES, type EntryHeader } from './entry.ts'
import { EntryWindow } from './entry-window.ts'

const CHUNK_BYTES = 1024 * 1024
const HEADER_CHUNK_BYTES = 4 * 1024

/** What a valid next entry must say of itself. */
export interface ChainPoint {
  readonly position: number
  readonly index: number
  /** Term of the entry before; undefined accepts any. */
  readonly prevTerm: number | undefined
}

/** Where a walk met bytes that are no entry, or not the one that must come here. */
export interface BadEntry {
  /** Log position of the entry. */
  readonly position: number
  readonly index: number
  /** The byte of the file to name in a message: the entry's start, or its first bad block. */
  readonly fileByte: number
  readonly reason: string
  /** The entry's header when only its body is bad. */
  readonly header?: EntryHeader
}

export interface WalkOptions {
  readonly file: DiskFile
  readonly basePosition: number
  readonly from: ChainPoint
  /** Log position to stop at: the end of the segment's entries, or of the file. */
  readonly to: number
  readonly groupSeed: bigint
  /** Check bodies too; otherwise only headers are read and bodies are skipped. */
  readonly verifyBodies: boolean
  /** Whether `onEntry` keeps views on `bytes`. */
  readonly keepsBytes?: boolean
  readonly chunkBytes?: number
  /** Called for each good entry, which starts at `bytes[at]`. Returns true to stop behind it. */
  onEntry (header: EntryHeader, bytes: Uint8Array, view: DataView, at: number): boolean | void
}

export interface WalkEnd {
  /** The point behind the last good entry. */
  readonly next: ChainPoint
  /** Present when the walk ended at something bad before `to`. */
  readonly bad?: BadEntry
}

/** The header at `at` if it is the one that must come there, else what is wrong with it. */
export function headerAt (bytes: Uint8Array, view: DataView, at: number, groupSeed: bigint, { position, index, prevTerm }: ChainPoint): EntryHeader | string {
  const header = decodeHeader(bytes, view, at, groupSeed)
  if (header === undefined) return 'no valid entry header'
  if (header.physicalOffset !== position) return `the entry there belongs at position ${header.physicalOffset}`
  if (header.index !== index) return `the entry there has index ${header.index}, expected ${index}`
  if ((prevTerm !== undefined && header.prevTerm !== prevTerm) || header.term < header.prevTerm) return `the entry there follows term ${header.prevTerm}, expected ${prevTerm}`
  return header
}

/** Runs a decoder on bytes of `path`; a version it does not know is told with its place. */
export function naming<T> (path: string, fileByte: number, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (!isMqError(error, 'MQ_FORMAT_TOO_NEW')) throw error
    throw new MqError(error.code, `${path}: byte ${fileByte}: ${error.message}`, { file: path, position: fileByte })
  }
}

/** Walks the entries of a segment in order. Yields to the event loop at every chunk it reads. */
export async function walkEntries (options: WalkOptions): Promise<WalkEnd> {
  const { file, basePosition, to, groupSeed, verifyBodies, onEntry } = options
  const chunkBytes = options.chunkBytes ?? CHUNK_BYTES
  const window = new EntryWindow(file, { reuse: options.keepsBytes !== true })
  let { position, index, prevTerm } = options.from
  let skippedMuch = false
  while (position < to) {
    const fileByte = position - basePosition
    const bad = (reason: string, at = fileByte, header?: EntryHeader): WalkEnd =>
      ({ next: { position, index, prevTerm }, bad: { position, index, fileByte: at, reason, ...(header !== undefined && { header }) } })
    if (!window.has(fileByte, ENTRY_HEADER_BYTES)) {
      await window.load(fileByte, Math.min(skippedMuch ? HEADER_CHUNK_BYTES : chunkBytes, Math.max(to - position, ENTRY_HEADER_BYTES)))
      if (!window.has(fileByte, ENTRY_HEADER_BYTES)) return bad('the file ends within an entry\'s header')
    }
    const next = { position, index, prevTerm }
    const header = naming(file.path, fileByte, () => headerAt(window.bytes, window.view, fileByte - window.start, groupSeed, next))
    if (typeof header === 'string') return bad(header)
    if (position + header.sizeBytes > to) return bad('the entry is longer than what is left', fileByte, header)
    if (verifyBodies) {
      if (!window.has(fileByte, header.sizeBytes)) {
        await window.load(fileByte, Math.min(Math.max(chunkBytes, header.sizeBytes), to - position))
        if (!window.has(fileByte, header.sizeBytes)) return bad('the file ends within an entry', fileByte, header)
      }
      const block = firstBadBlock(window.bytes, window.view, fileByte - window.start, header)
      if (block >= 0) return bad('a block of an entry\'s body fails its checksum', fileByte + ENTRY_HEADER_BYTES + block * BLOCK_BYTES, header)
    }
    skippedMuch = header.sizeBytes > HEADER_CHUNK_BYTES * 4 && !verifyBodies
    position += header.sizeBytes
    index++
    prevTerm = header.term
    if (onEntry(header, window.bytes, window.view, fileByte - window.start) === true) break
  }
  return { next: { position, index, prevTerm } }
}
