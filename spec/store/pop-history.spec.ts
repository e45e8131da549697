import t from 'tap'
import { PopHistory } from './pop-history.ts'

const CASES = Number(process.env['CASES'] ?? 2000)
const STEPS = 120
t.setTimeout(600_000)
const seed = process.env['SEED']

t.test('random histories agree with the naive twin', async (t) => {
  const totals: Record<string, number> = {}
  const first = seed === undefined ? 1 : Number(seed)
  for (let at = first; at < first + (seed === undefined ? CASES : 1); at++) {
    const history = new PopHistory(at)
    try {
      for (let step = 0; step < STEPS; step++) history.step()
      history.drain()
    } catch (error) {
      t.comment(`SEED=${at} replays it`)
      throw error
    }
    for (const [name, count] of Object.entries(history.counts)) totals[name] = (totals[name] ?? 0) + count
  }
  t.comment(JSON.stringify(totals))
  if (seed === undefined) for (const [name, count] of Object.entries(totals)) t.ok(count > CASES / 2, `${name} happened often enough to count`)
})
