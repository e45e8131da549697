import { MqError, viewOf, type Clock, type Disk, type Logger } from '../base/index.ts'
import { CutIntent } from './cut-intent.ts'
import { cutFiles, type CutFile } from './cut.ts'
import { decodeHeader, ENTRY_HEADER_BYTES, type EntryHeader } from './entry.ts'
import { naming, walkEntries, type BadEntry, type ChainPoint, type WalkEnd } from './entry-walk.ts'
import { FloorFile, type LogFloor } from './floor-file.ts'
import type { RecoveryReport, TornCut } from './recovery-report.ts'
import { NextSegment } from './next-segment.ts'
import { positionOfSegmentName, Segment } from './segment.ts'
import type { SegmentStore } from './segment-store.ts'
import { SyncMark } from './sync-mark.ts'
import { SpareSegments } from './spare-segments.ts'
import { keepAside, lookBehindEnd, nextHeader, syncedToAt, writeAgain } from './tail-check.ts'
import { TermTable } from './term-table.ts'
import { TermsFile } from './terms-file.ts'
import type { LogPoint } from './log-point.ts'
import { zeroRange } from './zeros.ts'

export interface RecoveryOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly logger: Logger
  readonly directory: string
  readonly groupSeed: bigint
  readonly segments: SegmentStore
  /** `mend`: report it, also where it is the first file that is missing; what is there is about to be made whole. */
  readonly onDamage: 'refuse' | 'report' | 'mend'
  readonly start?: LogFloor | undefined
}

export interface Recovered {
  readonly mark: SyncMark
  readonly termsFile: TermsFile
  readonly intent: CutIntent
  readonly floor: FloorFile
  readonly terms: TermTable
  /** Behind the last good entry. */
  readonly end: LogPoint
  /** Position through which there may be something written behind it; not below it. */
  readonly writtenTo: number
  /** Files behind damage, which belong to no log any more. */
  readonly lost: readonly LostFile[]
  readonly report: RecoveryReport
}

/** Earlier builds prepared the next segment in it. */
const SPARE_NAME = 'spare.zeros'
const ADVICE = 'Restore the directory from a copy, or run repair, which says what it removes and keeps it aside'

export interface LostFile extends CutFile {
  /** Of its first entry, if that can be read. */
  readonly first: EntryHeader | undefined
}

interface FirstHeader {
  readonly sizeBytes: number
  readonly header: EntryHeader | undefined
}

/**
 * Finds the state of a log after any stop. Sealed segments were synced before their successor was made, so only their
 * first headers are read; the last segment is read in full and every checksum in it verified. What had been synced tells
 * a torn tail, which is cut and reported, from rot, which is refused or reported.
 */
export async function recoverLog (options: RecoveryOptions): Promise<Recovered> {
  const { disk, clock, directory, groupSeed } = options
  const startedAt = clock.nowMs()
  // A killed process may have left names that only the system's cache has; nothing may rest on them before this.
  await disk.syncDirectory(directory)
  const mark = await SyncMark.open(disk, directory, groupSeed)
  const intent = await CutIntent.open(disk, directory, groupSeed)
  const floor = await FloorFile.open(disk, directory, groupSeed)
  await NextSegment.removeLeftOver(disk, directory)
  await SpareSegments.removeLeftOver(disk, directory)
  await intent.settle()
  await floor.settle()
  await mark.begin()
  const report: RecoveryReport = { cuts: [], damaged: [], segments: 0, scannedBytes: 0, elapsedMs: 0 }
  const termsFile = new TermsFile(disk, directory, groupSeed)
  const recovery = new Recovery(options, { mark, termsFile, intent, floor, report })
  const end = await recovery.run()
  report.elapsedMs = clock.nowMs() - startedAt
  return { mark, termsFile, intent, floor, terms: recovery.terms, end, writtenTo: Math.max(recovery.writtenTo, end.position), lost: recovery.lost, report }
}

class Recovery {
  readonly terms = new TermTable()
  readonly lost: LostFile[] = []
  writtenTo = 0
  readonly #options: RecoveryOptions
  readonly #mark: SyncMark
  readonly #termsFile: TermsFile
  readonly #intent: CutIntent
  readonly #floor: FloorFile
  readonly #report: RecoveryReport

  constructor (options: RecoveryOptions, { mark, termsFile, intent, floor, report }: { mark: SyncMark, termsFile: TermsFile, intent: CutIntent, floor: FloorFile, report: RecoveryReport }) {
    this.#options = options
    this.#mark = mark
    this.#termsFile = termsFile
    this.#intent = intent
    this.#floor = floor
    this.#report = report
  }

  async run (): Promise<LogPoint> {
    const { start } = this.#options
    if (start !== undefined && !this.#floor.exists && (await this.#listFiles()).length === 0) await this.#floor.save(start)
    const files = await this.#finishCut(await this.#listFiles())
    const lacksFirst = this.#lacksFirstFile(files)
    if (files.length === 0 && !lacksFirst) return await this.#startEmpty()
    if (lacksFirst) await this.#startEmpty()
    await this.#addSegments(files)
    return await this.#recoverTail()
  }

  /** The segments at and above the floor, in order; what lies below it is removed. */
  async #listFiles (): Promise<CutFile[]> {
    const { disk, directory } = this.#options
    const names = (await disk.list(directory) ?? []).map(({ name }) => name)
    if (names.includes(SPARE_NAME)) await disk.unlink(`${directory}/${SPARE_NAME}`)
    const files = names
      .flatMap((name) => {
        const basePosition = positionOfSegmentName(name)
        return basePosition === undefined ? [] : [{ path: `${directory}/${name}`, basePosition }]
      })
      .sort((a, b) => a.basePosition - b.basePosition)
    const floor = this.#floor.floor.physicalOffset
    while (files.length > 0 && files[0]!.basePosition < floor && (files[1]?.basePosition ?? Infinity) <= floor) {
      await disk.unlink(files.shift()!.path)
    }
    return files
  }

  async #finishCut (files: CutFile[]): Promise<CutFile[]> {
    const cut = this.#intent.cut
    if (cut === undefined) return files
    const { disk, directory } = this.#options
    const removed = await cutFiles(disk, directory, files, cut)
    await this.#intent.clear()
    this.#report.finishedCut = cut
    return files.slice(0, files.length - removed.length)
  }

  /** Whether an empty first file is to be made in the place of one that is missing. */
  #lacksFirstFile (files: readonly CutFile[]): boolean {
    const { directory, onDamage } = this.#options
    const { physicalOffset } = this.#floor.floor
    const first = files[0]
    if (first === undefined ? this.#mark.syncedTo <= physicalOffset : first.basePosition === physicalOffset) return false
    if (onDamage === 'mend' && (first === undefined || first.basePosition > physicalOffset)) return true
    const found = first === undefined ? 'it has none' : `its first segment begins at ${first.basePosition}`
    throw corrupt(`${directory}: the log must begin at position ${physicalOffset}, but ${found}; a segment file is missing. ${ADVICE}`, directory, 0)
  }

  async #startEmpty (): Promise<LogPoint> {
    const { index, term, physicalOffset } = this.#floor.floor
    await this.#options.segments.startNext({ basePosition: physicalOffset, firstIndex: index + 1, prevTerm: term })
    return { index, term, position: physicalOffset }
  }

  /** Adds the segments to the store by their first headers; checks that they follow each other without a hole. */
  async #addSegments (files: readonly CutFile[]): Promise<void> {
    const firsts = await inBatches(files, 8, (file) => this.#readFirst(file))
    for (const [i, file] of files.entries()) {
      const problem = await this.#addSegment(file, firsts[i]!, files[i + 1])
      if (problem === undefined) continue
      if (this.#options.segments.all.length === 0 || this.#options.onDamage === 'refuse') throw problem
      this.lost.push(...files.slice(i).map((file, n) => ({ ...file, first: firsts[i + n]!.header })))
      break
    }
    this.#report.segments = this.#options.segments.all.length
    await this.#noteTermsOfSealed()
  }

  /** Adds one segment, or tells why it does not continue the log. */
  async #addSegment ({ path, basePosition }: CutFile, { sizeBytes, header }: FirstHeader, next: CutFile | undefined): Promise<MqError | undefined> {
    const { disk, segments } = this.#options
    const before = segments.all.at(-1)
    if (before !== undefined && before.basePosition + before.fileBytes < basePosition) {
      return corrupt(`${before.path}: ends at position ${before.basePosition + before.fileBytes}, but the next segment begins at ${basePosition}; a segment file is missing or cut short. ${ADVICE}`, before.path, before.fileBytes)
    }
    const floor = this.#floor.floor
    const start = header ?? (before === undefined ? { index: floor.index + 1, prevTerm: floor.term } : await this.#endOf(before, basePosition))
    if (start instanceof MqError) return start
    if (before === undefined ? start.index !== floor.index + 1 || start.prevTerm !== floor.term : start.index <= before.firstIndex) {
      return corrupt(`${path}: byte 0: the entry there has index ${start.index} and follows term ${start.prevTerm}, which does not continue the log before it. ${ADVICE}`, path, 0)
    }
    const segment = new Segment(disk, path, { basePosition, firstIndex: start.index, prevTerm: start.prevTerm }, sizeBytes)
    segment.firstTerm = header?.term
    segment.olderTo = sizeBytes
    segment.endPosition = next?.basePosition ?? basePosition
    segments.add(segment)
    return undefined
  }

  async #readFirst ({ path, basePosition }: CutFile): Promise<FirstHeader> {
    const file = await this.#options.disk.open(path)
    try {
      const bytes = new Uint8Array(ENTRY_HEADER_BYTES)
      const sizeBytes = await file.sizeBytes()
      const isThere = await file.read(bytes, 0) === bytes.length
      const header = isThere ? naming(path, 0, () => decodeHeader(bytes, viewOf(bytes), 0, this.#options.groupSeed)) : undefined
      return { sizeBytes, header: header?.physicalOffset === basePosition ? header : undefined }
    } finally {
      await file.close()
    }
  }

  /** Index and term a segment ends with, by reading it: for a successor whose first header does not tell. */
  async #endOf (segment: Segment, endPosition: number): Promise<{ index: number, prevTerm: number } | MqError> {
    const { next, bad } = await this.#walk(segment, endPosition, false)
    return bad !== undefined ? this.#refusal(segment, bad) : { index: next.index, prevTerm: next.prevTerm ?? 0 }
  }

  /** Sealed segments with one term are known by their headers, others by the terms file; what is left is walked. */
  async #noteTermsOfSealed (): Promise<void> {
    const saved = this.#termsFile
    await saved.load()
    const all = this.#options.segments.all
    for (const [i, segment] of all.slice(0, -1).entries()) {
      const next = all[i + 1]!
      if (segment.firstTerm !== undefined && segment.firstTerm === next.prevTerm) {
        this.terms.note(segment.firstIndex, segment.firstTerm)
      } else if (saved.throughIndex >= next.firstIndex - 1 && saved.terms.termAt(segment.firstIndex) === segment.firstTerm && saved.terms.termAt(next.firstIndex - 1) === next.prevTerm) {
        this.terms.noteAll(saved.terms, segment.firstIndex, next.firstIndex)
      } else {
        await this.#noteTermsOf(segment, { position: next.basePosition, index: next.firstIndex, prevTerm: next.prevTerm })
      }
    }
  }

  /** By its headers. Behind one that cannot be read the next one tells the term of the entry before it. */
  async #noteTermsOf (segment: Segment, end: ChainPoint): Promise<void> {
    const { basePosition, firstIndex, prevTerm, endPosition } = segment
    for (let from: ChainPoint = { position: basePosition, index: firstIndex, prevTerm }; ;) {
      const { next, bad } = await this.#walk(segment, endPosition, false, (header) => { this.terms.note(header.index, header.term) }, from)
      if (bad === undefined) return
      from = await nextHeader(await segment.file(), basePosition, bad, endPosition, this.#options.groupSeed) ?? end
      if (from.prevTerm !== next.prevTerm && bad.index < from.index - 1) {
        // where it begins nobody knows: to guess would be to agree with logs that differ
        this.terms.noteUnknown(bad.index)
        this.terms.note(from.index - 1, from.prevTerm!)
      } else {
        this.terms.note(bad.index, from.prevTerm!)
      }
    }
  }

  async #recoverTail (): Promise<LogPoint> {
    const { segments, groupSeed, onDamage, logger } = this.#options
    const segment = segments.active
    const file = await segment.file()
    const fileEnd = segment.basePosition + segment.fileBytes
    let lastEntryAt: number | undefined
    const { next, bad } = await this.#walk(segment, fileEnd, true, (header) => {
      lastEntryAt = header.physicalOffset - segment.basePosition
      segment.firstTerm ??= header.term
      segment.index.note(header.sizeBytes)
      this.terms.note(header.index, header.term)
    })
    const { position } = next
    const end: LogPoint = { index: next.index - 1, term: next.prevTerm ?? segment.prevTerm, position }
    segment.endPosition = position
    this.#report.scannedBytes += position - segment.basePosition
    const fromByte = position - segment.basePosition
    const behind = await lookBehindEnd(file, segment.basePosition, fromByte, segment.fileBytes, groupSeed)
    this.writtenTo = segment.basePosition + behind.writtenEnd
    // A file behind this one was made when this one had been synced through its end.
    const witness = Math.max(this.#mark.syncedTo, this.lost[0]?.basePosition ?? 0, behind.syncedTo)
    if (witness > position) {
      // What had been synced was written, whatever hides where it ends.
      this.writtenTo = Math.max(this.writtenTo, Math.min(witness, fileEnd))
      const damage: BadEntry = bad ?? { position, index: next.index, fileByte: fromByte, reason: 'the file ends' }
      if (onDamage === 'refuse') throw this.#refusal(segment, damage)
      this.#report.damaged.push({ file: segment.path, fileByte: damage.fileByte, from: position, to: Math.max(witness, this.writtenTo), syncedTo: witness, fromIndex: next.index, reason: damage.reason })
      logger.error(`${segment.path}: byte ${damage.fileByte}: ${damage.reason}`, { position, fromIndex: next.index })
      return end
    }
    // What the last entry says of its own flush's predecessor is proof as well.
    const syncedTo = lastEntryAt === undefined ? undefined : await syncedToAt(file, lastEntryAt, groupSeed)
    const provenByte = Math.max(this.#mark.syncedTo, syncedTo ?? 0) - segment.basePosition
    await writeAgain(file, Math.max(0, provenByte), fromByte)
    const cut = behind.writtenEnd > fromByte ? await this.#keepTornTail(segment, position, behind.writtenEnd, bad?.reason ?? 'bytes behind the last entry') : undefined
    if (behind.hasOlder) {
      await file.truncate(fromByte)
      segment.fileBytes = fromByte
    } else if (cut !== undefined) {
      await zeroRange(file, fromByte, behind.writtenEnd)
    }
    segment.olderTo = 0
    await file.sync()
    if (cut !== undefined) this.#report.cuts.push(cut)
    return end
  }

  async #keepTornTail (segment: Segment, position: number, writtenEnd: number, reason: string): Promise<TornCut> {
    const { disk, logger } = this.#options
    const fileByte = position - segment.basePosition
    const keptAside = await keepAside(disk, segment.openFile, fileByte, writtenEnd)
    const cut = { file: segment.path, fileByte, position, sizeBytes: writtenEnd - fileByte, keptAside, reason }
    logger.warn(`${segment.path}: the last write was cut short at byte ${fileByte}; ${cut.sizeBytes} bytes were moved to ${keptAside}`, cut)
    return cut
  }

  async #walk (segment: Segment, to: number, verifyBodies: boolean, onEntry: (header: EntryHeader) => void = () => {}, from?: ChainPoint): Promise<WalkEnd> {
    const { basePosition, firstIndex, prevTerm } = segment
    return await walkEntries({
      file: await segment.file(),
      basePosition,
      from: from ?? { position: basePosition, index: firstIndex, prevTerm },
      to,
      groupSeed: this.#options.groupSeed,
      verifyBodies,
      onEntry
    })
  }

  #refusal (segment: Segment, bad: BadEntry): MqError {
    return corrupt(`${segment.path}: byte ${bad.fileByte}: ${bad.reason}. These bytes had been synced, so they rotted or were overwritten. ` +
      `Entry ${bad.index} and all after it cannot be replayed. ${ADVICE}`, segment.path, bad.fileByte)
  }
}

function corrupt (message: string, file: string, position: number): MqError {
  return new MqError('MQ_CORRUPT', message, { file, position })
}

async function inBatches<T, R> (items: readonly T[], size: number, action: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let at = 0; at < items.length; at += size) results.push(...await Promise.all(items.slice(at, at + size).map(action)))
  return results
}
