import { EntryKind, Raft, type ConfState, type LogReader, type RaftEntry, type RaftMessage, type RaftOptions, type Ready } from '../../lib/raft/index.ts'
import { entryOf } from './scenario-node.ts'

export function confOf (voters: readonly number[], rest: Partial<ConfState> = {}): ConfState {
  return { voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false, ...rest }
}

/** Entries of those terms from index 1 on, ten bytes each. */
export function entriesOf (terms: readonly number[]): RaftEntry[] {
  return terms.map((term, at) => entryOf({ kind: EntryKind.normal, index: at + 1, term, prevTerm: terms[at - 1] ?? 0, physicalOffset: at * 10 }))
}

export function readerOf (kept: RaftEntry[]): LogReader {
  return {
    firstIndex: 1,
    get lastIndex () { return kept.length },
    get endPosition () { return kept.length * 10 },
    floor: { index: 0, term: 0 },
    term: (index) => kept[index - 1]?.term,
    entries: (from, to) => kept.slice(from - 1, to - 1)
  }
}

const logs = new WeakMap<Raft, RaftEntry[]>()

/** Node 1 of a group of three, unless told otherwise, with a log of those terms. */
export function raftWith (terms: readonly number[], options: Partial<RaftOptions> = {}): Raft {
  const kept = entriesOf(terms)
  const raft = new Raft({
    id: 1,
    electionTicks: 10,
    heartbeatTicks: 1,
    preVote: false,
    checkQuorum: false,
    maxBytesPerAppend: 1 << 20,
    maxInflightAppends: 256,
    maxInflightBytes: 1 << 30,
    maxUncommittedBytes: 1 << 30,
    random: { next: () => 0 },
    log: readerOf(kept),
    hardState: { term: terms.at(-1) ?? 0, vote: 0 },
    confState: confOf([1, 2, 3]),
    appliedIndex: 0,
    makeEntry: (request) => entryOf(request),
    ...options
  })
  logs.set(raft, kept)
  return raft
}

/** Takes one Ready and reports at once that its writes are done. Applies nothing. */
export function handle (raft: Raft): Ready & { readonly sent: RaftMessage[] } {
  const ready = raft.ready()
  if (ready.hardState !== undefined) raft.hardStatePersisted(ready.hardState)
  if (ready.snapshot !== undefined) raft.snapshotInstalled(ready.snapshot.index)
  const last = ready.entries.at(-1)
  if (last !== undefined) {
    logs.get(raft)!.splice(ready.entries[0]!.index - 1, Infinity, ...ready.entries)
    raft.persisted(last)
  }
  return { ...ready, sent: [...ready.messages, ...ready.messagesAfterPersist.map(({ message }) => message)] }
}

/** All messages that leave until there is no more to do. */
export function drain (raft: Raft): RaftMessage[] {
  const sent: RaftMessage[] = []
  while (raft.hasReady()) sent.push(...handle(raft).sent)
  return sent
}

/** Campaigns and wins with the vote of node 2; the no-op is durable here, and sent. */
export function elect (raft: Raft): void {
  raft.campaign()
  drain(raft)
  raft.step({ type: 'requestVoteReply', from: 2, to: raft.id, term: raft.term, granted: true, commitIndex: 0, commitTerm: 0 })
  drain(raft)
}

export function propose (raft: Raft, sizeBytes = 10): string {
  return raft.propose(entryOf({ kind: EntryKind.normal, index: raft.lastIndex + 1, term: raft.term, prevTerm: raft.lastTerm, physicalOffset: raft.endPosition }, '', sizeBytes))
}

export function acknowledge (raft: Raft, from: number, index: number): void {
  raft.step({ type: 'appendEntriesReply', from, to: raft.id, term: raft.term, index, rejected: false, hintIndex: 0, hintTerm: 0 })
}
