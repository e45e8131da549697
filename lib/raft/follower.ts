import type { RaftCore } from './core.ts'
import { allMembers } from './conf-change.ts'
import { noteLeadersEnd } from './doubt.ts'
import { maybeCampaign } from './election.ts'
import type { AppendEntries, AppendEntriesReply, Heartbeat, HeartbeatReply, InstallSnapshot, RaftMessage } from './messages.ts'
import { EntryKind, type RaftSnapshot } from './types.ts'

export function stepFollower (core: RaftCore, message: RaftMessage): void {
  switch (message.type) {
    case 'appendEntries':
      hearLeader(core, message.from)
      handleAppendEntries(core, message)
      break
    case 'heartbeat':
      greetLeader(core, message.from)
      hearLeader(core, message.from)
      handleHeartbeat(core, message)
      break
    case 'installSnapshot':
      hearLeader(core, message.from)
      handleSnapshot(core, message)
      break
    case 'timeoutNow':
      // We know that we are not coming back from a partition, so a pre-vote would be a round trip for nothing.
      if (!core.inDoubt) maybeCampaign(core, 'transfer')
      break
    case 'readIndexReply':
      core.readStates.push({ context: message.context, index: message.index })
      break
  }
}

function hearLeader (core: RaftCore, leaderId: number): void {
  core.electionElapsedTicks = 0
  core.leaderId = leaderId
  core.leaderLink = 'there'
}

/** A leader that waits for this node to come back from a catch-up learns at once how far its log goes by now. */
function greetLeader (core: RaftCore, leaderId: number): void {
  const { log, options } = core
  if (options.catchUp !== undefined && !core.hasGreeted && log.commitIndex > 0) core.acknowledge(leaderId, log.commitIndex)
  core.hasGreeted = true
}

function handleAppendEntries (core: RaftCore, message: AppendEntries): void {
  const { log } = core
  if (message.prevIndex < log.commitIndex) {
    // Old news: all of it, or its beginning, is committed here.
    core.acknowledge(message.from, log.commitIndex)
    return
  }
  if (message.prevIndex === 0 && cannotReplay(core, message)) {
    // Not even the beginning of the log will do: send a snapshot.
    core.messagesAfterLog.push(core.withDoubt<AppendEntriesReply>({ type: 'appendEntriesReply', from: core.id, to: message.from, term: core.term, index: 0, rejected: true, hintIndex: -1, hintTerm: 0 }))
    return
  }
  const matched = log.maybeAppend(message.prevIndex, message.prevTerm, message.entries)
  if (matched !== -1) {
    // Not up to our own last entry: what lies beyond this message was not compared with the leader's log.
    log.commitTo(Math.min(message.commitIndex, matched))
    core.acknowledge(message.from, matched)
    return
  }
  const hint = log.findConflictByTerm(Math.min(message.prevIndex, log.lastIndex), message.prevTerm)
  core.messagesAfterLog.push(core.withDoubt<AppendEntriesReply>({
    type: 'appendEntriesReply',
    from: core.id,
    to: message.from,
    term: core.term,
    index: message.prevIndex,
    rejected: true,
    hintIndex: hint.index,
    hintTerm: hint.term
  }))
}

/**
 * A node that was told of no configuration cannot apply changes of it, unless the log begins with the first one. Else
 * the change that adds it would make it the only voter of a group of its own.
 */
function cannotReplay (core: RaftCore, { entries }: AppendEntries): boolean {
  return core.membership.conf.voters.length === 0 && entries.length > 0 && entries[0]!.kind !== EntryKind.config
}

function handleHeartbeat (core: RaftCore, { from, commitIndex, readSequence, doubtLife = 0, lastIndex = 0 }: Heartbeat): void {
  const { log, matchedIndex } = core
  noteLeadersEnd(core, doubtLife, lastIndex)
  // The leader may mean what this node had in an earlier life.
  log.commitTo(core.inDoubt ? Math.min(commitIndex, matchedIndex) : commitIndex)
  core.send(core.withDoubt<HeartbeatReply>({ type: 'heartbeatReply', from: core.id, to: from, term: core.term, readSequence, syncedIndex: Math.min(matchedIndex, log.syncedIndex) }))
}

function handleSnapshot (core: RaftCore, { from, snapshot }: InstallSnapshot): void {
  const { log, membership, options } = core
  const isNews = isBeyondOurLog(core, snapshot)
  if (isNews && options.catchUp !== undefined) {
    // Answered by what the log holds once the node was started on it.
    core.catchUp = { snapshot, from }
    return
  }
  if (isNews) {
    log.restore(snapshot)
    membership.switchTo(snapshot.confState, log.lastIndex + 1)
  }
  core.acknowledge(from, isNews ? log.lastIndex : log.commitIndex)
}

/** A snapshot is taken only forward, only if we are part of its group, and only if our log does not hold its entry anyway. */
function isBeyondOurLog ({ id, log }: RaftCore, snapshot: RaftSnapshot): boolean {
  if (snapshot.index <= log.commitIndex) return false
  if (!allMembers(snapshot.confState).includes(id)) return false
  if (!log.matches(snapshot.index, snapshot.term)) return true
  log.commitTo(snapshot.index)
  return false
}
