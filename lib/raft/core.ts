import { Membership } from './membership.ts'
import type { AppendEntriesReply, DoubtNews, RaftMessage } from './messages.ts'
import type { RaftOptions } from './options.ts'
import { Due } from './progress.ts'
import type { AckedIndexes } from './quorum.ts'
import { LogView } from './raft-log.ts'
import { ReadIndexQueue } from './read-index.ts'
import type { CatchUpCall, EntryLoad, ReadState, Role } from './ready.ts'
import type { NodeId } from './types.ts'
import { UncommittedBytes } from './uncommitted-bytes.ts'

/** The state of one node, shared by the files of this room: what it knows, and what it wants done (see ready.ts). */
export class RaftCore implements AckedIndexes {
  readonly id: NodeId
  readonly options: RaftOptions
  readonly log: LogView
  readonly membership: Membership
  readonly reads: ReadIndexQueue
  readonly uncommitted = new UncommittedBytes()

  role: Role = 'follower'
  term = 0
  /** 0: nobody in this term. */
  vote: NodeId = 0
  /** 0: unknown. */
  leaderId: NodeId = 0
  /** Of a follower: what whoever carries the messages has said of the way to its leader since that was last heard. */
  leaderLink: 'there' | 'cut' | 'gone' = 'there'
  /** Leader and candidates: since the last check or campaign. Follower: since it heard of the leader or voted. */
  electionElapsedTicks = 0
  heartbeatElapsedTicks = 0
  /** Drawn from [electionTicks, 2 * electionTicks) at each change of role or term. */
  electionTimeoutTicks = 0
  readonly votes = new Map<NodeId, boolean>()
  /** Of those granted, by nodes in doubt. */
  readonly votesInDoubt = new Set<NodeId>()

  // doubt.ts
  readonly life: number
  inDoubt: boolean
  /** In doubt: the leader's last index when it was first heard of in this term and life. 0: it was not yet. */
  doubtTarget = 0
  /** Through here the log is the leader's of this term. */
  matchedIndex = 0
  /** The group counts what is written; else what is on disk. */
  countsWritten = false
  /** This node leads by votes without which a majority would be missing: see `recordVote`. */
  mayHaveLost = false

  // the leader's
  /** The no-op of this term. What is at or above it is of this term. */
  termStartIndex = 0
  /** No change may be proposed before this one is applied. */
  pendingConfIndex = 0
  /** 0: no transfer under way. */
  transfereeId: NodeId = 0
  /** Some peer's `due` is set. */
  sendsDue = false
  heartbeatDue = false

  // what the next Ready takes out
  messages: RaftMessage[] = []
  /** Rest on term and vote. */
  messagesAfterHardState: RaftMessage[] = []
  /** Rest on the log as well. */
  messagesAfterLog: AppendEntriesReply[] = []
  readStates: ReadState[] = []
  loads: EntryLoad[] = []
  catchUp: CatchUpCall | undefined = undefined
  /** A leader was told of this node's commit index since it was started. */
  hasGreeted = false

  constructor (options: RaftOptions) {
    const { id, confState, maxInflightAppends, maxInflightBytes } = options
    this.id = id
    this.options = options
    this.log = new LogView(options.log, options.appliedIndex, options.unappliedConfigs)
    this.membership = new Membership(id, confState, this.log.lastIndex + 1, maxInflightAppends, maxInflightBytes)
    this.reads = new ReadIndexQueue(id)
    this.life = options.doubt?.life ?? 0
    this.inDoubt = options.doubt?.inDoubt ?? false
    this.term = options.hardState?.term ?? 0
    this.vote = options.hardState?.vote ?? 0
    this.drawElectionTimeout()
  }

  /** May win an election: a voter whose log is whole. */
  get isPromotable (): boolean { return this.membership.isVoter && this.log.pendingSnapshot === undefined }

  /**
   * A leader was heard of less than the shortest election timeout ago, so no other can be needed, unless there is no way to
   * that one any more. @see thesis 4.2.3
   */
  get isLeaderFresh (): boolean {
    return this.options.checkQuorum && this.leaderId !== 0 && this.leaderLink === 'there' && this.electionElapsedTicks < this.options.electionTicks
  }

  /** Only then does the leader know what is committed. @see thesis 6.4 */
  get hasCommittedInTerm (): boolean { return this.log.commitIndex >= this.termStartIndex }

  /** How far a member's log is known to be stored and ours; for counting. */
  ackedIndex (id: NodeId): number {
    // a log that has yet to change to syncing each write tells what is only written, too
    if (id === this.id) return this.inDoubt ? 0 : this.countsWritten ? this.log.durableIndex : this.log.syncedIndex
    const peer = this.membership.peer(id)
    if (peer === undefined || peer.inDoubt) return 0
    return this.countsWritten ? peer.matchIndex : peer.syncedIndex
  }

  becomeFollower (term: number, leaderId: NodeId): void {
    this.#reset(term)
    this.role = 'follower'
    this.leaderId = leaderId
  }

  /** Changes neither term nor vote: a pre-candidate that gets no answer has disturbed nobody. */
  becomePreCandidate (): void {
    this.#forgetVotes()
    this.role = 'preCandidate'
    this.leaderId = 0
    this.leaderLink = 'there'
  }

  becomeCandidate (): void {
    this.#reset(this.term + 1)
    this.role = 'candidate'
    this.vote = this.id
  }

  becomeLeader (): void {
    this.#reset(this.term)
    this.role = 'leader'
    this.leaderId = this.id
  }

  #reset (term: number): void {
    if (term !== this.term) {
      this.term = term
      this.vote = 0
      this.doubtTarget = 0
      this.matchedIndex = 0
      // Acknowledgements that did not leave yet are for the leader of an older term, and their entries may be cut.
      if (this.messagesAfterLog.length > 0) this.messagesAfterLog = []
    }
    this.leaderId = 0
    this.leaderLink = 'there'
    this.electionElapsedTicks = 0
    this.heartbeatElapsedTicks = 0
    this.drawElectionTimeout()
    this.transfereeId = 0
    this.#forgetVotes()
    this.mayHaveLost = false
    const nextIndex = this.log.lastIndex + 1
    for (const peer of this.membership.peers) peer.reset(nextIndex)
    this.pendingConfIndex = 0
    this.sendsDue = false
    this.heartbeatDue = false
    this.loads = []
    this.reads.reset()
  }

  #forgetVotes (): void {
    this.votes.clear()
    this.votesInDoubt.clear()
  }

  drawElectionTimeout (): void {
    const { electionTicks, random } = this.options
    this.electionTimeoutTicks = electionTicks + Math.floor(random.next() * electionTicks)
  }

  /** May leave at once. */
  send (message: RaftMessage): void {
    this.messages.push(message)
  }

  /** Votes, asked for or given, must not outlive a crash that forgets the term they belong to. */
  sendAfterHardState (message: RaftMessage): void {
    this.messagesAfterHardState.push(message)
  }

  /** The answer, with whether this node is in doubt. */
  withDoubt<Answer extends DoubtNews> (answer: Answer): Answer {
    if (this.life > 0) {
      answer.life = this.life
      answer.inDoubt = this.inDoubt
    }
    return answer
  }

  /** Acknowledges durable entries: leaves after them. A later one to the same leader says all that an earlier one did. */
  acknowledge (to: NodeId, index: number): void {
    const { messagesAfterLog } = this
    const last = messagesAfterLog.length - 1
    const previous = messagesAfterLog[last]
    const reply = this.withDoubt<AppendEntriesReply>({ type: 'appendEntriesReply', from: this.id, to, term: this.term, index, rejected: false, hintIndex: 0, hintTerm: 0 })
    if (index > this.matchedIndex) this.matchedIndex = index
    if (previous !== undefined && !previous.rejected && previous.to === to && previous.term === this.term && previous.index <= index) {
      messagesAfterLog[last] = reply
    } else {
      messagesAfterLog.push(reply)
    }
  }

  wishSend (due: Due): void {
    for (const peer of this.membership.peers) peer.wish(due)
    this.sendsDue = this.membership.peers.length > 0
  }
}
