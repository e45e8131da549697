import { invariant, type Random } from '../base/index.ts'
import type { ConfState, Doubt, EntryRequest, HardState, LogReader, NodeId, RaftEntry } from './types.ts'

export interface RaftOptions {
  readonly id: NodeId
  /** A follower that hears nothing for [electionTicks, 2 * electionTicks) ticks, drawn anew each time, campaigns. */
  readonly electionTicks: number
  readonly heartbeatTicks: number
  /** Ask whether an election could be won before raising the term. @see thesis 9.6 */
  readonly preVote: boolean
  /** A leader that hears of no quorum for electionTicks steps down, and nodes that hear of a leader ignore candidates. @see thesis 6.2, 4.2.3 */
  readonly checkQuorum: boolean
  readonly maxBytesPerAppend: number
  readonly maxInflightAppends: number
  /** At least maxBytesPerAppend. */
  readonly maxInflightBytes: number
  /** Beyond this `propose` answers 'full'; one entry is always accepted. */
  readonly maxUncommittedBytes: number
  readonly random: Random
  readonly log: LogReader
  /** As found on disk; undefined: term 0, no vote. */
  readonly hardState?: HardState | undefined
  /** Absent: this node has all that it ever acknowledged. */
  readonly doubt?: Doubt | undefined
  /** The configuration as of `appliedIndex`. Without voters the node waits to be told of a group. */
  readonly confState: ConfState
  readonly appliedIndex: number
  readonly makeEntry: (request: EntryRequest) => RaftEntry
  /**
   * Indexes of the configuration entries in the log above `appliedIndex`, ascending. When left out raft looks for them
   * in what the log has in memory.
   */
  readonly unappliedConfigs?: readonly number[] | undefined
  /**
   * Snapshots are not installed under a running node: whoever runs it brings log and state to the snapshot's index and
   * starts the node anew (`Ready.catchUp`). Until then the node is what its own log makes it. A leader probes a peer that
   * it told of a snapshot again after `retryTicks`. Absent: `Ready.snapshot`, in place.
   */
  readonly catchUp?: { readonly retryTicks: number } | undefined
}

export function assertOptions (options: RaftOptions): void {
  const positive = (name: 'id' | 'electionTicks' | 'heartbeatTicks' | 'maxInflightAppends') => {
    invariant(Number.isSafeInteger(options[name]) && options[name] > 0, `raft: ${name} must be a positive integer`)
  }
  positive('id')
  positive('electionTicks')
  positive('heartbeatTicks')
  positive('maxInflightAppends')
  invariant(options.electionTicks > options.heartbeatTicks, 'raft: electionTicks must be greater than heartbeatTicks')
  invariant(options.maxInflightBytes >= options.maxBytesPerAppend, 'raft: maxInflightBytes must be at least maxBytesPerAppend')
}
