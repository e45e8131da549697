import type { Logger } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'

/**
 * Has the node take over that has most of the log, if this one leads; resolves when it has, or does not. Raft gives up after
 * an election time-out. Never rejects.
 */
export async function handLeadershipOver (engine: Engine, logger: Logger): Promise<void> {
  if (!engine.role.isLeader) return
  const { peers, confState: { voters } } = engine.status()
  // a node may just not have been heard of since the last count of who was
  const [successor] = peers.filter(({ id }) => voters.includes(id)).sort((a, b) => Number(b.recentlyActive) - Number(a.recentlyActive) || b.matchIndex - a.matchIndex)
  if (successor === undefined) return
  try {
    await engine.transferLeadership(successor.id)
  } catch (error) {
    logger.warn('no other node has taken over leadership', { nodeId: successor.id, error })
  }
}
