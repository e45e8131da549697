import t from 'tap'
import { Faults } from '../support/faults.ts'
import { outcomesOf, stopPoints, summary } from './machine.ts'
import { complaints, runUntilStopped } from './tx-workload.ts'

t.setTimeout(300_000)

t.test('stopped at every boundary: a transaction has acknowledged, sent and kept all of it, or nothing; also with the state database lost', async (t) => {
  const whole = await runUntilStopped(1, new Faults({ trace: true }))
  const { boundaries, trace } = whole.machine.faults
  t.same(await complaints(whole, whole.machine.afterPowerCut('none', 1)), [], 'nothing is lost after a clean close')
  t.ok(whole.works.length > 8 && whole.works.every(({ fate }) => fate === 'acked'))
  for (const what of [/^batch /, /^rename .*\.base$/]) t.ok(trace.some((line) => what.test(line)), `the workload does ${what.source}`)
  t.comment(`${boundaries} boundaries: ${summary(trace)}`)
  for (let boundary = 1; boundary <= boundaries; boundary++) {
    const point = stopPoints[boundary % 3]!
    const faults = new Faults()
    faults.stopAt(boundary, point)
    const life = await runUntilStopped(1, faults)
    const outcomes = outcomesOf(boundary)
    const { name, found } = outcomes[boundary % outcomes.length]!
    const machine = found(life.machine, new Faults())
    if (boundary % 5 === 0) machine.kv.wipe()
    const wrong = await complaints(life, machine)
    if (wrong.length > 0) t.fail(`stopped ${point} ${trace[boundary - 1]} (${boundary}), ${name}`, { wrong })
  }
  t.pass(`${boundaries} crashes`)
})
