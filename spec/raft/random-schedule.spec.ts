import t from 'tap'
import { Raft } from '../../lib/raft/index.ts'
import { Membership } from '../../lib/raft/membership.ts'
import { RandomSchedule } from './random-schedule.ts'
import { ScenarioNode } from './scenario-node.ts'

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

/** Each is found sooner, the last by seed 209. */
const MOST_SEEDS = 600

/** Bugs with nodes that lost their power; each returns what mends it. */
const planted: Readonly<Record<string, () => () => void>> = {
  'that a vote is given in doubt does not matter' () {
    const { tally } = Membership.prototype
    Membership.prototype.tally = function (this: Membership, votes) { return tally.call(this, votes) }
    return () => { Membership.prototype.tally = tally }
  },
  'doubt ends with the first entry' () {
    const own = Object.getOwnPropertyDescriptor(Raft.prototype, 'endsDoubtAt')!
    Object.defineProperty(Raft.prototype, 'endsDoubtAt', { configurable: true, get (this: Raft) { return this.isInDoubt ? 1 : undefined } })
    return () => { Object.defineProperty(Raft.prototype, 'endsDoubtAt', own) }
  },
  'a node does not notice that its machine was down' () {
    const { losePower } = ScenarioNode.prototype
    ScenarioNode.prototype.losePower = function (this: ScenarioNode) {
      const { doubt } = this.disk
      losePower.call(this)
      this.disk.doubt = doubt
      this.restart()
    }
    return () => { ScenarioNode.prototype.losePower = losePower }
  }
}

for (const [bug, plant] of Object.entries(planted)) {
  t.test(`notices: ${bug}`, (t) => {
    const mend = plant()
    t.teardown(mend)
    let found: string | undefined
    for (let seed = 1; seed <= MOST_SEEDS && found === undefined; seed++) {
      try {
        new RandomSchedule(seed).run(3000)
      } catch (error) {
        found = `seed ${seed}: ${(error as Error).message}`
      }
    }
    t.match(found, /without entry|where .* is committed|with another entry/)
    t.end()
  })
}
