import t from 'tap'
import { Faults } from '../support/faults.ts'
import { complaints, runUntilStopped } from './engine-workload.ts'
import { outcomesOf, stopPoints, summary } from './machine.ts'

t.setTimeout(300_000)

/** What the workload must bring about, or the crashes prove less than they seem to. */
const wanted = [/^(unlink|rename) .*\.seg($| -> .*spare)/, /^create .*\.seg$/, /^rename .*\.base$/, /^unlink .*\.base$/, /^rename .*\/floor$/, /^batch /]

t.test('a queue stopped before, in the middle of and after each boundary: nothing acked is missing, nothing is invented, consumers go on where they were', async (t) => {
  const whole = await runUntilStopped(1, new Faults({ trace: true }))
  const { boundaries, trace } = whole.machine.faults
  t.same(await complaints(whole, whole.machine.afterPowerCut('none', 1)), [], 'nothing is lost after a clean close')
  t.equal(whole.machine.disk.openHandles, 0, 'every file was closed')
  for (const what of wanted) t.ok(trace.some((line) => what.test(line)), `the workload does ${what.source}`)
  t.comment(`${boundaries} boundaries: ${summary(trace)}`)
  let crashes = 0
  for (let boundary = 1; boundary <= boundaries; boundary++) {
    const outcomes = outcomesOf(boundary)
    for (const point of stopPoints) {
      const faults = new Faults()
      faults.stopAt(boundary, point)
      const life = await runUntilStopped(1, faults)
      // nothing unsynced kept; and pieces kept, dropped, torn and reordered, or the process killed
      for (const { name, found } of [outcomes[0]!, outcomes[1 + boundary % 5]!]) {
        const wrong = await complaints(life, found(life.machine, new Faults()))
        crashes++
        if (wrong.length > 0) t.fail(`stopped ${point} ${trace[boundary - 1]} (${boundary}), ${name}`, { wrong })
      }
    }
  }
  t.pass(`${crashes} crashes`)
})
