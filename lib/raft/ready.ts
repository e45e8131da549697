import type { RaftMessage } from './messages.ts'
import type { HardState, NodeId, RaftEntry, RaftSnapshot } from './types.ts'

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader'

export interface Leadership {
  readonly role: Role
  readonly term: number
  /** 0: unknown. */
  readonly leaderId: NodeId
}

/** The answer to `readIndex(context)`: a state that has applied `index` may serve the read. */
export interface ReadState {
  readonly context: number
  readonly index: number
}

/** Undefined parts are no condition. When all are, the message waits for nothing but its turn. */
export interface PersistCondition {
  /** This term and vote, or later ones, are durable. */
  readonly hardState: HardState | undefined
  /** The entry (or snapshot) at `index` with `term` is durable, and no write under way may still replace it. */
  readonly index: number | undefined
  readonly term: number | undefined
}

export interface MessageAfterPersist {
  readonly message: RaftMessage
  readonly after: PersistCondition
}

/** Entries from `from` on are wanted for `peer` and were not in memory: read them, then call `entriesLoaded(peer, entries)`. */
export interface EntryLoad {
  readonly peer: NodeId
  readonly from: number
  readonly maxBytes: number
}

/** What this node needs next is gone from the log of `from`, who leads: it is to be brought to the snapshot's index and started anew. */
export interface CatchUpCall {
  readonly snapshot: RaftSnapshot
  readonly from: NodeId
}

/**
 * Work for the replica, handed out once. Writes are done in the order handed out: hard state, then the snapshot, then
 * the entries; `persisted`, `hardStatePersisted` and `snapshotInstalled` report them. Never waits for a report before
 * the next Ready is taken, except where raft itself holds back (see unstable.ts).
 */
export interface Ready {
  readonly hardState: HardState | undefined
  /** The log is replaced by this; report with `snapshotInstalled`. No entries come before that report. */
  readonly snapshot: RaftSnapshot | undefined
  /** To append, in order. When the log holds an entry at entries[0].index, it is cut there first. */
  readonly entries: readonly RaftEntry[]
  /** May leave now. */
  readonly messages: readonly RaftMessage[]
  /**
   * Leave once their condition holds. One that can no longer come true (its entries were cut before they were durable)
   * is for an older term: drop it.
   */
  readonly messagesAfterPersist: readonly MessageAfterPersist[]
  /** Entries through this one are committed and durable here: apply them, in order, then report with `applied`. */
  readonly committedTo: number | undefined
  readonly readStates: readonly ReadState[]
  /** Present when role, term or leader changed. */
  readonly leadership: Leadership | undefined
  readonly loads: readonly EntryLoad[]
  /** Comes again while it is needed. Not to be acted on before `hardState` is durable. Only with RaftOptions.catchUp. */
  readonly catchUp: CatchUpCall | undefined
}

/** Shared by all Readys that have nothing to say. */
export const NOTHING: readonly never[] = Object.freeze([])
