import { invariant } from '../base/index.ts'
import { isVoter, nextConfState } from './conf-change.ts'
import type { RaftCore } from './core.ts'
import { countableIndex, noteLife } from './doubt.ts'
import type { AppendEntriesReply, HeartbeatReply, RaftMessage } from './messages.ts'
import { Due, type Progress } from './progress.ts'
import { EntryKind, type ConfChange, type NodeId, type RaftEntry } from './types.ts'

export type ProposalResult = 'accepted' | 'not-leader' | 'transferring' | 'full'
export type ConfProposalResult = 'accepted' | 'not-leader' | 'transferring' | 'refused'

const LEAVE_JOINT: ConfChange = { transition: 'auto', steps: [] }

/** An election was won: the no-op of the term comes first, for nothing of earlier terms commits without it. @see thesis 3.6.2, 6.4 */
export function beginLeading (core: RaftCore): void {
  const mayHaveLost = core.membership.isQuorum(core.votesInDoubt)
  core.becomeLeader()
  core.mayHaveLost = mayHaveLost
  const { log } = core
  core.termStartIndex = log.lastIndex + 1
  core.pendingConfIndex = core.termStartIndex
  core.uncommitted.restart(core.termStartIndex, log.endPosition)
  appendOwn(core, EntryKind.noop, undefined)
  // The log of who leads is what counts.
  if (core.inDoubt) core.matchedIndex = core.doubtTarget = log.lastIndex
  core.wishSend(Due.always)
}

export function propose (core: RaftCore, entry: RaftEntry): ProposalResult {
  if (core.role !== 'leader') return 'not-leader'
  if (core.transfereeId !== 0) return 'transferring'
  const { uncommitted, options } = core
  const outstanding = uncommitted.bytes
  if (outstanding > 0 && outstanding + entry.sizeBytes > options.maxUncommittedBytes) return 'full'
  invariant(entry.term === core.term, `entry ${entry.index} of term ${entry.term} was proposed in term ${core.term}`)
  append(core, entry)
  return 'accepted'
}

/**
 * One change at a time, none before the no-op of the term, and only one that fits the configuration in force.
 * Unlike etcd a refused change leaves no entry.
 */
export function proposeConfChange (core: RaftCore, change: ConfChange): ConfProposalResult {
  if (core.role !== 'leader') return 'not-leader'
  if (core.transfereeId !== 0) return 'transferring'
  if (core.pendingConfIndex > core.log.appliedIndex) return 'refused'
  if (nextConfState(core.membership.conf, change).error !== undefined) return 'refused'
  core.pendingConfIndex = core.log.lastIndex + 1
  appendOwn(core, EntryKind.config, change)
  return 'accepted'
}

/** Leaves a joint configuration that asks for it, once it is applied. A transfer only delays it. */
export function maybeLeaveJoint (core: RaftCore): void {
  if (core.role === 'leader' && core.membership.conf.autoLeave) proposeConfChange(core, LEAVE_JOINT)
}

function appendOwn (core: RaftCore, kind: EntryKind, config: ConfChange | undefined): void {
  const { log, term } = core
  const request = { kind, index: log.lastIndex + 1, term, prevTerm: log.lastTerm, physicalOffset: log.endPosition }
  append(core, core.options.makeEntry(config === undefined ? request : { ...request, config }))
}

function append (core: RaftCore, entry: RaftEntry): void {
  core.log.append(entry)
  core.uncommitted.appended(core.log.endPosition)
  if (core.membership.peers.length > 0) core.wishSend(Due.entries)
}

/**
 * Counts durable copies, the leader's own included once its disk has it. Only an entry of the current term is counted;
 * those before it are committed along with it. @see thesis 3.6.2, figure 8
 */
export function maybeAdvanceCommitIndex (core: RaftCore): boolean {
  const acked = core.membership.quorumIndex(core)
  const index = core.countsWritten ? countableIndex(core, acked) : acked
  if (index < core.termStartIndex || !core.log.commitTo(index)) return false
  core.uncommitted.committedTo(index)
  core.wishSend(Due.news)
  for (const { from, context } of core.reads.takePostponed()) takeRead(core, from, context)
  return true
}

/** A read asked of the leader, by itself or by a follower. */
export function handleReadIndex (core: RaftCore, from: NodeId, context: number): void {
  // it is lost; whoever asked asks again
  if (from !== core.id && core.reads.isFull) return
  if (core.hasCommittedInTerm) takeRead(core, from, context)
  else core.reads.postpone(from, context)
}

function takeRead (core: RaftCore, from: NodeId, context: number): void {
  if (core.membership.isSingleVoter) {
    answerRead(core, from, context, core.log.commitIndex)
    return
  }
  core.reads.add(from, context, core.log.commitIndex)
  core.heartbeatDue = true
}

function answerRead (core: RaftCore, from: NodeId, context: number, index: number): void {
  if (from === core.id) core.readStates.push({ context, index })
  else core.send({ type: 'readIndexReply', from: core.id, to: from, term: core.term, context, index })
}

export function transferLeadership (core: RaftCore, to: NodeId): boolean {
  const peer = core.membership.peer(to)
  if (peer === undefined || !isVoter(core.membership.conf, to) || peer.inDoubt) return false
  if (core.transfereeId === to) return true
  // It has one election period.
  core.electionElapsedTicks = 0
  core.transfereeId = to
  if (peer.matchIndex === core.log.lastIndex) sendTimeoutNow(core, to)
  else wish(core, peer, Due.always)
  return true
}

function sendTimeoutNow (core: RaftCore, to: NodeId): void {
  core.send({ type: 'timeoutNow', from: core.id, to, term: core.term })
}

export function tickLeader (core: RaftCore): void {
  const { options } = core
  const hasQuorum = core.membership.tickActivity(options.electionTicks)
  if (options.checkQuorum && !hasQuorum) {
    leaveUnheard(core)
    return
  }
  core.heartbeatElapsedTicks++
  core.electionElapsedTicks++
  if (core.electionElapsedTicks >= options.electionTicks) {
    core.electionElapsedTicks = 0
    core.transfereeId = 0
  }
  if (core.heartbeatElapsedTicks >= options.heartbeatTicks) {
    core.heartbeatElapsedTicks = 0
    core.heartbeatDue = true
  }
  if (options.catchUp !== undefined) probeAfterSnapshots(core, options.catchUp.retryTicks)
}

/**
 * No majority is heard any more. Those that are silent may hear this node all the same, and have been loyal to it: the one
 * of them that holds most is told to look for votes, so that they need not wait for a time-out of theirs as well.
 */
function leaveUnheard (core: RaftCore): void {
  const able = core.membership.peers.filter(({ id, recentlyActive, inDoubt }) => !recentlyActive && !inDoubt && isVoter(core.membership.conf, id))
  if (able.length > 0) sendTimeoutNow(core, able.reduce((best, peer) => peer.matchIndex > best.matchIndex ? peer : best).id)
  core.becomeFollower(core.term, 0)
}

/** Ceases to lead for a voter that is told to look for votes, if it would get them and no transfer is under way. Returns whether it did. */
export function leaveTo (core: RaftCore, successor: NodeId): boolean {
  if (core.role !== 'leader' || core.transfereeId !== 0 || !wouldBeElected(core, successor)) return false
  sendTimeoutNow(core, successor)
  core.becomeFollower(core.term, 0)
  return true
}

/** By those that are heard, as far as their logs are known: not by this node, whose log is the longer one, or whose disk stores no vote in time. */
function wouldBeElected (core: RaftCore, id: NodeId): boolean {
  const { membership, id: ownId } = core
  const candidate = membership.peer(id)
  if (candidate === undefined || !candidate.recentlyActive || candidate.inDoubt || !isVoter(membership.conf, id)) return false
  const votes = membership.peers.map(({ id, recentlyActive, inDoubt, matchIndex }) => [id, recentlyActive && !inDoubt && matchIndex <= candidate.matchIndex] as const)
  return membership.tally(new Map([[ownId, false], ...votes])) === 'won'
}

/** Word of the snapshot may have been lost, or what it is for may be over: a probe finds out, and leads to another one if need be. */
function probeAfterSnapshots (core: RaftCore, retryTicks: number): void {
  for (const peer of core.membership.peers) {
    if (peer.state !== 'snapshot' || ++peer.snapshotElapsedTicks < retryTicks) continue
    peer.becomeProbe()
    wish(core, peer, Due.always)
  }
}

export function stepLeader (core: RaftCore, message: RaftMessage): void {
  switch (message.type) {
    case 'appendEntriesReply':
      handleAppendReply(core, message)
      break
    case 'heartbeatReply':
      handleHeartbeatReply(core, message)
      break
    case 'readIndex':
      handleReadIndex(core, message.from, message.context)
      break
    case 'transferLeadership':
      transferLeadership(core, message.target)
      break
  }
}

/** False: what it says is of an earlier life of the peer. */
function hearFrom (core: RaftCore, peer: Progress, reply: AppendEntriesReply | HeartbeatReply): boolean {
  const wasInDoubt = peer.inDoubt
  if (!noteLife(core, peer, reply)) return false
  peer.recentlyActive = true
  peer.silentTicks = 0
  if (wasInDoubt && !peer.inDoubt) maybeAdvanceCommitIndex(core)
  return true
}

function handleAppendReply (core: RaftCore, reply: AppendEntriesReply): void {
  const peer = core.membership.peer(reply.from)
  if (peer === undefined || !hearFrom(core, peer, reply)) return
  if (reply.rejected) {
    if (reply.hintIndex < 0) {
      // The peer is empty, and cannot take the log from its beginning (see follower.ts).
      if (peer.matchIndex > 0 || peer.state === 'snapshot') return
      peer.becomeProbe()
      peer.needsSnapshot = true
      wish(core, peer, Due.always)
      return
    }
    // The peer's hint skips its entries of later terms; this skips ours, which it cannot have. One probe per term at most.
    const agreeing = reply.hintTerm > 0 ? core.log.findConflictByTerm(reply.hintIndex, reply.hintTerm).index : reply.hintIndex
    if (!peer.maybeRetreat(reply.index, agreeing)) return
    if (peer.state === 'stream') peer.becomeProbe()
    wish(core, peer, Due.always)
    return
  }
  const isSynced = peer.maybeSync(reply.index - (reply.unsynced ?? 0))
  const advanced = peer.maybeAdvance(reply.index) || isSynced
  // An answer that repeats what we know still ends a probe: the peer is there and the logs agree.
  if (!advanced && !(peer.state === 'probe' && peer.matchIndex === reply.index)) return
  settleState(core, peer, reply.index)
  maybeAdvanceCommitIndex(core)
  wish(core, peer, Due.news)
  if (core.transfereeId === peer.id && peer.matchIndex === core.log.lastIndex) sendTimeoutNow(core, peer.id)
}

function settleState (core: RaftCore, peer: Progress, index: number): void {
  if (peer.state === 'probe') {
    peer.becomeStream()
  } else if (peer.state === 'snapshot') {
    // Whatever snapshot it took, its log now goes on in ours.
    if (peer.matchIndex + 1 >= core.log.firstIndex) peer.becomeStream()
  } else {
    peer.inflights.freeThrough(index)
  }
}

function handleHeartbeatReply (core: RaftCore, reply: HeartbeatReply): void {
  const peer = core.membership.peer(reply.from)
  if (peer === undefined || !hearFrom(core, peer, reply)) return
  peer.paused = false
  if (peer.maybeSync(Math.min(reply.syncedIndex ?? 0, peer.matchIndex))) maybeAdvanceCommitIndex(core)
  // One that was started again cannot say what is on its disk before it has heard an append.
  if (peer.matchIndex < core.log.lastIndex || peer.syncedIndex < peer.matchIndex || peer.state === 'probe') wish(core, peer, Due.always)
  if (reply.readSequence === 0) return
  core.reads.acknowledge(reply.from, reply.readSequence)
  for (const { from, context, index } of core.reads.takeConfirmed(core.membership.conf)) answerRead(core, from, context, index)
}

/** Takes the applied change into force, and does what follows from it. */
export function switchConfiguration (core: RaftCore, change: ConfChange): void {
  const { state, error } = nextConfState(core.membership.conf, change)
  invariant(state !== undefined, `committed configuration change cannot be made: ${error}`)
  // A newcomer's log is not known; the answer to the first probe, before our last entry, tells where it ends.
  core.membership.switchTo(state, core.log.lastIndex)
  if (core.role !== 'leader') return
  if (!core.membership.isVoter) {
    core.becomeFollower(core.term, 0)
    return
  }
  // Fewer may be needed now than before.
  if (!maybeAdvanceCommitIndex(core)) core.wishSend(Due.entries)
  for (const { from, context, index } of core.reads.takeConfirmed(state)) answerRead(core, from, context, index)
  if (core.transfereeId !== 0 && !isVoter(state, core.transfereeId)) core.transfereeId = 0
}

export function reportUnreachable (core: RaftCore, id: NodeId): void {
  const peer = core.membership.peer(id)
  if (core.role === 'leader' && peer?.state === 'stream') peer.becomeProbe()
}

export function reportBack (core: RaftCore, id: NodeId): void {
  const peer = core.membership.peer(id)
  if (core.role !== 'leader' || peer === undefined) return
  // a probe that was out is lost
  if (peer.state === 'probe') peer.paused = false
  wish(core, peer, Due.always)
}

/** The snapshot reached the peer, or did not. Its own answer, when it comes, tells more. */
export function reportSnapshot (core: RaftCore, id: NodeId, ok: boolean): void {
  const peer = core.membership.peer(id)
  if (core.role !== 'leader' || peer?.state !== 'snapshot') return
  if (!ok) peer.pendingSnapshotIndex = 0
  peer.becomeProbe()
  // Until the peer answers, or, after a failure, for a heartbeat.
  peer.paused = true
}

function wish (core: RaftCore, peer: Progress, due: Due): void {
  peer.wish(due)
  core.sendsDue = true
}
