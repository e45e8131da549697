import { join } from 'node:path'
import { silentLogger, type Disk } from '../base/index.ts'
import { Kv, type DatabaseOpener } from '../kv/index.ts'
import { seedOfGroup } from '../log/index.ts'
import type { ConfState } from '../raft/index.ts'
import { BaseDumps } from './base-dumps.ts'
import { readMeta } from './checkpoints.ts'

export interface StoredConfStateOptions {
  readonly disk: Disk
  readonly database: DatabaseOpener
  /** The data directory, of which nothing is open. */
  readonly directory: string
  readonly groupId: Uint8Array
}

/** The configuration that the state store was last written with, or else the newest base dump; undefined: neither can be read. */
export async function storedConfState ({ disk, database, directory, groupId }: StoredConfStateOptions): Promise<ConfState | undefined> {
  // opening would make one
  const hasState = await disk.list(join(directory, 'state')) !== undefined
  return (hasState ? await confStateIn(database).catch(() => undefined) : undefined) ?? await confStateOfDump(disk, directory, groupId)
}

async function confStateIn (database: DatabaseOpener): Promise<ConfState | undefined> {
  const kv = new Kv(await database.open())
  try {
    return (await readMeta(kv))?.confState
  } finally {
    await kv.close()
  }
}

async function confStateOfDump (disk: Disk, directory: string, groupId: Uint8Array): Promise<ConfState | undefined> {
  const dumps = new BaseDumps({ disk, logger: silentLogger, directory: join(directory, 'base'), groupSeed: seedOfGroup(groupId) })
  await dumps.open()
  return dumps.bases.find(({ meta }) => meta !== undefined)?.meta!.confState
}
