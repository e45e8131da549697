import type { Clock, Logger } from '../base/index.ts'
import type { Host } from '../message/index.ts'
import type { KeyIndexSettings } from '../key-index/index.ts'
import type { Refetch } from '../log/index.ts'
import type { NodeId } from '../raft/index.ts'
import type { Founding, ReplicaSettings, Transport } from '../replica/index.ts'
import type { StoreSettings } from '../store/index.ts'
import type { EnginePorts } from './ports.ts'
import type { RetentionRules } from './retention.ts'
import type { ScrubRules } from './scrub.ts'
import type { TransactionRules } from './transactions.ts'

export type FlushDiskType = 'SYNC_FLUSH' | 'ASYNC_FLUSH'

export interface RecoveryProgress {
  readonly phase: string
  readonly done: number
  readonly total: number
}

/** This node's place in a group of several. */
export interface GroupOptions {
  readonly nodeId: NodeId
  /** What an empty directory becomes a part of: the group's id, and the voters it began with (this node need not be one of them). */
  readonly founding: Founding
  readonly transport: Transport
  readonly settings?: Partial<ReplicaSettings>
  /** Where damaged entries of this node's log come from. Absent: they stay damaged, as in a group of one. */
  readonly refetch?: Refetch
}

/** All checked and complete: whoever opens an engine has filled in the defaults. */
export interface EngineOptions {
  /** Or ':memory:'. */
  readonly directory: string
  /** What a node alone obeys, and what a new group begins with: 'disk' is SYNC_FLUSH. */
  readonly durability: 'disk' | 'memory'
  readonly flush: { readonly timed: boolean, readonly intervalMs: number, readonly leastPages: number, readonly thoroughIntervalMs: number }
  readonly logger: Logger
  readonly retention: RetentionRules
  /** Messages can be found by key. */
  readonly keyIndex?: boolean | Partial<KeyIndexSettings>
  /** How fast the log is read through for what has rotted; absent: it is not. */
  readonly scrub?: ScrubRules
  /** When producers are asked about half messages; absent: as RocketMQ's broker does, and never too old. */
  readonly transactions?: TransactionRules
  readonly limits: {
    readonly maxEntryBytes: number
    readonly maxPendingProposals: number
    readonly maxPendingBytes: number
    readonly tailCacheBytes: number
    readonly coldCacheBytes: number
    readonly segmentBytes: number
    /** Disk room that sends may not touch; 0 (the default): not watched. */
    readonly reserveBytes?: number
    readonly maxWaitingConsumers: number
    /** What keys and values may take; absent: DEFAULT_KEYED_BYTES. */
    readonly maxKeyedBytes?: number
  }
  /** The address in messages that come over the wire, and in their ids; 127.0.0.1 with port 0 unless given. */
  readonly storeHost?: Host
  /** Absent: a group of one, that leads as soon as it is open. */
  readonly group?: GroupOptions
  /** Only in memory. */
  readonly clock?: Clock | undefined
  readonly onProgress?: ((progress: RecoveryProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
  /** Others than the machine's, for specs. */
  readonly ports?: EnginePorts
  /** An older data format than the newest, as an older version has it: made, read and told to others. Default: DATA_FORMAT_VERSION. */
  readonly formatVersion?: number
  /** When the state is written, if not as usual. */
  readonly storeSettings?: Partial<StoreSettings>
}

export interface ReadRequest {
  readonly topic: string
  readonly queueId: number
  readonly fromOffset: number
  readonly maxMessages: number
  readonly maxBytes?: number
  readonly signal?: AbortSignal | undefined
}

export interface QueueOffsets {
  readonly queueId: number
  readonly minOffset: number
  /** The offset the next message will get. */
  readonly maxOffset: number
}

export interface TopicDescription {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly queues: readonly QueueOffsets[]
}

export interface GroupQueueProgress extends QueueOffsets {
  readonly topic: string
  readonly consumerOffset: number
  readonly inFlight: number
  readonly lag: number
}

export interface SeekRequest {
  readonly group: string
  readonly topic: string
  readonly queueId?: number | undefined
  readonly to: 'first' | 'last' | { readonly offset: number } | { readonly timeMs: number }
}
