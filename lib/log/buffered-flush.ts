import type { RaftEntry } from '../raft/index.ts'
import type { Flush } from './flush.ts'
import type { Segment } from './segment.ts'
import { END_BYTES, zeroBytes } from './zeros.ts'

const STAGING_BYTES = 256 * 1024
const SMALL_RUN_BYTES = 32 * 1024

interface WritePiece {
  readonly bytes: Uint8Array
  /** Log position of its first byte. */
  readonly position: number
}

/**
 * Flushes through the page cache, in as few writes as possible: entries that lie back to back in memory are written as
 * they are, small scattered ones are copied together first.
 */
export class BufferedFlush implements Flush {
  readonly maxBytes = 16 * 1024 * 1024
  readonly #sync: boolean
  #staging: Uint8Array | undefined
  #stagedFrom = 0
  #stagedTo = 0
  #stagedPosition = 0
  #runBuffer: ArrayBufferLike | undefined
  #runStart = 0
  #runBytes = 0
  #runPosition = 0
  #pieces: WritePiece[] = []
  #segment!: Segment
  sizeBytes = 0
  lastIndex = 0
  lastTerm = 0
  endPosition = 0

  /** `sync`: a flush ends with a sync of the file. */
  constructor (sync: boolean) { this.#sync = sync }

  begin (segment: Segment): void {
    this.#segment = segment
    this.#pieces = []
    this.sizeBytes = 0
    this.#stagedFrom = this.#stagedTo = 0
    this.#runBuffer = undefined
  }

  add (entry: RaftEntry): void {
    const { bytes } = entry
    if (this.#runBuffer === bytes.buffer && this.#runStart + this.#runBytes === bytes.byteOffset) {
      this.#runBytes += bytes.length
    } else {
      this.#closeRun(false)
      this.#runBuffer = bytes.buffer
      this.#runStart = bytes.byteOffset
      this.#runBytes = bytes.length
      this.#runPosition = entry.physicalOffset
    }
    this.sizeBytes += entry.sizeBytes
    this.lastIndex = entry.index
    this.lastTerm = entry.term
    this.endPosition = entry.physicalOffset + entry.sizeBytes
  }

  async write (zerosBehind: number): Promise<void> {
    const segment = this.#segment
    const file = segment.openFile
    for (const { bytes, position } of this.#takePieces()) await file.write(bytes, position - segment.basePosition)
    const end = this.endPosition - segment.basePosition
    if (end < segment.olderTo) await file.write(this.#endOf(segment), end)
    if (end > segment.fileBytes) {
      segment.fileBytes = end
      if (zerosBehind > 0) {
        await file.write(zeroBytes(zerosBehind), end)
        segment.fileBytes += zerosBehind
      }
    }
    if (this.#sync) await file.sync()
  }

  writeNow (): void {
    const segment = this.#segment
    const file = segment.openFile
    for (const { bytes, position } of this.#takePieces()) file.writeNow(bytes, position - segment.basePosition)
    const end = this.endPosition - segment.basePosition
    if (end < segment.olderTo) file.writeNow(this.#endOf(segment), end)
    segment.fileBytes = Math.max(segment.fileBytes, end)
    if (this.#sync) file.syncNow()
  }

  /** Zeros between the last entry and what an earlier segment has left. */
  #endOf ({ olderTo, basePosition }: Segment): Uint8Array {
    return zeroBytes(Math.min(END_BYTES, olderTo - (this.endPosition - basePosition)))
  }

  #takePieces (): readonly WritePiece[] {
    this.#closeRun(this.#pieces.length === 0 && this.#stagedTo === this.#stagedFrom)
    this.#flushStaged()
    return this.#pieces
  }

  #closeRun (isOnly: boolean): void {
    if (this.#runBuffer === undefined) return
    const run = new Uint8Array(this.#runBuffer, this.#runStart, this.#runBytes)
    this.#runBuffer = undefined
    if (isOnly || run.length > SMALL_RUN_BYTES) {
      this.#flushStaged()
      this.#pieces.push({ bytes: run, position: this.#runPosition })
      return
    }
    if (this.#stagedTo + run.length > STAGING_BYTES) {
      this.#flushStaged()
      // The pieces before still point into the buffer: go on behind them, or in a new one.
      if (this.#stagedTo + run.length > STAGING_BYTES) {
        this.#staging = undefined
        this.#stagedFrom = this.#stagedTo = 0
      }
    }
    this.#staging ??= new Uint8Array(STAGING_BYTES)
    if (this.#stagedTo === this.#stagedFrom) this.#stagedPosition = this.#runPosition
    this.#staging.set(run, this.#stagedTo)
    this.#stagedTo += run.length
  }

  #flushStaged (): void {
    if (this.#stagedTo === this.#stagedFrom) return
    this.#pieces.push({ bytes: this.#staging!.subarray(this.#stagedFrom, this.#stagedTo), position: this.#stagedPosition })
    this.#stagedFrom = this.#stagedTo
  }
}
