import type { Replica, ReplicaStatus } from '../../lib/replica/index.ts'
import { Violation } from './ledger.ts'
import { APPLY_SLICE_BYTES, maxInflightBytesOf, type Parameters } from './parameters.ts'

/** What one node may hold in memory and let wait. */
interface Bounds {
  readonly proposals: number
  readonly proposalBytes: number
  readonly undecidedEntries: number
  readonly inflightAppends: number
  readonly inflightBytes: number
  readonly tailCacheBytes: number
  readonly coldCacheBytes: number
  /** Of one append, or of one entry where that is more. */
  readonly appendBytes: number
  readonly uncheckedBytes: number
}

/** Changes of members are watched as proposals are, one at a time in each term. */
const SOME_CHANGES = 8
/** A checkpoint that was begun is awaited when so many times as much waits for the next one. */
const OVERDUE = 4

/** Proposals that relieve may be so many more, at least; and so much more. */
const LEAST_RELIEF = 4096
const LEAST_RELIEF_BYTES = 4 * 1024 * 1024
/** One proposal may be larger than entries are to be: in a whole node, that which stores anew what waits. */
const LARGEST_BYTES = { replica: 8 * 1024, member: 272 * 1024 } as const
export const COLD_CACHE_BYTES = 64 * 1024

export function boundsOf (parameters: Parameters, checkpointBytes: number): Bounds {
  const { level, maxPendingProposals, maxPendingBytes, maxUndecidedEntries, maxInflightAppends, maxBytesPerAppend, maxEntryBytes, tailCacheBytes } = parameters
  const relieves = level === 'member'
  const entryBytes = Math.max(maxEntryBytes, LARGEST_BYTES[level])
  return {
    proposals: maxPendingProposals + (relieves ? Math.max(maxPendingProposals, LEAST_RELIEF) : 0),
    proposalBytes: maxPendingBytes + (relieves ? Math.max(maxPendingBytes, LEAST_RELIEF_BYTES) : 0),
    undecidedEntries: maxUndecidedEntries,
    inflightAppends: maxInflightAppends,
    inflightBytes: maxInflightBytesOf(parameters),
    tailCacheBytes,
    coldCacheBytes: COLD_CACHE_BYTES,
    appendBytes: Math.max(maxBytesPerAppend, entryBytes),
    // what is applied goes on by a slice before it is seen that it is too much, also when a checkpoint has just ended; the last entry of a slice may be a large one
    uncheckedBytes: OVERDUE * checkpointBytes + 4 * APPLY_SLICE_BYTES + entryBytes
  }
}

/** Of what is under way, or waits, or is kept, there is no more than its bound. To be called often. */
export function checkBounds (node: number, replica: Replica, { peers }: ReplicaStatus, bounds: Bounds): void {
  const { log, stateMachine } = replica
  const { proposals, proposalBytes, undecidedEntries } = replica.load()
  within(node, 'proposals that wait', proposals, bounds.proposals + SOME_CHANGES)
  within(node, 'bytes of proposals', proposalBytes, bounds.proposalBytes)
  within(node, 'entries that are not decided', undecidedEntries, bounds.undecidedEntries + SOME_CHANGES)
  for (const { id, inflightAppends, inflightBytes } of peers) {
    within(node, `appends on their way to ${id}`, inflightAppends, bounds.inflightAppends)
    // the last one may be larger than what was left
    within(node, `bytes on their way to ${id}`, inflightBytes, bounds.inflightBytes + bounds.appendBytes)
  }
  const { tailBytes, unwrittenBytes, coldBytes, coldPieces } = log.memory
  within(node, 'bytes of the log in memory', tailBytes, bounds.tailCacheBytes + unwrittenBytes)
  if (coldPieces > 1) within(node, 'bytes read back', coldBytes, bounds.coldCacheBytes)
  const { appliedPosition, checkpointPosition } = stateMachine as { readonly appliedPosition?: number, readonly checkpointPosition?: number }
  if (appliedPosition !== undefined && checkpointPosition !== undefined) {
    within(node, 'bytes applied since the last checkpoint', appliedPosition - checkpointPosition, bounds.uncheckedBytes)
  }
}

function within (node: number, what: string, actual: number, bound: number): void {
  if (actual > bound) throw new Violation('memory is bounded', `node ${node}: ${what}: ${actual}, bound ${bound}`)
}
