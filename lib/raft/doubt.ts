import type { RaftCore } from './core.ts'
import type { DoubtNews } from './messages.ts'
import { Due, type Progress } from './progress.ts'
import type { NodeId } from './types.ts'

/**
 * Where entries count as soon as they are written (ASYNC_FLUSH), a node whose machine lost its power comes back without
 * entries that it had acknowledged. Counted again as if nothing had happened it could help another node that lacks them
 * to lead:
 *
 *     1 leads: 11 12*     12 is committed: 1 and 2 have written it
 *     2:       11         it lost its power, and 12 with it
 *     3:       11         1 stops; with the vote of 2 node 3 leads, and 12 is gone
 *
 * So such a node is in doubt. It takes entries, but its copies do not count for the commit index, nor its vote, until it
 * has on its disk all that the leader of a term had when the two first met in it (`target`): whatever it acknowledged
 * before and could still matter is in that log. Everybody else has what they acknowledged, so what a majority had still
 * meets every majority that elects.
 *
 * Where so many are in doubt that no majority is left, one may lead whose log is the longest of all voters, when every
 * one of them has answered that it is. What nobody has any more is lost then.
 *
 * `life` grows each time a node comes back in doubt: answers of an earlier life say nothing of this one, and a leader's
 * word on where its log ends counts only when it was asked in this life.
 */

/** The leader hears of a peer. False: the answer is of an earlier life of the peer, so nothing in it holds. */
export function noteLife (core: RaftCore, peer: Progress, { life = 0, inDoubt = false }: DoubtNews): boolean {
  if (life === peer.life && inDoubt === peer.inDoubt) return true
  if (life < peer.life) return false
  if (life > peer.life) {
    peer.beginLife(life, inDoubt, core.log.lastIndex + 1)
    peer.wish(Due.always)
    core.sendsDue = true
    if (inDoubt) {
      // the heartbeat tells it where our log ends
      core.heartbeatDue = true
      if (core.transfereeId === peer.id) core.transfereeId = 0
    }
  } else if (!inDoubt) {
    peer.inDoubt = false
  }
  return true
}

/** A follower in doubt hears where the log of the leader, whom it told of its life, ends: the first time in a term counts. */
export function noteLeadersEnd (core: RaftCore, life: number, lastIndex: number): void {
  if (core.inDoubt && life === core.life && core.doubtTarget === 0) core.doubtTarget = lastIndex
}

/** The highest index that some voter has on its disk, so that no loss of power takes it from all of them. */
export function survivingIndex (core: RaftCore): number {
  const { voters, votersOutgoing } = core.membership.conf
  let highest = 0
  for (const half of [voters, votersOutgoing]) for (const id of half) highest = Math.max(highest, syncedAt(core, id))
  return highest
}

/**
 * Written entries count, but a change of the configuration only when a majority has it on disk, and what follows it
 * only once it is in force: after a loss of power all must still agree on who they are.
 */
export function countableIndex (core: RaftCore, writtenIndex: number): number {
  const { log: { firstUnappliedConfig }, membership } = core
  if (writtenIndex < firstUnappliedConfig) return writtenIndex
  const synced = membership.quorumIndex({ ackedIndex: (id) => isInDoubt(core, id) ? 0 : syncedAt(core, id) })
  // a change of an earlier term is committed with the no-op of this one
  const through = Math.max(firstUnappliedConfig, core.termStartIndex)
  return synced >= through ? through : firstUnappliedConfig - 1
}

function isInDoubt (core: RaftCore, id: NodeId): boolean {
  return id === core.id ? core.inDoubt : core.membership.peer(id)?.inDoubt === true
}

function syncedAt (core: RaftCore, id: NodeId): number {
  return id === core.id ? core.log.syncedIndex : core.membership.peer(id)?.syncedIndex ?? 0
}
