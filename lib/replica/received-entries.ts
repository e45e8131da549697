import { viewOf } from '../base/index.ts'
import { ENTRY_HEADER_BYTES, decodeHeader, firstBadBlock } from '../log/index.ts'
import type { RaftEntry } from '../raft/index.ts'

/**
 * What is wrong with entries that a peer sent, or undefined when nothing is: the bytes carry the group's checksums, say
 * the same as the fields beside them, and follow each other without gaps.
 */
export function defectOfEntries (entries: readonly RaftEntry[], groupSeed: bigint): string | undefined {
  let previous: RaftEntry | undefined
  for (const entry of entries) {
    const defect = defectOfEntry(entry, groupSeed)
    if (defect !== undefined) return `entry ${entry.index}: ${defect}`
    if (previous !== undefined && !follows(previous, entry)) return `entry ${entry.index} does not follow entry ${previous.index}`
    previous = entry
  }
  return undefined
}

function defectOfEntry (entry: RaftEntry, groupSeed: bigint): string | undefined {
  const { bytes } = entry
  if (bytes.length < ENTRY_HEADER_BYTES) return 'shorter than its header'
  const view = viewOf(bytes)
  const header = decodeHeader(bytes, view, 0, groupSeed)
  if (header === undefined) return 'its header is damaged or of another group'
  if (header.sizeBytes !== bytes.length || entry.sizeBytes !== bytes.length) return 'its size is wrong'
  if (header.index !== entry.index || header.term !== entry.term || header.prevTerm !== entry.prevTerm ||
      header.kind !== entry.kind || header.physicalOffset !== entry.physicalOffset) return 'header and message disagree'
  return firstBadBlock(bytes, view, 0, header) === -1 ? undefined : 'its body is damaged'
}

function follows (previous: RaftEntry, entry: RaftEntry): boolean {
  return entry.index === previous.index + 1 && entry.prevTerm === previous.term &&
    entry.physicalOffset === previous.physicalOffset + previous.sizeBytes
}
