import t from 'tap'
import { Faults } from '../support/faults.ts'
import { complaints, runUntilStopped } from './engine-workload.ts'
import { outcomesOf, stopPoints } from './machine.ts'

t.setTimeout(300_000)

t.test('a queue that loses its state database in a crash: base dump and log have all of it, also when the head of the log is gone', async (t) => {
  const { boundaries, trace } = (await runUntilStopped(1, new Faults({ trace: true }))).machine.faults
  let crashes = 0
  for (let boundary = 1; boundary <= boundaries; boundary++) {
    const point = stopPoints[boundary % 3]!
    const faults = new Faults()
    faults.stopAt(boundary, point)
    const life = await runUntilStopped(1, faults)
    for (const ruin of ['wipe', 'ruin'] as const) {
      const { name, found } = outcomesOf(boundary)[ruin === 'wipe' ? 0 : 1 + boundary % 5]!
      const machine = found(life.machine, new Faults())
      machine.kv[ruin]()
      const wrong = await complaints(life, machine, { mayRebuild: true })
      crashes++
      if (wrong.length > 0) t.fail(`stopped ${point} ${trace[boundary - 1]} (${boundary}), ${name}, database: ${ruin}`, { wrong })
    }
  }
  t.pass(`${crashes} crashes`)
})
