import type { Clock, Disk, Logger, MqError } from '../base/index.ts'
import type { ConfigDecoder } from './entry-reader.ts'
import type { LogFloor } from './floor-file.ts'
import type { Refetch } from './refetch.ts'

/** `sync`: an entry counts as persisted when fdatasync has returned. `async`: when it is written; a timer syncs. */
export type FlushMode = 'sync' | 'async'

/** When written bytes are synced. The asynchronous settings are RocketMQ's flushCommitLog ones. */
export interface FlushOptions {
  /** At first: see RaftLog.setFlushMode. Default: sync. */
  readonly mode?: FlushMode
  /** Sync only by the timer; otherwise also as soon as `leastPages` wait. */
  readonly timed?: boolean
  readonly intervalMs?: number
  /** Below this many 4 KiB pages the timer waits for more, but not beyond `thoroughIntervalMs`. */
  readonly leastPages?: number
  readonly thoroughIntervalMs?: number
}

/** As the log's other name. */
export type RaftLogOptions = LogOptions

/** How far the log is. `index` and `term` are what raft may count: durable in sync mode, written in async mode. */
export interface LogProgress {
  readonly index: number
  readonly term: number
  /** Index through which the operating system has the log. */
  readonly written: number
  /** Index through which a sync has returned. */
  readonly durable: number
}

export interface LogOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly logger?: Logger
  /** Made when missing. */
  readonly directory: string
  /** 16 random bytes; seeds every checksum. */
  readonly groupId: Uint8Array
  readonly segmentBytes?: number
  readonly tailCacheBytes?: number
  readonly coldCacheBytes?: number
  readonly flush?: FlushOptions
  /** Small flushes may run on the event loop while they are fast: for a group of one. */
  readonly inlineFlush?: boolean
  /** More is about to be appended: flushes then leave the event loop to what prepares it. */
  isMoreComing? (): boolean
  /** Fill segments with zeros ahead of need; off for a disk in memory. */
  readonly preallocate?: boolean
  /**
   * So many files of segments that retention has dropped are kept at most, to become the next ones: flushes that overwrite
   * blocks that were written before are cheaper. Default: MAX_SPARE_SEGMENTS with `preallocate`, else none.
   */
  readonly spareSegments?: number
  /** `hasRoom` turns false when the file system has less than this left. 0: not watched. */
  readonly reserveBytes?: number
  readonly onDamage?: 'refuse' | 'report'
  /** In a group of several: damaged entries are written anew from other nodes. Absent: what is damaged stays so. */
  readonly refetch?: Refetch | undefined
  /** With `refetch`: makes durable that this node has seen that term, before an entry of it is written at the start. */
  readonly raiseTerm?: ((term: number) => Promise<void>) | undefined
  /** Where an empty log begins, when not at the start: behind a base dump. Ignored when the log exists. */
  readonly start?: LogFloor
  /** Fills `config` of entries of that kind when they are read back. */
  readonly decodeConfig?: ConfigDecoder
  /** Told of the memory of appended entries once the log no longer refers to any of it: its owner may use it again. */
  onMemoryFree? (memory: ArrayBufferLike): void
  /** Called after every write or sync that moved something, possibly before `append` returns. */
  onPersisted (progress: LogProgress): void
  /** Called once, at the first error of a write, sync, cut or rename. The log takes nothing more. */
  onFailure (error: MqError): void
}
