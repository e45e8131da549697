import { dirname } from 'node:path'
import type { Disk } from './ports.ts'

/** Writes the file whole, its directory too if there is none: after a crash at any moment the old content is there, or the new. */
export async function replaceFile (disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const directory = dirname(path)
  await ensureDirectory(disk, directory)
  const temporary = `${path}.new`
  const file = await disk.open(temporary, { create: true })
  try {
    await file.truncate(0)
    await file.write(bytes, 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(temporary, path)
  await disk.syncDirectory(directory)
}

async function ensureDirectory (disk: Disk, directory: string): Promise<void> {
  if (await disk.list(directory) !== undefined) return
  const parent = dirname(directory)
  if (parent !== directory) await ensureDirectory(disk, parent)
  await disk.makeDirectory(directory)
  await disk.syncDirectory(parent)
}
