import { diskErrorCode, type Disk, type DiskFile } from '../base/index.ts'

const NAME = 'next'
const KIB = 1024
/** Smaller steps are not worth a call, larger ones would be in the way of a flush. */
const LEAST_STEP_BYTES = 64 * KIB
const MOST_STEP_BYTES = 512 * KIB

export interface NextSegmentOptions {
  readonly disk: Disk
  readonly directory: string
  readonly segmentBytes: number
  /** A write failed for another reason than want of room. */
  onFailure (error: unknown): void
}

/**
 * The file of the segment to come, filled with zeros while the present one is written: flushes that overwrite written
 * blocks spare the file system a journal commit each, and the zeros take the time in which the disk has nothing else
 * to do. In a file of its own because a file system lets nobody else write to one that grows. It holds nothing, so it
 * may be lost at any time, and where there is no room for it the log goes on without.
 */
export class NextSegment {
  readonly #path: string
  readonly #options: NextSegmentOptions
  readonly #leastStepBytes: number
  readonly #mostStepBytes: number
  readonly #limitBytes: number
  #zeros: Uint8Array | undefined
  #file: DiskFile | undefined
  #filledBytes = 0
  #filling: Promise<void> | undefined
  #hasNoRoom = false
  #stopped = false

  constructor (options: NextSegmentOptions) {
    const { disk: { alignBytes }, directory, segmentBytes } = this.#options = options
    const aligned = (bytes: number): number => Math.ceil(bytes / alignBytes) * alignBytes
    this.#path = `${directory}/${NAME}`
    this.#limitBytes = aligned(segmentBytes)
    this.#leastStepBytes = aligned(Math.min(LEAST_STEP_BYTES, segmentBytes / 8))
    this.#mostStepBytes = aligned(Math.min(MOST_STEP_BYTES, segmentBytes / 4))
  }

  /** What an earlier process has left is removed: how much of it is durable nobody knows. */
  static async removeLeftOver (disk: Disk, directory: string): Promise<void> {
    const names = await disk.list(directory) ?? []
    if (names.some(({ name }) => name === NAME)) await disk.unlink(`${directory}/${NAME}`)
  }

  /** Writes a step of zeros if the file holds so much less than `bytes` that it is worth it, and none is under way. */
  fillTo (bytes: number): void {
    if (this.#filling !== undefined || this.#hasNoRoom || this.#stopped) return
    const missingBytes = Math.min(bytes, this.#limitBytes) - this.#filledBytes
    if (missingBytes < Math.min(this.#leastStepBytes, this.#limitBytes - this.#filledBytes) || missingBytes <= 0) return
    this.#filling = this.#fill(missingBytes).catch(this.#options.onFailure).finally(() => { this.#filling = undefined })
  }

  /** Gives the file its name as a segment; the caller syncs the directory. Returns its size, 0 when there is none. */
  async moveTo (path: string): Promise<number> {
    await this.#filling
    this.#hasNoRoom = false
    const file = this.#file
    if (file !== undefined && !await this.#hasRoomFor(() => this.#sync(file))) return 0
    const sizeBytes = this.#filledBytes
    if (sizeBytes === 0) return 0
    await this.#options.disk.rename(this.#path, path)
    this.#filledBytes = 0
    return sizeBytes
  }

  /** Begins nothing more. */
  stop (): void { this.#stopped = true }

  /** Closes the file, and removes it unless the disk has failed. */
  async close ({ remove }: { readonly remove: boolean }): Promise<void> {
    this.#stopped = true
    await this.#filling
    await this.#letGo()
    if (remove && this.#filledBytes > 0) await this.#options.disk.unlink(this.#path)
  }

  async #fill (missingBytes: number): Promise<void> {
    const { disk } = this.#options
    const { alignBytes } = disk
    const stepBytes = Math.min(Math.ceil(missingBytes / alignBytes) * alignBytes, this.#mostStepBytes)
    this.#hasNoRoom = !await this.#hasRoomFor(async () => {
      this.#file ??= await disk.open(this.#path, { create: true })
      this.#zeros ??= disk.alignedMemory(this.#mostStepBytes)
      await this.#file.writeUncached(this.#zeros.subarray(0, stepBytes), this.#filledBytes)
      this.#filledBytes += stepBytes
      if (this.#filledBytes >= this.#limitBytes) await this.#sync(this.#file)
    })
  }

  /** False: there was not, and the file is gone. A file system may tell that only when it syncs what was written. */
  async #hasRoomFor (act: () => Promise<void>): Promise<boolean> {
    try {
      await act()
      return true
    } catch (error) {
      if (diskErrorCode(error) !== 'ENOSPC') throw error
      this.#filledBytes = 0
      if (this.#file === undefined) return false
      await this.#letGo()
      await this.#options.disk.unlink(this.#path)
      return false
    }
  }

  /** Through the handle it was written by: only that is sure to be told of an error. */
  async #sync (file: DiskFile): Promise<void> {
    await file.sync()
    await this.#letGo()
  }

  async #letGo (): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }
}
