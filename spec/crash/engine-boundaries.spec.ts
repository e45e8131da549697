import t from 'tap'
import { Faults } from '../support/faults.ts'
import { complaints, runUntilStopped } from './engine-workload.ts'
import { outcomesOf, stopPoints, summary } from './machine.ts'

t.setTimeout(110_000)

t.test('a queue stopped at every boundary: nothing acked is missing, nothing is invented, consumers go on where they were', async (t) => {
  const whole = await runUntilStopped(1, new Faults({ trace: true }))
  const { boundaries, trace } = whole.machine.faults
  t.same(await complaints(whole, whole.machine.afterPowerCut('none', 1)), [], 'nothing is lost after a clean close')
  t.equal(whole.machine.disk.openHandles, 0, 'every file was closed')
  t.comment(`${boundaries} boundaries: ${summary(trace)}`)
  let crashes = 0
  for (let boundary = 1; boundary <= boundaries; boundary++) {
    for (const point of stopPoints) {
      const faults = new Faults()
      faults.stopAt(boundary, point)
      const life = await runUntilStopped(1, faults)
      const outcomes = outcomesOf(boundary)
      for (const { name, found } of [outcomes[0]!, outcomes[1 + boundary % 5]!]) {
        const wrong = await complaints(life, found(life.machine, new Faults()))
        crashes++
        if (wrong.length > 0) t.fail(`stopped ${point} ${trace[boundary - 1]} (${boundary}), ${name}`, { wrong })
      }
    }
  }
  t.pass(`${crashes} crashes`)
})
