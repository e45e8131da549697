import { quorumIndex, quorumVote } from '../../lib/raft/quorum.ts'
import type { MicroSuite } from './suite.ts'

/** What runs at every acknowledgement of a follower and at every vote. */
export const quorums: MicroSuite = async (add) => {
  const electorates = {
    'one voter': { voters: [0], votersOutgoing: [] },
    'three voters': { voters: [0, 1, 2], votersOutgoing: [] },
    'five voters': { voters: [0, 1, 2, 3, 4], votersOutgoing: [] },
    'three to five, joint': { voters: [0, 1, 2, 3, 4], votersOutgoing: [0, 1, 2] }
  }
  const indexes = new Map([[0, 1000], [1, 998], [2, 1001], [3, 17], [4, 999]])
  const acked = { ackedIndex: (id: number) => indexes.get(id) ?? 0 }
  const votes = new Map([[0, true], [1, false], [2, true]])
  for (const [name, electorate] of Object.entries(electorates)) add(`commit index of ${name}`, () => quorumIndex(electorate, acked))
  add('vote of three', () => quorumVote(electorates['three voters'], votes))
}
