import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DirectoryLock, LevelKv, NodeClock, NodeDisk } from '../adapters/index.ts'
import { loadChecksum, MqError } from '../base/index.ts'
import { mayBeOfGroup } from '../log/index.ts'
import { allMembers, type NodeId } from '../raft/index.ts'
import { decodeIdentity, finishInstall, formatVersionIn, type Identity } from '../replica/index.ts'
import { storedConfState } from '../store/index.ts'

/** Opening makes what is missing; a tool that looks must not. @throws MQ_NOT_A_DATA_DIRECTORY */
async function assertExists (directory: string): Promise<void> {
  const identity = await stat(join(directory, 'identity')).catch(() => undefined)
  if (identity === undefined) throw new MqError('MQ_NOT_A_DATA_DIRECTORY', `${directory} is no data directory: it has no file 'identity'`, { directory })
}

/** What tools that work on the log alone are given. */
export interface LogDirectory {
  readonly disk: NodeDisk
  readonly clock: NodeClock
  /** Of the log, within the data directory. */
  readonly directory: string
  readonly groupId: Uint8Array
}

/** Whose data directory it is. */
export interface StoredNode {
  readonly identity: Identity
  /** Of the directory: looking at it does not upgrade it. */
  readonly formatVersion: number
  /** Other members of its group, as far as the directory tells. */
  readonly others: readonly NodeId[]
  /** A queue or a broker on its own: there are no others, nor could there be some of which what is left here does not tell. */
  readonly isAlone: boolean
}

/**
 * Gives `body` the log of a data directory; nobody else can have it open meanwhile. A node that was stopped while it put
 * what another one has sent in the place of its log does that first, as at a start.
 * @throws MQ_LOCKED, MQ_NOT_A_DATA_DIRECTORY, MQ_CORRUPT the identity is damaged
 */
export async function withLogDirectory<T> (dataDirectory: string, body: (log: LogDirectory, node: StoredNode) => Promise<T>): Promise<T> {
  await assertExists(dataDirectory)
  const lock = new DirectoryLock(join(dataDirectory, 'lock'))
  await lock.take()
  try {
    const disk = new NodeDisk()
    await loadChecksum()
    const file = join(dataDirectory, 'identity')
    const bytes = (await disk.readFile(file))!
    const identity = decodeIdentity(bytes, file)
    const formatVersion = formatVersionIn(bytes)
    if (await finishInstall(disk, dataDirectory)) console.log('log and state that another node has sent were put in place')
    const log: LogDirectory = { disk, clock: new NodeClock(), directory: join(dataDirectory, 'log'), groupId: identity.groupId }
    return await body(log, { identity, formatVersion, ...await othersOf(dataDirectory, log, identity) })
  } finally {
    await lock.release()
  }
}

async function othersOf (directory: string, log: LogDirectory, { groupId, nodeId, founders }: Identity): Promise<Pick<StoredNode, 'others' | 'isAlone'>> {
  const confState = await storedConfState({ disk: log.disk, database: new LevelKv(join(directory, 'state')), directory, groupId })
  const others = (confState === undefined ? founders : allMembers(confState)).filter((id) => id !== nodeId)
  return { others, isAlone: others.length === 0 && (confState !== undefined || !await mayBeOfGroup(log)) }
}
