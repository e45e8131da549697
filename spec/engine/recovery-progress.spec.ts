import t from 'tap'
import { VirtualClock } from '../../lib/adapters/index.ts'
import type { RecoveryProgress } from '../../lib/engine/index.ts'
import { watchRecovery } from '../../lib/engine/recovery-progress.ts'
import type { Replica } from '../../lib/replica/index.ts'

t.test('an open that takes long tells how far it is; a quick one says nothing', async (t) => {
  const clock = new VirtualClock()
  const told: RecoveryProgress[] = []
  const watch = watchRecovery(clock, (progress) => { told.push(progress) })
  await clock.advance(1900)
  t.same(told, [])
  watch.phase('rebuild', 5, 10)
  await clock.advance(200)
  t.same(told, [{ phase: 'rebuild', done: 5, total: 10 }])
  const status = { appliedIndex: 100, lastIndex: 300 }
  watch.replay({ stateMachine: { appliedIndex: 100 }, status: () => status } as unknown as Replica)
  status.appliedIndex = 150
  await clock.advance(500)
  t.same(told.at(-1), { phase: 'replay', done: 50, total: 200 })
  watch.end()
  await clock.advance(10_000)
  t.equal(told.length, 2)
  t.equal(clock.waiting, 0)
  watchRecovery(clock, undefined).end()
  t.equal(clock.waiting, 0)
})
