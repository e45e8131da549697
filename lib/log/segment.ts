import { MqError, type Disk, type DiskFile } from '../base/index.ts'
import { PositionIndex } from './position-index.ts'

const NAME = /^(\d{20})\.seg$/

/** The position a segment's file name tells, or undefined for other files. */
export function positionOfSegmentName (name: string): number | undefined {
  const digits = NAME.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

export function segmentName (position: number): string {
  return `${String(position).padStart(20, '0')}.seg`
}

export interface SegmentStart {
  readonly basePosition: number
  /** Index of its first entry, or the index that entry will have. */
  readonly firstIndex: number
  /** Term of the entry before its first one. */
  readonly prevTerm: number
}

/**
 * One file of the log: the entries from `basePosition` on, then zeros, behind which a file that is used again holds what
 * an earlier segment has left (see SpareSegments). Named by the position of its first entry; the entry that crosses the
 * size limit is still written to it.
 */
export class Segment {
  readonly disk: Disk
  readonly path: string
  readonly basePosition: number
  readonly firstIndex: number
  readonly prevTerm: number
  /** Term of its first entry; undefined while it is empty or its first header cannot be read. */
  firstTerm: number | undefined
  /** Where its last entry ends, entries under way included; for all but the last segment the next one's base. */
  endPosition: number
  /** Bytes of the file that hold entries, zeros written ahead of need, or what an earlier segment has left. */
  fileBytes: number
  /** Up to this byte of the file there may be something that an earlier segment has left; zeros divide it from the last entry. */
  olderTo: number
  readonly index: PositionIndex
  /** Its file is gone, or about to go: below the floor, or cut. */
  isRemoved: boolean
  #file: DiskFile | undefined
  #opening: Promise<DiskFile> | undefined
  #users: number
  #isRetired: boolean
  #unused: Array<() => void>

  constructor (disk: Disk, path: string, { basePosition, firstIndex, prevTerm }: SegmentStart, fileBytes: number, file?: DiskFile) {
    this.disk = disk
    this.path = path
    this.basePosition = basePosition
    this.firstIndex = firstIndex
    this.prevTerm = prevTerm
    this.firstTerm = undefined
    this.endPosition = basePosition
    this.fileBytes = fileBytes
    this.olderTo = 0
    this.index = new PositionIndex(basePosition, firstIndex)
    this.#file = file
    this.isRemoved = false
    this.#opening = undefined
    this.#users = 0
    this.#isRetired = false
    this.#unused = []
  }

  get isEmpty (): boolean { return this.endPosition === this.basePosition }
  get usedBytes (): number { return this.endPosition - this.basePosition }
  /** The file, which must be open. */
  get openFile (): DiskFile { return this.#file! }

  /** The file, opened once and kept. */
  async file (): Promise<DiskFile> {
    if (this.#file !== undefined) return this.#file
    this.#opening ??= this.disk.open(this.path)
    try {
      this.#file = await this.#opening
      return this.#file
    } finally {
      this.#opening = undefined
    }
  }

  get isOpen (): boolean { return this.#file !== undefined }
  get isUsed (): boolean { return this.#users > 0 }

  /** Runs `action` with the file, which stays open meanwhile. */
  async use<T> (action: (file: DiskFile) => Promise<T>): Promise<T> {
    if (this.#isRetired) throw this.isRemoved ? this.#removed() : new MqError('MQ_CLOSED', 'the log is closed')
    this.#users++
    try {
      return await action(await this.file())
    } catch (error) {
      if (this.isRemoved && !(error instanceof MqError)) throw this.#removed()
      throw error
    } finally {
      if (--this.#users === 0) {
        for (const wake of this.#unused) wake()
        this.#unused = []
      }
    }
  }

  /** Closes the file when nobody uses it any more. A later use opens it again. */
  async close (): Promise<void> {
    while (this.#users > 0) await new Promise<void>((resolve) => this.#unused.push(resolve))
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  /** Closes the file for good when nobody uses it any more: from then on it may be another segment's, or nobody's here. */
  async retire (): Promise<void> {
    while (this.#users > 0) await new Promise<void>((resolve) => this.#unused.push(resolve))
    this.#isRetired = true
    await this.close()
  }

  #removed (): MqError {
    return new MqError('MQ_MESSAGE_NOT_FOUND', `position ${this.basePosition} and what follows were removed from the log meanwhile`)
  }
}
