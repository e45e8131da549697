import type { BrokerContext } from './context.ts'

/**
 * How this node is in its group, for `ledgermq status`: texts by name, beside what RocketMQ's tools know. Indexes are those
 * of the log; of `groupMembers` only the leader knows how far they are.
 */
export function groupInfo ({ engine, node: { group } }: BrokerContext): Array<[name: string, value: string]> {
  if (group === undefined) return []
  const { term, lastIndex, durableIndex, commitIndex, appliedIndex, isLeading } = engine.status()
  const members = group.members()
  const own = members.find(({ isSelf }) => isSelf)
  const leader = members.find(({ isLeader }) => isLeader)
  return [
    ['groupNode', own === undefined ? '' : `n${own.number}`],
    ['groupRole', isLeading ? 'leader' : own?.role === 'learner' ? 'learner' : leader === undefined || leader.isSelf ? 'candidate' : 'follower'],
    ['groupLeader', leader === undefined ? '' : `n${leader.number}`],
    ['groupTerm', String(term)],
    ['groupLastIndex', String(lastIndex)],
    ['groupDurableIndex', String(durableIndex)],
    ['groupCommitIndex', String(commitIndex)],
    ['groupAppliedIndex', String(appliedIndex)],
    ['groupFormat', String(engine.format.group)],
    ['groupNewestFormat', String(engine.format.newest)],
    ['groupMembers', JSON.stringify(members.map(({ number, role, address, matchIndex }) => ({ node: `n${number}`, role, address, matchIndex })))]
  ]
}
