import { dirname, join } from 'node:path'
import { invariant, loadChecksum, type Disk, type DiskFile } from '../base/index.ts'
import { EntryStream, type StreamedEntry } from './entry-stream.ts'
import { walkEntries, type ChainPoint } from './entry-walk.ts'
import { seedOfGroup } from './entry.ts'
import { FloorFile, type LogFloor } from './floor-file.ts'
import type { LogPoint } from './log-point.ts'
import { positionOfSegmentName, segmentName } from './segment.ts'
import { SyncMark } from './sync-mark.ts'
import { writeAgain } from './tail-check.ts'

export interface ReceivedLogOptions {
  readonly disk: Disk
  /** Made when missing. */
  readonly directory: string
  readonly groupId: Uint8Array
  /** Where the log begins. What is there and begins elsewhere is removed. */
  readonly floor: LogFloor
  readonly segmentBytes: number
}

/**
 * The log of another node while it is being copied, in a directory of its own: segments that hold what has come, every
 * entry of it verified. Opened again after any stop it goes on behind the last whole entry. `finish` makes it a log that
 * `RaftLog` opens.
 */
export class ReceivedLog {
  readonly #options: ReceivedLogOptions
  readonly #groupSeed: bigint
  readonly #stream: EntryStream
  #basePosition: number
  #file: DiskFile | undefined

  private constructor (options: ReceivedLogOptions, groupSeed: bigint, next: ChainPoint, basePosition: number, file: DiskFile | undefined) {
    this.#options = options
    this.#groupSeed = groupSeed
    this.#stream = new EntryStream(groupSeed, next)
    this.#basePosition = basePosition
    this.#file = file
  }

  static async open (options: ReceivedLogOptions): Promise<ReceivedLog> {
    await loadChecksum()
    const { disk, directory, groupId, floor } = options
    const groupSeed = seedOfGroup(groupId)
    await disk.makeDirectory(directory)
    await disk.syncDirectory(dirname(directory))
    let next: ChainPoint = { position: floor.physicalOffset, index: floor.index + 1, prevTerm: floor.term }
    let kept: { readonly base: number, readonly file: DiskFile } | undefined
    for (const base of await segmentsIn(disk, directory)) {
      const path = join(directory, segmentName(base))
      if (base !== next.position) {
        await disk.unlink(path)
        continue
      }
      await kept?.file.close()
      const file = await disk.open(path)
      kept = { base, file }
      const to = base + await file.sizeBytes()
      next = (await walkEntries({ file, basePosition: base, from: next, to, groupSeed, verifyBodies: true, onEntry () {} })).next
      // Those behind it do not follow any more, and are removed in their turn.
      if (next.position < to) await file.truncate(next.position - base)
    }
    // Only the last one may not have been synced.
    if (kept !== undefined) await writeAgain(kept.file, 0, next.position - kept.base)
    return new ReceivedLog(options, groupSeed, next, kept?.base ?? floor.physicalOffset, kept?.file)
  }

  /** Where the next bytes belong. */
  get position (): number { return this.#stream.position }
  /** Behind the last whole entry. */
  get end (): LogPoint {
    const { position, index, prevTerm } = this.#stream.next
    return { index: index - 1, term: prevTerm!, position }
  }

  /**
   * Takes the next bytes of the log, a piece of any size; await it before the next one.
   * @throws MQ_CORRUPT they are not the next entries; what came before them stays
   */
  async append (bytes: Uint8Array): Promise<void> {
    let run: Uint8Array | undefined
    let at = this.#stream.next.position
    const write = async () => {
      if (run === undefined) return
      await this.#file!.write(run, at - this.#basePosition)
      at += run.length
      run = undefined
    }
    for (const entry of this.#stream.push(bytes)) {
      const { physicalOffset } = entry.header
      if (this.#file === undefined || physicalOffset - this.#basePosition >= this.#options.segmentBytes) {
        await write()
        await this.#startSegment(physicalOffset)
      }
      if (run !== undefined && isNext(run, entry)) run = new Uint8Array(run.buffer, run.byteOffset, run.length + entry.bytes.length)
      else {
        await write()
        run = entry.bytes
      }
    }
    await write()
  }

  /** All has come, and the log ends at `end`: makes it whole and durable, for `RaftLog.open`. */
  async finish (end: LogPoint): Promise<void> {
    const { disk, directory, floor } = this.#options
    const { index, term, position } = this.end
    invariant(index === end.index && term === end.term && position === end.position && this.position === position,
      `the copied log ends with entry ${index} of term ${term} at ${position}, not with entry ${end.index} of term ${end.term} at ${end.position}`)
    await this.#file?.sync()
    const floorFile = await FloorFile.open(disk, directory, this.#groupSeed)
    const mark = await SyncMark.open(disk, directory, this.#groupSeed)
    try {
      await floorFile.save(floor)
      await mark.begin()
      await mark.raise(position)
    } finally {
      await floorFile.close()
      await mark.close()
    }
    await disk.syncDirectory(directory)
  }

  /** Lets go of the files; what has come stays. */
  async close (): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  /** A segment with a successor is synced: so says its successor's name. */
  async #startSegment (basePosition: number): Promise<void> {
    const { disk, directory } = this.#options
    const full = this.#file
    if (full !== undefined) {
      await full.sync()
      this.#file = undefined
      await full.close()
    }
    this.#file = await disk.open(join(directory, segmentName(basePosition)), { create: true })
    this.#basePosition = basePosition
    await disk.syncDirectory(directory)
  }
}

/** Adjacent in memory, as they are in the log. */
function isNext (run: Uint8Array, { bytes }: StreamedEntry): boolean {
  return run.buffer === bytes.buffer && run.byteOffset + run.length === bytes.byteOffset
}

/** Their positions, ascending. */
async function segmentsIn (disk: Disk, directory: string): Promise<number[]> {
  return (await disk.list(directory) ?? []).flatMap(({ name }) => positionOfSegmentName(name) ?? []).sort((a, b) => a - b)
}
