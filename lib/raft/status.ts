import type { RaftCore } from './core.ts'
import type { ProgressState } from './progress.ts'
import type { Role } from './ready.ts'
import type { ConfState, NodeId } from './types.ts'

export interface PeerStatus {
  readonly id: NodeId
  readonly state: ProgressState
  readonly matchIndex: number
  readonly nextIndex: number
  readonly isLearner: boolean
  readonly isPaused: boolean
  readonly recentlyActive: boolean
  readonly inflightAppends: number
  readonly inflightBytes: number
  readonly pendingSnapshotIndex: number
  /** It may lack what it acknowledged, so its copies do not count. */
  readonly inDoubt: boolean
}

export interface RaftStatus {
  readonly id: NodeId
  readonly role: Role
  readonly term: number
  readonly vote: NodeId
  readonly leaderId: NodeId
  readonly isLearner: boolean
  readonly firstIndex: number
  readonly lastIndex: number
  readonly lastTerm: number
  readonly durableIndex: number
  readonly commitIndex: number
  readonly appliedIndex: number
  readonly uncommittedBytes: number
  readonly transfereeId: NodeId
  readonly pendingSnapshotIndex: number
  readonly conf: ConfState
  /** Of the leader only. */
  readonly peers: readonly PeerStatus[]
}

export function statusOf (core: RaftCore): RaftStatus {
  const { log, membership } = core
  const isLeader = core.role === 'leader'
  return {
    id: core.id,
    role: core.role,
    term: core.term,
    vote: core.vote,
    leaderId: core.leaderId,
    isLearner: membership.isLearner,
    firstIndex: log.firstIndex,
    lastIndex: log.lastIndex,
    lastTerm: log.lastTerm,
    durableIndex: log.durableIndex,
    commitIndex: log.commitIndex,
    appliedIndex: log.appliedIndex,
    uncommittedBytes: isLeader ? core.uncommitted.bytes : 0,
    transfereeId: core.transfereeId,
    pendingSnapshotIndex: log.pendingSnapshot?.index ?? 0,
    conf: membership.conf,
    peers: !isLeader
      ? []
      : membership.peers.map((peer) => ({
        id: peer.id,
        state: peer.state,
        matchIndex: peer.matchIndex,
        nextIndex: peer.nextIndex,
        isLearner: membership.conf.learners.includes(peer.id),
        isPaused: peer.isPaused,
        recentlyActive: peer.recentlyActive,
        inflightAppends: peer.inflights.count,
        inflightBytes: peer.inflights.bytes,
        pendingSnapshotIndex: peer.pendingSnapshotIndex,
        inDoubt: peer.inDoubt
      }))
  }
}
