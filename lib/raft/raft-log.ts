import { invariant } from '../base/index.ts'
import { NOTHING } from './ready.ts'
import { EntryKind, type LogReader, type NodeId, type RaftEntry, type RaftSnapshot } from './types.ts'
import { UnstableEntries } from './unstable.ts'

/**
 * The log in raft's eyes: the durable part behind the LogReader, the unstable tail, and how far it is committed and
 * applied. Invariants: applied <= committed <= last; what is committed is never cut.
 */
export class LogView {
  readonly #reader: LogReader
  readonly unstable: UnstableEntries
  lastIndex: number
  lastTerm: number
  /** Byte position where the next entry begins. */
  endPosition: number
  commitIndex: number
  appliedIndex: number
  /** Received, and not yet reported as installed. Nothing is known of the log below it. */
  pendingSnapshot: RaftSnapshot | undefined = undefined
  /** Indexes of the configuration entries above `appliedIndex`, ascending. */
  readonly #configIndexes: number[]

  constructor (reader: LogReader, appliedIndex: number, unappliedConfigs: readonly number[] | undefined) {
    this.#reader = reader
    this.lastIndex = reader.lastIndex
    this.lastTerm = (reader.lastIndex === reader.floor.index ? reader.floor.term : reader.term(reader.lastIndex)) ?? 0
    this.endPosition = reader.endPosition
    this.unstable = new UnstableEntries(this.lastIndex + 1)
    invariant(appliedIndex <= this.lastIndex, `applied ${appliedIndex} is beyond the end of the log, ${this.lastIndex}`)
    this.appliedIndex = appliedIndex
    this.#configIndexes = [...unappliedConfigs ?? this.#scanForConfigs(appliedIndex)]
    // A leader proposes a change only after it applied the one before. So of the changes in a log all but the last one
    // are committed, and it matters: a node that forgot so could campaign, and commit, with voters of two changes ago.
    const lastButOne = this.#configIndexes[this.#configIndexes.length - 2] ?? 0
    this.commitIndex = Math.max(appliedIndex, reader.floor.index, lastButOne)
  }

  get firstIndex (): number { return this.pendingSnapshot === undefined ? this.#reader.firstIndex : this.pendingSnapshot.index + 1 }
  /** 0 when it is not known any more. */
  get commitTerm (): number { return this.term(this.commitIndex) ?? 0 }
  /** 0 while a snapshot is being installed. */
  get durableIndex (): number { return this.pendingSnapshot === undefined ? this.unstable.firstIndex - 1 : 0 }
  /** Of it, what is on disk, where entries count that are only written. */
  get syncedIndex (): number { return Math.min(this.durableIndex, this.#reader.syncedIndex ?? Infinity) }
  /** May be applied: committed, and durable here. */
  get appliableIndex (): number { return Math.min(this.commitIndex, this.durableIndex) }
  /** A change that may decide who votes is committed and not applied. */
  get hasUnappliedConfig (): boolean { return this.firstUnappliedConfig <= this.commitIndex }
  /** Index of the next change of the configuration; Infinity: there is none. */
  get firstUnappliedConfig (): number { return this.#configIndexes[0] ?? Infinity }

  /** Undefined below the log's floor and past its end. */
  term (index: number): number | undefined {
    if (index === this.lastIndex) return this.lastTerm
    if (index > this.lastIndex) return undefined
    if (index >= this.unstable.firstIndex) return this.unstable.at(index).term
    if (this.pendingSnapshot !== undefined) return index === this.pendingSnapshot.index ? this.pendingSnapshot.term : undefined
    const { floor } = this.#reader
    if (index <= floor.index) return index === floor.index ? floor.term : undefined
    return this.#reader.term(index)
  }

  /** Where the entry at `index` begins, or would as the next one; undefined when it takes the disk to know. */
  positionOf (index: number): number | undefined {
    if (index === this.lastIndex + 1) return this.endPosition
    if (index > this.lastIndex) return undefined
    return (index >= this.unstable.firstIndex ? this.unstable.at(index) : this.#reader.entries(index, index + 1, 1)?.[0])?.physicalOffset
  }

  matches (index: number, term: number): boolean {
    return this.term(index) === term
  }

  /** A candidate with that last entry may have our vote. @see thesis 3.6.1 */
  isUpToDate (lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex)
  }

  /** Entries from `from` on, up to `maxBytes`; none past the end; undefined when they must be loaded from disk. */
  entriesFrom (from: number, maxBytes: number): readonly RaftEntry[] | undefined {
    if (from > this.lastIndex) return NOTHING
    const unstableFrom = this.unstable.firstIndex
    if (from >= unstableFrom) return this.unstable.from(from, maxBytes)
    const entries = this.#reader.entries(from, unstableFrom, maxBytes)
    return entries === undefined || entries.length === 0 ? undefined : entries
  }

  snapshot (peer: NodeId): RaftSnapshot | undefined {
    return this.#reader.snapshot?.(peer)
  }

  append (entry: RaftEntry): void {
    invariant(entry.index === this.lastIndex + 1 && entry.physicalOffset === this.endPosition,
      `entry ${entry.index} at ${entry.physicalOffset} does not follow entry ${this.lastIndex}, which ends at ${this.endPosition}`)
    invariant(entry.term >= this.lastTerm, `entry ${entry.index} of term ${entry.term} follows one of term ${this.lastTerm}`)
    this.unstable.append(entry)
    this.lastIndex = entry.index
    this.lastTerm = entry.term
    this.endPosition = entry.physicalOffset + entry.sizeBytes
    if (entry.kind === EntryKind.config) this.#configIndexes.push(entry.index)
  }

  /**
   * Appends what a leader sent, if the log holds (prevIndex, prevTerm). Entries that are there already stay; the first
   * one of another term cuts the tail. Returns the last index now known to be the leader's, or -1 on a mismatch.
   */
  maybeAppend (prevIndex: number, prevTerm: number, entries: readonly RaftEntry[]): number {
    if (!this.matches(prevIndex, prevTerm)) return -1
    let next = 0
    while (next < entries.length && this.matches(entries[next]!.index, entries[next]!.term)) next++
    if (next < entries.length) {
      const first = entries[next]!
      if (first.index <= this.lastIndex) this.#cut(first)
      for (; next < entries.length; next++) this.append(entries[next]!)
    }
    return prevIndex + entries.length
  }

  #cut (replacement: RaftEntry): void {
    const { index } = replacement
    invariant(index > this.commitIndex, `entry ${index} of term ${replacement.term} would replace a committed one (commit index ${this.commitIndex})`)
    invariant(this.term(index) !== undefined, `entry ${index} would be cut, and of which term it is cannot be read`)
    const { unstable } = this
    const position = index >= unstable.firstIndex ? unstable.at(index).physicalOffset : replacement.physicalOffset
    const prevTerm = this.term(index - 1)
    unstable.cut(index)
    this.lastIndex = index - 1
    this.lastTerm = prevTerm ?? 0
    this.endPosition = position
    while (this.#configIndexes.length > 0 && this.#configIndexes.at(-1)! >= index) this.#configIndexes.pop()
  }

  /**
   * The highest index, at most `index`, whose term is at most `term`: beyond it the logs cannot agree, as terms only
   * grow along a log. Skips a whole run of entries of later terms. Term 0: not known here.
   */
  findConflictByTerm (index: number, term: number): { index: number, term: number } {
    for (let at = index; at > 0; at--) {
      const ours = this.term(at)
      if (ours === undefined) return { index: at, term: 0 }
      if (ours <= term) return { index: at, term: ours }
    }
    return { index: 0, term: 0 }
  }

  commitTo (index: number): boolean {
    if (index <= this.commitIndex) return false
    invariant(index <= this.lastIndex, `commit index ${index} is beyond the end of the log, ${this.lastIndex}: entries were lost`)
    this.commitIndex = index
    return true
  }

  appliedTo (index: number): void {
    if (index <= this.appliedIndex) return
    invariant(index <= this.commitIndex, `applied ${index} is beyond the commit index, ${this.commitIndex}`)
    this.appliedIndex = index
    while (this.#configIndexes.length > 0 && this.#configIndexes[0]! <= index) this.#configIndexes.shift()
  }

  /** Forgets the whole log for a snapshot of what was committed elsewhere. */
  restore (snapshot: RaftSnapshot): void {
    this.pendingSnapshot = snapshot
    this.unstable.restart(snapshot.index + 1)
    this.lastIndex = snapshot.index
    this.lastTerm = snapshot.term
    this.endPosition = snapshot.endPosition
    this.commitIndex = snapshot.index
    this.#configIndexes.length = 0
  }

  snapshotInstalled (index: number): boolean {
    if (this.pendingSnapshot?.index !== index) return false
    this.pendingSnapshot = undefined
    this.appliedTo(index)
    return true
  }

  #scanForConfigs (appliedIndex: number): number[] {
    const found: number[] = []
    for (let from = Math.max(appliedIndex + 1, this.#reader.firstIndex); from <= this.lastIndex;) {
      const entries = this.#reader.entries(from, this.lastIndex + 1, 1 << 20)
      if (entries === undefined || entries.length === 0) break
      for (const entry of entries) if (entry.kind === EntryKind.config) found.push(entry.index)
      from += entries.length
    }
    return found
  }
}
