import { join } from 'node:path'
import { isMqError, loadChecksum, silentLogger, type Clock, type Disk, type Logger } from '../base/index.ts'
import { EntryKind } from '../raft/index.ts'
import type { CutFile } from './cut.ts'
import { seedOfGroup } from './entry.ts'
import { FloorFile } from './floor-file.ts'
import { recoverLog, type Recovered } from './recovery.ts'
import type { DamagedRange, TornCut } from './recovery-report.ts'
import { positionOfSegmentName, type Segment } from './segment.ts'
import { SegmentStore } from './segment-store.ts'
import { dropUnreadableMark, SyncMark } from './sync-mark.ts'
import { findHeaders, keepAside, wipe } from './tail-check.ts'

export interface RepairOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly logger?: Logger
  readonly directory: string
  readonly groupId: Uint8Array
  /** Only say what would go. */
  readonly dryRun: boolean
}

/** What a repair removes, or would remove: everything from the first damage on, because entries apply in order. */
export interface RepairReport {
  readonly damaged: readonly DamagedRange[]
  readonly tornCuts: readonly TornCut[]
  /** The log ends before this entry afterwards. */
  readonly firstLostIndex: number
  readonly firstLostPosition: number
  readonly lostBytes: number
  /** Copies of what was removed; none in a dry run. */
  readonly keptAside: readonly string[]
}

/**
 * Makes a damaged log one that opens, by cutting it before its first damage. Loses entries that were durable: only an
 * operator may ask for it, and only for a group of one. What goes is kept aside in `*.torn` files. A torn tail is cut
 * as at any start, in a dry run too.
 * @throws MQ_CORRUPT the log's first segment or its floor cannot be read: nothing would be left
 */
export async function repairLog ({ disk, clock, logger = silentLogger, directory, groupId, dryRun }: RepairOptions): Promise<RepairReport> {
  await loadChecksum()
  const groupSeed = seedOfGroup(groupId)
  await dropUnreadableMark(disk, directory, groupSeed, logger)
  const segments = new SegmentStore({ disk, directory, segmentBytes: 0, preallocate: false, logger, onFailure () {} })
  const recovered = await recoverLog({ disk, clock, logger, directory, groupSeed, segments, onDamage: 'report' })
  try {
    const { end, writtenTo, lost, report } = recovered
    const { active } = segments
    // What a torn tail was is gone by now.
    const lostEnd = (report.damaged.length === 0 ? end.position : writtenTo) - active.basePosition
    const lostBytes = active.basePosition + lostEnd - end.position + await totalBytes(disk, lost)
    const keptAside = dryRun || report.damaged.length === 0 ? [] : await removeDamage(disk, directory, recovered, active, lostEnd)
    return {
      damaged: report.damaged,
      tornCuts: report.cuts,
      firstLostIndex: end.index + 1,
      firstLostPosition: end.position,
      lostBytes,
      keptAside
    }
  } finally {
    await segments.close({ failed: false })
    for (const file of [recovered.mark, recovered.intent, recovered.floor]) await file.close()
  }
}

/**
 * Undefined: the sync mark can be read, or there is none. Else why not: a repair drops it, and with it the witness of how far the end
 * of the log is to be whole.
 */
export async function defectOfMark ({ disk, directory, groupId }: Pick<RepairOptions, 'disk' | 'directory' | 'groupId'>): Promise<string | undefined> {
  await loadChecksum()
  try {
    await (await SyncMark.open(disk, directory, seedOfGroup(groupId))).close()
    return undefined
  } catch (error) {
    if (!isMqError(error, 'MQ_CORRUPT')) throw error
    return error.message
  }
}

/**
 * Whether the log is, or may be, that of a node of a group: some entry that can be read, behind damage too, changes who is of it,
 * or such entries may have been removed with its head. For when the state is lost.
 */
export async function mayBeOfGroup ({ disk, directory, groupId }: Pick<RepairOptions, 'disk' | 'directory' | 'groupId'>): Promise<boolean> {
  await loadChecksum()
  const groupSeed = seedOfGroup(groupId)
  for (const { name } of await disk.list(directory) ?? []) {
    const basePosition = positionOfSegmentName(name)
    if (basePosition === undefined) continue
    const file = await disk.open(join(directory, name), { readOnly: true })
    try {
      let isFound = false
      await findHeaders(file, basePosition, 0, await file.sizeBytes(), groupSeed, ({ kind }) => (isFound = kind === EntryKind.config))
      if (isFound) return true
    } finally {
      await file.close()
    }
  }
  try {
    const floor = await FloorFile.open(disk, directory, groupSeed)
    await floor.close()
    return floor.floor.index > 0
  } catch (error) {
    if (!isMqError(error, 'MQ_CORRUPT')) throw error
    return true
  }
}

async function removeDamage (disk: Disk, directory: string, { mark, termsFile, end, lost }: Recovered, active: Segment, lostEnd: number): Promise<string[]> {
  const keptAside: string[] = []
  const fileByte = end.position - active.basePosition
  const file = active.openFile
  if (lostEnd > fileByte) keptAside.push(await keepAside(disk, file, fileByte, lostEnd))
  // Later files first: should this be cut short, the damage is still seen and the repair can be run again.
  for (const { path } of lost.toReversed()) {
    await disk.rename(path, `${path}.torn`)
    keptAside.push(`${path}.torn`)
  }
  await disk.syncDirectory(directory)
  await termsFile.forgetFrom(end.index + 1)
  await wipe(file, fileByte, lostEnd)
  await mark.lower(end.position)
  return keptAside
}

async function totalBytes (disk: Disk, files: readonly CutFile[]): Promise<number> {
  let total = 0
  for (const { path } of files) {
    const file = await disk.open(path)
    total += await file.sizeBytes()
    await file.close()
  }
  return total
}
