import type { RaftLog } from '../log/index.ts'
import type { RecordLog } from './message-reader.ts'

/** Records share memory in slabs of this size. */
const SLAB_BYTES = 1024 * 1024
/** Longer records are read when they are asked for. */
const MAX_RECORD_BYTES = 64 * 1024
const MAX_SLABS = 64

interface Slab {
  readonly bytes: Uint8Array
  readonly positions: number[]
  /** Behind the last record. */
  end: number
  /** When its last record is wanted. */
  wantedMs: number
}

/**
 * Copies of records that are about to be delivered, by their positions: they were stored long ago and lie anywhere, so reading
 * each when its consumer asks would take a read of the disk each. Bounded; they go a while after they were wanted.
 */
export class PreparedRecords {
  readonly #slabs: Slab[] = []
  readonly #places = new Map<number, { readonly slab: Slab, readonly at: number }>()

  /** Lets the oldest go for it, if those were wanted before `nowMs`. */
  hasRoom (nowMs: number): boolean {
    if (this.#slabs.length >= MAX_SLABS && this.#slabs[0]!.wantedMs < nowMs) this.#removeFirst()
    return this.#slabs.length < MAX_SLABS
  }

  /** For so many bytes there is room, when those go that were wanted before. */
  roomBytes (nowMs: number): number {
    return SLAB_BYTES * (MAX_SLABS - this.#slabs.filter(({ wantedMs }) => wantedMs >= nowMs).length)
  }

  get isEmpty (): boolean { return this.#slabs.length === 0 }

  /** The record's bytes; they stay as they are. */
  find (position: number, sizeBytes: number): Uint8Array | undefined {
    if (this.#places.size === 0) return undefined
    const place = this.#places.get(position)
    return place === undefined ? undefined : place.slab.bytes.subarray(place.at, place.at + sizeBytes)
  }

  static takes (sizeBytes: number): boolean { return sizeBytes <= MAX_RECORD_BYTES }

  /** Copies it. `wantedMs`: when it is delivered. */
  add (position: number, record: Uint8Array, wantedMs: number): void {
    let slab = this.#slabs.at(-1)
    if (slab === undefined || slab.end + record.length > SLAB_BYTES) this.#slabs.push(slab = { bytes: new Uint8Array(SLAB_BYTES), positions: [], end: 0, wantedMs })
    slab.bytes.set(record, slab.end)
    this.#places.set(position, { slab, at: slab.end })
    slab.positions.push(position)
    slab.end += record.length
    if (wantedMs > slab.wantedMs) slab.wantedMs = wantedMs
  }

  /** Lets those go that were wanted before. */
  removeBefore (wantedMs: number): void {
    while (this.#slabs.length > 0 && this.#slabs[0]!.wantedMs < wantedMs) this.#removeFirst()
  }

  #removeFirst (): void {
    const slab = this.#slabs.shift()!
    for (const position of slab.positions) if (this.#places.get(position)?.slab === slab) this.#places.delete(position)
  }

  clear (): void {
    this.#slabs.length = 0
    this.#places.clear()
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
