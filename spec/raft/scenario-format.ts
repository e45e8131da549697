import { EntryKind, type ConfChange, type ConfState, type RaftEntry, type RaftMessage } from '../../lib/raft/index.ts'

/** How messages, entries and configurations are written in scenario files. An entry is term/index. */

export function formatMessage (message: RaftMessage): string {
  return `${message.from}->${message.to} ${message.type} term=${message.term}${detailsOf(message)}`
}

function detailsOf (message: RaftMessage): string {
  switch (message.type) {
    case 'appendEntries':
      return ` prev=${message.prevTerm}/${message.prevIndex} entries=${formatEntryIds(message.entries)} commit=${message.commitIndex}`
    case 'appendEntriesReply':
      return message.rejected ? ` rejected=${message.index} hint=${message.hintTerm}/${message.hintIndex}` : ` match=${message.index}`
    case 'heartbeat':
      return ` commit=${message.commitIndex}${readOf(message.readSequence)}`
    case 'heartbeatReply':
      return readOf(message.readSequence)
    case 'requestVote':
    case 'requestPreVote':
      return ` last=${message.lastTerm}/${message.lastIndex} commit=${message.commitTerm}/${message.commitIndex}${message.force ? ' force' : ''}`
    case 'requestVoteReply':
    case 'requestPreVoteReply':
      return ` ${message.granted ? 'granted' : 'refused'} commit=${message.commitTerm}/${message.commitIndex}`
    case 'installSnapshot':
      return ` snapshot=${message.snapshot.term}/${message.snapshot.index} ${formatConf(message.snapshot.confState)}`
    case 'timeoutNow':
      return ''
    case 'readIndex':
      return ` context=${message.context}`
    case 'readIndexReply':
      return ` context=${message.context} index=${message.index}`
    case 'transferLeadership':
      return ` target=${message.target}`
  }
}

function readOf (sequence: number): string {
  return sequence === 0 ? '' : ` read=${sequence}`
}

/** Runs of one term are written once: [1/11..13 2/14]. */
export function formatEntryIds (entries: readonly RaftEntry[]): string {
  const runs: string[] = []
  for (let from = 0; from < entries.length;) {
    let to = from
    while (to + 1 < entries.length && entries[to + 1]!.term === entries[from]!.term) to++
    runs.push(to === from ? idOf(entries[from]!) : `${idOf(entries[from]!)}..${entries[to]!.index}`)
    from = to + 1
  }
  return `[${runs.join(' ')}]`
}

export function idOf ({ term, index }: { term: number, index: number }): string {
  return `${term}/${index}`
}

export function formatEntry (entry: RaftEntry): string {
  if (entry.kind === EntryKind.noop) return `${idOf(entry)} no-op`
  if (entry.kind === EntryKind.config) return `${idOf(entry)} ${formatChange(entry.config!)}`
  return `${idOf(entry)} ${new TextDecoder().decode(entry.bytes)}`
}

const letters = { addVoter: 'v', addLearner: 'l', remove: 'r' } as const

export function formatChange (change: ConfChange): string {
  if (change.steps.length === 0) return 'leave-joint'
  const steps = change.steps.map(({ type, id }) => letters[type] + id).join(' ')
  return change.transition === 'auto' ? steps : `${steps} ${change.transition}`
}

/** `v1` adds a voter, `l1` a learner, `r1` removes; `leave` or nothing leaves a joint configuration. */
export function parseChange (words: readonly string[]): ConfChange {
  let transition: ConfChange['transition'] = 'auto'
  const steps: Array<ConfChange['steps'][number]> = []
  for (const word of words) {
    if (word === 'joint-implicit' || word === 'joint-explicit') {
      transition = word
      continue
    }
    if (word === 'leave') continue
    const type = (Object.keys(letters) as Array<keyof typeof letters>).find((key) => letters[key] === word[0])
    if (type === undefined) throw new Error(`no such step: ${word}`)
    steps.push({ type, id: Number(word.slice(1)) })
  }
  return { transition, steps }
}

export function formatConf (conf: ConfState): string {
  const parts = [`voters=(${conf.voters.join(' ')})`]
  if (conf.votersOutgoing.length > 0) parts[0] += `&&(${conf.votersOutgoing.join(' ')})`
  if (conf.learners.length > 0) parts.push(`learners=(${conf.learners.join(' ')})`)
  if (conf.learnersNext.length > 0) parts.push(`learnersNext=(${conf.learnersNext.join(' ')})`)
  if (conf.autoLeave) parts.push('autoLeave')
  return parts.join(' ')
}
