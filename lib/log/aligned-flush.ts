import type { Disk } from '../base/index.ts'
import type { RaftEntry } from '../raft/index.ts'
import type { Flush } from './flush.ts'
import type { Segment } from './segment.ts'
import { END_BYTES } from './zeros.ts'

const MIB = 1024 * 1024

/**
 * Flushes by one write through to the device each, of whole blocks from memory of its own: what the first block holds
 * already, the entries, and zeros to the end of the last block, or of one more where an earlier segment has left something
 * behind it. Behind the log there are zeros in any case.
 */
export class AlignedFlush implements Flush {
  readonly maxBytes = 4 * MIB
  readonly #disk: Disk
  readonly #ordinaryBytes: number
  #ordinaryMemory: Uint8Array | undefined
  #memory: Uint8Array = new Uint8Array(0)
  /** The file's byte that the first byte of `#memory` is for. */
  #fileByte = 0
  #filled = 0
  #segment!: Segment
  sizeBytes = 0
  lastIndex = 0
  lastTerm = 0
  endPosition = -1

  /** A flush ends with its segment: a log of small ones needs no more memory than one of them takes. */
  constructor (disk: Disk, segmentBytes: number) {
    const { alignBytes } = disk
    this.#disk = disk
    this.#ordinaryBytes = Math.min(this.maxBytes, Math.ceil(segmentBytes / alignBytes) * alignBytes) + alignBytes
  }

  begin (segment: Segment, { physicalOffset }: RaftEntry, sizeBytes: number): void {
    const startByte = physicalOffset - segment.basePosition
    const headBytes = startByte % this.#disk.alignBytes
    const memory = this.#memoryFor(headBytes + sizeBytes)
    if (headBytes > 0) {
      if (this.endPosition === physicalOffset) memory.set(this.#memory.subarray(this.#filled - headBytes, this.#filled))
      // What was written before a start or a cut is read once.
      else segment.openFile.readNow(memory.subarray(0, headBytes), startByte - headBytes)
    }
    this.#memory = memory
    this.#fileByte = startByte - headBytes
    this.#filled = headBytes
    this.#segment = segment
    this.sizeBytes = sizeBytes
  }

  add (entry: RaftEntry): void {
    this.#memory.set(entry.bytes, this.#filled)
    this.#filled += entry.sizeBytes
    this.lastIndex = entry.index
    this.lastTerm = entry.term
    this.endPosition = entry.physicalOffset + entry.sizeBytes
  }

  async write (zerosBehind: number): Promise<void> {
    const mustGrow = this.#fileByte + this.#filled > this.#segment.fileBytes
    const blocks = this.#blocks(mustGrow ? zerosBehind : 0)
    await this.#segment.openFile.writeThrough(blocks, this.#fileByte)
    this.#noteWritten(blocks)
  }

  writeNow (): void {
    const blocks = this.#blocks(0)
    this.#segment.openFile.writeThroughNow(blocks, this.#fileByte)
    this.#noteWritten(blocks)
  }

  /** What is filled, and zeros to the end of a block: at least `zeroBytes`, as far as the memory reaches. */
  #blocks (zeroBytes: number): Uint8Array {
    const { alignBytes } = this.#disk
    const endBytes = this.#fileByte + this.#filled < this.#segment.olderTo ? END_BYTES : 0
    const wanted = Math.ceil((this.#filled + Math.max(zeroBytes, endBytes)) / alignBytes) * alignBytes
    const end = Math.min(wanted, this.#memory.length - this.#memory.length % alignBytes)
    return this.#memory.fill(0, this.#filled, end).subarray(0, end)
  }

  #noteWritten (blocks: Uint8Array): void {
    const segment = this.#segment
    segment.fileBytes = Math.max(segment.fileBytes, this.#fileByte + blocks.length)
  }

  #memoryFor (sizeBytes: number): Uint8Array {
    const { alignBytes } = this.#disk
    if (sizeBytes > this.#ordinaryBytes) return this.#disk.alignedMemory(sizeBytes + 2 * alignBytes)
    this.#ordinaryMemory ??= this.#disk.alignedMemory(this.#ordinaryBytes + alignBytes)
    return this.#ordinaryMemory
  }
}
