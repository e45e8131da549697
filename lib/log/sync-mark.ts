import { isMqError, type Disk, type Logger } from '../base/index.ts'
import { SlotFile, SlotKind } from './slot-file.ts'

/**
 * How far this log was ever synced, in a file of its own: the witness for its last entries, which no later entry can
 * vouch for. Written when the log has been idle for a moment and on close; lowered before a cut.
 */
export class SyncMark {
  readonly #slots: SlotFile

  private constructor (slots: SlotFile) {
    this.#slots = slots
  }

  static async open (disk: Disk, directory: string, groupSeed: bigint): Promise<SyncMark> {
    return new SyncMark(await SlotFile.open(disk, `${directory}/mark`, { kind: SlotKind.syncMark, valueCount: 1, seed: groupSeed }))
  }

  get path (): string { return this.#slots.path }
  get syncedTo (): number { return this.#slots.values?.[0] ?? 0 }
  get hasBadSlot (): boolean { return this.#slots.badSlots.length > 0 }

  /** Makes the file when it is missing: from then on a directory without it is known to have lost its log. */
  async begin (): Promise<void> {
    if (this.#slots.values !== undefined) return
    await this.#slots.writeBoth([0])
    await this.#slots.close() // opened again by the next write; until then an open that fails leaves no file open
  }

  async raise (syncedTo: number): Promise<void> {
    if (syncedTo > this.syncedTo) await this.#slots.writeNext([syncedTo])
  }

  /** Never raises it. Both slots: an older, higher one must not come back when the newer one rots. */
  async lower (syncedTo: number): Promise<void> {
    if (syncedTo < this.syncedTo || !this.#slots.isAgreed) await this.#slots.writeBoth([Math.min(syncedTo, this.syncedTo)])
  }

  async close (): Promise<void> { await this.#slots.close() }
}

/** For a repair: a mark with two bad slots vouches for nothing and keeps the log from opening. */
export async function dropUnreadableMark (disk: Disk, directory: string, groupSeed: bigint, logger: Logger): Promise<void> {
  try {
    await SyncMark.open(disk, directory, groupSeed)
  } catch (error) {
    if (!isMqError(error, 'MQ_CORRUPT')) throw error
    logger.warn(error.message)
    await disk.unlink(`${directory}/mark`)
    await disk.syncDirectory(directory)
  }
}
