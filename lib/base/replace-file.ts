import { dirname } from 'node:path'
import type { Disk } from './ports.ts'

/** Writes the file whole, in a directory that is there: after a crash at any moment it has the old content or the new. */
export async function replaceFile (disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  await writeFresh(disk, path, bytes)
  await takePlace(disk, path)
}

/** The first part of it: the new content, durable under a name of its own. When it fails nothing has changed. */
export async function writeFresh (disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const file = await disk.open(freshOf(path), { create: true })
  try {
    await file.truncate(0)
    await file.write(bytes, 0)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** The second part. */
export async function takePlace (disk: Disk, path: string): Promise<void> {
  await disk.rename(freshOf(path), path)
  await disk.syncDirectory(dirname(path))
}

const freshOf = (path: string): string => `${path}.new`

/** Makes the directory and those above it that are not there, durably. */
export async function ensureDirectory (disk: Disk, directory: string): Promise<void> {
  if (await disk.list(directory) !== undefined) return
  const parent = dirname(directory)
  if (parent !== directory) await ensureDirectory(disk, parent)
  await disk.makeDirectory(directory)
  await disk.syncDirectory(parent)
}
