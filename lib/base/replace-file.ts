import { dirname } from 'node:path'
import type { Disk } from './ports.ts'

/** Writes the file whole, in a directory that is there: after a crash at any moment it has the old content or the new. */
export async function replaceFile (disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const fresh = `${path}.new`
  const file = await disk.open(fresh, { create: true })
  try {
    await file.truncate(0)
    await file.write(bytes, 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(fresh, path)
  await disk.syncDirectory(dirname(path))
}

/** Makes the directory and those above it that are not there, durably. */
export async function ensureDirectory (disk: Disk, directory: string): Promise<void> {
  if (await disk.list(directory) !== undefined) return
  const parent = dirname(directory)
  if (parent !== directory) await ensureDirectory(disk, parent)
  await disk.makeDirectory(directory)
  await disk.syncDirectory(parent)
}
