import type { NodeId, RaftEntry, RaftSnapshot } from './types.ts'

interface Envelope {
  readonly from: NodeId
  readonly to: NodeId
  /** The sender's term; in pre-votes and their grants the term that would be campaigned for. */
  readonly term: number
}

/** In every answer of a node in its second life or later; absent: the first, not in doubt. @see doubt.ts */
export interface DoubtNews {
  life?: number
  inDoubt?: boolean
}

/** Entries after (prevIndex, prevTerm); none of them: a probe, or news of the commit index. */
export interface AppendEntries extends Envelope {
  readonly type: 'appendEntries'
  readonly prevIndex: number
  readonly prevTerm: number
  readonly entries: readonly RaftEntry[]
  readonly commitIndex: number
}

/**
 * Accepted: the sender's log is equal to the leader's through `index`, written and, but for the last `unsynced` entries,
 * on its disk. Rejected: it does not hold the entry
 * before, at `index`; the logs may agree through (hintIndex, hintTerm), surely not beyond. hintIndex -1: it cannot take
 * the log from its beginning either. (Index and hint 0 may also be the answer to an append of an older term.)
 */
export interface AppendEntriesReply extends Envelope, DoubtNews {
  readonly type: 'appendEntriesReply'
  readonly index: number
  /** Absent: none. */
  readonly unsynced?: number
  readonly rejected: boolean
  readonly hintIndex: number
  readonly hintTerm: number
}

export interface Heartbeat extends Envelope {
  readonly type: 'heartbeat'
  /** At most what the receiver is known to hold. */
  readonly commitIndex: number
  /** Number of the last read that waits for a confirmation; 0: none. */
  readonly readSequence: number
  /** To a peer in doubt: the life that it told of, and where the sender's log ends. Absent: 0. */
  readonly doubtLife?: number
  readonly lastIndex?: number
}

export interface HeartbeatReply extends Envelope, DoubtNews {
  readonly type: 'heartbeatReply'
  readonly readSequence: number
  /** Through here its log is on its disk and equal to the leader's; absent: not told. */
  readonly syncedIndex?: number
}

/** A committed entry that the sender holds. Whoever holds it as well knows that it is committed (see election.ts). */
interface CommitNews {
  readonly commitIndex: number
  readonly commitTerm: number
}

export interface RequestVote extends Envelope, CommitNews {
  readonly type: 'requestVote' | 'requestPreVote'
  readonly lastIndex: number
  readonly lastTerm: number
  /** Part of a leadership transfer: a leader heard of lately is no reason to stay silent. */
  readonly force: boolean
}

/** Granted by a node in doubt: counts only where all voters grant. */
export interface RequestVoteReply extends Envelope, CommitNews, DoubtNews {
  readonly type: 'requestVoteReply' | 'requestPreVoteReply'
  readonly granted: boolean
}

export interface InstallSnapshot extends Envelope {
  readonly type: 'installSnapshot'
  readonly snapshot: RaftSnapshot
}

/** Campaign at once: the leader hands over. */
export interface TimeoutNow extends Envelope {
  readonly type: 'timeoutNow'
}

/** A follower's read, asked of the leader. */
export interface ReadIndex extends Envelope {
  readonly type: 'readIndex'
  readonly context: number
}

export interface ReadIndexReply extends Envelope {
  readonly type: 'readIndexReply'
  readonly context: number
  readonly index: number
}

/** A follower passes on the wish that `target` should lead. */
export interface TransferLeadership extends Envelope {
  readonly type: 'transferLeadership'
  readonly target: NodeId
}

export type RaftMessage =
  | AppendEntries
  | AppendEntriesReply
  | Heartbeat
  | HeartbeatReply
  | RequestVote
  | RequestVoteReply
  | InstallSnapshot
  | TimeoutNow
  | ReadIndex
  | ReadIndexReply
  | TransferLeadership
