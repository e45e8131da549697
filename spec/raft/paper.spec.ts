import t from 'tap'
import { EntryKind, type AppendEntries, type Raft, type RaftMessage } from '../../lib/raft/index.ts'
import { entryOf } from './scenario-node.ts'
import { acknowledge, confOf, drain, elect, handle, propose, raftWith } from './support.ts'

/** By section of Diego Ongaro's thesis (chapter 3 is section 5 of the paper). */

const T = 10
const envelope = (raft: Raft, from = 2, term = raft.term) => ({ from, to: raft.id, term })
const append = (raft: Raft, { term = raft.term, prevIndex = 0, prevTerm = 0, terms = [] as number[], commitIndex = 0 }): AppendEntries => ({
  ...envelope(raft, 2, term),
  type: 'appendEntries',
  prevIndex,
  prevTerm,
  commitIndex,
  entries: terms.map((entryTerm, at) => entryOf({ kind: EntryKind.normal, index: prevIndex + 1 + at, term: entryTerm, prevTerm: terms[at - 1] ?? prevTerm, physicalOffset: (prevIndex + at) * 10 }))
})
const vote = (raft: Raft, from: number, term: number, lastIndex = 0, lastTerm = 0): RaftMessage => ({
  ...envelope(raft, from, term), type: 'requestVote', lastIndex, lastTerm, force: false, commitIndex: 0, commitTerm: 0
})
const grant = (raft: Raft, from: number, granted = true): RaftMessage => ({
  ...envelope(raft, from), type: 'requestVoteReply', granted, commitIndex: 0, commitTerm: 0
})
const rolesTo = (role: string, raft: Raft) => {
  if (role === 'candidate') raft.campaign()
  if (role === 'leader') elect(raft)
  drain(raft)
}

t.test('thesis 3.3: a later term makes a follower of everybody', (t) => {
  for (const role of ['follower', 'candidate', 'leader']) {
    const raft = raftWith([])
    rolesTo(role, raft)
    t.equal(raft.role, role)
    raft.step(append(raft, { term: raft.term + 3 }))
    t.same([raft.role, raft.term, raft.leaderId], ['follower', role === 'follower' ? 3 : 4, 2])
  }
  t.end()
})

t.test('thesis 3.3: a request of an older term is refused', (t) => {
  const raft = raftWith([1, 1], { hardState: { term: 5, vote: 0 }, preVote: true })
  raft.step(append(raft, { term: 4, prevIndex: 2, prevTerm: 1, terms: [4] }))
  t.match(drain(raft), [{ type: 'appendEntriesReply', term: 5, rejected: true }])
  raft.step(vote(raft, 3, 4, 9, 9))
  t.same(drain(raft), [])
  t.same([raft.lastIndex, raft.leaderId], [2, 0])
  t.end()
})

t.test('thesis 3.4: nodes start as followers, and the leader sends heartbeats', (t) => {
  const raft = raftWith([])
  t.equal(raft.role, 'follower')
  elect(raft)
  raft.tick()
  t.match(drain(raft).filter(({ type }) => type === 'heartbeat'), [{ to: 2 }, { to: 3 }])
  t.end()
})

t.test('thesis 3.4: an election begins when nothing is heard for the time-out', (t) => {
  for (const role of ['follower', 'candidate']) {
    const raft = raftWith([])
    rolesTo(role, raft)
    const { term } = raft
    for (let i = 0; i < 2 * T; i++) raft.tick()
    const sent = drain(raft)
    t.same([raft.role, raft.status().vote], ['candidate', 1])
    t.ok(raft.term > term)
    t.match(sent.slice(-2), [{ type: 'requestVote', to: 2, term: raft.term }, { type: 'requestVote', to: 3, term: raft.term }])
  }
  t.end()
})

t.test('thesis 3.4: a majority of votes wins, a majority of refusals loses, else it goes on', (t) => {
  const cases: Array<[number, Record<number, boolean>, string]> = [
    [1, {}, 'leader'],
    [3, { 2: true, 3: true }, 'leader'],
    [3, { 2: true }, 'leader'],
    [5, { 2: true, 3: true }, 'leader'],
    [3, { 2: false, 3: false }, 'follower'],
    [5, { 2: false, 3: false, 4: false, 5: false }, 'follower'],
    [5, { 2: true, 3: false, 4: false, 5: false }, 'follower'],
    [3, {}, 'candidate'],
    [5, { 2: true }, 'candidate'],
    [5, { 2: false, 3: false }, 'candidate'],
    [5, {}, 'candidate']
  ]
  for (const [size, votes, expected] of cases) {
    const raft = raftWith([], { confState: confOf(Array.from({ length: size }, (_, i) => i + 1)) })
    raft.campaign()
    drain(raft)
    for (const [from, granted] of Object.entries(votes)) raft.step(grant(raft, Number(from), granted))
    t.same([raft.role, raft.term], [expected, 1], `${size}: ${JSON.stringify(votes)}`)
  }
  t.end()
})

t.test('thesis 3.4: one vote per term, first come first served, and one vote each', (t) => {
  for (const [voted, asks, expected] of [[0, 2, true], [0, 3, true], [2, 2, true], [3, 3, true], [2, 3, false], [3, 2, false]] as const) {
    const raft = raftWith([], { hardState: { term: 1, vote: voted } })
    raft.step(vote(raft, asks, 1))
    t.match(drain(raft), [{ type: 'requestVoteReply', granted: expected, to: asks, term: 1 }])
  }
  const raft = raftWith([], { confState: confOf([1, 2, 3, 4, 5]) })
  raft.campaign()
  drain(raft)
  raft.step(grant(raft, 2))
  raft.step(grant(raft, 2))
  t.equal(raft.role, 'candidate', 'the same vote twice is one')
  raft.step(grant(raft, 9))
  t.equal(raft.role, 'candidate', 'votes of strangers do not count')
  raft.step(grant(raft, 3))
  t.equal(raft.role, 'leader')
  t.end()
})

t.test('thesis 3.4: a candidate gives way to a leader of its term or a later one', (t) => {
  for (const later of [0, 1]) {
    const raft = raftWith([])
    raft.campaign()
    drain(raft)
    raft.step(append(raft, { term: raft.term + later }))
    t.same([raft.role, raft.leaderId, raft.term], ['follower', 2, 1 + later])
  }
  t.end()
})

t.test('thesis 3.4: time-outs are random, in [T, 2T), for followers and candidates', (t) => {
  for (const role of ['follower', 'candidate']) {
    const seen = new Set<number>()
    for (let draw = 0; draw < T; draw++) {
      const raft = raftWith([], { random: { next: () => (draw + 0.5) / T } })
      rolesTo(role, raft)
      const { term } = raft
      let ticks = 0
      while (raft.term === term) {
        raft.tick()
        ticks++
      }
      seen.add(ticks)
    }
    t.same([...seen].sort((a, b) => a - b), Array.from({ length: T }, (_, i) => T + i))
  }
  t.end()
})

t.test('thesis 3.5: the leader appends, sends to all, and commits when a majority has it', (t) => {
  const raft = raftWith([])
  elect(raft)
  acknowledge(raft, 2, 1)
  acknowledge(raft, 3, 1)
  drain(raft)
  propose(raft)
  t.match(handle(raft).sent, [
    { to: 2, type: 'appendEntries', prevIndex: 1, prevTerm: 1, commitIndex: 1, entries: [{ index: 2, term: 1 }] },
    { to: 3, type: 'appendEntries', prevIndex: 1, prevTerm: 1, commitIndex: 1, entries: [{ index: 2, term: 1 }] }
  ])
  t.equal(raft.commitIndex, 1)
  acknowledge(raft, 3, 2)
  t.equal(raft.commitIndex, 2)
  const ready = handle(raft)
  t.equal(ready.committedTo, 2)
  t.match(ready.sent, [{ to: 2, entries: [], commitIndex: 2 }, { to: 3, entries: [], commitIndex: 2 }])
  t.end()
})

t.test('thesis 3.5: by how many', (t) => {
  const cases: Array<[number, number[], boolean]> = [
    [1, [], true], [3, [], false], [3, [2], true], [3, [2, 3], true],
    [5, [], false], [5, [2], false], [5, [2, 3], true], [5, [2, 3, 4], true], [5, [2, 3, 4, 5], true]
  ]
  for (const [size, holders, committed] of cases) {
    const raft = raftWith([], { confState: confOf(Array.from({ length: size }, (_, i) => i + 1)) })
    raft.campaign()
    drain(raft)
    for (let id = 2; id <= size; id++) if (raft.role === 'candidate') raft.step(grant(raft, id))
    drain(raft)
    for (let id = 2; id <= size; id++) acknowledge(raft, id, 1)
    drain(raft)
    propose(raft)
    drain(raft)
    for (const id of holders) acknowledge(raft, id, 2)
    t.equal(raft.commitIndex >= 2, committed, `${size}: ${holders}`)
  }
  t.end()
})

t.test('thesis 3.5: what is committed takes everything before it along', (t) => {
  for (const terms of [[], [2], [1, 2], [1]]) {
    const raft = raftWith(terms, { hardState: { term: 2, vote: 0 } })
    elect(raft)
    acknowledge(raft, 2, terms.length + 1)
    t.equal(raft.commitIndex, terms.length + 1)
    t.equal(handle(raft).committedTo, terms.length + 1)
  }
  t.end()
})

t.test('thesis 3.5: a follower commits what the leader says, as far as this message went', (t) => {
  for (const [commitIndex, terms, expected] of [[1, [1], 1], [1, [1, 1], 1], [2, [1, 1], 2], [9, [1], 1], [9, [], 0]] as const) {
    const raft = raftWith([], { hardState: { term: 1, vote: 0 } })
    raft.step(append(raft, { terms: [...terms], commitIndex }))
    t.equal(raft.commitIndex, expected)
  }
  t.end()
})

t.test('thesis 3.5: a tail that the leader did not speak of is not committed with the rest', (t) => {
  const raft = raftWith([1, 1, 1])
  raft.step(append(raft, { term: 2, prevIndex: 1, prevTerm: 1, commitIndex: 3 }))
  t.equal(raft.commitIndex, 1)
  raft.step(append(raft, { term: 2, prevIndex: 1, prevTerm: 1, terms: [1], commitIndex: 3 }))
  t.equal(raft.commitIndex, 2)
  t.end()
})

t.test('thesis 3.5: consistency check', (t) => {
  // The log is 1/1, 2/2.
  for (const [prevTerm, prevIndex, ok, hint] of [[0, 0, true, 0], [1, 1, true, 0], [2, 2, true, 0], [1, 2, false, 1], [3, 3, false, 2]] as const) {
    const raft = raftWith([1, 2])
    raft.step(append(raft, { prevIndex, prevTerm }))
    t.match(drain(raft), [ok ? { rejected: false, index: prevIndex } : { rejected: true, index: prevIndex, hintIndex: hint }], `${prevTerm}/${prevIndex}`)
  }
  t.end()
})

t.test('thesis 3.5: a follower\'s log becomes the leader\'s', (t) => {
  const cases: Array<[number, number, number[], number[]]> = [
    // The log is 1, 2.
    [2, 2, [3], [1, 2, 3]],
    [1, 1, [3, 4], [1, 3, 4]],
    [0, 0, [1], [1, 2]],
    [0, 0, [3], [3]]
  ]
  for (const [prevTerm, prevIndex, sent, expected] of cases) {
    const raft = raftWith([1, 2], { hardState: { term: 4, vote: 0 } })
    raft.step(append(raft, { prevIndex, prevTerm, terms: sent }))
    const { entries } = handle(raft)
    t.equal(raft.lastIndex, expected.length)
    t.equal(raft.lastTerm, expected.at(-1))
    t.same(entries.map(({ term }) => term), expected.slice(expected.length - entries.length))
  }
  t.end()
})

t.test('thesis 3.6.1: no vote for a log that is older', (t) => {
  const cases: Array<[number[], number, number, boolean]> = [
    [[1], 1, 1, true], [[1], 1, 2, true], [[1, 1], 1, 1, false], [[1], 2, 1, true], [[1], 2, 2, true],
    [[1, 1], 2, 1, true], [[1, 1], 1, 2, true], [[2], 1, 1, false], [[2], 1, 2, false], [[1, 2], 2, 1, false], [[1, 2], 1, 9, false]
  ]
  for (const [terms, lastTerm, lastIndex, granted] of cases) {
    const raft = raftWith(terms, { hardState: { term: 2, vote: 0 } })
    raft.step(vote(raft, 2, 3, lastIndex, lastTerm))
    t.match(drain(raft), [{ granted }], `${terms}: ${lastTerm}/${lastIndex}`)
  }
  t.end()
})

t.test('thesis 3.6.2: an older term\'s entry is never committed by counting replicas', (t) => {
  // The log is 1/1, 2/2; the no-op of term 3 is entry 3.
  for (const [index, expected] of [[1, 0], [2, 0], [3, 3]] as const) {
    const raft = raftWith([1, 2])
    elect(raft)
    t.equal(raft.term, 3)
    acknowledge(raft, 2, index)
    acknowledge(raft, 3, index)
    t.equal(raft.commitIndex, expected)
  }
  t.end()
})

t.test('thesis 3.7: a lost answer is had again', (t) => {
  const raft = raftWith([])
  elect(raft)
  raft.tick()
  drain(raft)
  raft.step({ ...envelope(raft), type: 'heartbeatReply', readSequence: 0 })
  t.match(drain(raft), [{ to: 2, type: 'appendEntries', prevIndex: 0, entries: [{ index: 1 }] }])
  t.end()
})

t.test('thesis 3.8: the leader counts its own copy when its disk has it', (t) => {
  const raft = raftWith([])
  elect(raft)
  acknowledge(raft, 2, 1)
  propose(raft)
  const { entries } = raft.ready()
  acknowledge(raft, 2, 2)
  t.equal(raft.commitIndex, 1)
  raft.persisted(entries.at(-1)!)
  t.equal(raft.commitIndex, 2)
  t.end()
})

t.test('thesis 3.10: transfer', (t) => {
  const raft = raftWith([])
  elect(raft)
  acknowledge(raft, 2, 1)
  drain(raft)
  t.ok(raft.transferLeadership(2))
  t.equal(propose(raft), 'transferring')
  t.match(drain(raft), [{ to: 2, type: 'timeoutNow' }])
  for (let i = 0; i < T; i++) raft.tick()
  t.equal(propose(raft), 'accepted', 'after one election period')
  t.end()
})

t.test('thesis 4.2.2: a leader that is removed counts for nothing, and steps down', (t) => {
  const raft = raftWith([])
  elect(raft)
  acknowledge(raft, 2, 1)
  drain(raft)
  raft.applied(1)
  const change = { transition: 'auto', steps: [{ type: 'remove', id: 1 }] } as const
  t.equal(raft.proposeConfChange(change), 'accepted')
  t.equal(propose(raft), 'accepted')
  drain(raft)
  acknowledge(raft, 2, 2)
  t.equal(handle(raft).committedTo, 2)
  raft.applyConfChange(change)
  raft.applied(2)
  t.same([raft.role, raft.leaderId], ['follower', 0])
  acknowledge(raft, 2, 3)
  t.equal(raft.commitIndex, 2)
  t.notOk(raft.campaign())
  t.end()
})

t.test('thesis 4.1: who may not know yet who votes does not campaign', (t) => {
  const change = { transition: 'auto', steps: [{ type: 'addVoter', id: 4 }] } as const
  for (const kind of ['campaign', 'timeoutNow', 'tick'] as const) {
    const raft = raftWith([])
    const message = append(raft, { term: 1, terms: [1], commitIndex: 1 })
    raft.step({ ...message, entries: [{ ...message.entries[0]!, kind: EntryKind.config, config: change }] })
    t.equal(handle(raft).committedTo, undefined)
    t.equal(handle(raft).committedTo, 1)
    const campaign = () => {
      if (kind === 'campaign') raft.campaign()
      else if (kind === 'timeoutNow') raft.step({ ...envelope(raft), type: 'timeoutNow' })
      else for (let i = 0; i < 3 * T; i++) raft.tick()
      return raft.role
    }
    t.equal(campaign(), 'follower', 'committed, not applied')
    raft.applyConfChange(change)
    raft.applied(1)
    t.equal(campaign(), 'candidate')
    t.same(drain(raft).filter(({ type }) => type === 'requestVote').map(({ to }) => to).slice(-3), [2, 3, 4])
  }
  t.end()
})

t.test('thesis 4.2.3: a leader that is heard protects its group', (t) => {
  const raft = raftWith([], { checkQuorum: true })
  raft.step(append(raft, { term: 1 }))
  drain(raft)
  raft.step(vote(raft, 3, 2, 9, 9))
  t.same([raft.term, drain(raft)], [1, []])
  for (let i = 0; i < T - 1; i++) raft.tick()
  raft.step(vote(raft, 3, 2, 9, 9))
  t.equal(raft.term, 1)
  raft.step({ ...vote(raft, 3, 2, 9, 9), force: true } as RaftMessage)
  t.equal(raft.term, 2, 'unless the leader itself wants it')
  t.end()
})

t.test('thesis 6.2: a leader without a quorum steps down after an election time-out', (t) => {
  const raft = raftWith([], { checkQuorum: true })
  elect(raft)
  for (let i = 0; i < T / 2; i++) raft.tick()
  acknowledge(raft, 2, 1)
  for (let i = 0; i < T - 1; i++) raft.tick()
  t.equal(raft.role, 'leader', 'it heard of 2')
  raft.tick()
  t.same([raft.role, raft.term], ['follower', 1])
  t.end()
})

t.test('thesis 6.4: a read is answered when a majority has confirmed the leader after it came', (t) => {
  const raft = raftWith([])
  elect(raft)
  t.ok(raft.readIndex(42))
  drain(raft)
  raft.step({ ...envelope(raft), type: 'heartbeatReply', readSequence: 1 })
  t.same(raft.ready().readStates, [], 'nothing of the term is committed')
  acknowledge(raft, 2, 1)
  t.match(drain(raft).filter(({ type }) => type === 'heartbeat'), [{ readSequence: 1 }, { readSequence: 1 }])
  raft.step({ ...envelope(raft), type: 'heartbeatReply', readSequence: 1 })
  t.same(raft.ready().readStates, [{ context: 42, index: 1 }])
  t.end()
})

t.test('thesis 9.6: a pre-vote changes nobody\'s term', (t) => {
  const raft = raftWith([1], { preVote: true })
  raft.campaign()
  t.match(drain(raft), [{ type: 'requestPreVote', term: 2 }, { type: 'requestPreVote', term: 2 }])
  t.same([raft.role, raft.term, raft.status().vote], ['preCandidate', 1, 0])
  const reply = (from: number, term: number, granted: boolean): RaftMessage => ({ ...envelope(raft, from, term), type: 'requestPreVoteReply', granted, commitIndex: 0, commitTerm: 0 })
  raft.step(reply(2, 1, true))
  t.equal(raft.role, 'preCandidate', 'a grant for another term')
  raft.step(reply(2, 2, true))
  t.same([raft.role, raft.term], ['candidate', 2])
  const other = raftWith([1])
  other.step({ ...envelope(other, 3, 7), type: 'requestPreVote', lastIndex: 1, lastTerm: 1, force: false, commitIndex: 0, commitTerm: 0 })
  t.match(drain(other), [{ type: 'requestPreVoteReply', granted: true, term: 7 }])
  t.same([other.term, other.status().vote], [1, 0])
  t.end()
})
