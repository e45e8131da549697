import { quorumIndex, type AckedIndexes, type Electorate } from './quorum.ts'
import type { NodeId } from './types.ts'

/** Of other nodes: each of them asks once for all reads that wait there. */
const MAX_WAITING_READS = 4096

interface PendingRead {
  readonly from: NodeId
  readonly context: number
  /** The commit index when the read arrived. */
  readonly index: number
}

/**
 * Reads that a leader must confirm: each gets a number, heartbeats carry the last one, and once a quorum has answered
 * to that number the leader was still the leader when the read arrived. @see thesis 6.4
 */
export class ReadIndexQueue implements AckedIndexes {
  readonly #id: NodeId
  /** The number of the last read taken in; the numbers of one term never come again in it. */
  sequence = 0
  #confirmed = 0
  /** Reads #confirmed + 1 .. sequence. */
  #pending: PendingRead[] = []
  readonly #acked = new Map<NodeId, number>()
  /** Arrived before the leader had committed an entry of its term, so before it knew what was committed. */
  #postponed: Array<{ readonly from: NodeId, readonly context: number }> = []

  constructor (id: NodeId) {
    this.#id = id
  }

  /** What heartbeats carry: 0 when no read waits. */
  get pendingSequence (): number { return this.#pending.length === 0 ? 0 : this.sequence }

  get isFull (): boolean { return this.#pending.length + this.#postponed.length >= MAX_WAITING_READS }

  reset (): void {
    this.sequence = 0
    this.#confirmed = 0
    this.#pending = []
    this.#acked.clear()
    this.#postponed = []
  }

  postpone (from: NodeId, context: number): void {
    this.#postponed.push({ from, context })
  }

  takePostponed (): ReadonlyArray<{ readonly from: NodeId, readonly context: number }> {
    const postponed = this.#postponed
    if (postponed.length > 0) this.#postponed = []
    return postponed
  }

  add (from: NodeId, context: number, index: number): void {
    this.sequence++
    this.#pending.push({ from, context, index })
  }

  acknowledge (from: NodeId, sequence: number): void {
    if (sequence > (this.#acked.get(from) ?? 0)) this.#acked.set(from, sequence)
  }

  ackedIndex (id: NodeId): number {
    return id === this.#id ? this.sequence : this.#acked.get(id) ?? 0
  }

  /** Takes out the reads that the acknowledgements so far confirm. */
  takeConfirmed (electorate: Electorate): readonly PendingRead[] {
    if (this.#pending.length === 0) return this.#pending
    const confirmed = Math.min(quorumIndex(electorate, this), this.sequence)
    if (confirmed <= this.#confirmed) return []
    const reads = this.#pending.splice(0, confirmed - this.#confirmed)
    this.#confirmed = confirmed
    return reads
  }
}
