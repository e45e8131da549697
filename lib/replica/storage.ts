import { dirname, join } from 'node:path'
import { MqError, isMqError, loadChecksum, type Disk, type Logger, type Random } from '../base/index.ts'
import { VoteFile, type RaftLog } from '../log/index.ts'
import { EntryKind, type NodeId } from '../raft/index.ts'
import type { StateMachine } from './ports.ts'
import { randomGroupId, readIdentity, writeIdentity, type Identity } from './identity.ts'

/** The group an empty directory is made for. */
export interface Founding {
  /** Fresh and random when not given: for a group of one, which nobody else has to know. */
  readonly groupId?: Uint8Array
  /** The voters the group begins with, the same on every node of it. A node that is not among them waits to be added. */
  readonly founders: readonly NodeId[]
  readonly incarnation?: number
}

export interface StorageOptions {
  readonly disk: Disk
  readonly random: Random
  readonly logger: Logger
  readonly directory: string
  readonly nodeId: NodeId
  readonly founding: Founding
  readonly formatVersion: number
}

const REMEDY = 'restore the directory from a copy; where it is that of a node of a group, it may also be emptied, and the node joins again as a new member'

/**
 * Who this directory is, and what it has promised. An empty directory becomes that of `founding`; one that holds a log
 * but no identity, or an identity but no vote, is refused: under its old name it might vote twice. So is one that has
 * lost its log.
 * @throws MQ_CORRUPT, MQ_FORMAT_TOO_NEW, MQ_NOT_A_DATA_DIRECTORY
 * @throws MQ_INVALID_ARGUMENT the directory belongs to another node
 */
export async function openStorage (options: StorageOptions): Promise<{ identity: Identity, voteFile: VoteFile }> {
  const { disk, directory, logger, nodeId } = options
  // Names before contents: a log whose directory a power cut forgets is lost however often it was synced.
  await disk.makeDirectory(join(directory, 'log'))
  await disk.syncDirectory(directory)
  await disk.syncDirectory(dirname(directory))
  const names = (await disk.list(join(directory, 'log')) ?? []).map(({ name }) => name)
  const hasLog = names.some((name) => name.endsWith('.seg'))
  const identity = await identityOrEmpty(disk, directory) ?? await found(options)
  if (identity.nodeId !== nodeId) {
    throw new MqError('MQ_INVALID_ARGUMENT', `${directory} belongs to node ${identity.nodeId}, not to node ${nodeId}`, { nodeId: identity.nodeId })
  }
  const voteFile = await VoteFile.open(disk, join(directory, 'vote'), logger, { mustExist: true }).catch((error: unknown) => {
    throw isMqError(error, 'MQ_CORRUPT') ? new MqError('MQ_CORRUPT', `${error.message}; ${REMEDY}`, { cause: error, file: error.file, byte: 0 }) : error
  })
  const { term } = voteFile.hardState
  // The log is opened, which leaves a mark in an empty one too, before this node first votes.
  if (term > 0 && !hasLog && !names.includes('mark')) {
    await voteFile.close()
    const file = join(directory, 'log')
    throw replaceable(new MqError('MQ_CORRUPT', `${file} holds no log, although this node has voted in term ${term}: the log was removed; ${REMEDY}`, { file, byte: 0, term }))
  }
  return { identity, voteFile }
}

/** The error, marked where it says that log or state are damaged: those may come from other nodes, as term and vote may not. */
export function replaceable (error: unknown): unknown {
  if (isMqError(error, 'MQ_CORRUPT')) error.isReplaceable = true
  return error
}

/** Whether the directory holds segments of a log. */
async function holdsLog (disk: Disk, directory: string): Promise<boolean> {
  return (await disk.list(join(directory, 'log')) ?? []).some(({ name }) => name.endsWith('.seg'))
}

/** Who this directory is; undefined: it is nobody's yet. @throws MQ_CORRUPT it holds a log and does not say whose; what readIdentity throws */
export async function identityOrEmpty (disk: Disk, directory: string): Promise<Identity | undefined> {
  await loadChecksum()
  const identity = await readIdentity(disk, directory)
  if (identity === undefined && await holdsLog(disk, directory)) {
    const file = join(directory, 'identity')
    throw new MqError('MQ_CORRUPT', `${file} is missing beside a log; restore the file from a backup of this node`, { file, byte: 0 })
  }
  return identity
}

/**
 * Makes an empty directory that of `identity`, durably. Term and vote are there first: a directory with an identity and no
 * vote has lost it.
 */
export async function establishIdentity ({ disk, logger, directory, formatVersion }: Pick<StorageOptions, 'disk' | 'logger' | 'directory' | 'formatVersion'>, identity: Identity): Promise<void> {
  const vote = await VoteFile.open(disk, join(directory, 'vote'), logger)
  await vote.close()
  await writeIdentity(disk, directory, identity, formatVersion)
}

async function found (options: StorageOptions): Promise<Identity> {
  const { random, nodeId, founding } = options
  const identity = {
    groupId: founding.groupId ?? randomGroupId(random),
    nodeId,
    incarnation: founding.incarnation ?? 1,
    founders: founding.founders
  }
  await establishIdentity(options, identity)
  return identity
}

/**
 * Log, state and vote must be of one node's one life.
 * @throws MQ_CORRUPT one of them is older than the others: a file was lost or put back
 */
export function assertFit (log: RaftLog, { appliedIndex }: StateMachine, { hardState }: VoteFile): void {
  if (appliedIndex > log.lastIndex) {
    throw new MqError('MQ_CORRUPT', `the state holds entries through ${appliedIndex}, the log ends at ${log.lastIndex}`, { appliedIndex, lastIndex: log.lastIndex })
  }
  if (appliedIndex < log.floor.index) {
    throw new MqError('MQ_CORRUPT', `the state holds entries through ${appliedIndex}, the log begins after ${log.floor.index}`, { appliedIndex, floorIndex: log.floor.index })
  }
  if (hardState.term < log.lastTerm) {
    throw new MqError('MQ_CORRUPT', `the log ends in term ${log.lastTerm}, the vote file knows term ${hardState.term}`, { term: hardState.term, lastTerm: log.lastTerm })
  }
}

/**
 * Indexes of the configuration entries that are not applied. All that raft may compare with another log is read, so that it
 * is mended where it is damaged, and its terms are known; with others, the last applied entry as well.
 */
export async function indexesOfConfigs (log: RaftLog, appliedIndex: number, { hasOthers }: { readonly hasOthers: boolean }): Promise<number[]> {
  const indexes: number[] = []
  const isCompared = hasOthers && log.term(appliedIndex) === undefined
  for await (const { index, kind } of log.scan(isCompared ? appliedIndex : appliedIndex + 1)) {
    if (index > appliedIndex && kind === EntryKind.config) indexes.push(index)
  }
  return indexes
}
