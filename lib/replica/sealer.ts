import { EntryBodyWriter } from '../message/index.ts'
import { ENTRY_HEADER_BYTES, blockCountOf, entrySizeBytes, sealEntry, type EntryFields } from '../log/index.ts'
import { EntryKind, type ConfChange, type RaftEntry } from '../raft/index.ts'
import { encodeConfChange } from './conf-codec.ts'
import { Slab } from './slab.ts'
import type { Proposal } from './ports.ts'

/** Where an entry goes in the log. */
export interface EntryPlace {
  readonly index: number
  readonly term: number
  readonly prevTerm: number
  readonly physicalOffset: number
}

/**
 * Turns proposals into entries. Hot path: per message there is `decide` and nothing else.
 */
export class Sealer {
  readonly #slab: Slab
  readonly #writer = new EntryBodyWriter()
  readonly #groupSeed: bigint
  readonly #bodyLimitBytes: number
  readonly #maxDecisions: number
  /** How many proposals the last `seal` has decided, and the sum of their costs. */
  sealedCount = 0
  sealedCostBytes = 0

  constructor (groupSeed: bigint, settings: { maxEntryBytes: number, sealBytes: number, maxProposalsPerEntry: number, slabBytes: number }) {
    this.#groupSeed = groupSeed
    this.#slab = new Slab(settings.slabBytes)
    const entryBytes = Math.min(settings.maxEntryBytes, settings.sealBytes)
    this.#bodyLimitBytes = entryBytes - ENTRY_HEADER_BYTES - 8 * blockCountOf(entryBytes)
    this.#maxDecisions = settings.maxProposalsPerEntry
  }

  /**
   * Decides proposals from `proposals[from]` on until `to` or until the entry is full; `costBytes` is an upper bound of
   * what all of them take. Returns the entry, or undefined when none of them wrote anything. A proposal too large for
   * an entry of ordinary size gets one of its own.
   */
  seal (proposals: readonly Proposal[], from: number, to: number, costBytes: number, place: EntryPlace, storeTimestampMs: number): RaftEntry | undefined {
    const firstBytes = EntryBodyWriter.emptyBytes + proposals[from]!.costBytes
    const limitBytes = Math.max(firstBytes, Math.min(this.#bodyLimitBytes, EntryBodyWriter.emptyBytes + costBytes))
    const slab = this.#slab
    slab.reserve(entrySizeBytes(limitBytes))
    const writer = this.#writer
    writer.begin(slab.bytes, slab.view, slab.at + ENTRY_HEADER_BYTES, limitBytes, place.physicalOffset + ENTRY_HEADER_BYTES)
    const end = Math.min(to, from + this.#maxDecisions)
    proposals[from]!.decide(writer, storeTimestampMs)
    let sealedCostBytes = proposals[from]!.costBytes
    let next = from + 1
    for (; next < end; next++) {
      const proposal = proposals[next]!
      if (proposal.costBytes > writer.remainingBytes || !writer.hasRoomForTarget) break
      proposal.decide(writer, storeTimestampMs)
      sealedCostBytes += proposal.costBytes
    }
    this.sealedCount = next - from
    this.sealedCostBytes = sealedCostBytes
    if (writer.isEmpty) return undefined
    const messageCount = writer.messageCount
    return this.#finish({ ...place, kind: EntryKind.normal, messageCount, storeTimestampMs }, writer.finish())
  }

  /** An entry of raft's own: the no-op that begins a term, or a configuration change. */
  makeEntry (kind: EntryKind, place: EntryPlace, storeTimestampMs: number, config?: ConfChange): RaftEntry {
    const body = config === undefined ? new Uint8Array(0) : encodeConfChange(config)
    this.#slab.reserve(entrySizeBytes(body.length))
    this.#slab.bytes.set(body, this.#slab.at + ENTRY_HEADER_BYTES)
    return this.#finish({ ...place, kind, messageCount: 0, storeTimestampMs }, body.length, config)
  }

  /** Entries in that memory are gone, and nobody holds their bytes. */
  giveBack (memory: ArrayBufferLike): void { this.#slab.giveBack(memory) }

  #finish (fields: EntryFields, bodyBytes: number, config?: ConfChange): RaftEntry {
    const slab = this.#slab
    const sizeBytes = sealEntry(slab.bytes, slab.view, slab.at, fields, bodyBytes, this.#groupSeed)
    const { index, term, prevTerm, kind, physicalOffset } = fields
    const entry = { index, term, prevTerm, kind, physicalOffset, sizeBytes, bytes: slab.take(sizeBytes) }
    return config === undefined ? entry : { ...entry, config }
  }
}
