import { join } from 'node:path'
import { loadChecksum, MqError, replaceFile, type Disk, type Logger } from '../base/index.ts'
import { DOUBT_FILE } from '../log/index.ts'
import { decodeIdentity, formatVersionIn, writeIdentity } from './identity.ts'

/** Files of the data directory that a backup holds beside the identity; what is not there can be made again from log and base dump. */
const FILES = ['vote', DOUBT_FILE]
const DIRECTORIES = ['log', 'base']
/** For segments to come: nothing of the log is in them. */
const SPARE_SEGMENT = /^(next|spare\.\d+)$/
const COPY_BYTES = 1024 * 1024

export interface UpgradeOptions {
  readonly disk: Disk
  readonly directory: string
  readonly logger: Logger
  /** What the directory is to be of. */
  readonly formatVersion: number
}

/**
 * Brings a directory of an older format to `formatVersion`, in place; nothing of it is open. Before anything is changed
 * `backup-<old format>` is made within it: a data directory of its own, without the state store, which the older version
 * rebuilds when it is started on it. Closed segments and base dumps are second names of the same files where the file
 * system has such, so that it takes little room at first. The backup is whole when it has an identity. The upgrade is one
 * atomic change, that of the directory's identity: a stop before it leaves the old directory, and the next start begins anew.
 * @throws MQ_FORMAT_TOO_NEW the directory is of a later format; MQ_CORRUPT, MQ_NOT_A_DATA_DIRECTORY
 */
export async function upgradeDirectory ({ disk, directory, logger, formatVersion }: UpgradeOptions): Promise<void> {
  const file = join(directory, 'identity')
  const bytes = await disk.readFile(file)
  if (bytes === undefined) return
  await loadChecksum()
  const identity = decodeIdentity(bytes, file)
  const found = formatVersionIn(bytes)
  if (found > formatVersion) throw new MqError('MQ_FORMAT_TOO_NEW', `${file}: data format ${found}, this node is to use ${formatVersion} at most`, { file, version: found })
  if (found === formatVersion) return
  const backup = join(directory, `backup-${found}`)
  try {
    await backUp(disk, directory, backup, bytes)
  } catch (error) {
    // the room is needed: what is there of it is of no use
    await disk.removeTree(backup).catch(() => {})
    throw error
  }
  await writeIdentity(disk, directory, identity, formatVersion)
  logger.info(`${directory} was of data format ${found} and is of ${formatVersion} now; ${backup} is the directory as it was: the older version starts on it. Remove it when nobody needs that any more`, { directory, backup, from: found, to: formatVersion })
}

async function backUp (disk: Disk, directory: string, backup: string, identity: Uint8Array): Promise<void> {
  // one of an upgrade that was not finished, or was undone: the directory as it is now is what one may want back
  await disk.removeTree(backup)
  await disk.makeDirectory(backup)
  for (const name of FILES) if (await disk.readFile(join(directory, name)) !== undefined) await copy(disk, join(directory, name), join(backup, name))
  for (const name of DIRECTORIES) await backUpFiles(disk, join(directory, name), join(backup, name))
  await replaceFile(disk, join(backup, 'identity'), identity)
  await disk.syncDirectory(directory)
}

async function backUpFiles (disk: Disk, from: string, to: string): Promise<void> {
  const names = (await disk.list(from) ?? []).filter(({ name, isDirectory }) => !isDirectory && !SPARE_SEGMENT.test(name) && !name.endsWith('.new')).map(({ name }) => name).sort()
  const written = names.findLast((name) => name.endsWith('.seg'))
  await disk.makeDirectory(to)
  for (const name of names) {
    const isFinal = name !== written && /\.(seg|base|torn)$/.test(name)
    if (!isFinal || !await maybeLink(disk, join(from, name), join(to, name))) await copy(disk, join(from, name), join(to, name))
  }
  await disk.syncDirectory(to)
}

async function maybeLink (disk: Disk, from: string, to: string): Promise<boolean> {
  try {
    await disk.link(from, to)
    return true
  } catch {
    // whatever the reason: a copy will do, or say why not
    return false
  }
}

/** Zeros are not written: what was preallocated takes no room. */
async function copy (disk: Disk, from: string, to: string): Promise<void> {
  const source = await disk.open(from, { readOnly: true })
  try {
    const target = await disk.open(to, { create: true })
    try {
      const sizeBytes = await source.sizeBytes()
      await target.truncate(0)
      await target.truncate(sizeBytes)
      const piece = new Uint8Array(Math.min(COPY_BYTES, sizeBytes))
      for (let at = 0; at < sizeBytes; at += piece.length) {
        const bytes = piece.subarray(0, await source.read(piece.subarray(0, sizeBytes - at), at))
        if (bytes.some((byte) => byte !== 0)) await target.write(bytes, at)
      }
      await target.sync()
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}
