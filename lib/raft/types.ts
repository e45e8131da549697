/** Numbers a voter or learner within its group. Positive. */
export type NodeId = number

export const EntryKind = { normal: 1, noop: 2, config: 3 } as const
export type EntryKind = typeof EntryKind[keyof typeof EntryKind]

/** An entry of the log. Raft reads index, term, kind and size; the bytes are the log's business. */
export interface RaftEntry {
  /** Position in the log, from 1, without gaps. */
  readonly index: number
  readonly term: number
  /** Term of the entry before; 0 for the first. */
  readonly prevTerm: number
  readonly kind: EntryKind
  /** Byte position of the entry in the group's log: the sum of the sizes of all entries before it. */
  readonly physicalOffset: number
  /** Size of the whole encoded entry. */
  readonly sizeBytes: number
  /** The encoded entry (log/entry.ts), header included. Owned by the log; never changed but for the local part of its header. */
  readonly bytes: Uint8Array
  /** Present on entries of kind `config`. */
  readonly config?: ConfChange
}

/** Voters of both halves (the outgoing ones only during a joint configuration), and learners. @see thesis chapter 4 */
export interface ConfState {
  readonly voters: readonly NodeId[]
  readonly votersOutgoing: readonly NodeId[]
  readonly learners: readonly NodeId[]
  /** Voters of the outgoing half that become learners once the joint configuration is left. */
  readonly learnersNext: readonly NodeId[]
  readonly autoLeave: boolean
}

export type ConfStep =
  | { readonly type: 'addVoter', readonly id: NodeId }
  | { readonly type: 'addLearner', readonly id: NodeId }
  | { readonly type: 'remove', readonly id: NodeId }

export interface ConfChange {
  /** `auto`: joint only when more than one voter changes, left by itself. `joint-implicit`: joint, left by itself. `joint-explicit`: joint, left by an empty change. */
  readonly transition: 'auto' | 'joint-implicit' | 'joint-explicit'
  /** No steps: leave the joint configuration. */
  readonly steps: readonly ConfStep[]
  /** Given back to the application when applied. */
  readonly context?: string
}

/** Whether a node may lack entries that it acknowledged. @see doubt.ts */
export interface Doubt {
  /** 0: never in doubt. */
  readonly life: number
  readonly inDoubt: boolean
}

export const NO_DOUBT: Doubt = { life: 0, inDoubt: false }

/** What must be durable before a message that rests on it leaves. */
export interface HardState {
  readonly term: number
  /** 0: voted for nobody in this term. */
  readonly vote: NodeId
}

/**
 * What a follower below the head of the leader's log is given instead of entries: the state as of entry `index`, which
 * was committed. Raft reads all but the manifest, which only the replicas understand.
 */
export interface RaftSnapshot {
  readonly index: number
  readonly term: number
  /** Byte position of the end of entry `index`, so where the next entry begins. */
  readonly endPosition: number
  /** The configuration as of `index`, joint ones included. */
  readonly confState: ConfState
  readonly manifest: Uint8Array
}

/** The stored log as raft sees it. Raft asks only for entries of which it was told `persisted`, so the rest is its own. */
export interface LogReader {
  /** The first entry kept; `floor.index + 1`. */
  readonly firstIndex: number
  /** 0, or `floor.index`, when there is no entry. Read once, at the start: all of it must be durable then. */
  readonly lastIndex: number
  /** Byte position of the end of the last entry. Read once, at the start. */
  readonly endPosition: number
  /** On disk through here, where entries are reported `persisted` that are only written; absent: what is persisted is on disk. */
  readonly syncedIndex?: number
  /** The entry before `firstIndex`; index and term 0 when the log was never cut. */
  readonly floor: { readonly index: number, readonly term: number }
  /** Undefined below the floor and past the end. */
  term (index: number): number | undefined
  /** Entries [from, to) up to `maxBytes`, at least one; may be fewer. Undefined: on disk, see `Ready.loads`. */
  entries (from: number, to: number, maxBytes: number): readonly RaftEntry[] | undefined
  /** For a peer that needs what lies below `firstIndex`, and that must be in its configuration. Undefined: none at the moment; raft asks again. */
  snapshot? (peer: NodeId): RaftSnapshot | undefined
}

/** What raft asks its replica to build: the no-op that begins a term, and configuration entries. */
export interface EntryRequest {
  readonly kind: EntryKind
  readonly index: number
  readonly term: number
  readonly prevTerm: number
  readonly physicalOffset: number
  readonly config?: ConfChange
}
