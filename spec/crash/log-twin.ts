import { loadChecksum, viewOf } from '../../lib/base/index.ts'
import { ENTRY_HEADER_BYTES, entrySizeBytes, sealEntry, seedOfGroup } from '../../lib/log/index.ts'
import { EntryKind, type RaftEntry } from '../../lib/raft/index.ts'
import type { SeededRandom } from '../support/seeded-random.ts'

export const groupId = new Uint8Array(16).fill(7)
await loadChecksum()
const groupSeed = seedOfGroup(groupId)

/** Bytes of an entry that every node and every life has alike: all but the local part of its header. */
export function sharedBytesOf (entry: RaftEntry): string {
  const bytes = Buffer.from(entry.bytes)
  return bytes.toString('latin1', 0, 72) + bytes.toString('latin1', ENTRY_HEADER_BYTES)
}

/**
 * What a log must be able to prove after a crash: the entries it was given, through which of them it has said that they
 * are durable, and which cut or floor was asked for and maybe not finished.
 */
export class LogTwin {
  /** Entry n stands at n - 1; those below a floor included. */
  entries: RaftEntry[] = []
  /** The entries before the cut under way, if one is. */
  beforeCut: RaftEntry[] | undefined
  durableIndex = 0
  /** Floors that were asked for; the log may have taken any of them. */
  floorPosition = 0

  get lastIndex (): number { return this.entries.length }
  get endPosition (): number {
    const last = this.entries.at(-1)
    return last === undefined ? 0 : last.physicalOffset + last.sizeBytes
  }

  /** Makes `count` entries at the end of the log, back to back in one buffer, of up to `maxBodyBytes` each. */
  make (random: SeededRandom, term: number, count: number, maxBodyBytes: number): RaftEntry[] {
    const bodies = Array.from({ length: count }, () => 1 + random.below(maxBodyBytes))
    const slab = new Uint8Array(bodies.reduce((sum, body) => sum + entrySizeBytes(body), 0))
    const made: RaftEntry[] = []
    let at = 0
    for (const bodyBytes of bodies) {
      slab.set(random.bytes(bodyBytes), at + ENTRY_HEADER_BYTES)
      const fields = { kind: EntryKind.normal, index: this.lastIndex + 1, term, prevTerm: this.entries.at(-1)?.term ?? 0, physicalOffset: this.endPosition, messageCount: 0, storeTimestampMs: 0 }
      const sizeBytes = sealEntry(slab, viewOf(slab), at, fields, bodyBytes, groupSeed)
      const entry: RaftEntry = { ...fields, sizeBytes, bytes: slab.subarray(at, at + sizeBytes) }
      this.entries.push(entry)
      made.push(entry)
      at += sizeBytes
    }
    return made
  }

  persisted (index: number, term: number): void {
    // Reports on entries that a cut has replaced since carry their old term.
    if (this.entries[index - 1]?.term === term) this.durableIndex = Math.max(this.durableIndex, index)
  }

  beginCut (from: number): void {
    this.beforeCut = this.entries
    this.entries = this.entries.slice(0, from - 1)
    this.durableIndex = Math.min(this.durableIndex, from - 1)
  }

  endCut (): void { this.beforeCut = undefined }

  /** After a crash the log was found to end at `lastIndex`, rightly: it goes on from there. */
  adopt (lastIndex: number): void {
    const history = this.#historyOf(lastIndex)
    this.entries = history.slice(0, lastIndex)
    this.beforeCut = undefined
    this.durableIndex = lastIndex
  }

  /** A twin that may go its own way. */
  copy (): LogTwin {
    const copy = new LogTwin()
    copy.entries = this.entries.slice()
    copy.beforeCut = this.beforeCut
    copy.durableIndex = this.durableIndex
    copy.floorPosition = this.floorPosition
    return copy
  }

  /** What is wrong with a log found after a crash; empty when nothing is. */
  complaintsAbout (found: readonly RaftEntry[], { firstIndex, lastIndex }: { readonly firstIndex: number, readonly lastIndex: number }): string[] {
    const complaints: string[] = []
    const history = this.#historyOf(lastIndex)
    if (lastIndex < this.durableIndex) complaints.push(`entries ${lastIndex + 1} to ${this.durableIndex} were durable and are gone`)
    if (lastIndex > history.length) complaints.push(`entries ${history.length + 1} to ${lastIndex} were never written or were cut off`)
    if (found.length !== lastIndex - firstIndex + 1) complaints.push(`the log says ${firstIndex} to ${lastIndex} and gave ${found.length} entries`)
    const firstNeeded = history.find((entry) => entry.physicalOffset + entry.sizeBytes > this.floorPosition)?.index ?? history.length + 1
    if (firstIndex > Math.max(1, firstNeeded) && firstIndex > 1) complaints.push(`the log begins at ${firstIndex}, though the floor needs ${firstNeeded}`)
    found.forEach((entry, i) => {
      const expected = history[firstIndex - 1 + i]
      if (expected === undefined || entry.index !== expected.index || sharedBytesOf(entry) !== sharedBytesOf(expected)) complaints.push(`entry ${entry.index} of term ${entry.term} is not what was written`)
    })
    return complaints.slice(0, 5)
  }

  /** Until a cut is done the log may be found as before it. */
  #historyOf (lastIndex: number): RaftEntry[] {
    return this.beforeCut !== undefined && lastIndex > this.entries.length ? this.beforeCut : this.entries
  }
}
