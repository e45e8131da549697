import { MqError, type Clock, type Disk, type Logger } from '../base/index.ts'
import { EntryStream } from './entry-stream.ts'
import type { ChainPoint } from './entry-walk.ts'
import { seedOfGroup } from './entry.ts'
import type { LogPoint } from './log-point.ts'
import { recoverLog } from './recovery.ts'
import { SegmentStore } from './segment-store.ts'

/**
 * Asks the other nodes for the bytes [from, to) of the log, committed ones only, until `isGood` takes what one of them
 * gives. Undefined: nobody has them.
 */
export type Refetch = (range: { readonly from: number, readonly to: number }, isGood: (bytes: Uint8Array) => boolean) => Promise<Uint8Array | undefined>

/** Behind the last of the entries that the bytes are, if they are whole ones, the first at `from`, that end at `to`. */
export function endOfEntries (bytes: Uint8Array, groupSeed: bigint, from: ChainPoint, to: number): ChainPoint | undefined {
  const stream = new EntryStream(groupSeed, from)
  try {
    stream.push(bytes)
  } catch (error) {
    if (error instanceof MqError) return undefined
    throw error
  }
  return stream.next.position === to && stream.position === to ? stream.next : undefined
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
 * Before a log is opened: what had been synced and has rotted at its end is written anew from other nodes. They give what
 * is committed, up to where this node was ever synced: with that it holds again all that it has acknowledged, or what has
 * taken its place. Returns whether something was mended; when nobody has it the log stays as it is, and does not open.
 */
export async function refetchDamage ({ disk, clock, logger, directory, groupId, refetch, raiseTerm }: RefetchOptions): Promise<boolean> {
  const groupSeed = seedOfGroup(groupId)
  const segments = new SegmentStore({ disk, directory, segmentBytes: 0, preallocate: false, logger, onFailure () {} })
  const { report: { damaged: [damage] }, end, mark, intent, floor } = await recoverLog({ disk, clock, logger, directory, groupSeed, segments, onDamage: 'report' })
  try {
    if (damage === undefined) return false
    const to = damage.syncedTo
    logger.warn(`${damage.file}: byte ${damage.fileByte}: ${damage.reason}; what had been synced from there on is asked of other nodes`, { from: damage.from, to })
    let last: ChainPoint | undefined
    const bytes = await refetch({ from: damage.from, to }, (bytes) => (last = endOfEntries(bytes, groupSeed, behind(end), to)) !== undefined)
    if (bytes === undefined) return false
    await raiseTerm(last!.prevTerm!)
    // Before anything is overwritten that is a witness of it.
    await mark.raise(to)
    const file = segments.active.openFile
    await file.write(bytes, damage.from - segments.active.basePosition)
    await file.sync()
    logger.warn(`${damage.file}: ${bytes.length} bytes from byte ${damage.from - segments.active.basePosition} on were written anew`)
    return true
  } finally {
    await segments.close({ failed: true })
    for (const slots of [mark, intent, floor]) await slots.close()
  }
}

const behind = ({ index, term, position }: LogPoint): ChainPoint => ({ position, index: index + 1, prevTerm: term })
