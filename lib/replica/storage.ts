import { dirname, join } from 'node:path'
import { MqError, type Disk, type Logger, type Random } from '../base/index.ts'
import { VoteFile } from '../log/index.ts'
import type { NodeId } from '../raft/index.ts'
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
}

/**
 * Who this directory is, and what it has promised. An empty directory becomes that of `founding`; one that holds a log
 * but no identity, or no vote, is refused: under its old name it might vote twice.
 * @throws MQ_CORRUPT, MQ_FORMAT_TOO_NEW, MQ_NOT_A_DATA_DIRECTORY
 * @throws MQ_INVALID_ARGUMENT the directory belongs to another node
 */
export async function openStorage (options: StorageOptions): Promise<{ identity: Identity, voteFile: VoteFile }> {
  const { disk, directory, logger, nodeId } = options
  await disk.makeDirectory(directory)
  await disk.syncDirectory(dirname(directory))
  const hasLog = (await disk.list(join(directory, 'log')) ?? []).some(({ name }) => name.endsWith('.seg'))
  const identity = await readIdentity(disk, directory) ?? await found(options, hasLog)
  if (identity.nodeId !== nodeId) {
    throw new MqError('MQ_INVALID_ARGUMENT', `${directory} belongs to node ${identity.nodeId}, not to node ${nodeId}`, { nodeId: identity.nodeId })
  }
  const voteFile = await VoteFile.open(disk, join(directory, 'vote'), logger, { mustExist: hasLog })
  return { identity, voteFile }
}

async function found ({ disk, random, directory, nodeId, founding }: StorageOptions, hasLog: boolean): Promise<Identity> {
  if (hasLog) {
    const file = join(directory, 'identity')
    throw new MqError('MQ_CORRUPT', `${file} is missing beside a log; restore the file from a backup of this node`, { file, byte: 0 })
  }
  const identity = {
    groupId: founding.groupId ?? randomGroupId(random),
    nodeId,
    incarnation: founding.incarnation ?? 1,
    founders: founding.founders
  }
  await writeIdentity(disk, directory, identity)
  return identity
}
