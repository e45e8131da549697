import t from 'tap'
import { EntryKind, Raft, type AppendEntries } from '../../lib/raft/index.ts'
import { entryOf } from './scenario-node.ts'
import { acknowledge, confOf, drain, elect, handle, propose, raftWith } from './support.ts'

const appendTo = (raft: Raft, term: number, terms: number[], prevIndex = 0, prevTerm = 0): AppendEntries => ({
  type: 'appendEntries',
  from: 2,
  to: raft.id,
  term,
  prevIndex,
  prevTerm,
  commitIndex: 0,
  entries: terms.map((entryTerm, at) => entryOf({ kind: EntryKind.normal, index: prevIndex + 1 + at, term: entryTerm, prevTerm: terms[at - 1] ?? prevTerm, physicalOffset: (prevIndex + at) * 10 }))
})
const voteFor = (raft: Raft, from: number, term: number, lastIndex: number, lastTerm: number) => raft.step({
  type: 'requestVote', from, to: raft.id, term, lastIndex, lastTerm, force: false, commitIndex: 0, commitTerm: 0
})

t.test('a new node has nothing to say', (t) => {
  const raft = raftWith([1, 1])
  t.notOk(raft.hasReady())
  t.same(raft.ready().messages, [])
  t.same([raft.lastIndex, raft.lastTerm, raft.endPosition, raft.term, raft.role], [2, 1, 20, 1, 'follower'])
  t.end()
})

t.test('a group of one: vote, no-op and proposal each wait for the disk, and for nothing else', (t) => {
  const raft = raftWith([], { confState: confOf([1]), preVote: true, checkQuorum: true })
  t.ok(raft.campaign())
  const vote = raft.ready()
  t.same([vote.hardState, vote.leadership?.role], [{ term: 1, vote: 1 }, 'candidate'])
  t.same([vote.messages, vote.messagesAfterPersist], [[], []])
  t.notOk(raft.hasReady())
  raft.hardStatePersisted({ term: 1, vote: 1 })
  const noop = raft.ready()
  t.same([noop.leadership?.role, noop.entries.length, noop.entries[0]?.kind, noop.committedTo], ['leader', 1, EntryKind.noop, undefined])
  t.equal(propose(raft), 'accepted')
  const proposed = raft.ready()
  t.same([proposed.entries.map(({ index }) => index), proposed.hardState, proposed.leadership], [[2], undefined, undefined])
  raft.persisted({ index: 2, term: 1 })
  t.equal(raft.ready().committedTo, 2, 'one report for both')
  t.notOk(raft.hasReady())
  raft.applied(2)
  t.notOk(raft.hasReady())
  t.equal(raft.status().uncommittedBytes, 0)
  t.end()
})

t.test('entries and terms reported late, twice or of another life change nothing', (t) => {
  const raft = raftWith([], { confState: confOf([1]) })
  raft.campaign()
  raft.ready()
  raft.hardStatePersisted({ term: 0, vote: 1 })
  raft.hardStatePersisted({ term: 1, vote: 0 })
  t.equal(raft.role, 'candidate')
  raft.hardStatePersisted({ term: 1, vote: 1 })
  t.equal(raft.role, 'leader')
  raft.persisted({ index: 1, term: 1 })
  t.equal(raft.commitIndex, 0, 'not handed out yet')
  raft.ready()
  raft.persisted({ index: 1, term: 9 })
  raft.persisted({ index: 7, term: 1 })
  t.equal(raft.commitIndex, 0)
  raft.persisted({ index: 1, term: 1 })
  raft.persisted({ index: 1, term: 1 })
  t.equal(raft.commitIndex, 1)
  t.end()
})

t.test('acknowledgements rest on term, vote and log; votes on term and vote only', (t) => {
  const raft = raftWith([1])
  raft.step(appendTo(raft, 2, [2, 2], 1, 1))
  const first = raft.ready()
  t.same(first.messages, [])
  t.same(first.messagesAfterPersist.map(({ message, after }) => [message.type, after]), [
    ['appendEntriesReply', { hardState: { term: 2, vote: 0 }, index: 3, term: 2 }]
  ])
  voteFor(raft, 3, 3, 3, 2)
  t.same(raft.ready().messagesAfterPersist.map(({ message, after }) => [message.type, after]), [
    ['requestVoteReply', { hardState: { term: 3, vote: 3 }, index: undefined, term: undefined }]
  ], 'although entries are being written')
  raft.hardStatePersisted({ term: 3, vote: 3 })
  voteFor(raft, 3, 3, 3, 2)
  t.same(raft.ready().messages.map(({ type }) => type), ['requestVoteReply'], 'again: all of it is durable')
  t.end()
})

t.test('acknowledgements of one Ready are one', (t) => {
  const raft = raftWith([1])
  raft.step(appendTo(raft, 1, [1], 1, 1))
  raft.step(appendTo(raft, 1, [1], 2, 1))
  raft.step(appendTo(raft, 1, [1], 7, 1))
  raft.step(appendTo(raft, 1, [1], 3, 1))
  const { messagesAfterPersist } = raft.ready()
  t.match(messagesAfterPersist.map(({ message }) => message), [{ index: 3 }, { index: 7, rejected: true }, { index: 4 }], 'a rejection stays between')
  t.end()
})

t.test('a candidate asks for votes when its own is durable', (t) => {
  const raft = raftWith([1])
  raft.campaign()
  const { messages, messagesAfterPersist } = raft.ready()
  t.same(messages, [])
  t.same(messagesAfterPersist.map(({ message, after }) => [message.type, after.hardState]), [
    ['requestVote', { term: 2, vote: 1 }], ['requestVote', { term: 2, vote: 1 }]
  ])
  t.end()
})

t.test('committed and applied: no further than what is durable here', (t) => {
  const raft = raftWith([])
  elect(raft)
  acknowledge(raft, 2, 1)
  drain(raft)
  propose(raft)
  propose(raft)
  raft.ready()
  acknowledge(raft, 2, 3)
  acknowledge(raft, 3, 3)
  t.equal(raft.commitIndex, 3)
  t.equal(raft.ready().committedTo, undefined)
  raft.persisted({ index: 2, term: 1 })
  t.equal(raft.ready().committedTo, 2)
  raft.persisted({ index: 3, term: 1 })
  t.equal(raft.ready().committedTo, 3)
  t.end()
})

t.test('proposals of one Ready are one message per peer, with the newest commit index', (t) => {
  const raft = raftWith([])
  elect(raft)
  acknowledge(raft, 2, 1)
  acknowledge(raft, 3, 1)
  for (let i = 0; i < 5; i++) propose(raft)
  const { sent } = handle(raft)
  t.match(sent, [{ to: 2, prevIndex: 1, commitIndex: 1 }, { to: 3, prevIndex: 1, commitIndex: 1 }])
  t.same(sent.map((message) => message.type === 'appendEntries' && message.entries.length), [5, 5])
  t.end()
})

t.test('messages for others, from itself, or without sense are ignored', (t) => {
  const raft = raftWith([1])
  voteFor(raft, 1, 9, 9, 9)
  raft.step({ type: 'heartbeat', from: 2, to: 3, term: 9, commitIndex: 1, readSequence: 0 })
  raft.step({ type: 'appendEntriesReply', from: 77, to: 1, term: 1, index: 9, rejected: false, hintIndex: 0, hintTerm: 0 })
  t.notOk(raft.hasReady())
  t.same([raft.term, raft.role], [1, 'follower'])
  t.end()
})

t.test('two leaders of one term are impossible: the other is not believed', (t) => {
  const raft = raftWith([])
  elect(raft)
  t.match(raft.step({ type: 'heartbeat', from: 3, to: 1, term: raft.term, commitIndex: 0, readSequence: 0 }), /claims to lead term 1/)
  t.same([raft.role, raft.term, raft.leaderId], ['leader', 1, 1])
  t.end()
})

t.test('an entry made for another place is a mistake of the caller', (t) => {
  const raft = raftWith([])
  const at = (index: number, term: number, physicalOffset: number) => () => raft.propose(entryOf({ kind: EntryKind.normal, index, term, prevTerm: 0, physicalOffset }))
  t.equal(at(1, 0, 0)(), 'not-leader')
  elect(raft)
  t.throws(at(3, 1, 10), { code: 'MQ_INVARIANT' })
  t.throws(at(2, 1, 11), { code: 'MQ_INVARIANT' })
  t.throws(at(2, 0, 10), { code: 'MQ_INVARIANT' })
  t.equal(at(2, 1, 10)(), 'accepted')
  t.end()
})

t.test('options that cannot work are refused', (t) => {
  t.throws(() => raftWith([], { id: 0 }), { code: 'MQ_INVARIANT' })
  t.throws(() => raftWith([], { electionTicks: 1 }), { code: 'MQ_INVARIANT' })
  t.throws(() => raftWith([], { maxInflightBytes: 10, maxBytesPerAppend: 11 }), { code: 'MQ_INVARIANT' })
  t.throws(() => raftWith([], { confState: confOf([1], { learners: [1] }) }), { code: 'MQ_INVARIANT' })
  t.end()
})

t.test('a peer that lacks what it has acknowledged gets it again, and counts no more before it has', (t) => {
  const raft = raftWith([])
  elect(raft)
  for (let i = 0; i < 3; i++) propose(raft)
  drain(raft)
  acknowledge(raft, 2, 4)
  drain(raft)
  raft.reportUnreachable(2)
  propose(raft)
  let appends = 0
  let lastIndex = 1
  for (let answer = 0; answer < 20; answer++) {
    const [append] = drain(raft).filter((message): message is AppendEntries => message.type === 'appendEntries' && message.to === 2)
    if (append === undefined) break
    appends++
    if (append.prevIndex > lastIndex) {
      raft.step({ type: 'appendEntriesReply', from: 2, to: 1, term: raft.term, index: append.prevIndex, rejected: true, hintIndex: 1, hintTerm: 1 })
      t.equal(raft.status().peers.find(({ id }) => id === 2)!.matchIndex, 0)
    } else {
      lastIndex = append.prevIndex + append.entries.length
      acknowledge(raft, 2, lastIndex)
    }
  }
  t.equal(lastIndex, 5)
  t.equal(raft.commitIndex, 5)
  t.ok(appends < 5, `${appends} appends`)
  t.end()
})
