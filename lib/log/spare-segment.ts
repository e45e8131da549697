import type { Disk, DiskFile } from '../base/index.ts'
import { ZERO_STEP_BYTES } from './zeros.ts'

export interface Spare {
  readonly path: string
  readonly file: DiskFile
  readonly fileBytes: number
}

/**
 * The next segment's file, filled with real zeros ahead of need: overwriting written blocks makes small flushes about
 * twice as fast as growing a file. It grows with the active segment, from a quarter of that used to three
 * quarters, one small asynchronous step at a time, so that a small log has no spare and no flush waits for the disk.
 */
export class SpareSegment {
  readonly #disk: Disk
  readonly #path: string
  readonly #segmentBytes: number
  readonly #onFailure: (error: unknown) => void
  #file: DiskFile | undefined
  #zeroed = 0
  #zeros: Uint8Array | undefined
  #target = 0
  #running: Promise<void> | undefined
  #isTaken = false
  #closed = false

  constructor (disk: Disk, path: string, segmentBytes: number, onFailure: (error: unknown) => void) {
    this.#disk = disk
    this.#path = path
    this.#segmentBytes = segmentBytes
    this.#onFailure = onFailure
  }

  /** Tells how much of the active segment is used. */
  advance (usedBytes: number): void {
    const target = Math.min(this.#segmentBytes, 2 * usedBytes - this.#segmentBytes / 2)
    if (target <= this.#target || this.#isTaken || this.#closed) return
    this.#target = target
    if (target > this.#zeroed) this.#running ??= this.#run().finally(() => { this.#running = undefined })
  }

  /** Hands the file over as far as it is filled, under its own name still; undefined when none was begun. */
  async take (): Promise<Spare | undefined> {
    this.#isTaken = true
    this.#target = 0
    await this.#running
    this.#isTaken = false
    const file = this.#file
    if (file === undefined) return undefined
    const spare = { path: this.#path, file, fileBytes: this.#zeroed }
    this.#file = undefined
    this.#zeroed = 0
    return spare
  }

  async close (): Promise<void> {
    this.#closed = true
    const spare = await this.take()
    await spare?.file.close()
  }

  async #run (): Promise<void> {
    try {
      this.#file ??= await this.#disk.open(this.#path, { create: true })
      this.#zeros ??= this.#disk.alignedMemory(ZERO_STEP_BYTES)
      while (this.#zeroed < this.#target) {
        const step = Math.min(ZERO_STEP_BYTES, this.#segmentBytes - this.#zeroed)
        await this.#file.writeThrough(this.#zeros.subarray(0, step), this.#zeroed)
        this.#zeroed += step
      }
    } catch (error) {
      this.#closed = true
      this.#onFailure(error)
    }
  }
}
