import { MqError, viewOf } from '../base/index.ts'
import { ENTRY_HEADER_BYTES, firstBadBlock, type EntryHeader } from './entry.ts'
import { headerAt, type ChainPoint } from './entry-walk.ts'

/** A verified entry: `bytes` is all of it. */
export interface StreamedEntry {
  readonly header: EntryHeader
  readonly bytes: Uint8Array
}

/** An entry of which not all bytes have come. */
interface Partial {
  readonly bytes: Uint8Array
  have: number
  /** Undefined while not even the header is whole. */
  readonly header: EntryHeader | undefined
}

/**
 * Takes entries out of a stream of bytes that is cut into pieces anywhere. Each is verified as soon as it is whole:
 * that it follows the one before, and every checksum in it.
 */
export class EntryStream {
  readonly #groupSeed: bigint
  #next: ChainPoint
  #partial: Partial | undefined

  constructor (groupSeed: bigint, from: ChainPoint) {
    this.#groupSeed = groupSeed
    this.#next = from
  }

  /** Behind the last whole entry. */
  get next (): ChainPoint { return this.#next }
  /** Where the next bytes belong in the log. */
  get position (): number { return this.#next.position + (this.#partial?.have ?? 0) }

  /**
   * The entries that are whole with these bytes. They are views on `bytes` where that is possible.
   * @throws MQ_CORRUPT the bytes are not those of the next entry; the stream is of no more use
   */
  push (bytes: Uint8Array): StreamedEntry[] {
    const entries: StreamedEntry[] = []
    const view = viewOf(bytes)
    for (let at = 0; at < bytes.length;) {
      const entry = this.#partial === undefined ? this.#takeWhole(bytes, view, at) : undefined
      if (entry !== undefined) {
        at += entry.bytes.length
        entries.push(entry)
      } else {
        at += this.#fill(bytes, at)
        const filled = this.#takeFilled()
        if (filled !== undefined) entries.push(filled)
      }
    }
    return entries
  }

  #takeWhole (bytes: Uint8Array, view: DataView, at: number): StreamedEntry | undefined {
    if (bytes.length - at < ENTRY_HEADER_BYTES) return undefined
    const header = this.#headerAt(bytes, view, at)
    return bytes.length - at < header.sizeBytes ? undefined : this.#take(header, bytes.subarray(at, at + header.sizeBytes))
  }

  /** Copies what belongs to the entry under way; returns how much. */
  #fill (bytes: Uint8Array, at: number): number {
    const partial = this.#partial ??= { bytes: new Uint8Array(ENTRY_HEADER_BYTES), have: 0, header: undefined }
    const count = Math.min(partial.bytes.length - partial.have, bytes.length - at)
    partial.bytes.set(bytes.subarray(at, at + count), partial.have)
    partial.have += count
    return count
  }

  #takeFilled (): StreamedEntry | undefined {
    const partial = this.#partial!
    if (partial.have < partial.bytes.length) return undefined
    if (partial.header === undefined) {
      const header = this.#headerAt(partial.bytes, viewOf(partial.bytes), 0)
      const whole = new Uint8Array(header.sizeBytes)
      whole.set(partial.bytes)
      this.#partial = { bytes: whole, have: partial.have, header }
      return partial.have < whole.length ? undefined : this.#takeFilled()
    }
    this.#partial = undefined
    return this.#take(partial.header, partial.bytes)
  }

  #take (header: EntryHeader, bytes: Uint8Array): StreamedEntry {
    if (firstBadBlock(bytes, viewOf(bytes), 0, header) >= 0) throw this.#corrupt('a block of its body fails its checksum')
    this.#next = { position: header.physicalOffset + header.sizeBytes, index: header.index + 1, prevTerm: header.term }
    return { header, bytes }
  }

  #headerAt (bytes: Uint8Array, view: DataView, at: number): EntryHeader {
    const header = headerAt(bytes, view, at, this.#groupSeed, this.#next)
    if (typeof header === 'string') throw this.#corrupt(header)
    return header
  }

  #corrupt (reason: string): MqError {
    const { index, position } = this.#next
    return new MqError('MQ_CORRUPT', `entry ${index} at position ${position} came damaged: ${reason}`, { physicalOffset: position, index })
  }
}
