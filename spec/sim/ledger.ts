import { viewOf } from '../../lib/base/index.ts'
import type { NodeId, RaftEntry } from '../../lib/raft/index.ts'

/** A rule of the protocol was broken. */
export class Violation extends Error {
  readonly rule: string
  constructor (rule: string, message: string) {
    super(`${rule}: ${message}`)
    this.rule = rule
  }
}

interface Decided { readonly term: number, readonly checksum: bigint, readonly ids: readonly number[], stateHash: bigint }

/**
 * What the outside has seen of the group, and what that forbids: every rule here is checked against all nodes together,
 * when the event happens.
 */
export class Ledger {
  readonly #leaders = new Map<number, NodeId>()
  /** By index and term: the one entry that may ever stand there. */
  readonly #entries = new Map<string, { readonly checksum: bigint, readonly prevTerm: number }>()
  readonly decided: Decided[] = []
  /** By index, while it is applied nowhere: the term of the leader that has committed it. */
  readonly #committing = new Map<number, number>()
  /** By term and node: what was acknowledged to that term's leader. */
  readonly #proven = new Map<number, Map<NodeId, number>>()
  readonly #appliedIds = new Map<number, number>()
  readonly #refusedIds = new Set<number>()
  readonly acknowledgedIds = new Set<number>()
  #acknowledgedIndex = 0
  /** How many reads were looked at. */
  reads = 0

  /** One leader per term. */
  leads (node: NodeId, term: number): void {
    const other = this.#leaders.get(term)
    if (other !== undefined && other !== node) throw new Violation('one leader per term', `nodes ${other} and ${node} both lead term ${term}`)
    this.#leaders.set(term, node)
  }

  get leaderCount (): number { return this.#leaders.size }

  /** Log matching: equal index and term, equal entry, and equal entries before it. */
  appended (node: number, entry: RaftEntry): void {
    const key = `${entry.index} ${entry.term}`
    const checksum = checksumOf(entry)
    const known = this.#entries.get(key)
    if (known === undefined) this.#entries.set(key, { checksum, prevTerm: entry.prevTerm })
    else if (known.checksum !== checksum || known.prevTerm !== entry.prevTerm) throw new Violation('log matching', `node ${node} has another entry ${key}`)
  }

  /** An entry is appended behind the one it was sealed behind. `lastTerm`: of what the log ends with, where that is known. */
  follows (node: number, { index, prevTerm }: RaftEntry, lastTerm: number | undefined): void {
    if (lastTerm !== undefined && lastTerm !== prevTerm) throw new Violation('log matching', `node ${node} appends entry ${index}, which follows one of term ${prevTerm}, behind one of term ${lastTerm}`)
  }

  /** What a restart finds was appended once. */
  recovered (node: number, index: number, term: number | undefined): void {
    if (!this.#entries.has(`${index} ${term}`)) throw new Violation('nothing invented', `node ${node} recovered entry ${index} of term ${term}, which nobody appended`)
  }

  /** What is decided is never taken back. */
  cut (node: number, from: number, log: { readonly lastIndex: number, term (index: number): number | undefined }): void {
    for (let index = from; index <= Math.min(log.lastIndex, this.decided.length); index++) {
      if (log.term(index) === this.decided[index - 1]!.term) throw new Violation('nothing committed is cut', `node ${node} cuts its log from ${from}, and so the decided entry ${index}`)
    }
  }

  /** State machine safety: what is applied at an index is the same everywhere and for ever, and leads to the same state. True when nobody had applied it before. */
  applied (node: number, entry: RaftEntry, ids: readonly number[], stateHash: bigint): boolean {
    const known = this.decided[entry.index - 1]
    const checksum = checksumOf(entry)
    if (known === undefined) {
      if (entry.index !== this.decided.length + 1) throw new Violation('committed in order', `node ${node} applied entry ${entry.index} after ${this.decided.length}`)
      this.decided.push({ term: entry.term, checksum, ids, stateHash })
      const leaderTerm = this.#committing.get(entry.index) ?? entry.term
      this.#committing.delete(entry.index)
      if (leaderTerm !== entry.term) throw new Violation('leaders count what is of their term', `entry ${entry.index} of term ${entry.term} was committed by the leader of term ${leaderTerm}`)
      for (const id of ids) this.#decide(id, entry.index)
      return true
    }
    if (known.term !== entry.term || known.checksum !== checksum) {
      throw new Violation('committed never changes', `node ${node} applied entry ${entry.index} of term ${entry.term}, others of term ${known.term}`)
    }
    if (known.stateHash !== stateHash) throw new Violation('equal state', `node ${node} has another state after entry ${entry.index}`)
    return false
  }

  #decide (id: number, index: number): void {
    if (this.#appliedIds.has(id)) throw new Violation('applied once', `request ${id} was applied at ${this.#appliedIds.get(id)} and ${index}`)
    if (this.#refusedIds.has(id)) throw new Violation('not applied means never', `request ${id} was said not to be applied, and was, at ${index}`)
    this.#appliedIds.set(id, index)
  }

  /** Leader completeness: a leader that may decide has everything decided in earlier terms. `isDamaged`: of some of it nothing may be known until it is mended. */
  startsLeading (node: NodeId, term: number, log: { readonly floor: { readonly index: number }, readonly lastIndex: number, term (index: number): number | undefined }, isDamaged: boolean): void {
    for (let index = this.decided.length; index > log.floor.index && index > this.decided.length - 20; index--) {
      const { term: decidedTerm } = this.decided[index - 1]!
      const found = log.term(index)
      if (isDamaged && found === undefined && index < log.lastIndex) continue
      if (decidedTerm < term && found !== decidedTerm) throw new Violation('leader completeness', `node ${node} leads term ${term} without entry ${index} of term ${decidedTerm}`)
    }
  }

  /** Acknowledged is applied. */
  acknowledged (id: number): void {
    const index = this.#appliedIds.get(id)
    if (index === undefined) throw new Violation('acknowledged is applied', `request ${id} was acknowledged and is not applied anywhere`)
    this.acknowledgedIds.add(id)
    this.#acknowledgedIndex = Math.max(this.#acknowledgedIndex, index)
  }

  /** A leader commits by counting an entry of its own term; what lies before that one comes along. */
  commits (node: number, term: number, index: number): void {
    const entryTerm = this.decided[index - 1]?.term ?? this.#committing.get(index) ?? term
    if (entryTerm !== term) throw new Violation('leaders count what is of their term', `node ${node} leads term ${term} and commits entry ${index} of term ${entryTerm}`)
    if (index > this.decided.length) this.#committing.set(index, term)
  }

  /** To the leader of that term. */
  proves (node: NodeId, term: number, index: number): void {
    const proven = this.#proven.get(term) ?? new Map<NodeId, number>()
    this.#proven.set(term, proven)
    proven.set(node, Math.max(index, proven.get(node) ?? 0))
  }

  /** What another node holds counts when it was said to this leader, in this term. */
  counts (leader: number, term: number, node: NodeId, matchIndex: number): void {
    const proven = this.#proven.get(term)?.get(node) ?? 0
    if (matchIndex > proven) throw new Violation('a tail is proven to each leader', `node ${leader} leads term ${term} and counts entries of node ${node} through ${matchIndex}, of which it was told through ${proven}`)
  }

  /** Said not to be applied: then it never is. */
  refused (id: number): void {
    if (this.#appliedIds.has(id)) throw new Violation('not applied means never', `request ${id} was applied at ${this.#appliedIds.get(id)} and said not to be`)
    this.#refusedIds.add(id)
  }

  get acknowledgedIndex (): number { return this.#acknowledgedIndex }

  /** A linearizable read sees all that was acknowledged before it was asked for. */
  read (node: number, acknowledgedBefore: number, appliedIndex: number): void {
    this.reads++
    if (appliedIndex < acknowledgedBefore) throw new Violation('linearizable reads', `node ${node} served a read at ${appliedIndex}, entry ${acknowledgedBefore} was acknowledged before`)
  }
}

/** Of an entry's header, which holds where and when it was sealed. */
export const checksumOf = (entry: RaftEntry) => viewOf(entry.bytes).getBigUint64(64)
