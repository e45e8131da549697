import type { EngineOptions } from '../engine/index.ts'
import type { NodeId } from '../raft/index.ts'
import type { ReplicaSettings } from '../replica/index.ts'
import type { Address } from '../remoting/index.ts'
import type { PeerNetwork, SelfDescription } from '../transport/index.ts'
import type { PeerAddress } from './address-book.ts'
import type { CatchUpOptions } from './catch-up.ts'
import type { GroupSettings } from './settings.ts'

export interface GroupMemberOptions {
  /** The same on all nodes (dLegerGroup). */
  readonly groupName: string
  /** This node's: the digits of dLegerSelfId. */
  readonly number: number
  /** The nodes of the group as configured, this one among them; where each listens for the others. */
  readonly peers: readonly PeerAddress[]
  /** Where others reach this node, when `peers` does not say it. */
  readonly address?: Address
  /** `learner`: it follows and has no vote, as a classic slave does. Default: voter. */
  readonly role?: 'voter' | 'learner'
  /** Learners may follow that nobody has named: classic slaves. Default: false. */
  readonly takesLearners?: boolean
  /** Numbers of the nodes that should lead (preferredLeaderId), the first of them that can; may change. Default: none. */
  readonly preferredLeaders?: readonly number[]
  /**
   * Makes this node's links, and lets them listen: others ask who this node is before it is of any group. They are
   * closed with the member. `self` tells who it is at any time.
   */
  readonly openNetwork: (self: () => SelfDescription) => Promise<PeerNetwork>
  readonly engine: Omit<EngineOptions, 'group'>
  /** Of raft, where they differ from `groupReplicaSettings`. */
  readonly replicaSettings?: Partial<ReplicaSettings>
  readonly settings?: Partial<GroupSettings>
  /** How much and how fast, where it differs from the defaults. */
  readonly catchUp?: Pick<CatchUpOptions, 'donorSettings' | 'receiverSettings'>
}

/** A member of the group as one node knows it. */
export interface MemberStatus {
  readonly nodeId: NodeId
  readonly number: number
  /** Where it listens for the others, HOST:PORT; empty: not known. */
  readonly address: string
  /** `leaving`: a voter of the outgoing half of a joint configuration only. */
  readonly role: 'voter' | 'learner' | 'leaving'
  readonly isLeader: boolean
  readonly isSelf: boolean
  /** How far its log is known to be durable and the leader's; undefined: only the leader knows. */
  readonly matchIndex: number | undefined
  /** The leader has heard of it lately; undefined: only the leader knows. */
  readonly isActive: boolean | undefined
}

/**
 * A leader that is silent, its machine gone or its process hanging, is missed after 600 to 1200 ms, by the first of two
 * after some 800; one whose process has ended after 100 (`PeerSettings.goneAfterMs`, `ReplicaSettings.successionStepMs`). An
 * idle node wakes three times a second for itself. A loop that stands still for more than 600 ms costs the leadership.
 */
export const groupReplicaSettings = { tickMs: 50, electionTicks: 12, heartbeatTicks: 6, restTicks: 6 } as const satisfies Partial<ReplicaSettings>
