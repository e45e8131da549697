import type { Clock, Disk, Logger, Random } from '../base/index.ts'
import type { FlushMode, RaftLog, LogOptions } from '../log/index.ts'
import type { ConfState, NodeId, PeerStatus, Role } from '../raft/index.ts'
import type { Identity } from './identity.ts'
import type { StateMachine, Transport } from './ports.ts'
import type { ReplicaSettings } from './settings.ts'
import type { Founding } from './storage.ts'

export interface ReplicaOptions {
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly logger: Logger
  readonly directory: string
  readonly nodeId: NodeId
  /** What an empty directory becomes. Default: a group of this one node. */
  readonly founding?: Founding
  /** What the directory is made in, or upgraded to. Default: DATA_FORMAT_VERSION. */
  readonly formatVersion?: number
  /** Not needed by a group of one. */
  readonly transport?: Transport
  /** Opens the state machine over the log, which is recovered and stands still meanwhile. */
  readonly openStateMachine: (context: StateMachineContext) => Promise<StateMachine>
  readonly settings?: Partial<ReplicaSettings>
  readonly logSettings?: LogSettings
}

export interface StateMachineContext {
  readonly log: RaftLog
  readonly identity: Identity
  /** The state knows of entries that are missing at the end of the log: durably in doubt when it resolves. */
  readonly noteLostEntries: () => Promise<void>
}

export type LogSettings = Partial<Pick<LogOptions, 'segmentBytes' | 'tailCacheBytes' | 'coldCacheBytes' | 'flush' | 'inlineFlush' | 'preallocate' | 'spareSegments' | 'reserveBytes' | 'onDamage' | 'refetch'>>

export interface ReplicaStatus {
  readonly state: ReplicaState
  readonly nodeId: NodeId
  readonly role: Role
  readonly term: number
  readonly leaderId: NodeId
  /** To whom leadership is being transferred, as the leader knows; 0: to nobody. */
  readonly transfereeId: NodeId
  /** This node takes decisions. */
  readonly isLeading: boolean
  readonly lastIndex: number
  readonly durableIndex: number
  readonly commitIndex: number
  readonly appliedIndex: number
  /** Whether entries count here when they are written, not only when they are on disk. */
  readonly flushMode: FlushMode
  /** This node may lack entries that it acknowledged, and does not count until it has them. */
  readonly inDoubt: boolean
  readonly pendingProposals: number
  readonly undecidedProposals: number
  readonly confState: ConfState
  /** How far the others are; of the leader only, else empty. */
  readonly peers: readonly PeerStatus[]
}

/** What waits in a replica: see ReplicaSettings for the bounds. */
export interface ReplicaLoad {
  /** Not settled yet, sealed or not. */
  readonly proposals: number
  readonly proposalBytes: number
  readonly undecidedEntries: number
}

export type ReplicaState = 'open' | 'closing' | 'closed' | 'failed'
