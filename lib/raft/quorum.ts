import type { NodeId } from './types.ts'

/** Who acknowledged how much: the highest index of each voter, 0 when it has not answered. */
export interface AckedIndexes {
  ackedIndex (id: NodeId): number
}

export type VoteResult = 'won' | 'lost' | 'pending'

/** The voters of a configuration; a joint one needs a majority of each half. @see thesis 4.3 */
export interface Electorate {
  readonly voters: readonly NodeId[]
  /** Empty unless joint. */
  readonly votersOutgoing: readonly NodeId[]
}

const scratch: number[] = []

/**
 * The highest index that a majority has acknowledged. No voters: Infinity, so that the empty half of a joint pair
 * never limits the other.
 */
export function majorityIndex (voters: readonly NodeId[], acked: AckedIndexes): number {
  const count = voters.length
  if (count === 0) return Infinity
  if (count === 1) return acked.ackedIndex(voters[0]!)
  // Insertion sort, descending: groups are small, and this runs at every acknowledgement.
  for (let i = 0; i < count; i++) {
    const index = acked.ackedIndex(voters[i]!)
    let at = i
    while (at > 0 && scratch[at - 1]! < index) {
      scratch[at] = scratch[at - 1]!
      at--
    }
    scratch[at] = index
  }
  return scratch[count >> 1]!
}

/** The highest index acknowledged by a majority of both halves. */
export function quorumIndex (electorate: Electorate, acked: AckedIndexes): number {
  const incoming = majorityIndex(electorate.voters, acked)
  if (electorate.votersOutgoing.length === 0) return incoming
  return Math.min(incoming, majorityIndex(electorate.votersOutgoing, acked))
}

/** No voters: won, for the same reason. */
export function majorityVote (voters: readonly NodeId[], votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  let granted = 0
  let missing = 0
  for (const id of voters) {
    const vote = votes.get(id)
    if (vote === undefined) missing++
    else if (vote) granted++
  }
  const needed = voters.length === 0 ? 0 : (voters.length >> 1) + 1
  if (granted >= needed) return 'won'
  return granted + missing >= needed ? 'pending' : 'lost'
}

/** Won when both halves are; lost when one is. */
export function quorumVote (electorate: Electorate, votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  const incoming = majorityVote(electorate.voters, votes)
  const outgoing = majorityVote(electorate.votersOutgoing, votes)
  if (incoming === outgoing) return incoming
  return incoming === 'lost' || outgoing === 'lost' ? 'lost' : 'pending'
}

/**
 * Votes granted in doubt do not count, unless every voter has granted. While that is still possible nothing is lost.
 * @see doubt.ts
 */
export function quorumVoteInDoubt (electorate: Electorate, votes: ReadonlyMap<NodeId, boolean>, inDoubt: ReadonlySet<NodeId>): VoteResult {
  if (inDoubt.size === 0) return quorumVote(electorate, votes)
  const counted = new Map(votes)
  for (const id of inDoubt) counted.set(id, false)
  const result = quorumVote(electorate, counted)
  if (result === 'won') return result
  const all = [...electorate.voters, ...electorate.votersOutgoing].map((id) => votes.get(id))
  if (all.includes(false)) return result
  return all.includes(undefined) ? 'pending' : 'won'
}
