import { hash64, MqError, viewOf, type Clock, type DiskFile } from '../base/index.ts'
import { BLOCK_BYTES, blockCountOf, blockSeed, ENTRY_HEADER_BYTES, firstBadBlock, type EntryHeader } from './entry.ts'
import type { EntryReader, EntryStart } from './entry-reader.ts'
import { headerAt, type ChainPoint } from './entry-walk.ts'
import { Extent, ExtentCache } from './extent-cache.ts'
import { PieceMemory } from './piece-memory.ts'
import { ReadStreams, type ReadSize } from './read-streams.ts'
import type { Segment } from './segment.ts'
import type { SegmentStore } from './segment-store.ts'

/** Reads of the disk at one time: the thread pool also serves the log's writes. */
const MAX_LOADS = 2
/** How much of an entry before the wanted byte is read along rather than skipped: readers in order want it too, one after the other. */
const MAX_LEAD_BYTES = 256 * 1024
const MAX_SEQUENTIAL_LEAD_BYTES = 1280 * 1024

interface Load {
  readonly from: number
  readonly to: number
  /** Where the log was cut meanwhile, at the lowest: what was read from there on may be gone, though others may stand there again. */
  cutAt: number
  done: Promise<Extent>
}

/**
 * Reads of what is no longer in the tail cache: positional, asynchronous, a whole piece at a time with all its checksums
 * verified, kept in a bounded cache. Readers that go through the log in order get larger pieces, read ahead of them. Of
 * a large entry only the 64 KiB blocks that are wanted are read.
 */
export class ColdReader {
  readonly #segments: SegmentStore
  readonly #entries: EntryReader
  readonly #groupSeed: bigint
  readonly #cache: ExtentCache
  readonly #memory: PieceMemory
  readonly #streams: ReadStreams
  #loads: Load[] = []
  #running = 0
  #waiting: Array<() => void> = []

  constructor (segments: SegmentStore, entries: EntryReader, clock: Clock, groupSeed: bigint, cacheBytes: number) {
    this.#segments = segments
    this.#entries = entries
    this.#groupSeed = groupSeed
    this.#memory = new PieceMemory(clock)
    this.#cache = new ExtentCache(cacheBytes, (memory) => { this.#memory.giveBack(memory) })
    this.#streams = new ReadStreams(cacheBytes)
  }

  /** Of the cache, and how many pieces are in it. */
  get sizeBytes (): number { return this.#cache.sizeBytes }
  get pieces (): number { return this.#cache.count }

  /** From the cache only. Views, of this and of `read`, are valid until the next turn of the event loop. */
  readNow (position: number, sizeBytes: number): Uint8Array | undefined {
    const extent = this.#cache.find(position, sizeBytes)
    if (extent === undefined) return undefined
    if (!extent.wasUsed) {
      extent.wasUsed = true
      if (extent.isSequential) this.#readAhead(extent.to)
    }
    return extent.view(position, sizeBytes)
  }

  /**
   * @throws MQ_CORRUPT a checksum does not hold; the error has `file`, `position` (the byte in it) and `physicalOffset`
   * @throws MQ_MESSAGE_NOT_FOUND the range is not within one entry, or was removed
   */
  async read (position: number, sizeBytes: number): Promise<Uint8Array> {
    for (;;) {
      const bytes = this.readNow(position, sizeBytes)
      if (bytes !== undefined) return bytes
      const load = this.#loads.find(({ from, to }) => position >= from && position + sizeBytes <= to)
      if (load === undefined) return (await this.#load(position, sizeBytes)).view(position, sizeBytes)
      const extent = await load.done.catch(() => undefined)
      if (extent === undefined || !extent.covers(position, sizeBytes)) return (await this.#load(position, sizeBytes)).view(position, sizeBytes)
    }
  }

  /** The log is cut at `position`; said before and after, for in between what is read may be either. */
  truncate (position: number): void {
    this.#cache.truncate(position)
    for (const load of this.#loads) load.cutAt = Math.min(load.cutAt, position)
  }

  #readAhead (position: number): void {
    const segment = this.#segments.containing(position)
    // What is still being written is in the tail cache.
    if (segment === undefined || segment === this.#segments.active || this.#cache.find(position, 1) !== undefined) return
    if (this.#running >= MAX_LOADS || this.#loads.some(({ from, to }) => position >= from && position < to)) return
    this.#load(position, 1).catch(() => {
      // Whoever wants these bytes will read them and be told.
    })
  }

  async #load (position: number, sizeBytes: number): Promise<Extent> {
    const segment = this.#segments.containing(position)
    if (segment === undefined) throw notFound(position, sizeBytes)
    const load: Load = { from: position, to: position + this.#streams.sizeFor(position).wantBytes, cutAt: Infinity, done: undefined! }
    this.#loads.push(load)
    load.done = this.#take(load, segment, position, sizeBytes)
    try {
      return await load.done
    } finally {
      this.#loads = this.#loads.filter((other) => other !== load)
    }
  }

  async #take (load: Load, segment: Segment, position: number, sizeBytes: number): Promise<Extent> {
    while (this.#running >= MAX_LOADS) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#running++
    try {
      // Several queues' consumers want pieces of the same entries: another load may have brought this one.
      const cached = this.#cache.find(position, sizeBytes)
      if (cached !== undefined) return cached
      const size = this.#streams.sizeFor(position)
      const extent = await this.#readUncut(load, segment, position, sizeBytes, this.#upToNextExtent(position, size))
      // What was removed meanwhile must not be found again.
      if (!segment.isRemoved && extent.to <= segment.endPosition) this.#cache.add(extent)
      this.#streams.note(position, extent.to, size)
      return extent
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }

  /** What is in the cache already is not read once more. */
  #upToNextExtent (position: number, size: ReadSize): ReadSize {
    const next = this.#cache.startAfter(position)
    return next === undefined || next >= position + size.wantBytes ? size : { ...size, wantBytes: next - position }
  }

  /** Reads once more where the log was cut meanwhile, so long as what is wanted lies before the cut. */
  async #readUncut (load: Load, segment: Segment, position: number, sizeBytes: number, size: ReadSize): Promise<Extent> {
    for (;;) {
      load.cutAt = Infinity
      try {
        const extent = (await this.#readExtent(load, segment, position, sizeBytes, size)).below(load.cutAt)
        if (extent.covers(position, sizeBytes)) return extent
      } catch (error) {
        if (load.cutAt === Infinity) throw error
      }
      if (position + sizeBytes > load.cutAt || load.cutAt === Infinity) throw notFound(position, sizeBytes)
    }
  }

  async #readExtent (load: Load, segment: Segment, position: number, sizeBytes: number, size: ReadSize): Promise<Extent> {
    const { coveredTo, nextIndex } = segment.index
    if (position >= coveredTo && position < coveredTo + BLOCK_BYTES) {
      // Right behind what the index covers, the next entry's start is known; the read then extends the index.
      const extent = await this.#readFrom(load, segment, { position: coveredTo, index: nextIndex }, position, sizeBytes, size)
      if (extent !== undefined) return extent
    }
    const start = await this.#entries.locatePosition(segment, position)
    const extent = await this.#readFrom(load, segment, start, position, sizeBytes, size)
    if (extent !== undefined) return extent
    throw await this.#entries.damageAt(segment, { ...start, fileByte: start.position - segment.basePosition, reason: 'no valid entry header' })
  }

  /** Reads from the start of an entry at or before the position; undefined when a header on the way is bad. */
  async #readFrom (load: Load, segment: Segment, start: EntryStart, position: number, sizeBytes: number, size: ReadSize): Promise<Extent | undefined> {
    return await this.#segments.opened.use(segment, async (file) => {
      // Deep inside a large entry only blocks around the position are read.
      const isDeep = position - start.position > (size.isSequential ? MAX_SEQUENTIAL_LEAD_BYTES : MAX_LEAD_BYTES)
      const from = isDeep ? position - BLOCK_BYTES : start.position
      // To the end of the entry, where that is known: a part of it would have to be read again for what lies behind.
      const { position: nextStart } = segment.index.after(position)
      const entryBytes = !isDeep && nextStart - from <= MAX_SEQUENTIAL_LEAD_BYTES ? nextStart - from : 0
      const pieceBytes = Math.min(Math.max(size.wantBytes, position + sizeBytes - from, entryBytes) + BLOCK_BYTES, segment.endPosition - from)
      const piece = await readPiece(file, segment, from, this.#memory.take(pieceBytes))
      const found = isDeep ? await this.#headerOf(segment, file, start) : this.#wholeEntries(segment, piece, start, position, load.cutAt)
      if (found === undefined) return undefined
      if ('sizeBytes' in found) return await this.#blocksOf(segment, file, found, piece, position, sizeBytes, size.isSequential)
      return new Extent(found.from, piece.bytes.subarray(found.from - from, found.to - from), size.isSequential)
    })
  }

  /**
   * Verifies the entries of the piece from its start on. Returns the range of good ones around `position`, or the header
   * of the entry that holds it when that is not complete there or has a bad block; undefined at a bad header before it.
   */
  #wholeEntries (segment: Segment, { bytes, view }: Piece, start: EntryStart, position: number, cutAt: number): { from: number, to: number } | EntryHeader | undefined {
    let from = start.position
    let next: ChainPoint = { ...start, prevTerm: undefined }
    for (let at = 0; at + ENTRY_HEADER_BYTES <= bytes.length;) {
      const header = headerAt(bytes, view, at, this.#groupSeed, next)
      if (typeof header === 'string') break
      const end = next.position + header.sizeBytes
      const isWhole = at + header.sizeBytes <= bytes.length && firstBadBlock(bytes, view, at, header) < 0
      if (!isWhole && position < next.position) break
      if (!isWhole && position < end) return header
      if (!isWhole) from = end
      if (header.physicalOffset === segment.index.coveredTo && end <= Math.min(cutAt, segment.endPosition)) segment.index.note(header.sizeBytes)
      at += header.sizeBytes
      next = { position: end, index: next.index + 1, prevTerm: header.term }
    }
    return position < next.position ? { from, to: next.position } : undefined
  }

  async #headerOf (segment: Segment, file: DiskFile, { position, index }: EntryStart): Promise<EntryHeader> {
    const { bytes, view } = await readPiece(file, segment, position, new Uint8Array(Math.min(ENTRY_HEADER_BYTES, segment.endPosition - position)))
    const header = bytes.length < ENTRY_HEADER_BYTES ? 'the file ends within an entry\'s header' : headerAt(bytes, view, 0, this.#groupSeed, { position, index, prevTerm: undefined })
    if (typeof header === 'string') throw await this.#entries.damageAt(segment, { position, index, fileByte: position - segment.basePosition, reason: header })
    return header
  }

  /** The verified blocks of one entry's body that are complete in the piece, as far as they are good around the wanted range. */
  async #blocksOf (segment: Segment, file: DiskFile, header: EntryHeader, piece: Piece, position: number, sizeBytes: number, isSequential: boolean): Promise<Extent> {
    const bodyFrom = header.physicalOffset + ENTRY_HEADER_BYTES
    const bodyTo = bodyFrom + header.bodyBytes
    if (position < bodyFrom || position + sizeBytes > bodyTo) throw notFound(position, sizeBytes)
    const blockAt = (logPosition: number): number => Math.floor((logPosition - bodyFrom) / BLOCK_BYTES)
    const endOf = (block: number): number => Math.min(bodyFrom + (block + 1) * BLOCK_BYTES, bodyTo)
    const pieceTo = piece.from + piece.bytes.length
    const firstWanted = blockAt(position)
    const lastWanted = blockAt(position + Math.max(sizeBytes, 1) - 1)
    let first = Math.max(0, Math.ceil((piece.from - bodyFrom) / BLOCK_BYTES))
    let last = pieceTo >= bodyTo ? blockCountOf(header.bodyBytes) - 1 : blockAt(pieceTo) - 1
    const sums = await readPiece(file, segment, bodyTo + 8 * first, new Uint8Array(Math.max(0, Math.min(8 * (last - first + 1), segment.endPosition - bodyTo - 8 * first))))
    for (let block = first; block <= last; block++) {
      const from = bodyFrom + block * BLOCK_BYTES
      const bytes = piece.bytes.subarray(from - piece.from, endOf(block) - piece.from)
      const sumAt = bodyTo + 8 * block - sums.from
      if (sumAt + 8 <= sums.bytes.length && hash64(bytes, blockSeed(header.checksum, block)) === sums.view.getBigUint64(sumAt)) continue
      if (block >= firstWanted && block <= lastWanted) {
        throw await this.#entries.damageAt(segment, { header, position: header.physicalOffset, index: header.index, fileByte: from - segment.basePosition, reason: 'a block of an entry\'s body fails its checksum' })
      }
      if (block < firstWanted) first = block + 1
      else last = block - 1
    }
    if (first > firstWanted || last < lastWanted) throw await this.#entries.damageAt(segment, { header, position: header.physicalOffset, index: header.index, fileByte: pieceTo - segment.basePosition, reason: 'the file ends within an entry' })
    const from = bodyFrom + first * BLOCK_BYTES
    return new Extent(from, piece.bytes.subarray(from - piece.from, endOf(last) - piece.from), isSequential)
  }
}

interface Piece {
  /** Log position of the first byte. */
  readonly from: number
  readonly bytes: Uint8Array
  readonly view: DataView
}

async function readPiece (file: DiskFile, segment: Segment, from: number, whole: Uint8Array): Promise<Piece> {
  const bytes = whole.subarray(0, await file.read(whole, from - segment.basePosition))
  return { from, bytes, view: viewOf(bytes) }
}

function notFound (position: number, sizeBytes: number): MqError {
  return new MqError('MQ_MESSAGE_NOT_FOUND', `no ${sizeBytes} bytes of one entry at position ${position}`)
}
