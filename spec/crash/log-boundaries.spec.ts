import t from 'tap'
import { Faults } from '../support/faults.ts'
import { complaints, goOn, runUntilStopped } from './log-workload.ts'
import { outcomesOf, stopPoints, summary } from './machine.ts'

t.setTimeout(300_000)

for (const { how, inlineFlush, alignBytes } of [
  { how: 'flushed in the background', inlineFlush: false, alignBytes: 512 },
  { how: 'flushed on the calling thread', inlineFlush: true, alignBytes: 512 },
  { how: 'flushed through the page cache', inlineFlush: false, alignBytes: 1 }
]) {
  t.test(`a log stopped at every boundary, ${how}`, async (t) => {
    const whole = await runUntilStopped(1, new Faults({ trace: true }), inlineFlush, alignBytes)
    t.same(await complaints(whole.life, whole.machine.afterPowerCut('none', 1)), [], 'nothing is lost after a clean close')
    t.equal(whole.life.failure, undefined)
    t.equal(whole.machine.disk.openHandles, 0, 'every file was closed')
    const { boundaries } = whole.machine.faults
    for (const what of [/^(unlink|rename) .*\.seg($| -> .*spare)/, /^create .*\.seg$/, /^write .*\/mark/, /^rename .*\/intent$/, /^rename .*\/floor$/]) t.ok(whole.machine.faults.trace.some((line) => what.test(line)), `the workload does: ${what.source}`)
    t.comment(`${boundaries} boundaries: ${summary(whole.machine.faults.trace)}`)
    let crashes = 0
    for (let boundary = 1; boundary <= boundaries; boundary++) {
      for (const point of stopPoints) {
        const faults = new Faults()
        faults.stopAt(boundary, point)
        const { life, machine } = await runUntilStopped(1, faults, inlineFlush, alignBytes)
        for (const { name, found } of outcomesOf(boundary)) {
          const wrong = await complaints(life, found(machine, new Faults()))
          crashes++
          if (wrong.length > 0) t.fail(`stopped ${point} ${whole.machine.faults.trace[boundary - 1]} (${boundary}), ${name}`, { wrong })
        }
      }
    }
    t.pass(`${crashes} crashes`)
  })
}

t.test('a log killed at every other boundary, and its next life stopped at every boundary', async (t) => {
  const { boundaries } = (await runUntilStopped(1, new Faults(), false)).machine.faults
  let crashes = 0
  for (let boundary = 1; boundary <= boundaries; boundary += 2) {
    const faults = new Faults({ trace: true })
    faults.stopAt(boundary, stopPoints[boundary % 3]!)
    const { life, machine } = await runUntilStopped(1, faults, false)
    for (let again = 1; ; again++) {
      const nextFaults = new Faults({ trace: true })
      nextFaults.stopAt(again, stopPoints[again % 3]!)
      const next = machine.afterKill(boundary, nextFaults)
      const nextLife = life.continueOn(next)
      if (await next.run(goOn(nextLife)) !== undefined) break
      for (const { name, found } of [outcomesOf(again)[0]!, outcomesOf(again)[2 + again % 4]!]) {
        const wrong = await complaints(nextLife, found(next, new Faults()))
        crashes++
        if (wrong.length > 0) t.fail(`killed at ${boundary} ${faults.trace.at(-1)}; then stopped at ${again} ${nextFaults.trace.at(-1)}, ${name}`, { wrong })
      }
    }
  }
  t.pass(`${crashes} crashes`)
})
