import t from 'tap'
import { NodeClock, NodeRandom } from '../../lib/adapters/index.ts'
import { clockConformance } from '../support/conformance.ts'

t.test('the clock of this process keeps the clock contract', async (t) => {
  clockConformance(t, new NodeClock(), (ms) => new Promise((resolve) => { setTimeout(resolve, ms) }))
})

t.test('a timer far in the future does not fire at once, and can be cancelled', async (t) => {
  let fired = false
  const timer = new NodeClock().setTimer(2 ** 40, () => { fired = true })
  await new Promise((resolve) => { setTimeout(resolve, 5) })
  timer.cancel()
  t.notOk(fired)
})

t.test('no timer fires before its time, whatever fraction of a millisecond it was set at', async (t) => {
  const clock = new NodeClock()
  const earlyByMs: number[] = []
  for (let i = 0; i < 300; i++) {
    const startMs = clock.nowMs()
    await new Promise<void>((resolve) => {
      clock.setTimer(1, () => {
        if (clock.nowMs() < startMs + 1) earlyByMs.push(startMs + 1 - clock.nowMs())
        resolve()
      })
      setTimeout(() => {}, 20) // a clock's timers alone do not keep a process alive
      while (clock.nowMs() < startMs + (i % 10) / 10);
    })
  }
  t.same(earlyByMs, [])
})

t.test('random numbers lie in [0, 1)', async (t) => {
  const random = new NodeRandom()
  t.ok(Array.from({ length: 1000 }, () => random.next()).every((number) => number >= 0 && number < 1))
})
