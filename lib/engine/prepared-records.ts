import type { RaftLog } from '../log/index.ts'
import type { RecordLog } from './message-reader.ts'

/** Records share memory in slabs of this size. */
const SLAB_BYTES = 1024 * 1024
/** Longer records are read when they are asked for. */
const MAX_RECORD_BYTES = 64 * 1024
/** Records that are got ready together go together: so many times, so much and a quarter. */
const SPANS = 3
const SLABS_OF_SPAN = 32
const SPAN_BYTES = SLABS_OF_SPAN * SLAB_BYTES
/** So long after they were wanted records stay, though there is no room for others. */
const LATE_MS = 250
const FIRST_PLACES = 4096

/**
 * Copies of records that are about to be delivered, by their positions: they were stored long ago and lie anywhere, so reading
 * each when its consumer asks would take a read of the disk each. Bounded; they go a while after they were wanted.
 */
export class PreparedRecords {
  /** The newest last. */
  #spans: Span[] = []

  /**
   * Makes room for the records of the next span of time, however they are ordered in it; the oldest go for it, if those were
   * wanted a moment before `nowMs`. Returns how many bytes there is room for; 0: none.
   */
  makeRoom (nowMs: number): number {
    const last = this.#spans.at(-1)
    if (last !== undefined && last.sizeBytes < SPAN_BYTES / 2) return SPAN_BYTES - last.sizeBytes
    if (this.#spans.length >= SPANS) {
      if (this.#spans[0]!.wantedMs >= nowMs - LATE_MS) return 0
      this.#spans.shift()
    }
    this.#spans.push(new Span())
    return SPAN_BYTES
  }

  get isEmpty (): boolean { return this.#spans.length === 0 }

  /** The record's bytes; they stay as they are. */
  find (position: number, sizeBytes: number): Uint8Array | undefined {
    for (const span of this.#spans) {
      const record = span.find(position, sizeBytes)
      if (record !== undefined) return record
    }
    return undefined
  }

  static takes (sizeBytes: number): boolean { return sizeBytes <= MAX_RECORD_BYTES }

  /** Copies it, of as much as there was room made for. `wantedMs`: when it is delivered. */
  add (position: number, record: Uint8Array, wantedMs: number): void {
    // the span in which there was room may have gone since, with all that was in it
    if (this.isEmpty) this.#spans.push(new Span())
    this.#spans.at(-1)!.add(position, record, wantedMs)
  }

  /** Lets those go that were wanted before. */
  removeBefore (wantedMs: number): void {
    while (this.#spans.length > 0 && this.#spans[0]!.wantedMs < wantedMs) this.#spans.shift()
  }

  clear (): void { this.#spans = [] }
}

/** Records that come and go together. Their places are in a table of numbers, hashed by position: as many objects in a Map take longer than their copies. */
class Span {
  readonly #slabs: Uint8Array[] = []
  /** In the last slab, behind the last record. */
  #end = SLAB_BYTES
  /** When its last record is wanted. */
  wantedMs = -Infinity
  /** -1: free. */
  #positions = new Float64Array(FIRST_PLACES).fill(-1)
  /** Number of the slab, and where in it. */
  #places = new Uint32Array(FIRST_PLACES)
  #count = 0

  get sizeBytes (): number { return this.#slabs.length * SLAB_BYTES }

  find (position: number, sizeBytes: number): Uint8Array | undefined {
    const at = this.#slotOf(position)
    if (this.#positions[at] !== position) return undefined
    const place = this.#places[at]!
    const from = place % SLAB_BYTES
    return this.#slabs[Math.floor(place / SLAB_BYTES)]!.subarray(from, from + sizeBytes)
  }

  add (position: number, record: Uint8Array, wantedMs: number): void {
    if (this.#end + record.length > SLAB_BYTES) {
      this.#slabs.push(new Uint8Array(SLAB_BYTES))
      this.#end = 0
    }
    this.#slabs.at(-1)!.set(record, this.#end)
    if (2 * ++this.#count > this.#positions.length) this.#grow()
    const at = this.#slotOf(position)
    this.#positions[at] = position
    this.#places[at] = (this.#slabs.length - 1) * SLAB_BYTES + this.#end
    this.#end += record.length
    if (wantedMs > this.wantedMs) this.wantedMs = wantedMs
  }

  /** Where the position stands, or would. */
  #slotOf (position: number): number {
    const positions = this.#positions
    const mask = positions.length - 1
    let at = Math.imul(position >>> 2, 0x9E3779B1) >>> 8 & mask
    while (positions[at] !== position && positions[at] !== -1) at = (at + 1) & mask
    return at
  }

  #grow (): void {
    const [positions, places] = [this.#positions, this.#places]
    this.#positions = new Float64Array(2 * positions.length).fill(-1)
    this.#places = new Uint32Array(2 * places.length)
    for (let i = 0; i < positions.length; i++) {
      if (positions[i] === -1) continue
      const at = this.#slotOf(positions[i]!)
      this.#positions[at] = positions[i]!
      this.#places[at] = places[i]!
    }
  }
}

/** The log for readers of messages: with what is prepared. */
export class PreparedLog implements RecordLog {
  readonly #log: RaftLog
  readonly #records: PreparedRecords

  constructor (log: RaftLog, records: PreparedRecords) {
    this.#log = log
    this.#records = records
  }

  get floor (): RaftLog['floor'] { return this.#log.floor }
  readNow (position: number, sizeBytes: number): Uint8Array | undefined { return this.#log.readNow(position, sizeBytes) ?? this.#records.find(position, sizeBytes) }
  read (position: number, sizeBytes: number): Promise<Uint8Array> { return this.#log.read(position, sizeBytes) }
}
