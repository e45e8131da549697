import { diskErrorCode, type Disk, type Logger } from '../base/index.ts'
import { ENTRY_HEADER_BYTES } from './entry.ts'
import { zeroBytes } from './zeros.ts'

const NAME = /^spare\.\d+$/
/** So much of a spare file is zeros before it becomes a segment: whoever opens it then finds an empty one. */
const HEAD_BYTES = 4096

/** What a rename or an open fails with on Windows while another program has the file open. */
const HELD = ['EPERM', 'EBUSY', 'EACCES']

export function isSpareName (name: string): boolean {
  return NAME.test(name)
}

export interface SpareSegmentsOptions {
  readonly disk: Disk
  readonly directory: string
  readonly logger: Logger
  readonly segmentBytes: number
  /** So many files are kept at most. */
  readonly limit: number
  /** Whether there is room enough to keep any. */
  hasRoom (): boolean
  /** A write, sync or rename failed. */
  onFailure (error: unknown): void
}

interface Spare {
  readonly path: string
  readonly sizeBytes: number
}

/**
 * Files of segments that were dropped below the floor, kept to become the next ones: a flush that overwrites blocks which
 * are allocated and written spares the file system its journal. What they hold stays in them. It is never taken for
 * entries of the next segment: an entry's checksum covers its position, the position tells its place in a file, and all
 * that was ever written to the file has positions below the floor, so below the beginning of every segment to come. That
 * holds only for files this process has dropped itself, so those of an earlier one are removed, as are those with
 * more than one name, which a backup shares.
 *
 * Before a file's first byte is changed, its old name is durably gone; before it gets a new one, its head is durably zeros.
 */
export class SpareSegments {
  readonly #options: SpareSegmentsOptions
  #spares: Spare[] = []
  #made = 0
  #stopped = false
  #removing: Promise<void> = Promise.resolve()

  constructor (options: SpareSegmentsOptions) {
    this.#options = options
  }

  /** What an earlier process has left is removed: nobody knows what log it was part of. */
  static async removeLeftOver (disk: Disk, directory: string): Promise<void> {
    for (const { name } of await disk.list(directory) ?? []) if (isSpareName(name)) await disk.unlink(`${directory}/${name}`)
  }

  get count (): number { return this.#spares.length }
  get sizeBytes (): number { return this.#spares.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) }

  /** Takes over the file of a segment below the floor, which nobody reads or will read, or removes it. */
  async keep (path: string, fileBytes: number): Promise<void> {
    const { disk, directory, logger, onFailure } = this.#options
    const spare: Spare = { path: `${directory}/spare.${++this.#made}`, sizeBytes: fileBytes }
    try {
      // What is not kept is below the floor: when it cannot be removed, the next start does it.
      if (!this.#mayKeep(fileBytes) || await disk.isLinked(path)) return await this.#remove({ path, sizeBytes: fileBytes })
      await disk.rename(path, spare.path)
      await disk.syncDirectory(directory)
    } catch (error) {
      if (!['ENOENT', ...HELD].includes(diskErrorCode(error))) return onFailure(error)
      return logger.warn(`${path} could not be removed`, { error })
    }
    try {
      await this.#prepare(spare)
    } catch (error) {
      // Where overwriting takes room, or others hold the file, there is nothing to gain.
      if (!['ENOSPC', ...HELD].includes(diskErrorCode(error))) return onFailure(error)
      logger.warn(`${path} is not used again`, { error })
      return await this.#remove(spare)
    }
    if (this.#mayKeep(fileBytes)) this.#spares.push(spare)
    else await this.#remove(spare)
  }

  /** Gives one of the files its name as a segment; the caller syncs the directory. Returns its size, 0 when there is none. */
  async moveTo (path: string): Promise<number> {
    const { disk } = this.#options
    for (let spare = this.#spares.shift(); spare !== undefined; spare = this.#spares.shift()) {
      try {
        if (await disk.isLinked(spare.path)) {
          await this.#remove(spare)
          continue
        }
        await disk.rename(spare.path, path)
        return spare.sizeBytes
      } catch (error) {
        // Somebody who wanted its room has removed it, or holds it: nothing of the log was in it.
        if (!['ENOENT', ...HELD].includes(diskErrorCode(error))) throw error
        await this.#remove(spare)
      }
    }
    return 0
  }

  /** Keeps no more. */
  stop (): void { this.#stopped = true }

  /** Gives the room back. */
  async removeAll (): Promise<void> {
    const spares = this.#spares.splice(0)
    this.#removing = this.#removing.then(async () => { for (const spare of spares) await this.#remove(spare) })
    await this.#removing
  }

  /** Waits for removals under way: whoever opens the directory next must not meet them. */
  async close ({ remove }: { readonly remove: boolean }): Promise<void> {
    this.#stopped = true
    if (remove) await this.removeAll()
    await this.#removing
  }

  #mayKeep (fileBytes: number): boolean {
    const { limit, segmentBytes, hasRoom } = this.#options
    return !this.#stopped && this.#spares.length < limit && fileBytes >= Math.max(segmentBytes, HEAD_BYTES) && fileBytes <= 2 * segmentBytes && hasRoom()
  }

  /** Zeros for its head. The header there goes to the end: it tells what is left in the file from what was written to the next segment, also where all that is left is within one entry. */
  async #prepare ({ path, sizeBytes }: Spare): Promise<void> {
    const file = await this.#options.disk.open(path)
    try {
      const header = new Uint8Array(ENTRY_HEADER_BYTES)
      await file.read(header, 0)
      await file.write(header, sizeBytes - header.length)
      await file.write(zeroBytes(HEAD_BYTES), 0)
      await file.sync()
    } finally {
      await file.close()
    }
  }

  async #remove ({ path }: Spare): Promise<void> {
    // Harmless when it fails: the next start removes it.
    await this.#options.disk.unlink(path).catch((error: unknown) => { this.#options.logger.warn(`${path} could not be removed`, { error }) })
  }
}
