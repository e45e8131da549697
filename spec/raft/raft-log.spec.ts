import t from 'tap'
import { EntryKind } from '../../lib/raft/index.ts'
import { LogView } from '../../lib/raft/raft-log.ts'
import { UnstableEntries } from '../../lib/raft/unstable.ts'
import { IndexedWindow } from '../../lib/raft/indexed-window.ts'
import { entryOf } from './scenario-node.ts'
import { confOf, entriesOf, readerOf } from './support.ts'

const logOf = (terms: number[], applied = 0) => new LogView(readerOf(entriesOf(terms)), applied, undefined)
const entry = (index: number, term: number, physicalOffset = (index - 1) * 10) =>
  entryOf({ kind: EntryKind.normal, index, term, prevTerm: 0, physicalOffset })

t.test('append: what is there stays, the first entry of another term cuts', (t) => {
  const cases: Array<[string, number, number, number[], number, number[]]> = [
    // name, prevIndex, prevTerm, terms sent, answer, terms afterwards
    ['the entry before has another term', 3, 2, [4], -1, [1, 2, 3]],
    ['the entry before is missing', 4, 3, [4], -1, [1, 2, 3]],
    ['nothing new', 3, 3, [], 3, [1, 2, 3]],
    ['nothing new, from further back', 1, 1, [], 1, [1, 2, 3]],
    ['one more', 3, 3, [4], 4, [1, 2, 3, 4]],
    ['two more', 3, 3, [4, 4], 5, [1, 2, 3, 4, 4]],
    ['known ones again', 1, 1, [2], 2, [1, 2, 3]],
    ['known ones and one more', 1, 1, [2, 3, 4], 4, [1, 2, 3, 4]],
    ['another last one', 2, 2, [4], 3, [1, 2, 4]],
    ['another one in the middle', 1, 1, [4, 4], 3, [1, 4, 4]],
    ['all others', 0, 0, [4], 1, [4]]
  ]
  for (const [name, prevIndex, prevTerm, sent, answer, expected] of cases) {
    const log = logOf([1, 2, 3])
    t.equal(log.maybeAppend(prevIndex, prevTerm, sent.map((term, at) => entry(prevIndex + 1 + at, term))), answer, name)
    t.same(Array.from({ length: log.lastIndex }, (_, at) => log.term(at + 1)), expected)
    t.equal(log.lastTerm, expected.at(-1))
    t.equal(log.endPosition, expected.length * 10)
  }
  t.end()
})

t.test('append: never at or below the commit index, never with a gap, never from an older term', (t) => {
  const log = logOf([1, 2, 3])
  log.commitTo(2)
  t.throws(() => log.maybeAppend(1, 1, [entry(2, 4)]), { code: 'MQ_INVARIANT' }, 'committed')
  t.throws(() => log.maybeAppend(0, 0, [entry(1, 4)]), { code: 'MQ_INVARIANT' }, 'below')
  t.equal(log.maybeAppend(2, 2, [entry(3, 4)]), 3)
  t.throws(() => log.append(entry(5, 4)), { code: 'MQ_INVARIANT' }, 'index')
  t.throws(() => log.append(entry(4, 4, 31)), { code: 'MQ_INVARIANT' }, 'position')
  t.throws(() => log.append(entry(4, 3)), { code: 'MQ_INVARIANT' }, 'term')
  t.throws(() => log.commitTo(4), { code: 'MQ_INVARIANT' }, 'commit beyond the end')
  t.throws(() => log.appliedTo(3), { code: 'MQ_INVARIANT' }, 'applied beyond the commit index')
  t.throws(() => logOf([1], 2), { code: 'MQ_INVARIANT' }, 'applied beyond the log')
  t.end()
})

t.test('append: an entry of which the term cannot be read is not taken for another one', (t) => {
  const reader = readerOf(entriesOf([1, 2, 2, 3]))
  const log = new LogView({ ...reader, term: (index) => index === 2 ? undefined : reader.term(index) }, 0, undefined)
  t.throws(() => log.maybeAppend(1, 1, [entry(2, 2), entry(3, 2)]), { code: 'MQ_INVARIANT' })
  t.equal(log.lastIndex, 4, 'nothing is cut')
  t.equal(log.maybeAppend(2, 2, [entry(3, 2)]), -1, 'nor does anything follow it')
  t.end()
})

t.test('conflict by term: the last place where the logs can still agree', (t) => {
  const cases: Array<[number[], number, number, number, number]> = [
    [[1, 3, 3, 3, 5, 5, 5, 5, 5], 6, 2, 1, 1],
    [[1, 3, 3, 4, 4, 5, 5, 5, 6], 8, 3, 3, 3],
    [[2, 2, 5, 5, 5], 5, 4, 2, 2],
    [[2, 2, 5, 5, 5], 5, 5, 5, 5],
    [[2, 2, 5, 5, 5], 5, 1, 0, 0],
    [[], 0, 9, 0, 0]
  ]
  for (const [terms, index, term, expectedIndex, expectedTerm] of cases) {
    t.same(logOf(terms).findConflictByTerm(index, term), { index: expectedIndex, term: expectedTerm }, `${terms} at ${index} of ${term}`)
  }
  const cut = new LogView({ ...readerOf([]), firstIndex: 11, lastIndex: 10, endPosition: 100, floor: { index: 10, term: 4 } }, 10, [])
  t.same(cut.findConflictByTerm(10, 3), { index: 9, term: 0 }, 'below the floor: no term, no opinion')
  t.end()
})

t.test('up to date: the later last term, then the longer log', (t) => {
  const log = logOf([1, 2, 2])
  t.ok(log.isUpToDate(1, 3))
  t.ok(log.isUpToDate(3, 2))
  t.ok(log.isUpToDate(9, 2))
  t.notOk(log.isUpToDate(2, 2))
  t.notOk(log.isUpToDate(9, 1))
  t.end()
})

t.test('changes of the configuration found in the log at the start', (t) => {
  const entries = entriesOf([1, 1, 1, 1, 1]).map((found) => [2, 4].includes(found.index) ? { ...found, kind: EntryKind.config } : found)
  const known = new LogView(readerOf(entries), 0, undefined)
  t.equal(known.commitIndex, 2, 'all but the last one are committed')
  t.ok(known.hasUnappliedConfig)
  known.appliedTo(2)
  t.notOk(known.hasUnappliedConfig, 'the last one may not be')
  known.commitTo(4)
  t.ok(known.hasUnappliedConfig)
  const told = new LogView({ ...readerOf(entries), entries: () => undefined }, 1, [2, 4])
  t.equal(told.commitIndex, 2, 'told, when the log is not in memory')
  const one = new LogView(readerOf(entries), 2, undefined)
  t.equal(one.commitIndex, 2)
  t.notOk(one.hasUnappliedConfig)
  const replaced = new LogView(readerOf(entries), 0, undefined)
  replaced.appliedTo(2)
  replaced.maybeAppend(3, 1, [entry(4, 2)])
  replaced.commitTo(4)
  t.notOk(replaced.hasUnappliedConfig, 'cut with its entry')
  t.end()
})

t.test('a snapshot: nothing is known below it, nothing durable until it is installed', (t) => {
  const log = logOf([1, 1, 1])
  log.restore({ index: 7, term: 3, endPosition: 70, confState: confOf([1]), manifest: new Uint8Array(0) })
  t.same([log.firstIndex, log.lastIndex, log.lastTerm, log.commitIndex, log.durableIndex, log.appliableIndex], [8, 7, 3, 7, 0, 0])
  t.equal(log.term(7), 3)
  t.equal(log.term(3), undefined)
  t.notOk(log.snapshotInstalled(6))
  t.ok(log.snapshotInstalled(7))
  t.same([log.durableIndex, log.appliedIndex], [7, 7])
  t.end()
})

t.test('unstable entries: handed out once, dropped when reported', (t) => {
  const unstable = new UnstableEntries(1)
  unstable.append(entry(1, 1))
  unstable.append(entry(2, 1))
  t.same(unstable.takeNew().map(({ index }) => index), [1, 2])
  t.same(unstable.takeNew(), [])
  unstable.append(entry(3, 1))
  t.notOk(unstable.persisted(3, 1), 'not handed out yet')
  t.ok(unstable.persisted(1, 1))
  t.equal(unstable.firstIndex, 2)
  t.notOk(unstable.persisted(1, 1), 'twice')
  t.notOk(unstable.persisted(2, 9), 'of another term')
  t.same(unstable.takeNew().map(({ index }) => index), [3])
  t.ok(unstable.persisted(3, 1))
  t.ok(unstable.isEmpty)
  t.end()
})

t.test('unstable entries: a cut waits for the writes that it cuts', (t) => {
  const unstable = new UnstableEntries(1)
  unstable.append(entry(1, 1))
  unstable.append(entry(2, 1))
  unstable.takeNew()
  unstable.cut(2)
  unstable.append(entry(2, 2))
  t.ok(unstable.isHeldBack)
  t.same(unstable.takeNew(), [])
  t.ok(unstable.persisted(1, 1), 'what is not cut counts')
  t.ok(unstable.isHeldBack)
  t.notOk(unstable.persisted(2, 1), 'what is cut does not')
  t.notOk(unstable.isHeldBack, 'but then nothing is under way')
  t.same(unstable.takeNew().map(({ index, term }) => [index, term]), [[2, 2]])
  t.ok(unstable.persisted(2, 2))
  unstable.cut(1)
  unstable.append(entry(1, 3))
  t.notOk(unstable.isHeldBack, 'durable ones are cut at once')
  t.same(unstable.takeNew().map(({ index, term }) => [index, term]), [[1, 3]])
  t.end()
})

t.test('unstable entries: never handed out, so never to be cut on disk', (t) => {
  const unstable = new UnstableEntries(1)
  unstable.append(entry(1, 1))
  unstable.takeNew()
  unstable.append(entry(2, 1))
  unstable.cut(2)
  unstable.append(entry(2, 2))
  t.notOk(unstable.isHeldBack)
  t.same(unstable.takeNew().map(({ index, term }) => [index, term]), [[2, 2]])
  t.end()
})

t.test('a window slides along without growing', (t) => {
  const window = new IndexedWindow<number>(5)
  for (let index = 5; index < 5000; index++) {
    window.push(index)
    if (index % 3 === 0) window.dropBefore(index - 10)
    if (window.at(window.firstIndex) !== window.firstIndex || window.at(index) !== index || window.endIndex !== index + 1) t.fail(`at ${index}`)
  }
  t.same(window.slice(4995, 4998), [4995, 4996, 4997])
  window.dropFrom(4997)
  t.equal(window.endIndex, 4997)
  window.dropBefore(9999)
  t.equal(window.length, 0)
  t.equal(window.endIndex, 4997)
  window.restart(3)
  window.push(3)
  t.same([window.firstIndex, window.at(3)], [3, 3])
  t.end()
})
