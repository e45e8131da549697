import type { RunningConfig } from '../config/index.ts'
import type { EngineOptions } from '../engine/index.ts'

const MIB = 1024 * 1024
const HOUR_MS = 3_600_000
/** For the state's files, and for what consumers write when sends are refused. */
const LEAST_RESERVE_BYTES = 16 * MIB

type Given = {
  readonly [Name in 'storeHost' | 'logger' | 'ports' | 'onProgress' | 'signal']: EngineOptions[Name] | undefined
}

/** The engine that a broker's configuration asks for; what may change while it runs is asked for at each use. */
export function engineOptionsOf (running: RunningConfig<'broker'>, { storeHost, logger, ports, onProgress, signal }: Given): EngineOptions {
  const { values: config } = running
  const segmentBytes = config.mappedFileSizeCommitLog
  return {
    directory: config.storePathRootDir,
    get durability () { return running.values.flushDiskType === 'SYNC_FLUSH' ? 'disk' : 'memory' },
    flush: {
      timed: config.flushCommitLogTimed,
      intervalMs: config.flushIntervalCommitLog,
      leastPages: config.flushCommitLogLeastPages,
      thoroughIntervalMs: config.flushCommitLogThoroughInterval
    },
    logger: logger!,
    retention: {
      get maxAgeMs () { return running.values.fileReservedTime * HOUR_MS },
      get maxBytes () { return running.values.fileReservedBytes === 0 ? Infinity : running.values.fileReservedBytes }
    },
    keyIndex: config.messageIndexEnable,
    scrub: { get bytesPerSecond () { return running.values.scrubBytesPerSecond } },
    transactions: {
      get checkIntervalMs () { return running.values.transactionCheckInterval },
      get checkMax () { return running.values.transactionCheckMax },
      get maxAgeMs () { return running.values.fileReservedTime * HOUR_MS }
    },
    limits: {
      maxEntryBytes: MIB,
      maxPendingProposals: 65_536,
      maxPendingBytes: 64 * MIB,
      tailCacheBytes: 32 * MIB,
      coldCacheBytes: 6 * MIB,
      segmentBytes,
      reserveBytes: segmentBytes + LEAST_RESERVE_BYTES,
      maxWaitingConsumers: config.maxPopPollingSize
    },
    ...(storeHost !== undefined && { storeHost }),
    ...(ports !== undefined && { ports }),
    onProgress,
    signal
  }
}
