import { type Disk, type Logger } from '../base/index.ts'
import type { LogFloor } from './floor-file.ts'
import { NextSegment } from './next-segment.ts'
import { OpenSegments } from './open-segments.ts'
import { lastNotAbove } from './position-index.ts'
import { Segment, segmentName, type SegmentStart } from './segment.ts'
import { SpareSegments } from './spare-segments.ts'

/** Sealed segments that stay open for reading. */
const MAX_OPEN_SEGMENTS = 64
/** By this part of a segment the next one's zeros are ahead; before that nothing is prepared. */
const AHEAD = 1 / 16

export interface SegmentStoreOptions {
  readonly disk: Disk
  readonly directory: string
  readonly segmentBytes: number
  readonly preallocate: boolean
  readonly logger: Logger
  /** So many files of dropped segments are kept at most, to become the next ones. */
  readonly spareSegments?: number
  /** Whether there is room enough to keep any. */
  hasRoomForSpares? (): boolean
  /** Preparing a segment to come failed. */
  onFailure (error: unknown): void
}

/** The segments of one log in order of position; the last one is the active one. */
export class SegmentStore {
  readonly segmentBytes: number
  readonly preallocate: boolean
  readonly opened: OpenSegments
  readonly #disk: Disk
  readonly #directory: string
  readonly #logger: Logger
  readonly #next: NextSegment
  readonly #spares: SpareSegments
  #segments: Segment[] = []
  #bases: number[] = []
  #deleting: Promise<void> = Promise.resolve()

  constructor ({ disk, directory, segmentBytes, preallocate, logger, spareSegments = 0, hasRoomForSpares = () => true, onFailure }: SegmentStoreOptions) {
    this.segmentBytes = segmentBytes
    this.preallocate = preallocate
    this.opened = new OpenSegments(MAX_OPEN_SEGMENTS, (segment) => segment === this.active)
    this.#disk = disk
    this.#directory = directory
    this.#logger = logger
    this.#next = new NextSegment({ disk, directory, segmentBytes, onFailure })
    this.#spares = new SpareSegments({ disk, directory, logger, segmentBytes, limit: spareSegments, hasRoom: hasRoomForSpares, onFailure })
  }

  get all (): readonly Segment[] { return this.#segments }
  get first (): Segment { return this.#segments[0]! }
  get active (): Segment { return this.#segments[this.#segments.length - 1]! }

  add (segment: Segment): void {
    this.#segments.push(segment)
    this.#bases.push(segment.basePosition)
  }

  /** The segment whose entries hold the byte at `position`. */
  containing (position: number): Segment | undefined {
    const segment = this.#segments[lastNotAbove(this.#bases, position)]
    return segment !== undefined && position < segment.endPosition ? segment : undefined
  }

  /** The segment that holds entry `index`, or would. */
  containingIndex (index: number): Segment | undefined {
    let low = 0
    let high = this.#segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#segments[middle]!.firstIndex <= index) low = middle + 1
      else high = middle
    }
    return this.#segments[low - 1]
  }

  /** The segment after `segment`. */
  after (segment: Segment): Segment | undefined {
    return this.#segments[lastNotAbove(this.#bases, segment.basePosition) + 1]
  }

  /** Whether the active segment takes no more entries. */
  isFullAt (position: number): boolean {
    return position - this.active.basePosition >= this.segmentBytes
  }

  /** Makes the next active segment, durable in the directory before anything is written to it. */
  async startNext (start: SegmentStart): Promise<Segment> {
    const path = `${this.#directory}/${segmentName(start.basePosition)}`
    const olderTo = await this.#spares.moveTo(path)
    const fileBytes = olderTo > 0 ? olderTo : await this.#next.moveTo(path)
    const file = await this.#disk.open(path, { create: true })
    try {
      await this.#disk.syncDirectory(this.#directory)
    } catch (error) {
      await file.close()
      throw error
    }
    const segment = new Segment(this.#disk, path, start, fileBytes, file)
    segment.olderTo = olderTo
    if (this.#segments.length > 0) this.opened.note(this.active)
    this.add(segment)
    return segment
  }

  /** Puts zeros ahead for the next segment, as far as this one is used and a little more. Call it when the disk has nothing else to do. */
  prepareNext (): void {
    if (this.#spares.count > 0) return
    const { usedBytes } = this.active
    if (usedBytes >= this.segmentBytes * AHEAD) this.#next.fillTo(usedBytes * (1 + AHEAD))
  }

  /** Prepares nothing more. */
  stop (): void {
    this.#next.stop()
    this.#spares.stop()
  }

  /** Bytes of files kept to become segments. */
  get spareBytes (): number { return this.#spares.sizeBytes }

  /** Gives the room of the files kept to become segments back. */
  async removeSpares (): Promise<void> { await this.#spares.removeAll() }

  /** Where the log would begin without the segments that end at or below `position` and hold no entry above `throughIndex`. */
  floorFor (position: number, throughIndex: number): LogFloor | undefined {
    let floor: LogFloor | undefined
    for (const { basePosition, firstIndex, prevTerm } of this.#segments.slice(1)) {
      if (basePosition > position || firstIndex - 1 > throughIndex) break
      floor = { index: firstIndex - 1, term: prevTerm, physicalOffset: basePosition }
    }
    return floor
  }

  /** Takes the segments below `position` out, and in the background removes their files or keeps them as spare ones. Never the active one. */
  dropBelow (position: number): Segment[] {
    let count = 0
    while (count < this.#segments.length - 1 && this.#segments[count]!.endPosition <= position) count++
    const dropped = this.#segments.splice(0, count)
    this.#bases.splice(0, count)
    for (const segment of dropped) {
      segment.isRemoved = true
      this.opened.forget(segment)
      this.#deleting = this.#deleting.then(() => this.#remove(segment))
    }
    return dropped
  }

  /** Takes the segments that begin at or above `position` out, the one that begins the log excepted, newest first. */
  takeFrom (position: number): Segment[] {
    const taken: Segment[] = []
    while (this.#segments.length > 1 && this.active.basePosition >= position) {
      const segment = this.#segments.pop()!
      this.#bases.pop()
      segment.isRemoved = true
      this.opened.forget(segment)
      taken.push(segment)
    }
    return taken
  }

  /** `failed`: the disk is written to no more. */
  async close ({ failed }: { readonly failed: boolean }): Promise<void> {
    this.#spares.stop()
    await this.#deleting
    await this.#next.close({ remove: !failed })
    await this.#spares.close({ remove: !failed })
    // who reads meanwhile opens nothing again
    for (const segment of this.#segments) await segment.retire()
  }

  async #remove (segment: Segment): Promise<void> {
    try {
      await segment.retire()
    } catch (error) {
      // Harmless: the next start removes what lies below the floor.
      return this.#logger.warn(`${segment.path} could not be closed`, { error })
    }
    await this.#spares.keep(segment.path, segment.fileBytes)
  }
}
