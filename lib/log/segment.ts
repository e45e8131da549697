import type { Disk, DiskFile } from '../base/index.ts'
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
 * One file of the log: the entries from `basePosition` on, then zeros. Named by the position of its first entry; the
 * entry that crosses the size limit is still written to it.
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
  /** Bytes of the file that hold entries or zeros written ahead of need. */
  fileBytes: number
  readonly index: PositionIndex
  #file: DiskFile | undefined
  #opening: Promise<DiskFile> | undefined

  constructor (disk: Disk, path: string, { basePosition, firstIndex, prevTerm }: SegmentStart, fileBytes: number, file?: DiskFile) {
    this.disk = disk
    this.path = path
    this.basePosition = basePosition
    this.firstIndex = firstIndex
    this.prevTerm = prevTerm
    this.firstTerm = undefined
    this.endPosition = basePosition
    this.fileBytes = fileBytes
    this.index = new PositionIndex(basePosition, firstIndex)
    this.#file = file
    this.#opening = undefined
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

  async close (): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }
}
