import t from 'tap'
import { Faults } from '../support/faults.ts'
import { complaints, runUntilStopped } from './broker-workload.ts'
import { outcomesOf, stopPoints, summary } from './machine.ts'

t.setTimeout(300_000)

t.test('a broker\'s engine stopped at every boundary: delayed messages and retries come once, locks and offsets are where they were', async (t) => {
  const whole = await runUntilStopped(1, new Faults({ trace: true }))
  const { boundaries, trace } = whole.machine.faults
  t.same(await complaints(whole, whole.machine.afterPowerCut('none', 1)), [], 'nothing is lost after a clean close')
  t.ok(trace.some((line) => /^batch /.test(line)), 'there are checkpoints')
  t.comment(`${boundaries} boundaries: ${summary(trace)}`)
  let crashes = 0
  for (let boundary = 1; boundary <= boundaries; boundary++) {
    const point = stopPoints[boundary % 3]!
    const faults = new Faults()
    faults.stopAt(boundary, point)
    const life = await runUntilStopped(1, faults)
    const outcomes = outcomesOf(boundary)
    for (const { name, found } of [outcomes[0]!, outcomes[1 + boundary % (outcomes.length - 1)]!]) {
      const wrong = await complaints(life, found(life.machine, new Faults()))
      crashes++
      if (wrong.length > 0) t.fail(`stopped ${point} ${trace[boundary - 1]} (${boundary}), ${name}`, { wrong })
    }
  }
  t.pass(`${crashes} crashes`)
})

t.test('the same with the state database lost: base dump and log have all of it', async (t) => {
  const { boundaries, trace } = (await runUntilStopped(1, new Faults({ trace: true }))).machine.faults
  for (let boundary = 1; boundary <= boundaries; boundary += 2) {
    const faults = new Faults()
    faults.stopAt(boundary, 'after')
    const life = await runUntilStopped(1, faults)
    const machine = outcomesOf(boundary)[0]!.found(life.machine, new Faults())
    machine.kv.wipe()
    const wrong = await complaints(life, machine)
    if (wrong.length > 0) t.fail(`stopped after ${trace[boundary - 1]} (${boundary})`, { wrong })
  }
  t.pass(`${boundaries} boundaries`)
})
