import type { Disk, DiskFile } from '../base/index.ts'
import type { Cut } from './cut-intent.ts'
import { zeroRange } from './zeros.ts'

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
  const file = await disk.open(kept.path)
  try {
    await cutFile(file, kept.basePosition, cut)
  } finally {
    await file.close()
  }
  return removed
}

/** Zeros from `cut.from` to `cut.to`, as far as the file reaches, durably. */
export async function cutFile (file: DiskFile, basePosition: number, { from, to }: Cut): Promise<void> {
  await zeroRange(file, from - basePosition, Math.min(to - basePosition, await file.sizeBytes()))
  await file.sync()
}
