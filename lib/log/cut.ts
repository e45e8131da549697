import type { Disk } from '../base/index.ts'
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
    const end = Math.min(cut.to - kept.basePosition, await file.sizeBytes())
    await zeroRange(file, cut.from - kept.basePosition, end)
    await file.sync()
  } finally {
    await file.close()
  }
  return removed
}
