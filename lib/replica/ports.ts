import type { EntryBodyWriter } from '../message/index.ts'
import type { ConfState, NodeId, RaftEntry, RaftMessage } from '../raft/index.ts'
import type { MqError } from '../base/index.ts'

/**
 * One request that changes state. The leader seals many into one entry, in the order of their submission; exactly one
 * of `settle` and `fail` is called, once.
 */
export interface Proposal {
  /** Upper bound of what it adds to an entry's body. */
  readonly costBytes: number
  /**
   * It helps work to leave (consuming, removing) instead of bringing more in: taken also where that is refused because
   * too much waits or the disk is nearly full. Otherwise producers in a hurry would stop the consumers too.
   */
  readonly relieves?: boolean
  /**
   * Takes the decision against applied state plus the leader's own pending changes, writes what apply needs, and
   * remembers its own result. May write nothing (a duplicate, already done). Never throws.
   */
  decide (writer: EntryBodyWriter, storeTimestampMs: number): void
  /** The entry it rests on was applied: its own, or the last one sealed before it. */
  settle (): void
  /** `error.outcome` says what became of it. `decide` may or may not have been called. */
  fail (error: MqError): void
}

/** What the log's entries act on. All calls but `checkpoint`, `beginBaseDump` and `close` are synchronous. */
export interface StateMachine {
  /** The last entry applied; what a restart begins after. */
  readonly appliedIndex: number
  /** The configuration as of `appliedIndex`; no voters before the first one is set. */
  readonly confState: ConfState
  /** Applies the next entry, whatever its kind. Deterministic: reads no clock, no random source. A throw stops the replica. */
  apply (entry: RaftEntry): void
  /** Follows `apply` of the entry that changed the configuration; part of the checkpointed state. */
  setConfState (state: ConfState): void
  /** This node leads `term` and has applied everything before it: decisions may begin, on an empty overlay. */
  startLeading (term: number): void
  /** Leadership ended: the overlay is void. */
  stopLeading (): void
  readonly checkpointDue: boolean
  /** So much waits for a checkpoint that nothing more is to be applied before the one that is being written has ended. */
  readonly isCheckpointOverdue?: boolean
  /** Writes the state as of the call. The log is durable through `appliedIndex`; two never overlap. */
  checkpoint (): Promise<void>
  /** Where the last entry applied ends in the log. */
  readonly appliedPosition?: number
  /** Position below which the log is no longer needed (moved by retention entries); undefined: never moves. */
  readonly floorPosition?: number
  readonly baseDumpDue?: boolean
  /** The last base dump was given up because there was no room for it. */
  readonly lacksRoomForBaseDump?: boolean
  /** Fixes the state as of the call for a base dump; never overlaps a checkpoint. What it resolves with is called once, at once. */
  beginBaseDump? (): Promise<WriteBaseDump>
  /** The log's head is not needed through this index: base dumps hold its effect. 0: there is none. */
  readonly baseDumpIndex?: number
  /** The newest whole base dump. */
  readonly baseDump?: BaseDump | undefined
  /** Keeps the file of the dump at `index` until the function it returns is called. */
  holdBaseDump? (index: number): () => void
  /** The data format that the group writes, and the one that this node reads up to. */
  readonly formatVersion?: number
  readonly newestFormat?: number
  close (): Promise<void> | void
}

/**
 * Writes the state that was fixed to a file beside the log, while entries are applied and checkpoints are written. Resolves
 * with its index once the dump is whole and durable; with undefined when it was given up, which it is once `isWanted` is false.
 */
export type WriteBaseDump = (isWanted: () => boolean) => Promise<number | undefined>

/** The whole state as of entry `index`, in a file. */
export interface BaseDump {
  readonly index: number
  readonly term: number
  /** Where entry `index` ends in the log. */
  readonly position: number
  readonly confState: ConfState
  readonly path: string
}

/**
 * What became of the way to another node. `broken`: what was on it may be lost. `cut`: there is none at the moment. `gone`:
 * and the other's process has most likely ended, since nobody listens where it did; being wrong now and then is harmless.
 * `back`: it can be reached again.
 */
export type LinkEvent = 'broken' | 'cut' | 'gone' | 'back'
export type LinkListener = (nodeId: NodeId, event: LinkEvent) => void

/** Carries messages to the other nodes; may lose, repeat, delay and reorder them. */
export interface Transport {
  /** `handler` gets what arrives; the bytes of its entries belong to the receiver. A transport may know nothing of links. */
  start (handler: (message: RaftMessage) => void, onLink?: LinkListener): void
  /**
   * Never throws and never waits. The entries' bytes need not be copied: they stay as they are until nobody refers to them
   * any more, but for the local part of their headers, which is each node's own.
   */
  send (messages: readonly RaftMessage[]): void
  close (): Promise<void> | void
}

export interface LeadershipEvent {
  readonly isLeader: boolean
  readonly leaderId: NodeId
  readonly term: number
}
