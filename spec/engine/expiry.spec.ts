import t from 'tap'
import { VirtualClock } from '../../lib/adapters/index.ts'
import { Expiry } from '../../lib/engine/expiry.ts'

t.test('what is due by a wall clock that was put forward does not wait for as long as it would have before', async (t) => {
  const clock = new VirtualClock()
  let dueMs = clock.wallMs() + 2 * 3_600_000
  let expiredMs: number | undefined
  const expiry = new Expiry({
    clock,
    nextMs: () => dueMs,
    expire: async () => {
      expiredMs = clock.nowMs()
      dueMs = Infinity
    }
  })
  expiry.look()
  await clock.advance(10_000)
  clock.setWallMs(dueMs + 1)
  await clock.advance(30_000)
  t.ok(expiredMs !== undefined && expiredMs <= 40_000, `at ${expiredMs} ms`)
  expiry.stop()
})
