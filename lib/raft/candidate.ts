import type { RaftCore } from './core.ts'
import { handleVoteReply } from './election.ts'
import { stepFollower } from './follower.ts'
import type { RaftMessage } from './messages.ts'

/** Candidates and pre-candidates: they count answers to their own question, and give way to a leader of their term. */
export function stepCandidate (core: RaftCore, message: RaftMessage): void {
  switch (message.type) {
    case 'appendEntries':
    case 'heartbeat':
    case 'installSnapshot':
      core.becomeFollower(message.term, message.from)
      stepFollower(core, message)
      break
    case 'requestPreVoteReply':
      // A grant for another term than the one we ask for now is an old one.
      if (message.granted && message.term !== core.term + 1) break
      if (core.role === 'preCandidate') handleVoteReply(core, message)
      break
    case 'requestVoteReply':
      if (core.role === 'candidate') handleVoteReply(core, message)
      break
  }
}
