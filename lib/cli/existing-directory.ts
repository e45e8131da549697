import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DirectoryLock, NodeClock, NodeDisk } from '../adapters/index.ts'
import { loadChecksum, MqError } from '../base/index.ts'
import { openQueue, type EmbeddedQueue } from '../queue/index.ts'
import { readIdentity } from '../replica/index.ts'

/** Opening makes what is missing; a tool that looks must not. @throws MQ_NOT_A_DATA_DIRECTORY */
async function assertExists (directory: string): Promise<void> {
  const identity = await stat(join(directory, 'identity')).catch(() => undefined)
  if (identity === undefined) throw new MqError('MQ_NOT_A_DATA_DIRECTORY', `${directory} is no data directory: it has no file 'identity'`, { directory })
}

/** Opens a queue that is there, keeping all it has. */
export async function openExisting (directory: string): Promise<EmbeddedQueue> {
  await assertExists(directory)
  return await openQueue(directory, { retention: { maxAgeMs: Infinity }, autoCreateTopics: false })
}

/** What tools that work on the log alone are given. */
export interface LogDirectory {
  readonly disk: NodeDisk
  readonly clock: NodeClock
  /** Of the log, within the data directory. */
  readonly directory: string
  readonly groupId: Uint8Array
}

/**
 * Gives `body` the log of a data directory; nobody else can have it open meanwhile.
 * @throws MQ_LOCKED, MQ_NOT_A_DATA_DIRECTORY, MQ_CORRUPT the identity is damaged
 */
export async function withLogDirectory<T> (dataDirectory: string, body: (log: LogDirectory) => Promise<T>): Promise<T> {
  await assertExists(dataDirectory)
  const lock = new DirectoryLock(join(dataDirectory, 'lock'))
  await lock.take()
  try {
    const disk = new NodeDisk()
    await loadChecksum()
    const { groupId } = (await readIdentity(disk, dataDirectory))!
    return await body({ disk, clock: new NodeClock(), directory: join(dataDirectory, 'log'), groupId })
  } finally {
    await lock.release()
  }
}
