import type { Disk, Logger } from '../base/index.ts'
import type { EntryBody } from '../message/index.ts'
import type { DatabaseOpener, Kv } from '../kv/index.ts'
import type { ConfState, RaftEntry } from '../raft/index.ts'
import type { BaseDumps } from './base-dumps.ts'
import type { CheckpointMeta } from './checkpoint-meta.ts'
import type { AppliedFile } from './checkpoints.ts'
import type { CommitLog, EntryFinder } from './commit-log.ts'
import type { ConsumeQueues } from './consume-queues.ts'
import type { ConsumerOffsets } from './consumer-offsets.ts'
import type { DedupeMachine } from './dedupe-machine.ts'
import type { DelayMachine } from './delay-machine.ts'
import type { HalfMachine } from './half-machine.ts'
import type { GroupFormat } from './group-format.ts'
import type { KeyedMachine } from './keyed-machine.ts'
import type { LockMachine } from './lock-machine.ts'
import type { Machine } from './machine.ts'
import type { Metadata } from './metadata.ts'
import type { StoreDamage } from './store-damage.ts'

/** What the store reads of the log. */
export interface StoreLog extends EntryFinder {
  readonly firstIndex: number
  readonly lastIndex: number
  /** Of the entry before the first one too. */
  term (index: number): number | undefined
  /** Entries [fromIndex, toIndex) in order, verified. */
  scan (fromIndex: number, toIndex: number): AsyncIterable<RaftEntry>
}

export interface StoreSettings {
  /** A checkpoint is due after that many bytes of log: what a restart replays at most. */
  readonly checkpointBytes: number
  /** A checkpoint is due when units in memory take that much. */
  readonly unpersistedBytes: number
  /** A base dump is due after that many bytes of log. */
  readonly baseDumpBytes: number
  /** Bound of the cache of decoded consume queue pages. */
  readonly pageCacheBytes: number
}

export const defaultStoreSettings: StoreSettings = {
  checkpointBytes: 64 * 1024 * 1024,
  unpersistedBytes: 32 * 1024 * 1024,
  baseDumpBytes: 512 * 1024 * 1024,
  pageCacheBytes: 4 * 1024 * 1024
}

export interface RebuildProgress {
  /** Entries read of the log so far, of those there are. */
  readonly entries: number
  readonly totalEntries: number
}

export interface StoreOptions {
  readonly database: DatabaseOpener
  readonly disk: Disk
  readonly logger: Logger
  /** The data directory: holds `applied`, `opening` and `base/`. */
  readonly directory: string
  readonly log: StoreLog
  readonly groupId: Uint8Array
  /** The data format that this node reads up to. Default: DATA_FORMAT_VERSION. */
  readonly formatVersion?: number
  readonly settings?: Partial<StoreSettings>
  /** Free room of the file system that the log leaves alone; 0, the default: not watched. */
  readonly reserveBytes?: number
  /** Further machines, over the ones every store has. */
  readonly machines?: (core: CoreMachines) => readonly Machine[]
  /** Told of each entry right after it was applied, before anybody else; with what is in it unless that is nothing. May not throw. */
  readonly onEntry?: (entry: RaftEntry, body: EntryBody | undefined) => void
  /** The state on disk was that of a later entry than the log's last one, which is no more: awaited before anything of the state is changed. */
  readonly onLogLost?: () => Promise<void>
  /** Called now and then while a rebuild reads the log. */
  readonly onProgress?: (progress: RebuildProgress) => void
}

/** How the store came to its state when it was opened. */
export interface StoreRecovery {
  readonly isRebuilt: boolean
  /** Why it was rebuilt. */
  readonly reason?: string
  /** The base dump it was rebuilt from; absent when that was the log alone. */
  readonly baseIndex?: number
}

/** The machines every store has. */
export interface CoreMachines {
  readonly format: GroupFormat
  readonly commitLog: CommitLog
  readonly consumeQueues: ConsumeQueues
  readonly consumerOffsets: ConsumerOffsets
  readonly metadata: Metadata
  readonly locks: LockMachine
  readonly delays: DelayMachine
  readonly dedupe: DedupeMachine
  readonly halves: HalfMachine
  readonly keyed: KeyedMachine
}

/** What an opened store is made of. */
export interface StoreParts {
  readonly core: CoreMachines
  readonly machines: readonly Machine[]
  readonly kv: Kv
  readonly damage: StoreDamage
  readonly appliedFile: AppliedFile
  readonly bases: BaseDumps
  readonly settings: StoreSettings
  readonly logger: Logger
  readonly groupId: string
  /** The checkpoint it was loaded from; undefined: it is empty. */
  readonly meta: CheckpointMeta | undefined
  /** Queues were moved up to the floor, which is not in the checkpoint yet. */
  readonly hasSettled: boolean
  readonly recovery: StoreRecovery
}

export const NO_MEMBERS: ConfState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }
