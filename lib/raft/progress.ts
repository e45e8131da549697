import { Inflights } from './inflights.ts'
import type { NodeId } from './types.ts'

/**
 * - probe: where the logs agree is not known; one append at a time, another one after a reply or a heartbeat's.
 * - stream: they agree; entries are sent ahead of the replies, as far as the window allows.
 * - snapshot: what the peer needs next is gone from our log; nothing is sent until the snapshot is there.
 */
export type ProgressState = 'probe' | 'stream' | 'snapshot'

/** What to send at the next flush. `news`: entries, or else the commit index if the peer may not know it. */
export const Due = { nothing: 0, entries: 1, news: 2, always: 3 } as const
export type Due = typeof Due[keyof typeof Due]

/** One peer as the leader sees it. Invariant: matchIndex < nextIndex. */
export class Progress {
  readonly id: NodeId
  state: ProgressState = 'probe'
  /** Stored at the peer, and equal to our log. */
  matchIndex = 0
  /** The same, on its disk. */
  syncedIndex = 0
  /** How often it came back in doubt, and whether it still is (see doubt.ts). */
  life = 0
  inDoubt = false
  /** The next entry to send. */
  nextIndex: number
  /** The highest commit index that is on its way. */
  sentCommitIndex = 0
  /** Index of the snapshot on its way; 0: none. */
  pendingSnapshotIndex = 0
  /** Since it was told of that snapshot. */
  snapshotElapsedTicks = 0
  /** Since it was heard of, or since this node began to lead or the peer to be one: that much time it has to answer. */
  silentTicks = 0
  /** Heard of less than an election timeout ago. */
  recentlyActive = false
  /** No appends before a reply or a heartbeat's: a probe is out, or the window is full. */
  paused = false
  /** Entries for it are being read from disk. */
  loading = false
  /** It has nothing, not even a configuration, and cannot take the log from its beginning. */
  needsSnapshot = false
  due: Due = Due.nothing
  readonly inflights: Inflights

  constructor (id: NodeId, nextIndex: number, maxInflightAppends: number, maxInflightBytes: number) {
    this.id = id
    this.nextIndex = nextIndex
    this.inflights = new Inflights(maxInflightAppends, maxInflightBytes)
  }

  get isPaused (): boolean { return this.paused || this.loading || this.state === 'snapshot' }

  /** For a new term of leadership. */
  reset (nextIndex: number): void {
    this.#knowNothing(nextIndex)
    this.recentlyActive = false
    this.silentTicks = 0
    this.due = Due.nothing
  }

  /** It may have lost what it acknowledged: where its log ends has to be found out anew. */
  beginLife (life: number, inDoubt: boolean, nextIndex: number): void {
    this.life = life
    this.inDoubt = inDoubt
    this.#knowNothing(nextIndex)
  }

  #knowNothing (nextIndex: number): void {
    this.#enter('probe')
    this.matchIndex = 0
    this.syncedIndex = 0
    this.nextIndex = nextIndex
    this.sentCommitIndex = 0
  }

  becomeProbe (): void {
    // A snapshot on its way may have arrived: then the log goes on behind it.
    const base = this.state === 'snapshot' ? Math.max(this.matchIndex, this.pendingSnapshotIndex) : this.matchIndex
    this.#enter('probe')
    this.nextIndex = base + 1
    this.sentCommitIndex = Math.min(this.sentCommitIndex, base)
  }

  becomeStream (): void {
    this.#enter('stream')
    this.nextIndex = this.matchIndex + 1
  }

  becomeSnapshot (index: number): void {
    this.#enter('snapshot')
    this.pendingSnapshotIndex = index
    this.nextIndex = index + 1
    this.sentCommitIndex = index
  }

  sent (count: number, lastIndex: number, sizeBytes: number, commitIndex: number): void {
    this.sentCommitIndex = commitIndex
    if (this.state === 'probe') {
      if (count > 0) this.paused = true
      return
    }
    if (count > 0) {
      this.nextIndex = lastIndex + 1
      this.inflights.add(lastIndex, sizeBytes)
    }
    this.paused = this.inflights.isFull
  }

  /** The peer can make use of that commit index, and none was sent that takes it as far as its log goes. */
  wantsCommit (commitIndex: number): boolean {
    return commitIndex > this.sentCommitIndex && this.sentCommitIndex < this.nextIndex - 1
  }

  /** An acknowledgement; false when it tells nothing new. */
  maybeAdvance (index: number): boolean {
    if (index <= this.matchIndex) return false
    this.matchIndex = index
    this.nextIndex = Math.max(this.nextIndex, index + 1)
    this.paused = false
    return true
  }

  /** That much is on its disk; false when that is known. */
  maybeSync (index: number): boolean {
    if (index <= this.syncedIndex) return false
    this.syncedIndex = index
    return true
  }

  /** A rejection of the append after `rejectedIndex`, the logs agreeing at `hintIndex` at most; false when it is stale. */
  maybeRetreat (rejectedIndex: number, hintIndex: number): boolean {
    if (this.state === 'stream') {
      if (rejectedIndex <= this.matchIndex) return false
      this.nextIndex = this.matchIndex + 1
    } else {
      // Probes go out one at a time, so only an answer to the last one counts.
      if (rejectedIndex !== this.nextIndex - 1) return false
      // It lacks what it had acknowledged: an old copy of its directory was put back, or its disk lied. Nothing of it counts before it is there again.
      if (rejectedIndex <= this.matchIndex) this.matchIndex = this.syncedIndex = 0
      this.nextIndex = Math.max(Math.min(rejectedIndex, hintIndex + 1), this.matchIndex + 1)
      this.paused = false
    }
    this.sentCommitIndex = Math.min(this.sentCommitIndex, this.nextIndex - 1)
    return true
  }

  wish (due: Due): void {
    if (due > this.due) this.due = due
  }

  #enter (state: ProgressState): void {
    this.state = state
    this.paused = false
    this.loading = false
    this.needsSnapshot = false
    this.pendingSnapshotIndex = 0
    this.snapshotElapsedTicks = 0
    this.inflights.reset()
  }
}
