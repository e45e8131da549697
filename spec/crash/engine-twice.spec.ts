import t from 'tap'
import { Faults } from '../support/faults.ts'
import type { EngineLife } from './engine-life.ts'
import { complaints, runUntilStopped } from './engine-workload.ts'
import { outcomesOf, stopPoints } from './machine.ts'

t.setTimeout(300_000)

/** The life after a crash: recovers, takes messages, has some consumed. */
async function goOn (life: EngineLife): Promise<void> {
  await life.open()
  await Promise.all([0, 1].map((queueId) => life.send('orders', queueId, 300)))
  const deliveries = await life.pop('orders', 3)
  await life.ack(deliveries[0]!)
  await life.sendBatch('orders', [1, 0], 900)
  await life.close()
}

t.test('a queue whose process is killed, and whose next life is stopped too: what either has acked is there', async (t) => {
  const { boundaries } = (await runUntilStopped(1, new Faults())).machine.faults
  let crashes = 0
  for (let boundary = 2; boundary <= boundaries; boundary += 3) {
    const faults = new Faults({ trace: true })
    faults.stopAt(boundary, stopPoints[boundary % 3]!)
    const life = await runUntilStopped(1, faults)
    for (let again = 1 + boundary % 3; ; again += 3) {
      const nextFaults = new Faults({ trace: true })
      nextFaults.stopAt(again, stopPoints[(again >> 1) % 3]!)
      const next = life.continueOn(life.machine.afterKill(boundary, nextFaults))
      if (await next.machine.run(goOn(next)) !== undefined) break
      const { name, found } = outcomesOf(again)[again % 2 === 0 ? 0 : 2 + again % 4]!
      const wrong = await complaints(next, found(next.machine, new Faults()))
      crashes++
      if (wrong.length > 0) t.fail(`killed at ${boundary} ${faults.trace.at(-1)}; then stopped at ${again} ${nextFaults.trace.at(-1)}, ${name}`, { wrong })
    }
  }
  t.pass(`${crashes} crashes`)
})
