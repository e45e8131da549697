import type { RaftEntry } from '../raft/index.ts'
import type { Segment } from './segment.ts'

/** One flush after the other: entries of one segment are collected, then written to its file together. */
export interface Flush {
  /** No flush takes more than this, but for a single entry that is larger. */
  readonly maxBytes: number
  /** Of the entries alone. */
  readonly sizeBytes: number
  readonly lastIndex: number
  readonly lastTerm: number
  /** Where the last entry ends in the log. */
  readonly endPosition: number

  /** Starts over with `first`, for entries that add up to `sizeBytes`; the flush before has been written, or has failed for good. */
  begin (segment: Segment, first: RaftEntry, sizeBytes: number): void
  add (entry: RaftEntry): void
  /** Writes them; where the file has to grow for it, it grows by about `zerosBehind` (at most ZERO_STEP_BYTES) bytes of zeros more. Moves `segment.fileBytes`. */
  write (zerosBehind: number): Promise<void>
  /** The same on the calling thread, without more zeros. */
  writeNow (): void
}
