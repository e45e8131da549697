import { nextConfState } from './conf-change.ts'
import { stepCandidate } from './candidate.ts'
import { RaftCore } from './core.ts'
import { handleVoteRequest, learnCommit, maybeCampaign, recordVote } from './election.ts'
import { stepFollower } from './follower.ts'
import * as leader from './leader.ts'
import { defectOfMessage } from './message-defects.ts'
import type { RaftMessage } from './messages.ts'
import { assertOptions, type RaftOptions } from './options.ts'
import { Outbox } from './outbox.ts'
import type { Ready, Role } from './ready.ts'
import { handleEntriesLoaded } from './replication.ts'
import { statusOf, type RaftStatus } from './status.ts'
import type { ConfChange, ConfState, HardState, NodeId, RaftEntry } from './types.ts'

/**
 * One node of a Raft group as a pure state machine: messages, ticks, proposals and reports of the disk go in, Readys
 * come out. It never waits, reads no clock, and does nothing by itself.
 *
 *     step, tick, propose, ...            ->  while (raft.hasReady()) handle(raft.ready())
 *     Ready.hardState, entries, snapshot  ->  written; then hardStatePersisted, persisted, snapshotInstalled
 *     Ready.committedTo                   ->  applied in order; config entries: applyConfChange; then applied
 *     Ready.messages                      ->  sent, messagesAfterPersist once what they rest on is durable
 *
 * @see etcd-io/raft, whose behaviour this follows; divergences in docs/divergence.md
 */
export class Raft {
  readonly #core: RaftCore
  readonly #outbox: Outbox

  /** @throws MQ_INVARIANT options that cannot work, or a log and state that do not fit together */
  constructor (options: RaftOptions) {
    assertOptions(options)
    this.#core = new RaftCore(options)
    this.#outbox = new Outbox(this.#core)
  }

  get id (): NodeId { return this.#core.id }
  get role (): Role { return this.#core.role }
  get term (): number { return this.#core.term }
  /** 0: unknown. */
  get leaderId (): NodeId { return this.#core.leaderId }
  get commitIndex (): number { return this.#core.log.commitIndex }
  get appliedIndex (): number { return this.#core.log.appliedIndex }
  /** Of the last entry, durable or not. */
  get lastIndex (): number { return this.#core.log.lastIndex }
  get lastTerm (): number { return this.#core.log.lastTerm }
  /** Byte position where the next entry begins. */
  get endPosition (): number { return this.#core.log.endPosition }
  get confState (): ConfState { return this.#core.membership.conf }
  /** The target of the transfer under way, or 0. */
  get transfereeId (): NodeId { return this.#core.transfereeId }

  /**
   * Takes a message from a peer. Duplicates, delays and reordering are harmless. Returns why it was dropped, if it is none
   * that a correct node could have sent.
   */
  step (message: RaftMessage): string | undefined {
    const core = this.#core
    if (message.to !== core.id || message.from === core.id) return undefined
    if (message.term < core.term) {
      this.#refuse(message)
      return undefined
    }
    const defect = defectOfMessage(core, message)
    if (defect === undefined && (message.term === core.term || this.#maybeRaiseTerm(message))) this.#take(message)
    return defect
  }

  #take (message: RaftMessage): void {
    const core = this.#core
    if (message.type === 'requestVote' || message.type === 'requestPreVote') handleVoteRequest(core, message)
    else if (core.role === 'leader') leader.stepLeader(core, message)
    else if (core.role === 'follower') stepFollower(core, message)
    else stepCandidate(core, message)
  }

  /** Of a later term: returns false when the message is to be ignored. */
  #maybeRaiseTerm (message: RaftMessage): boolean {
    const core = this.#core
    switch (message.type) {
      case 'requestPreVote':
        // Asks about a term that may never come.
        return message.force || !core.isLeaderFresh
      case 'requestVote':
        // A node that cannot hear the leader, or was removed, must not depose it for those who can.
        if (!message.force && core.isLeaderFresh) return false
        core.becomeFollower(message.term, 0)
        return true
      case 'requestPreVoteReply':
        // A grant names the term that we would campaign for; a refusal, the term of who refuses.
        if (!message.granted) core.becomeFollower(message.term, 0)
        return true
      case 'appendEntries':
      case 'heartbeat':
      case 'installSnapshot':
        core.becomeFollower(message.term, message.from)
        return true
      default:
        core.becomeFollower(message.term, 0)
        return true
    }
  }

  /**
   * Of an older term: never acted on, whatever it is. Its sender is told of our term where it could not learn of it
   * otherwise: a leader that our votes will not depose (they are ignored where it is heard), and a pre-candidate.
   */
  #refuse (message: RaftMessage): void {
    const { id, term, log, options } = this.#core
    switch (message.type) {
      case 'appendEntries':
      case 'heartbeat':
      case 'installSnapshot':
        if (!options.checkQuorum && !options.preVote) return
        this.#core.sendAfterHardState({ type: 'appendEntriesReply', from: id, to: message.from, term, index: 0, rejected: true, hintIndex: 0, hintTerm: 0 })
        break
      case 'requestPreVoteReply':
      case 'requestVoteReply':
        // It does not count as an answer, but what is committed stays so.
        learnCommit(this.#core, message)
        break
      case 'requestPreVote':
        this.#core.sendAfterHardState({ type: 'requestPreVoteReply', from: id, to: message.from, term, granted: false, commitIndex: log.commitIndex, commitTerm: log.commitTerm })
        break
    }
  }

  /** This node follows a leader and has heard of it since the last tick. */
  get hasHeardOfLeader (): boolean {
    const { role, leaderId, electionElapsedTicks } = this.#core
    return role === 'follower' && leaderId !== 0 && electionElapsedTicks === 0
  }

  tick (): void {
    const core = this.#core
    if (core.role === 'leader') {
      leader.tickLeader(core)
      return
    }
    core.electionElapsedTicks++
    if (core.isPromotable && core.electionElapsedTicks >= core.electionTimeoutTicks) {
      core.electionElapsedTicks = 0
      this.campaign()
    }
  }

  /** Starts an election now. False when this node leads, may not win, or has yet to apply a committed change of the configuration. */
  campaign (): boolean {
    return maybeCampaign(this.#core, this.#core.options.preVote ? 'preVote' : 'vote')
  }

  /**
   * Appends an entry made with index lastIndex + 1, term `term` and physicalOffset `endPosition`. 'transferring': ask
   * again, soon another node leads or this one goes on. 'full': too much is not committed yet.
   */
  propose (entry: RaftEntry): leader.ProposalResult {
    return leader.propose(this.#core, entry)
  }

  /**
   * Appends the change; on 'accepted' its entry is `lastIndex`. 'refused': an earlier change, or the no-op of the term,
   * is not applied yet, or it does not fit the configuration (see `checkConfChange`).
   */
  proposeConfChange (change: ConfChange): leader.ConfProposalResult {
    return leader.proposeConfChange(this.#core, change)
  }

  /** Why the change does not fit the configuration in force, or undefined. */
  checkConfChange (change: ConfChange): string | undefined {
    return nextConfState(this.#core.membership.conf, change).error
  }

  /** Takes a committed change into force; before `applied` of its entry. */
  applyConfChange (change: ConfChange): ConfState {
    leader.switchConfiguration(this.#core, change)
    return this.#core.membership.conf
  }

  /** Hands leadership to a voter, or asks the leader to. False when that cannot be: unknown, learner, this node, no leader. */
  transferLeadership (to: NodeId): boolean {
    const core = this.#core
    if (core.role === 'leader') return leader.transferLeadership(core, to)
    if (core.leaderId === 0) return false
    core.send({ type: 'transferLeadership', from: core.id, to: core.leaderId, term: core.term, target: to })
    return true
  }

  /** The leader is known to be gone: votes are given again before its time is up. Nothing on the leader itself. */
  forgetLeader (): void {
    if (this.#core.role === 'follower') this.#core.leaderId = 0
  }

  /** A leader that should not lead (a stalled loop) gives up without waiting to be deposed. */
  stepDown (): void {
    if (this.#core.role === 'leader') this.#core.becomeFollower(this.#core.term, 0)
  }

  /**
   * A leader that should not lead (a disk that does nothing) gives up, and a voter is told to look for votes at once, whether or not
   * it holds all that this node does: what is committed somebody else does. False, and nothing happens, where that one would not be
   * elected without the vote of this node, or leadership is being transferred.
   */
  leaveTo (successor: NodeId): boolean { return leader.leaveTo(this.#core, successor) }

  /** Bytes from the leader, of whatever kind, are a sign of life. */
  heardFrom (id: NodeId): void {
    const core = this.#core
    if (core.role !== 'follower' || core.leaderId !== id) return
    core.electionElapsedTicks = 0
    core.leaderLink = 'there'
  }

  /**
   * Asks from which index on a linearizable read may be served; answered by a ReadState with that context. False: no
   * leader is known. A question or its answer can be lost with a message or a leader: ask again after a while.
   */
  readIndex (context: number): boolean {
    const core = this.#core
    if (core.role === 'leader') {
      leader.handleReadIndex(core, core.id, context)
      return true
    }
    if (core.leaderId === 0) return false
    core.send({ type: 'readIndex', from: core.id, to: core.leaderId, term: core.term, context })
    return true
  }

  hasReady (): boolean { return this.#outbox.isWaiting }

  /** Takes everything out. */
  ready (): Ready { return this.#outbox.take() }

  /** Entries count when they are written, not only when they are on disk: reports of `persisted` are of that, here and at the others. */
  get countsWritten (): boolean { return this.#core.countsWritten }
  set countsWritten (countsWritten: boolean) {
    const core = this.#core
    core.countsWritten = countsWritten
    if (core.role === 'leader') leader.maybeAdvanceCommitIndex(core)
  }

  /** More of the log is on disk (`LogReader.syncedIndex`). */
  synced (): void { if (this.#core.role === 'leader') leader.maybeAdvanceCommitIndex(this.#core) }

  /** Whether this node may lack what it acknowledged: see doubt.ts. */
  get isInDoubt (): boolean { return this.#core.inDoubt }

  /** In doubt: nothing is missing any more once the log is on disk through this index; undefined: not known, or not there yet. */
  get endsDoubtAt (): number | undefined {
    const { inDoubt, doubtTarget, matchedIndex, log } = this.#core
    return inDoubt && doubtTarget > 0 && matchedIndex >= doubtTarget && log.durableIndex >= doubtTarget ? doubtTarget : undefined
  }

  /** That it is on disk, and that this node is not in doubt any more, is durable. */
  doubtEnded (): void {
    const core = this.#core
    core.inDoubt = false
    if (core.role === 'leader') leader.maybeAdvanceCommitIndex(core)
    else if (core.role === 'follower' && core.leaderId !== 0 && core.matchedIndex > 0) core.acknowledge(core.leaderId, core.matchedIndex)
  }

  /** This node leads, and what a majority had acknowledged may have been lost before. */
  get mayHaveLost (): boolean { return this.#core.mayHaveLost }

  /**
   * The log is durable through that entry. Reports come in the order of the writes, and the last entry handed out is
   * reported at the latest when the disk is idle.
   */
  persisted ({ index, term }: { readonly index: number, readonly term: number }): void {
    const core = this.#core
    // Writes of the log that a snapshot replaces say nothing any more.
    if (core.log.pendingSnapshot !== undefined) return
    if (core.log.unstable.persisted(index, term) && core.role === 'leader') leader.maybeAdvanceCommitIndex(core)
  }

  hardStatePersisted (hardState: HardState): void {
    const core = this.#core
    this.#outbox.hardStatePersisted(hardState)
    if (core.role === 'candidate' && hardState.term === core.term && hardState.vote === core.id) recordVote(core, core.id, true, core.inDoubt)
  }

  /** `Ready.snapshot` is in place: state, log position and configuration are those of its index, durably; older writes are over. */
  snapshotInstalled (index: number): void {
    if (this.#core.log.snapshotInstalled(index)) this.#outbox.snapshotInstalled(index)
  }

  /** The state machine has applied everything through `index`. */
  applied (index: number): void {
    const core = this.#core
    core.log.appliedTo(index)
    if (core.membership.conf.autoLeave) leader.maybeLeaveJoint(core)
    if (core.countsWritten) this.synced()
  }

  /** Messages to the peer are likely lost. */
  reportUnreachable (id: NodeId): void { leader.reportUnreachable(this.#core, id) }

  /**
   * There is no way to that node at the moment. A follower of it gives its vote to another one from now on, as far as it is
   * asked: those who still hear the leader do not, so one that is wrong about it disturbs nobody.
   */
  reportCut (id: NodeId): void { this.#linkLost(id, 'cut') }

  /** As `reportCut`, and its process has most likely ended: `isLeaderGone`, a follower of it may `campaign` before its time is up. */
  reportGone (id: NodeId): void { this.#linkLost(id, 'gone') }

  #linkLost (id: NodeId, leaderLink: 'cut' | 'gone'): void {
    const core = this.#core
    if (core.role === 'follower' && core.leaderId === id) core.leaderLink = leaderLink
    leader.reportUnreachable(core, id)
  }

  /** Messages reach the peer again. A leader shows itself to it at once. */
  reportBack (id: NodeId): void {
    const core = this.#core
    if (core.leaderId === id) core.leaderLink = 'there'
    leader.reportBack(core, id)
  }

  /** This follower's leader was reported as gone, and was not heard of since. */
  get isLeaderGone (): boolean { return this.#core.leaderLink === 'gone' }

  /** The transport delivered, or failed to deliver, the snapshot meant for the peer. */
  reportSnapshot (id: NodeId, ok: boolean): void { leader.reportSnapshot(this.#core, id, ok) }

  /** A load asked for by `Ready.loads` is done. Entries given are sent as they are; else the log is asked again. */
  entriesLoaded (id: NodeId, entries?: readonly RaftEntry[]): void { handleEntriesLoaded(this.#core, id, entries) }

  status (): RaftStatus { return statusOf(this.#core) }
}
