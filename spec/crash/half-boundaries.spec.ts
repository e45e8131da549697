import t from 'tap'
import { Faults } from '../support/faults.ts'
import { complaints, runUntilStopped } from './half-workload.ts'
import { outcomesOf, stopPoints, summary } from './machine.ts'

t.setTimeout(300_000)

t.test('stopped at every second boundary: a half message is not seen before its commit, is there once after it, and waits until it is decided', async (t) => {
  const whole = await runUntilStopped(1, new Faults({ trace: true }))
  const { boundaries, trace } = whole.machine.faults
  t.same(await complaints(whole, whole.machine.afterPowerCut('none', 1)), [], 'nothing is lost after a clean close')
  t.equal(whole.halves.filter(({ isEnded }) => isEnded).length, 6)
  t.ok(trace.some((line) => /^batch /.test(line)), 'there are checkpoints')
  t.comment(`${boundaries} boundaries: ${summary(trace)}`)
  for (let boundary = 1; boundary <= boundaries; boundary += 2) {
    const point = stopPoints[(boundary >> 1) % 3]!
    const faults = new Faults()
    faults.stopAt(boundary, point)
    const life = await runUntilStopped(1, faults)
    const outcomes = outcomesOf(boundary)
    const { name, found } = outcomes[(boundary >> 1) % outcomes.length]!
    const machine = found(life.machine, new Faults())
    if (boundary % 5 === 0) machine.kv.wipe()
    const wrong = await complaints(life, machine)
    if (wrong.length > 0) t.fail(`stopped ${point} ${trace[boundary - 1]} (${boundary}), ${name}`, { wrong })
  }
  t.pass(`${boundaries} crashes`)
})
