import t from 'tap'
import { NodeClock } from '../../lib/adapters/index.ts'
import { clockConformance } from './conformance.ts'
import { VirtualClock } from './virtual-clock.ts'

t.test('virtual clock, deferred runs by the event loop, keeps the clock contract', async (t) => {
  const clock = new VirtualClock()
  clockConformance(t, clock, async (ms) => {
    for (let turn = 0; turn < 5; turn++) await clock.settle()
    await clock.advance(ms)
  })
})

t.test('virtual clock, stepped, keeps the clock contract', async (t) => {
  const clock = new VirtualClock({ deferred: 'stepped' })
  clockConformance(t, clock, (ms) => clock.advance(ms))
})

t.test('the real clock keeps the clock contract', async (t) => {
  clockConformance(t, new NodeClock(), (ms) => new Promise((resolve) => { setTimeout(resolve, ms) }))
})

t.test('advance stops where it was told, running on the way what becomes due, chains included', async (t) => {
  const clock = new VirtualClock({ nowMs: 1000, wallMs: 50_000, deferred: 'stepped' })
  const seen: Array<[string, number]> = []
  const every = () => {
    seen.push(['tick', clock.nowMs()])
    clock.setTimer(10, every)
  }
  clock.setTimer(10, every)
  clock.setTimer(15, () => { Promise.resolve().then(() => { clock.defer(() => { seen.push(['deferred', clock.nowMs()]) }) }, () => {}) })
  await clock.advance(25)
  t.same(seen, [['tick', 1010], ['deferred', 1015], ['tick', 1020]])
  t.equal(clock.nowMs(), 1025)
  t.equal(clock.wallMs(), 50_025)
  t.equal(clock.nextTimerAtMs, 1030)
  t.equal(clock.waiting, 1)
})

t.test('many timers come up in the order of time, equal ones as they were set', async (t) => {
  const clock = new VirtualClock({ deferred: 'stepped' })
  const wanted: Array<[number, number]> = []
  const seen: Array<[number, number]> = []
  for (let number = 0; number < 500; number++) {
    const atMs = number * 7919 % 97
    const timer = clock.setTimer(atMs, () => { seen.push([atMs, number]) })
    if (number % 5 === 0) timer.cancel()
    else wanted.push([atMs, number])
  }
  wanted.sort(([a, x], [b, y]) => a - b || x - y)
  while (clock.runNext()) { /* to the end */ }
  t.same(seen, wanted)
})

t.test('runUntil: true when the condition holds, false when time or work runs out', async (t) => {
  const clock = new VirtualClock({ deferred: 'stepped' })
  let rang = false
  clock.setTimer(100, () => { rang = true })
  t.equal(await clock.runUntil(() => rang, { maxMs: 50 }), false)
  t.equal(await clock.runUntil(() => rang), true)
  t.equal(clock.nowMs(), 100)
  t.equal(await clock.runUntil(() => false), false, 'nothing waits any more')
})

t.test('wall time may jump, time-outs do not notice', async (t) => {
  const clock = new VirtualClock()
  let rang = false
  clock.setTimer(100, () => { rang = true })
  clock.setWallMs(5)
  t.equal(clock.wallMs(), 5)
  await clock.advance(99)
  t.notOk(rang)
  await clock.advance(1)
  t.ok(rang)
  t.equal(clock.wallMs(), 105)
})

t.test('something that defers itself for ever is reported, not waited for', async (t) => {
  const clock = new VirtualClock({ deferred: 'stepped' })
  const again = () => { clock.defer(again) }
  again()
  for (let step = 0; step < 1000; step++) clock.runNext()
  t.equal(clock.nowMs(), 0, 'time stands still')
})
