import { dirname } from 'node:path'
import type { Disk, DiskFile } from '../base/index.ts'
import type { Cut } from './cut-intent.ts'
import { zeroRange, ZERO_STEP_BYTES } from './zeros.ts'

export interface CutFile {
  readonly path: string
  readonly basePosition: number
}

/**
 * Does a cut on disk: zeros from `cut.from` to `cut.to` in the file that holds it, no files behind it. Doing it again
 * changes nothing. `files` are the segments in order; returns those that were removed.
 */
export async function cutFiles (disk: Disk, directory: string, files: readonly CutFile[], cut: Cut): Promise<CutFile[]> {
  // The first file stays, empty, when the cut takes all of it.
  const removed = files.filter(({ basePosition }, i) => i > 0 && basePosition >= cut.from)
  const kept = files[files.length - removed.length - 1]
  for (const { path } of removed.toReversed()) await disk.unlink(path)
  if (removed.length > 0) await disk.syncDirectory(directory)
  if (kept === undefined) return removed
  if (await disk.isLinked(kept.path)) {
    await replaceByHead(disk, kept.path, cut.from - kept.basePosition)
    return removed
  }
  const file = await disk.open(kept.path)
  try {
    await cutFile(file, kept.basePosition, cut)
  } finally {
    await file.close()
  }
  return removed
}

/** A backup has the same file, and keeps it as it is: a copy of its first bytes takes its place, durably. */
export async function replaceByHead (disk: Disk, path: string, sizeBytes: number): Promise<void> {
  const copy = `${path}.new`
  const from = await disk.open(path, { readOnly: true })
  try {
    const to = await disk.open(copy, { create: true })
    try {
      await to.truncate(0)
      const chunk = new Uint8Array(Math.min(ZERO_STEP_BYTES, sizeBytes))
      for (let at = 0; at < sizeBytes; at += chunk.length) {
        const bytes = chunk.subarray(0, Math.min(chunk.length, sizeBytes - at))
        await to.write(bytes.subarray(0, await from.read(bytes, at)), at)
      }
      await to.sync()
    } finally {
      await to.close()
    }
  } finally {
    await from.close()
  }
  await disk.rename(copy, path)
  await disk.syncDirectory(dirname(path))
}

/** Zeros from `cut.from` to `cut.to`, as far as the file reaches, durably. */
export async function cutFile (file: DiskFile, basePosition: number, { from, to }: Cut): Promise<void> {
  await zeroRange(file, from - basePosition, Math.min(to - basePosition, await file.sizeBytes()))
  await file.sync()
}
