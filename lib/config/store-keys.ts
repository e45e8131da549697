import { key } from './key.ts'
import { IGNORED, LATER } from './reasons.ts'
import { boolean, int, milliseconds, oneOf, path, text } from './value-type.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** Of a broker: what is kept, for how long and how safely. */
export const storeKeys = {
  storePathRootDir: key(path, './ledgermq-data', 'directory of all data'),
  storePathCommitLog: key(path, '', 'directory of the log', { ignored: IGNORED.DIRECTORY }),
  mappedFileSizeCommitLog: key(int(64 * KIB, 2048 * MIB, 'bytes'), 64 * MIB, 'size of a file of the log; files are removed whole'),
  fileReservedTime: key(int(1, 1_000_000, 'h'), 72, 'messages are kept for that long', { isChangeable: true }),
  fileReservedBytes: key(int(0, 2 ** 50, 'bytes'), 0, 'no more of the log is kept than that, whatever its age; 0: no bound', { isChangeable: true }),
  deleteWhen: key(text, '04', 'hours of the day at which old files are removed', {
    later: 'old files are removed as soon as their time is over, at any hour'
  }),
  scrubBytesPerSecond: key(int(0, 2 ** 30, 'bytes'), 4 * MIB, 'once a day the log is read through for what has rotted, so fast; 0: never', { isChangeable: true }),
  maxMessageSize: key(int(1, 32 * MIB, 'bytes'), 4 * MIB, 'longer bodies are refused', { isChangeable: true }),
  // how safe a confirmed message is
  flushDiskType: key(oneOf('SYNC_FLUSH', 'ASYNC_FLUSH'), 'SYNC_FLUSH', 'a confirmed message is on disk, or will be soon', { isChangeable: true }),
  syncFlushTimeout: key(milliseconds(1), 5000, 'a send whose flush takes longer is answered FLUSH_DISK_TIMEOUT', { isChangeable: true }),
  flushIntervalCommitLog: key(milliseconds(1), 500, 'with ASYNC_FLUSH, time between two flushes'),
  flushCommitLogTimed: key(boolean, true, 'with ASYNC_FLUSH, flush by the timer only, not as soon as enough waits'),
  flushCommitLogLeastPages: key(int(0, 1_000_000, 'pages of 4 KiB'), 4, 'with ASYNC_FLUSH, a flush of less than that waits for more'),
  flushCommitLogThoroughInterval: key(milliseconds(1), 10_000, 'with ASYNC_FLUSH, no flush waits for more for longer than that'),
  // how much one pull brings
  maxTransferCountOnMessageInMemory: key(int(1, 1024), 32, 'messages in one answer to a pull', { isChangeable: true }),
  maxTransferBytesOnMessageInMemory: key(int(1, 32 * MIB, 'bytes'), 256 * KIB, 'bytes in one answer to a pull; one message may have more', { isChangeable: true }),
  maxTransferCountOnMessageInDisk: key(int(1, 1024), 8, 'messages in one answer to a pull of old ones', { ignored: IGNORED.COLD }),
  maxTransferBytesOnMessageInDisk: key(int(1, 32 * MIB, 'bytes'), 64 * KIB, 'bytes in one answer to a pull of old messages', { ignored: IGNORED.COLD }),
  // room on disk
  diskMaxUsedSpaceRatio: key(int(10, 95, '%'), 75, 'a fuller disk lets old files go before their time', { later: LATER.DISK_RATIO }),
  diskSpaceCleanForciblyRatio: key(int(30, 99, '%'), 85, 'a fuller disk lets old files go at any hour', { later: LATER.DISK_RATIO }),
  diskSpaceWarningLevelRatio: key(int(35, 99, '%'), 90, 'on a fuller disk sends are refused', { later: LATER.DISK_RATIO }),
  cleanFileForciblyEnable: key(boolean, true, 'old files may go at any hour', { later: LATER.DISK_RATIO }),
  // kinds of messages that are to come
  messageIndexEnable: key(boolean, true, 'messages can be found by key'),
  maxHashSlotNum: key(int(1), 5_000_000, 'slots of an index file', { ignored: IGNORED.QUEUE_FILES }),
  maxIndexNum: key(int(1), 20_000_000, 'entries of an index file', { ignored: IGNORED.QUEUE_FILES }),
  defaultQueryMaxNum: key(int(1, 1024), 32, 'messages found by key at most', { isChangeable: true }),
  maxFilterMessageSize: key(int(1), 16_000, 'bytes of a message looked at by a filter', { ignored: IGNORED.FILTER }),
  timerWheelEnable: key(boolean, true, 'messages may have any time of delivery; without it only levels of delay', { isChangeable: true }),
  timerPrecisionMs: key(milliseconds(1), 1000, 'how exactly delayed messages are delivered', { ignored: IGNORED.EXACT_TIMES }),
  timerMaxDelaySec: key(int(1, undefined, 's'), 315_360_000, 'longest delay of a message, but for levels', { isChangeable: true }),
  // what RocketMQ's store needs and this one does not
  mappedFileSizeConsumeQueue: key(int(1, undefined, 'bytes'), 6_000_000, 'size of a file of a consume queue', { ignored: IGNORED.QUEUE_FILES }),
  flushIntervalConsumeQueue: key(milliseconds(1), 1000, 'time between two flushes of consume queues', { ignored: IGNORED.QUEUE_FILES }),
  transientStorePoolEnable: key(boolean, false, 'messages go through buffers outside the heap', { ignored: IGNORED.MAPPED }),
  transientStorePoolSize: key(int(1), 5, 'number of buffers outside the heap', { ignored: IGNORED.MAPPED }),
  warmMapedFileEnable: key(boolean, false, 'pages of a new file are touched ahead', { ignored: IGNORED.MAPPED }),
  osPageCacheBusyTimeOutMills: key(milliseconds(), 1000, 'a write that takes longer makes the broker refuse sends', { ignored: IGNORED.MAPPED }),
  accessMessageInMemoryMaxRatio: key(int(0, 100, '%'), 40, 'part of the memory in which messages do not count as old', { ignored: IGNORED.COLD })
}
