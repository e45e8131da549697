import { MqError, type Clock, type Disk, type Logger } from '../base/index.ts'
import { EntryStream } from './entry-stream.ts'
import type { ChainPoint } from './entry-walk.ts'
import { seedOfGroup } from './entry.ts'
import type { LogPoint } from './log-point.ts'
import { recoverLog, type Recovered } from './recovery.ts'
import { SegmentStore } from './segment-store.ts'

/**
 * Asks the other nodes for the bytes [from, to) of the log, committed ones only, until `isGood` takes what one of them
 * gives. Undefined: nobody has them.
 */
export type Refetch = (range: { readonly from: number, readonly to: number }, isGood: (bytes: Uint8Array) => boolean) => Promise<Uint8Array | undefined>

/** Asked for at once; a whole file may be missing. A larger entry is asked for alone. */
const PIECE_BYTES = 16 * 1024 * 1024

/** Behind the last of the entries that the bytes are, if they are whole ones, the first at `from`, that end at `to`. */
export function endOfEntries (bytes: Uint8Array, groupSeed: bigint, from: ChainPoint, to: number): ChainPoint | undefined {
  const stream = streamOf(bytes, groupSeed, from)
  return stream?.next.position === to && stream.position === to ? stream.next : undefined
}

/** Undefined: the bytes are not those of the entries from `from` on. */
function streamOf (bytes: Uint8Array, groupSeed: bigint, from: ChainPoint): EntryStream | undefined {
  const stream = new EntryStream(groupSeed, from)
  try {
    stream.push(bytes)
  } catch (error) {
    if (error instanceof MqError) return undefined
    throw error
  }
  return stream
}

export interface RefetchOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly logger: Logger
  readonly directory: string
  readonly groupId: Uint8Array
  readonly refetch: Refetch
  /** Makes durable that this node has seen that term, before an entry of it is written. */
  readonly raiseTerm: (term: number) => Promise<void>
}

/**
 * Before a log is opened: what had been synced and is damaged or missing is written anew from other nodes, up to the next
 * file that is there, or to where this node was ever synced. They give what is committed: with that it holds again all
 * that it has acknowledged, or what has taken its place. Returns whether a place was mended; there may be another one behind
 * it. When nobody has it the log stays damaged, and does not open; what has come of it stays.
 */
export async function refetchDamage ({ disk, clock, logger, directory, groupId, refetch, raiseTerm }: RefetchOptions): Promise<boolean> {
  const groupSeed = seedOfGroup(groupId)
  const segments = new SegmentStore({ disk, directory, segmentBytes: 0, preallocate: false, logger, onFailure () {} })
  const recovered = await recoverLog({ disk, clock, logger, directory, groupSeed, segments, onDamage: 'mend' }).catch(async (error: unknown) => {
    await segments.close({ failed: true })
    throw error
  })
  const { report: { damaged: [damage] }, end, mark, intent, floor } = recovered
  try {
    if (damage === undefined) return false
    const { from, syncedTo, reason, file: path, fileByte } = damage
    const behind = fileBehind(recovered, from)
    const to = behind?.position ?? syncedTo
    logger.warn(`${path}: byte ${fileByte}: ${reason}; what had been synced from there on is asked of other nodes`, { from, to })
    // Before anything is overwritten that is a witness of it.
    let isWitnessed = false
    const file = segments.active.openFile
    for (let at = chainPointOf(end); at.position < to;) {
      const piece = await pieceFrom(at, to, groupSeed, refetch, behind)
      if (piece === undefined) return false
      await raiseTerm(piece.next.prevTerm!)
      if (!isWitnessed) await mark.raise(syncedTo)
      isWitnessed = true
      await file.write(piece.bytes, at.position - segments.active.basePosition)
      at = piece.next
    }
    await file.sync()
    logger.warn(`${path}: ${to - from} bytes from byte ${from - segments.active.basePosition} on were written anew`)
    return true
  } finally {
    await segments.close({ failed: true })
    for (const slots of [mark, intent, floor]) await slots.close()
  }
}

/** The next entries, as many as one piece holds. */
async function pieceFrom (at: ChainPoint, to: number, groupSeed: bigint, refetch: Refetch, behind: ChainPoint | undefined): Promise<{ readonly bytes: Uint8Array, readonly next: ChainPoint } | undefined> {
  for (let pieceBytes = PIECE_BYTES; ; pieceBytes *= 2) {
    const end = Math.min(to, at.position + pieceBytes)
    let next = at
    const bytes = await refetch({ from: at.position, to: end }, (bytes) => {
      const stream = streamOf(bytes, groupSeed, at)
      if (stream === undefined || (end === to && !endsWell(stream, to, behind))) return false
      next = stream.next
      return true
    })
    if (bytes === undefined) return undefined
    if (next.position > at.position) return { bytes: bytes.subarray(0, next.position - at.position), next }
  }
}

/** The last of the entries ends at `to`, and what lies behind goes on from it. */
function endsWell ({ next, position }: EntryStream, to: number, behind: ChainPoint | undefined): boolean {
  return position === to && next.position === to && (behind === undefined || (behind.index === next.index && behind.prevTerm === next.prevTerm))
}

/** Where a file begins that is whole at its beginning and lies behind the damage. */
function fileBehind ({ lost }: Recovered, from: number): ChainPoint | undefined {
  const file = lost.find(({ basePosition, first }) => basePosition > from && first !== undefined)
  return file === undefined ? undefined : { position: file.basePosition, index: file.first!.index, prevTerm: file.first!.prevTerm }
}

const chainPointOf = ({ index, term, position }: LogPoint): ChainPoint => ({ position, index: index + 1, prevTerm: term })
