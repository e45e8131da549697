import t from 'tap'
import type { RaftEntry } from '../../lib/raft/index.ts'
import { Applier } from '../../lib/replica/applier.ts'
import { settle, VirtualClock } from '../support/virtual-clock.ts'

t.test('how long a read of what is to be applied has been under way is known: a disk that stands still shows there too', async (t) => {
  const clock = new VirtualClock()
  let serve = (_: readonly RaftEntry[]): void => {}
  const log = { entries: () => undefined, readEntries: () => new Promise<readonly RaftEntry[]>((resolve) => { serve = resolve }) }
  const applier = new Applier({ clock, log, appliedIndex: 0, sliceBytes: 1000, apply () {}, onSlice () {}, onFailure: (error) => { throw error } })
  t.equal(applier.readingMs, 0)
  applier.commitTo(1)
  await clock.advance(5_000)
  t.equal(applier.readingMs, 5_000)
  serve([{ index: 1 } as RaftEntry])
  await settle()
  t.equal(applier.appliedIndex, 1)
  t.equal(applier.readingMs, 0)
})
