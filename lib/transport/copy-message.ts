import type { RaftEntry, RaftMessage } from '../raft/index.ts'

/**
 * A message as it would come out of a wire: the bytes of its entries are the receiver's own, back to back in one piece
 * of memory, so that the receiver's log writes them with one call.
 */
export function copyMessage (message: RaftMessage): RaftMessage {
  if (message.type !== 'appendEntries' || message.entries.length === 0) return message
  let totalBytes = 0
  for (const { bytes } of message.entries) totalBytes += bytes.length
  const copied = new Uint8Array(totalBytes)
  let at = 0
  const entries: RaftEntry[] = message.entries.map((entry) => {
    copied.set(entry.bytes, at)
    const bytes = copied.subarray(at, at += entry.bytes.length)
    return { ...entry, bytes }
  })
  return { ...message, entries }
}
