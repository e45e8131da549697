import t from 'tap'
import { Faults, type FaultCode } from '../support/faults.ts'
import { LogLife } from './log-machine.ts'
import { complaints, goOn } from './log-workload.ts'
import { codeUnder, Machine, outcomesOf, stopPoints, summary } from './machine.ts'

t.setTimeout(300_000)

/** Retention again and again, so that files of dropped segments become the next ones; entries that overrun one, cuts in one. */
async function workload (life: LogLife): Promise<void> {
  await life.open()
  for (let round = 1; round <= 3; round++) {
    for (let batch = 0; batch < 3; batch++) {
      life.append(round, 5, 4500)
      await life.settled()
    }
    life.twin.floorPosition = life.log.endPosition
    life.log.mayDeleteThrough = life.log.lastIndex
    life.log.setFloor(life.twin.floorPosition)
    await life.idle(25)
  }
  life.append(4, 6, 3000)
  await life.settled()
  await life.cut(life.log.lastIndex - 3)
  life.append(5, 3, 900)
  await life.settled()
  await life.close()
}

async function run (faults: Faults, alignBytes: number): Promise<{ life: LogLife, machine: Machine }> {
  const machine = new Machine(1, { faults, alignBytes })
  const life = new LogLife(machine, { inlineFlush: true })
  await machine.run(workload(life))
  return { life, machine }
}

for (const alignBytes of [1, 512]) {
  t.test(`a log that uses files again, stopped at every boundary (blocks of ${alignBytes})`, async (t) => {
    const whole = await run(new Faults({ trace: true }), alignBytes)
    const { trace, boundaries } = whole.machine.faults
    t.same(await complaints(whole.life, whole.machine.afterPowerCut('none', 1)), [])
    t.equal(whole.machine.disk.openHandles, 0)
    for (const what of [/^rename .*\.seg -> .*spare/, /^write .*spare/, /^rename .*spare.* -> .*\.seg/]) t.ok(trace.filter((line) => what.test(line)).length >= 3, `the workload does: ${what.source}`)
    t.comment(`${boundaries} boundaries: ${summary(trace)}`)
    let crashes = 0
    for (let boundary = 1; boundary <= boundaries; boundary++) {
      const faults = new Faults()
      faults.stopAt(boundary, stopPoints[boundary % 3]!)
      const { life, machine } = await run(faults, alignBytes)
      for (const { name, found } of outcomesOf(boundary)) {
        const wrong = await complaints(life, found(machine, new Faults()))
        crashes++
        if (wrong.length > 0) t.fail(`stopped at ${trace[boundary - 1]} (${boundary}), ${name}`, { wrong })
      }
      const next = machine.afterKill(boundary)
      const nextLife = life.continueOn(next)
      await next.run(goOn(nextLife))
      const wrong = await complaints(nextLife, next.afterPowerCut('reorder', boundary))
      if (wrong.length > 0) t.fail(`stopped at ${trace[boundary - 1]} (${boundary}), gone on`, { wrong })
    }
    t.pass(`${crashes} crashes`)
  })
}

for (const code of ['EIO', 'ENOSPC'] satisfies FaultCode[]) {
  t.test(`${code} on what makes a file one to use again: the log stops, or goes on without; nothing is lost`, async (t) => {
    const { trace } = (await run(new Faults({ trace: true }), 512)).machine.faults
    for (const [at, what] of trace.entries()) {
      if (!what.includes('spare')) continue
      const machine = new Machine(1, { faults: new Faults({ trace: true }), alignBytes: 512 })
      const life = new LogLife(machine, { inlineFlush: true })
      machine.faults.failAt(at + 1, code)
      const error = await machine.run(workload(life)).then(() => undefined, (thrown: unknown) => thrown)
      const isQuiet = what.startsWith('unlink') || (code === 'ENOSPC' && !what.startsWith('rename'))
      if (isQuiet !== (error === undefined && life.firstFailure === undefined)) t.fail(`${code} at ${what}`, { error, failure: life.firstFailure })
      else if (!isQuiet && codeUnder(error ?? life.firstFailure) !== code) t.fail(`${code} at ${what}: ${String(error)}`)
      const wrong = await complaints(life, machine.afterPowerCut('none', at))
      if (wrong.length > 0) t.fail(what, { wrong })
    }
    t.pass()
  })
}
