import t from 'tap'
import { majorityIndex, majorityVote, quorumIndex, quorumVote, type VoteResult } from '../../lib/raft/index.ts'
import { randomFrom } from './random-schedule.ts'

type Indexes = Record<number, number>
const ackedBy = (indexes: Indexes) => ({ ackedIndex: (id: number) => indexes[id] ?? 0 })
const votesOf = (yes: number[], no: number[]) => new Map([...yes.map((id) => [id, true] as const), ...no.map((id) => [id, false] as const)])

/** The twin: by the words of the definition, for every possible answer. */
function naiveIndex (voters: number[], indexes: Indexes): number {
  if (voters.length === 0) return Infinity
  let best = 0
  for (const candidate of Object.values(indexes)) {
    const holders = voters.filter((id) => (indexes[id] ?? 0) >= candidate).length
    if (holders * 2 > voters.length) best = Math.max(best, candidate)
  }
  return best
}

function naiveVote (halves: number[][], votes: Map<number, boolean>): VoteResult {
  const halfResults = halves.filter((voters) => voters.length > 0).map((voters) => {
    const count = (value: boolean | undefined) => voters.filter((id) => votes.get(id) === value).length
    if (count(true) * 2 > voters.length) return 'won'
    // Lost when even all who have not answered cannot make it.
    return (count(true) + count(undefined)) * 2 > voters.length ? 'pending' : 'lost'
  })
  if (halfResults.includes('lost')) return 'lost'
  return halfResults.includes('pending') ? 'pending' : 'won'
}

t.test('200,000 random configurations agree with the naive twin', (t) => {
  const random = randomFrom(20240601)
  const below = (limit: number) => Math.floor(random() * limit)
  const someOf = (most: number) => Array.from({ length: 9 }, (_, i) => i + 1).filter(() => random() < 0.5).slice(0, below(most + 1))
  const differing: unknown[] = []
  const seen = { joint: 0, single: 0, won: 0, lost: 0, pending: 0 }
  for (let round = 0; round < 200_000; round++) {
    const voters = someOf(9)
    const votersOutgoing = random() < 0.5 ? [] : someOf(9)
    const indexes: Indexes = {}
    const votes = new Map<number, boolean>()
    for (let id = 1; id <= 9; id++) {
      if (random() < 0.8) indexes[id] = below(random() < 0.5 ? 4 : 1000)
      if (random() < 0.8) votes.set(id, random() < 0.5)
    }
    const electorate = { voters, votersOutgoing }
    const index = quorumIndex(electorate, ackedBy(indexes))
    const expectedIndex = Math.min(naiveIndex(voters, indexes), naiveIndex(votersOutgoing, indexes))
    const vote = quorumVote(electorate, votes)
    const expectedVote = naiveVote([voters, votersOutgoing], votes)
    if (index !== expectedIndex || vote !== expectedVote) differing.push({ electorate, indexes, votes, index, expectedIndex, vote, expectedVote })
    seen[votersOutgoing.length > 0 ? 'joint' : 'single']++
    seen[vote]++
  }
  t.same(differing.slice(0, 3), [])
  for (const [kind, count] of Object.entries(seen)) t.ok(count > 10_000, `${kind}: ${count}`)
  t.end()
})

t.test('majority: index', (t) => {
  const cases: Array<[number[], Indexes, number]> = [
    // Nobody limits nothing, so that half a joint configuration may be empty.
    [[], {}, Infinity],
    [[1], {}, 0],
    [[1], { 1: 12 }, 12],
    [[1, 2], { 1: 12 }, 0],
    [[1, 2], { 1: 12, 2: 5 }, 5],
    [[1, 2, 3], { 1: 12 }, 0],
    // Two of three decide; the third can only raise it.
    [[1, 2, 3], { 1: 12, 2: 5 }, 5],
    [[1, 2, 3], { 1: 12, 2: 5, 3: 6 }, 6],
    [[1, 2, 3], { 1: 12, 2: 5, 3: 4 }, 5],
    [[1, 2, 3], { 1: 5, 2: 5 }, 5],
    [[1, 2, 3], { 1: 5, 2: 5, 3: 12 }, 5],
    [[1, 2, 3], { 1: 100, 2: 101, 3: 103 }, 101],
    [[1, 2, 3, 4, 5], { 1: 101, 2: 104, 3: 103, 4: 103 }, 103],
    [[1, 2, 3, 4, 5], { 1: 101, 2: 102, 3: 103, 4: 103 }, 102]
  ]
  for (const [voters, indexes, expected] of cases) t.equal(majorityIndex(voters, ackedBy(indexes)), expected, `${JSON.stringify(voters)} ${JSON.stringify(indexes)}`)
  t.end()
})

t.test('joint: index', (t) => {
  const cases: Array<[number[], number[], Indexes, number]> = [
    [[1, 2, 3], [], { 1: 100, 2: 101, 3: 99 }, 100],
    // Nothing in common: the lower of the two, and nothing before both have a majority.
    [[1], [2], {}, 0],
    [[1], [2], { 1: 100 }, 0],
    [[1], [2], { 1: 13, 2: 100 }, 13],
    [[1, 3], [2], { 1: 100, 3: 50 }, 0],
    [[1, 3], [2], { 1: 100, 2: 45, 3: 50 }, 45],
    [[1, 2], [3, 4], { 1: 50, 2: 48, 3: 49 }, 0],
    [[1, 2], [3, 4], { 1: 50, 2: 48, 3: 49, 4: 47 }, 47],
    [[1, 2, 3], [4, 5, 6], { 1: 100, 2: 99 }, 0],
    [[1, 2, 3], [4, 5, 6], { 2: 99, 3: 90, 4: 97, 5: 95 }, 90],
    [[1, 2, 3], [4, 5, 6], { 1: 92, 2: 99, 3: 90, 4: 97, 5: 95, 6: 77 }, 92],
    // One voter in both halves counts in both.
    [[1], [1], { 1: 100 }, 100],
    [[1, 2], [2], { 1: 100 }, 0],
    [[1, 2], [2], { 2: 100 }, 0],
    [[1, 2], [2], { 1: 50, 2: 100 }, 50],
    [[1, 2], [2, 3], { 1: 101, 2: 100, 3: 99 }, 99],
    [[1, 2, 3], [1, 4, 5], { 2: 100, 4: 99, 5: 98 }, 0],
    [[1, 2, 3], [1, 4, 5], { 2: 100, 3: 99, 4: 99, 5: 98 }, 98],
    [[1, 2, 3], [1, 4, 5], { 1: 100, 2: 100, 3: 99, 4: 99, 5: 98 }, 99],
    [[1, 2, 3], [2, 3, 4], { 2: 100, 3: 99 }, 99],
    [[1, 2, 3], [2, 3, 4], { 1: 100, 4: 101 }, 0],
    [[1, 2, 3], [2, 3, 4], { 1: 100, 2: 99, 4: 101 }, 99],
    // The same twice is the same.
    [[1, 2, 3], [1, 2, 3], { 1: 50, 2: 45 }, 45]
  ]
  for (const [voters, votersOutgoing, indexes, expected] of cases) {
    t.equal(quorumIndex({ voters, votersOutgoing }, ackedBy(indexes)), expected, `${voters} && ${votersOutgoing} ${JSON.stringify(indexes)}`)
    t.equal(quorumIndex({ voters: votersOutgoing, votersOutgoing: voters }, ackedBy(indexes)), expected, 'the other way round')
  }
  t.end()
})

t.test('majority: votes', (t) => {
  const cases: Array<[number[], number[], number[], VoteResult]> = [
    [[], [], [], 'won'],
    [[1], [], [], 'pending'],
    [[1], [1], [], 'won'],
    [[1], [], [1], 'lost'],
    // Of two, both are needed.
    [[1, 2], [1], [], 'pending'],
    [[1, 2], [], [1], 'lost'],
    [[1, 2], [1], [2], 'lost'],
    [[1, 2], [1, 2], [], 'won'],
    [[1, 2, 3], [1], [], 'pending'],
    [[1, 2, 3], [1], [2], 'pending'],
    [[1, 2, 3], [1, 3], [2], 'won'],
    [[1, 2, 3], [], [1, 2], 'lost'],
    [[1, 2, 3, 4], [1, 2], [3], 'pending'],
    [[1, 2, 3, 4], [1, 2], [3, 4], 'lost'],
    [[1, 2, 3, 4], [1, 2, 3], [], 'won'],
    [[1, 2, 3, 4, 5], [1, 2], [3, 4], 'pending'],
    [[1, 2, 3, 4, 5], [1, 2, 5], [3, 4], 'won'],
    [[1, 2, 3, 4, 5], [1, 2], [3, 4, 5], 'lost'],
    // Votes of others do not count.
    [[1, 2, 3], [1, 7, 8, 9], [], 'pending']
  ]
  for (const [voters, yes, no, expected] of cases) t.equal(majorityVote(voters, votesOf(yes, no)), expected, `${voters}: ${yes} / ${no}`)
  t.end()
})

t.test('joint: votes', (t) => {
  const cases: Array<[number[], number[], number[], number[], VoteResult]> = [
    [[], [], [], [], 'won'],
    [[1], [], [1], [], 'won'],
    [[1], [2], [1], [], 'pending'],
    [[1], [2], [1, 2], [], 'won'],
    [[1], [2], [1], [2], 'lost'],
    // Lost in one half is lost, whatever the other one says, or has yet to say.
    [[1], [2], [], [1], 'lost'],
    [[1], [2], [2], [1], 'lost'],
    [[1, 2], [3, 4], [1, 2], [], 'pending'],
    [[1, 2], [3, 4], [1, 2], [3], 'lost'],
    [[1, 2], [3, 4], [1, 2, 3], [4], 'lost'],
    [[1, 2], [3, 4], [1, 2, 3, 4], [], 'won'],
    [[1, 2], [2, 3], [], [2], 'lost'],
    [[1, 2], [2, 3], [1, 2], [], 'pending'],
    [[1, 2], [2, 3], [1, 2], [3], 'lost'],
    [[1, 2], [1, 2], [1], [2], 'lost'],
    [[1, 2, 3], [2, 3, 4], [], [2], 'pending'],
    [[1, 2, 3], [2, 3, 4], [], [2, 3], 'lost'],
    [[1, 2, 3], [2, 3, 4], [2, 3], [], 'won'],
    [[1, 2, 3], [2, 3, 4], [1, 2], [3], 'pending'],
    [[1, 2, 3], [2, 3, 4], [1, 2], [3, 4], 'lost'],
    [[1, 2, 3], [2, 3, 4], [1, 2, 4], [3], 'won']
  ]
  for (const [voters, votersOutgoing, yes, no, expected] of cases) {
    t.equal(quorumVote({ voters, votersOutgoing }, votesOf(yes, no)), expected, `${voters} && ${votersOutgoing}: ${yes} / ${no}`)
  }
  t.end()
})
