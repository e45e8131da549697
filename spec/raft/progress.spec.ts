import t from 'tap'
import { Inflights } from '../../lib/raft/inflights.ts'
import { Progress } from '../../lib/raft/progress.ts'
import { UncommittedBytes } from '../../lib/raft/uncommitted-bytes.ts'

t.test('inflights: a bounded ring', (t) => {
  const inflights = new Inflights(3, 100)
  for (const index of [2, 4, 6]) inflights.add(index, 10)
  t.ok(inflights.isFull)
  inflights.freeThrough(1)
  t.equal(inflights.count, 3)
  inflights.freeThrough(4)
  t.equal(inflights.count, 1)
  inflights.add(7, 10)
  inflights.add(8, 10)
  t.ok(inflights.isFull, 'around the corner')
  inflights.freeThrough(99)
  t.equal(inflights.count, 0)
  inflights.add(9, 250)
  t.ok(inflights.isFull, 'one that is larger than the bound is let through, and fills it')
  inflights.reset()
  t.notOk(inflights.isFull)
  t.end()
})

const progressAt = (state: 'probe' | 'stream' | 'snapshot', match: number, next: number) => {
  const progress = new Progress(2, next, 10, 1000)
  progress.matchIndex = match
  if (state === 'stream') progress.becomeStream()
  if (state === 'snapshot') progress.becomeSnapshot(next - 1)
  progress.nextIndex = next
  return progress
}

t.test('progress: acknowledgements only raise', (t) => {
  for (const [ack, expected, match, next] of [[3, false, 5, 9], [5, false, 5, 9], [6, true, 6, 9], [8, true, 8, 9], [9, true, 9, 10]] as const) {
    const progress = progressAt('stream', 5, 9)
    progress.paused = true
    t.equal(progress.maybeAdvance(ack), expected)
    t.same([progress.matchIndex, progress.nextIndex, progress.paused], [match, next, !expected], `acknowledged ${ack}`)
  }
  t.end()
})

t.test('progress: rejections lower, unless they are stale', (t) => {
  const cases: Array<['probe' | 'stream', number, number, number, number, boolean, number]> = [
    // state, match, next, rejected, hint, answer, next afterwards
    ['stream', 5, 10, 5, 5, false, 10],
    ['stream', 5, 10, 4, 4, false, 10],
    ['stream', 5, 10, 9, 9, true, 6],
    ['probe', 0, 10, 5, 5, false, 10],
    ['probe', 0, 10, 9, 9, true, 9],
    ['probe', 0, 10, 9, 2, true, 3],
    ['probe', 0, 10, 9, 0, true, 1],
    ['probe', 4, 10, 9, 0, true, 5],
    ['probe', 4, 5, 4, 2, true, 3],
    ['probe', 0, 2, 1, 1, true, 1]
  ]
  for (const [state, match, next, rejected, hint, answer, after] of cases) {
    const progress = progressAt(state, match, next)
    t.equal(progress.maybeRetreat(rejected, hint), answer, `${state} match=${match} next=${next} rejected=${rejected} hint=${hint}`)
    t.equal(progress.nextIndex, after)
    t.ok(progress.nextIndex > progress.matchIndex)
  }
  t.end()
})

t.test('progress: a peer that lacks what it had acknowledged has acknowledged nothing', (t) => {
  const progress = progressAt('probe', 8, 9)
  progress.maybeSync(8)
  t.ok(progress.maybeRetreat(8, 3))
  t.same([progress.matchIndex, progress.syncedIndex, progress.nextIndex], [0, 0, 4])
  t.end()
})

t.test('progress: from state to state', (t) => {
  const progress = progressAt('stream', 5, 9)
  progress.sent(2, 10, 20, 7)
  t.same([progress.nextIndex, progress.inflights.count, progress.sentCommitIndex], [11, 1, 7])
  progress.becomeProbe()
  t.same([progress.state, progress.nextIndex, progress.inflights.count, progress.sentCommitIndex], ['probe', 6, 0, 5])
  progress.sent(1, 6, 10, 7)
  t.ok(progress.isPaused, 'one probe at a time')
  t.equal(progress.nextIndex, 6, 'and the next one asks the same')
  progress.becomeSnapshot(20)
  t.same([progress.state, progress.nextIndex, progress.isPaused], ['snapshot', 21, true])
  progress.becomeProbe()
  t.same([progress.state, progress.nextIndex, progress.isPaused], ['probe', 21, false], 'it may have arrived')
  progress.becomeStream()
  t.equal(progress.nextIndex, 6, 'known is only what was acknowledged')
  t.end()
})

t.test('progress: the commit index is worth a message as long as it helps', (t) => {
  const progress = progressAt('stream', 5, 9)
  progress.sentCommitIndex = 5
  t.ok(progress.wantsCommit(6))
  t.notOk(progress.wantsCommit(5))
  progress.sentCommitIndex = 8
  t.notOk(progress.wantsCommit(20), 'it was told of everything that it has')
  t.end()
})

t.test('uncommitted bytes', (t) => {
  const uncommitted = new UncommittedBytes()
  uncommitted.restart(5, 400)
  t.equal(uncommitted.bytes, 0, 'what earlier terms left does not count')
  uncommitted.appended(410)
  uncommitted.appended(500)
  t.equal(uncommitted.bytes, 100)
  uncommitted.committedTo(4)
  t.equal(uncommitted.bytes, 100)
  uncommitted.committedTo(5)
  t.equal(uncommitted.bytes, 90)
  uncommitted.committedTo(6)
  t.equal(uncommitted.bytes, 0)
  uncommitted.restart(3, 200)
  t.equal(uncommitted.bytes, 0)
  t.end()
})
