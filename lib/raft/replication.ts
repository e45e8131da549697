import { isLearner } from './conf-change.ts'
import type { RaftCore } from './core.ts'
import { survivingIndex } from './doubt.ts'
import { Due, type Progress } from './progress.ts'
import { NOTHING } from './ready.ts'
import type { NodeId, RaftEntry } from './types.ts'

/**
 * Sends what the peers are due, just before a Ready is taken, so that everything that happened since the last one
 * (proposals, acknowledgements, commits) costs each peer one message, or as many as its window of bytes asks for.
 */
export function flushSends (core: RaftCore): void {
  if (core.heartbeatDue) {
    core.heartbeatDue = false
    for (const peer of core.membership.peers) sendHeartbeat(core, peer)
  }
  if (!core.sendsDue) return
  core.sendsDue = false
  for (const peer of core.membership.peers) {
    const { due } = peer
    if (due === Due.nothing) continue
    peer.due = Due.nothing
    let evenEmpty = due === Due.always || (due === Due.news && peer.wantsCommit(commitIndexFor(core, peer)))
    while (maybeSendAppend(core, peer, evenEmpty, undefined)) evenEmpty = false
  }
}

/** What was on disk is in memory now; without `entries` the log is asked again. */
export function handleEntriesLoaded (core: RaftCore, id: NodeId, entries: readonly RaftEntry[] | undefined): void {
  const peer = core.membership.peer(id)
  if (core.role !== 'leader' || peer === undefined || !peer.loading) return
  peer.loading = false
  const last = entries?.at(-1)
  const isUsable = last !== undefined && entries![0]!.index === peer.nextIndex && core.log.matches(last.index, last.term)
  if (isUsable) maybeSendAppend(core, peer, false, entries)
  peer.wish(Due.entries)
  core.sendsDue = true
}

/**
 * One append, if the peer can take one. A peer whose window is full still gets empty ones: when everything in the
 * window was lost, a reply to an empty append is what sets it free.
 */
function maybeSendAppend (core: RaftCore, peer: Progress, evenEmpty: boolean, loaded: readonly RaftEntry[] | undefined): boolean {
  if (peer.isPaused) return false
  const { log, options } = core
  const prevIndex = peer.nextIndex - 1
  const prevTerm = log.term(prevIndex)
  if (prevTerm === undefined || peer.needsSnapshot) return maybeSendSnapshot(core, peer)
  let entries: readonly RaftEntry[] | undefined = NOTHING
  if (peer.state !== 'stream' || !peer.inflights.isFull) {
    entries = loaded ?? log.entriesFrom(peer.nextIndex, options.maxBytesPerAppend)
    if (entries === undefined) {
      peer.loading = true
      core.loads.push({ peer: peer.id, from: peer.nextIndex, maxBytes: options.maxBytesPerAppend })
      return false
    }
  }
  if (entries.length === 0 && !evenEmpty) return false
  const commitIndex = commitIndexFor(core, peer)
  core.send({
    type: 'appendEntries',
    from: core.id,
    to: peer.id,
    term: core.term,
    prevIndex,
    prevTerm,
    entries,
    commitIndex
  })
  peer.sent(entries.length, prevIndex + entries.length, sizeOf(entries), commitIndex)
  return true
}

/** Only to a peer that answers: a snapshot is dear, and a dead one would wait for it for ever. */
function maybeSendSnapshot (core: RaftCore, peer: Progress): boolean {
  if (!peer.recentlyActive) return false
  const snapshot = core.log.snapshot(peer.id)
  if (snapshot === undefined) return false
  peer.becomeSnapshot(snapshot.index)
  core.send({ type: 'installSnapshot', from: core.id, to: peer.id, term: core.term, snapshot })
  return true
}

/** The commit index goes no further than what the peer surely holds: its log may differ beyond. */
function sendHeartbeat (core: RaftCore, peer: Progress): void {
  const commitIndex = Math.min(peer.matchIndex, commitIndexFor(core, peer))
  core.send({
    type: 'heartbeat',
    from: core.id,
    to: peer.id,
    term: core.term,
    commitIndex,
    readSequence: core.reads.pendingSequence,
    ...(peer.inDoubt && { doubtLife: peer.life, lastIndex: core.log.lastIndex })
  })
  peer.sentCommitIndex = commitIndex
}

/**
 * What the peer may apply. Learners are not asked when all voters have lost their power and one of them leads without the
 * end of the log: they apply only what some voter has on its disk, so that they never hold more than a later leader.
 */
function commitIndexFor (core: RaftCore, peer: Progress): number {
  const { commitIndex } = core.log
  // also while voters have yet to sync each write again: until then something may be committed that is on no disk
  return isLearner(core.membership.conf, peer.id) ? Math.min(commitIndex, survivingIndex(core)) : commitIndex
}

function sizeOf (entries: readonly RaftEntry[]): number {
  const first = entries[0]
  if (first === undefined) return 0
  const last = entries[entries.length - 1]!
  return last.physicalOffset + last.sizeBytes - first.physicalOffset
}
