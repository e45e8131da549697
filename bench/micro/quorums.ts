import { quorumIndex, quorumVote } from '../../lib/raft/quorum.ts'
import type { MicroSuite } from './suite.ts'

/** What runs at every acknowledgement of a follower and at every vote. */
export const quorums: MicroSuite = async (add) => {
  const electorates = {
    'one voter': { voters: ['n0'], votersOutgoing: [] },
    'three voters': { voters: ['n0', 'n1', 'n2'], votersOutgoing: [] },
    'five voters': { voters: ['n0', 'n1', 'n2', 'n3', 'n4'], votersOutgoing: [] },
    'three to five, joint': { voters: ['n0', 'n1', 'n2', 'n3', 'n4'], votersOutgoing: ['n0', 'n1', 'n2'] }
  }
  const indexes = new Map([['n0', 1000], ['n1', 998], ['n2', 1001], ['n3', 17], ['n4', 999]])
  const acked = { ackedIndex: (id: string) => indexes.get(id) ?? 0 }
  const votes = new Map([['n0', true], ['n1', false], ['n2', true]])
  for (const [name, electorate] of Object.entries(electorates)) add(`commit index of ${name}`, () => quorumIndex(electorate, acked))
  add('vote of three', () => quorumVote(electorates['three voters'], votes))
}
