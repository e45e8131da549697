import type { RaftCore } from './core.ts'
import { allVoters } from './conf-change.ts'
import { beginLeading } from './leader.ts'
import type { RequestVote, RequestVoteReply } from './messages.ts'
import type { NodeId } from './types.ts'

export type CampaignKind = 'preVote' | 'vote' | 'transfer'

/** Starts an election, unless this node leads, cannot win, or may not know yet who votes. Returns whether it did. */
export function maybeCampaign (core: RaftCore, kind: CampaignKind): boolean {
  if (core.role === 'leader' || !core.isPromotable || core.log.hasUnappliedConfig) return false
  campaign(core, kind)
  return true
}

function campaign (core: RaftCore, kind: CampaignKind): void {
  if (kind === 'preVote') core.becomePreCandidate()
  else core.becomeCandidate()
  const { id, log } = core
  for (const to of allVoters(core.membership.conf)) {
    if (to === id) continue
    const request: RequestVote = {
      type: kind === 'preVote' ? 'requestPreVote' : 'requestVote',
      from: id,
      to,
      term: kind === 'preVote' ? core.term + 1 : core.term,
      lastIndex: log.lastIndex,
      lastTerm: log.lastTerm,
      force: kind === 'transfer',
      commitIndex: log.commitIndex,
      commitTerm: log.commitTerm
    }
    if (kind === 'preVote') core.send(request)
    // Not before our own term is durable: after a crash we would ask for the same term again, with another log, and
    // those who granted it would have to grant it again.
    else core.sendAfterHardState(request)
  }
  // Nothing needs to be durable for a pre-vote. The real vote for ourselves counts once it is (hardStatePersisted).
  if (kind === 'preVote') recordVote(core, id, true, core.inDoubt)
}

/** Counts a vote, and acts when the election is decided. */
export function recordVote (core: RaftCore, from: NodeId, granted: boolean, inDoubt: boolean): void {
  if (!core.votes.has(from)) {
    core.votes.set(from, granted)
    if (granted && inDoubt) core.votesInDoubt.add(from)
  }
  const result = core.membership.tally(core.votes, core.votesInDoubt)
  if (result === 'pending') return
  if (result === 'lost') core.becomeFollower(core.term, 0)
  else if (core.role === 'preCandidate') campaign(core, 'vote')
  else beginLeading(core)
}

/** An answer to our own question. */
export function handleVoteReply (core: RaftCore, reply: RequestVoteReply): void {
  learnCommit(core, reply)
  // Now we know that others vote than we thought. What we asked for does not count; once the change is applied we ask again.
  if (core.log.hasUnappliedConfig) core.becomeFollower(core.term, 0)
  else recordVote(core, reply.from, reply.granted, reply.inDoubt === true)
}

/**
 * Votes carry what their sender knows to be committed. Without that a group could be stuck for ever: a leader is removed
 * and steps down, its last messages are lost, and the remaining voter, who holds the change but does not know that it is
 * committed, still asks the removed nodes, who refuse because their logs are longer.
 * @see raft-rs, which does the same
 */
export function learnCommit (core: RaftCore, { commitIndex, commitTerm }: { readonly commitIndex: number, readonly commitTerm: number }): void {
  if (core.role !== 'leader' && commitTerm > 0 && core.log.matches(commitIndex, commitTerm)) core.log.commitTo(commitIndex)
}

/**
 * A learner votes as well when it is asked: who asks knows it as a voter, and our configuration may be older. (Say a
 * change that promotes us was committed by others before it reached us, and they cannot elect a leader without us.)
 */
export function handleVoteRequest (core: RaftCore, request: RequestVote): void {
  learnCommit(core, request)
  const isPreVote = request.type === 'requestPreVote'
  const mayVote = core.vote === request.from ||
    (core.vote === 0 && core.leaderId === 0) ||
    (isPreVote && request.term > core.term)
  const granted = mayVote && core.log.isUpToDate(request.lastIndex, request.lastTerm)
  core.sendAfterHardState(core.withDoubt<RequestVoteReply>({
    type: isPreVote ? 'requestPreVoteReply' : 'requestVoteReply',
    from: core.id,
    to: request.from,
    // A grant carries the term asked for, which for a pre-vote is not ours; a refusal carries ours.
    term: granted ? request.term : core.term,
    granted,
    commitIndex: core.log.commitIndex,
    commitTerm: core.log.commitTerm
  }))
  if (!granted) return
  if (isPreVote) {
    if (core.role === 'preCandidate' && isRankedBelow(core, request)) giveUpRound(core)
    return
  }
  core.electionElapsedTicks = 0
  core.vote = request.from
}

/** Of two who ask at the same time. */
function isRankedBelow ({ id, log }: RaftCore, { from, lastIndex, lastTerm }: RequestVote): boolean {
  return from > id || lastIndex !== log.lastIndex || lastTerm !== log.lastTerm
}

/**
 * Nodes that ask at the same time, as after a partition that let nobody win, would all get their pre-votes, then vote for themselves each,
 * and spend a term for nothing. Nothing is refused for it, and the next round of this node begins as it would have: should the other one
 * fail, or hear no answers, another one goes on. (Thesis 3.4 tried ranks on votes, where giving way resets what was won.)
 */
function giveUpRound (core: RaftCore): void {
  const { electionElapsedTicks } = core
  core.becomeFollower(core.term, 0)
  core.electionElapsedTicks = electionElapsedTicks
}
