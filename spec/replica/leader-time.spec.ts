import t from 'tap'
import { LeaderTime } from '../../lib/replica/leader-time.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const START = 1_700_000_000_000

t.test('follows the wall clock in small steps, and never goes back', async (t) => {
  const clock = new VirtualClock({ wallMs: START })
  const time = new LeaderTime(clock)
  t.equal(time.stampMs(), START)
  await clock.advance(100.5)
  t.equal(time.stampMs(), START + 100)
  clock.setWallMs(START + 900)
  t.equal(time.stampMs(), START + 900, 'a small step forward')
  clock.setWallMs(START + 500)
  t.equal(time.stampMs(), START + 900, 'back: it stands still')
  await clock.advance(300)
  t.equal(time.stampMs(), START + 900)
  await clock.advance(200)
  t.equal(time.stampMs(), START + 1000)
  clock.setWallMs(START - 10 * 86_400_000)
  t.equal(time.stampMs(), START + 1000, 'ten days back')
})

t.test('one wrong reading does not count; a large step is believed once it has lasted', async (t) => {
  const clock = new VirtualClock({ wallMs: START })
  const time = new LeaderTime(clock)
  clock.setWallMs(START + 86_400_000)
  t.equal(time.stampMs(), START)
  await clock.advance(1000)
  clock.setWallMs(START + 1000)
  t.equal(time.stampMs(), START + 1000, 'it was wrong for a second')

  clock.setWallMs(START + 86_400_000)
  t.equal(time.stampMs(), START + 1000)
  await clock.advance(4999)
  t.equal(time.stampMs(), START + 5999)
  await clock.advance(1)
  t.equal(time.stampMs(), START + 86_405_000)
})
