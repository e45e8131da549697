import t from 'tap'
import { RandomSchedule } from './random-schedule.ts'

/** SEED=n runs one, with its trace; SEEDS=n runs that many. */
const only = process.env.SEED
const seeds = Number(process.env.SEEDS ?? 150)

t.test('safe under any schedule, and at rest in agreement afterwards', (t) => {
  const total: Record<string, number> = {}
  for (let seed = only === undefined ? 1 : Number(only); seed <= (only === undefined ? seeds : Number(only)); seed++) {
    const schedule = new RandomSchedule(seed)
    try {
      schedule.run(3000)
    } catch (error) {
      t.fail(`seed ${seed}: ${(error as Error).stack}`)
      if (only !== undefined) t.comment(schedule.trace.slice(-200).join('\n'))
    }
    for (const [name, count] of Object.entries(schedule.counts)) total[name] = (total[name] ?? 0) + count
  }
  for (const [name, count] of Object.entries(total)) t.ok(only !== undefined || count > seeds / 10, `${name}: ${count}`)
  t.end()
})
