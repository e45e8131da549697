import type { RaftCore } from './core.ts'
import type { AppendEntries, RaftMessage } from './messages.ts'

/** Elections of a hundred years, each second one: terms this much later than the own one are nobody's. */
const MAX_TERM_STEP = 2 ** 32

/**
 * Why no correct node can have sent that message, not of an older term, to a correct one; undefined: nothing speaks against it.
 * Such a message is dropped. To act on it would break what this node holds as true, and to stop would let one faulty node
 * stop all others. (That the log has lost entries is found where it is read, not here.)
 */
export function defectOfMessage (core: RaftCore, message: RaftMessage): string | undefined {
  const { log } = core
  if (message.term > core.term + MAX_TERM_STEP) return `its term ${message.term} is out of reach of term ${core.term}`
  switch (message.type) {
    case 'appendEntries':
      return rivalry(core, message) ?? defectOfAppend(core, message)
    case 'heartbeat':
      return rivalry(core, message) ??
        // of a node in doubt the leader may believe that it has what it had
        (message.commitIndex > log.lastIndex && !core.inDoubt ? `entry ${message.commitIndex} is said to be here and committed, and this log ends with ${log.lastIndex}: entries were lost, or never were` : undefined)
    case 'installSnapshot':
      return rivalry(core, message)
    case 'appendEntriesReply':
      return core.role === 'leader' && message.term === core.term && !message.rejected && message.index > log.lastIndex
        ? `entry ${message.index} is acknowledged, and the log of the leader ends with ${log.lastIndex}`
        : undefined
    default:
      return undefined
  }
}

function rivalry (core: RaftCore, { term }: RaftMessage): string | undefined {
  return core.role === 'leader' && term === core.term ? `it claims to lead term ${term}, as this node does` : undefined
}

/** Entries that would be taken follow each other and what is here, in index, term and position. */
function defectOfAppend ({ log }: RaftCore, { term, prevIndex, prevTerm, entries }: AppendEntries): string | undefined {
  if (prevIndex < log.commitIndex || !log.matches(prevIndex, prevTerm)) return undefined
  let index = prevIndex
  let termBefore = prevTerm
  let position = -1
  let isNew = false
  for (const entry of entries) {
    if (!isNew && !log.matches(entry.index, entry.term)) {
      isNew = true
      const here = log.positionOf(entry.index) ?? entry.physicalOffset
      if (here !== entry.physicalOffset) return `entry ${entry.index} is said to begin at ${entry.physicalOffset}, and would at ${here}`
    }
    const follows = entry.index === index + 1 && entry.prevTerm === termBefore && entry.term >= termBefore && (position === -1 || entry.physicalOffset === position)
    if (!follows || entry.term > term) return `entry ${entry.index} of term ${entry.term} does not follow entry ${index} of term ${termBefore} in term ${term}`
    index = entry.index
    termBefore = entry.term
    position = entry.physicalOffset + entry.sizeBytes
  }
  return undefined
}
