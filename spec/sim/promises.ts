import type { RaftLog } from '../../lib/log/index.ts'
import type { NodeId, RaftMessage } from '../../lib/raft/index.ts'
import { Violation } from './ledger.ts'

/** Others promise nothing (the answer to a heartbeat only that its sender has not gone further), and may leave before the term they name is durable. */
const PROMISING: ReadonlySet<RaftMessage['type']> = new Set(['requestVote', 'requestVoteReply', 'appendEntries', 'appendEntriesReply', 'heartbeat'])

/** What a node has promised to others by its messages, and must know again after each restart. */
export class Promises {
  #term = 0
  #votedIn = 0
  #vote: NodeId = 0
  /** Its log was said to be durable through here, with that term. */
  readonly #acknowledged = new Map<number, number>()

  /** Called with every message that leaves. */
  sends (message: RaftMessage, log: RaftLog | undefined, mustBeDurable: boolean): void {
    if (!PROMISING.has(message.type)) return
    this.#term = Math.max(this.#term, message.term)
    if (message.type === 'requestVote') this.#votes(message.from, message.term, message.from)
    else if (message.type === 'requestVoteReply' && message.granted) this.#votes(message.from, message.term, message.to)
    else if (message.type === 'appendEntriesReply' && !message.rejected && message.index > 0) {
      const term = log?.term(message.index)
      if (term === undefined) return
      if (mustBeDurable && log!.durableIndex < message.index) throw new Violation('acknowledged is durable', `node ${message.from} acknowledges entry ${message.index}, its log is durable through ${log!.durableIndex}`)
      this.#acknowledged.set(message.index, term)
    }
  }

  #votes (node: NodeId, term: number, vote: NodeId): void {
    if (this.#votedIn === term && this.#vote !== vote) throw new Violation('one vote per term', `node ${node} voted for ${this.#vote} and ${vote} in term ${term}`)
    if (term < this.#votedIn) return
    this.#votedIn = term
    this.#vote = vote
  }

  /** A log was recovered; `isDamaged`: of some entries in the middle of it nothing may be known until they are mended. */
  check (node: NodeId, log: RaftLog, isDamaged: boolean): void {
    for (const [index, term] of this.#acknowledged) {
      const found = log.term(index)
      if (isDamaged && found === undefined && index < log.lastIndex) continue
      if (index > log.floor.index && found !== term) throw new Violation('acknowledged is durable', `node ${node} acknowledged entry ${index} of term ${term}; after its restart it has ${log.term(index) ?? 'none'}`)
    }
  }

  /** A replica was opened. */
  checkTerm (node: NodeId, term: number): void {
    if (term < this.#term) throw new Violation('terms only grow', `node ${node} restarts in term ${term} after it has spoken in term ${this.#term}`)
  }

  /** Its log was replaced by what was decided: what it held and was not decided is gone. */
  replaced (isDecided: (index: number, term: number) => boolean): void {
    for (const [index, term] of [...this.#acknowledged]) if (!isDecided(index, term)) this.#acknowledged.delete(index)
  }

  /** It overwrites its log from there, as the leader says. */
  cutFrom (index: number): void {
    for (const acknowledged of [...this.#acknowledged.keys()]) if (acknowledged >= index) this.#acknowledged.delete(acknowledged)
  }
}
