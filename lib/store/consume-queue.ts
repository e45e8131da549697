import { invariant } from '../base/index.ts'
import { LOCAL_HOST, type EntryBodyWriter, type Host, type MessageFields, type RecordFields } from '../message/index.ts'
import { PAGE_UNITS, UnitPage } from './unit-page.ts'

const NO_PAGES: UnitPage[] = []

/** What all queues of a topic share. */
export interface TopicOfQueues {
  readonly topic: string
  /** UTF-8. */
  readonly topicBytes: Uint8Array
  /** By queueId, with holes. */
  readonly queues: Array<ConsumeQueue | undefined>
}

/** Number of the present overlay; a queue's own part of it is void when its number differs. */
export interface OverlayGeneration { generation: number }

/**
 * One queue of a topic: the units of its messages, numbered by queue offset without gaps. Only the newest units are in
 * memory (`pages`); the others are in the kv, see unit-reader.ts. Resident per queue is what stands here, so it is kept
 * small. It also is the leader's handle for sealing: `append` gives offsets ahead of what was applied.
 */
export class ConsumeQueue {
  readonly of: TopicOfQueues
  readonly queueId: number
  /** Names the queue's pages in the kv; never used twice, so a topic made again under its name cannot meet old pages. 0: not created. */
  number = 0
  /** Position of its first message ever; records below belong to an earlier queue of that name. */
  createdPosition = -1
  /** The offset that the next applied message gets. */
  nextOffset = 0
  /** The first offset at or above the retention floor, as far as known: the exact one comes a moment after the floor moved. */
  minOffset = 0
  /** physicalOffset of the unit at `minOffset`; Infinity while there is none. */
  minPosition = Infinity
  /** The highest physicalOffset of all its units. */
  maxPosition = -1
  /** Stamp of the newest unit; units' stamps never decrease. */
  lastStampMs = 0
  /** Units below are in the kv. */
  persistedTo = 0
  /** Where the pieces of the unfinished page begin in the kv, as numbers within the page. */
  deltas: readonly number[] | undefined = undefined
  /** Units in memory: consecutive, up to `nextOffset`; only the last page can grow. */
  pages: UnitPage[] = NO_PAGES
  /** Pages below this one are gone from the kv. */
  discardedPages = 0
  isDirty = false
  /** Appended to since the last freeze. */
  isRecent = false
  /** Its topic was deleted: appends are refused, a new handle is to be asked for. */
  isRetired = false

  readonly #overlay: OverlayGeneration
  #overlayGeneration = -1
  #proposedNextOffset = 0
  #writerGeneration = -1
  #target = 0

  constructor (of: TopicOfQueues, queueId: number, overlay: OverlayGeneration) {
    this.of = of
    this.queueId = queueId
    this.#overlay = overlay
  }

  get topic (): string { return this.of.topic }
  get isCreated (): boolean { return this.number !== 0 }
  get unitCount (): number { return this.nextOffset - this.minOffset }
  /** The first offset that is in memory. */
  get residentFrom (): number { return this.pages.length === 0 ? this.nextOffset : this.pages[0]!.firstOffset }

  /** The offset that the next message sealed gets: all proposals of this leadership count as applied. */
  get proposedNextOffset (): number {
    return this.#overlayGeneration === this.#overlay.generation ? this.#proposedNextOffset : this.nextOffset
  }

  /**
   * The leader's side: writes a message into the entry being sealed and returns its queue offset. The caller has made
   * sure of room (`EntryBodyWriter.recordCostBytes`). All messages of a queue in one entry must come through here.
   */
  append (writer: EntryBodyWriter, message: MessageFields, tagsCode: number, storeTimestampMs: number, storeHost: Host = LOCAL_HOST): number {
    invariant(!this.isRetired, 'message for a queue of a deleted topic')
    const target = this.#targetIn(writer)
    const queueOffset = this.#proposedNextOffset++
    writer.addMessage(target, tagsCode, message, this.of.topicBytes, this.queueId, queueOffset, storeTimestampMs, storeHost)
    return queueOffset
  }

  /**
   * `append` for a message whose properties are stored text already. Fills in where the record comes to stand:
   * `queueOffset` (which it also returns), `physicalOffset` and `storeTimestampMs`. Its topic and queueId must be these.
   */
  appendRecord (writer: EntryBodyWriter, record: RecordFields, tagsCode: number, storeTimestampMs: number): number {
    invariant(!this.isRetired, 'message for a queue of a deleted topic')
    const target = this.#targetIn(writer)
    record.queueOffset = this.#proposedNextOffset++
    record.physicalOffset = writer.nextPhysicalOffset
    record.storeTimestampMs = storeTimestampMs
    writer.addRecord(target, tagsCode, record)
    return record.queueOffset
  }

  /** `append` for a record that is stored already: its bytes once more. */
  appendStored (writer: EntryBodyWriter, record: Uint8Array, tagsCode: number, storeTimestampMs: number): number {
    invariant(!this.isRetired, 'message for a queue of a deleted topic')
    const target = this.#targetIn(writer)
    const queueOffset = this.#proposedNextOffset++
    writer.addStored(target, tagsCode, record, queueOffset, storeTimestampMs)
    return queueOffset
  }

  /** The next `count` offsets go to messages that are in the log already: a command in this entry delivers them. Returns the first. */
  appendDelivered (writer: EntryBodyWriter, count: number): number {
    invariant(!this.isRetired, 'message for a queue of a deleted topic')
    this.#enterOverlay()
    const queueOffset = this.#proposedNextOffset
    this.#proposedNextOffset += count
    // the offsets of a target's records have no gaps: what is appended next begins another one
    if (this.#writerGeneration === writer.generation) this.#writerGeneration = -1
    return queueOffset
  }

  /** Apply's side: the next unit. */
  push (physicalOffset: number, sizeBytes: number, tagsCode: number, storeTimestampMs: number): void {
    let page = this.pages.length === 0 ? undefined : this.pages[this.pages.length - 1]
    if (page === undefined || page.end === PAGE_UNITS) page = this.#openPage()
    if (storeTimestampMs > this.lastStampMs) this.lastStampMs = storeTimestampMs
    page.push(physicalOffset, sizeBytes, tagsCode, this.lastStampMs)
    this.nextOffset++
    if (physicalOffset > this.maxPosition) this.maxPosition = physicalOffset
    if (this.minPosition === Infinity) this.minPosition = physicalOffset
  }

  /** The page in memory that holds the unit at `offset`. */
  residentPage (offset: number): UnitPage | undefined {
    for (let i = this.pages.length - 1; i >= 0; i--) {
      const page = this.pages[i]!
      if (page.firstOffset <= offset) return offset < page.endOffset ? page : undefined
    }
    return undefined
  }

  /** Lets go of the pages that `gone` names; they must be persisted, and be the oldest ones. */
  forgetPages (count: number): void {
    this.pages = count === this.pages.length ? NO_PAGES : this.pages.slice(count)
  }

  #enterOverlay (): void {
    if (this.#overlayGeneration === this.#overlay.generation) return
    this.#overlayGeneration = this.#overlay.generation
    this.#proposedNextOffset = this.nextOffset
  }

  #targetIn (writer: EntryBodyWriter): number {
    this.#enterOverlay()
    if (this.#writerGeneration !== writer.generation) {
      this.#writerGeneration = writer.generation
      this.#target = writer.addTarget(this.of.topicBytes, this.queueId, this.#proposedNextOffset)
    }
    return this.#target
  }

  #openPage (): UnitPage {
    const pageNumber = Math.floor(this.nextOffset / PAGE_UNITS)
    const wasFull = this.pages.length > 0
    const page = new UnitPage(pageNumber, this.nextOffset - pageNumber * PAGE_UNITS, wasFull ? 64 : undefined)
    if (wasFull) this.pages.push(page)
    else this.pages = [page]
    return page
  }
}
