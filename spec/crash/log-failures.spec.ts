import t, { type Test } from 'tap'
import { isMqError } from '../../lib/base/index.ts'
import { Faults, type FaultCode } from '../support/faults.ts'
import { LogLife } from './log-machine.ts'
import { complaints, runUntilStopped, workload } from './log-workload.ts'
import { codeUnder, Machine } from './machine.ts'

t.setTimeout(300_000)

async function runFailing (plan: (faults: Faults) => void): Promise<{ life: LogLife, machine: Machine, error: unknown }> {
  const machine = new Machine(1, { faults: new Faults({ trace: true }) })
  const life = new LogLife(machine)
  plan(machine.faults)
  let error: unknown
  await machine.run(workload(life)).catch((thrown) => { error = thrown })
  return { life, machine, error }
}

for (const code of ['EIO', 'ENOSPC'] satisfies FaultCode[]) {
  t.test(`${code} on the n-th operation, for every n: the cause is reported, nothing is promised afterwards, what was promised is there`, async (t) => {
    const { boundaries, trace } = (await runUntilStopped(1, new Faults({ trace: true }), false)).machine.faults
    for (let n = 1; n <= boundaries; n++) {
      const what = `${code} at ${n}, ${trace[n - 1]}`
      const { life, machine, error } = await runFailing((faults) => { faults.failAt(n, code) })
      if (error === undefined && life.firstFailure === undefined) {
        // Only the removal of what nobody needs may fail quietly, which is done again at the next start; and what makes a segment to come, or an opening fast, may want for room.
        if (!trace[n - 1]!.startsWith('unlink') && !(code === 'ENOSPC' && /\/next|^(write|sync) .*\/spare|^(create|truncate|write|sync) .*\/terms\.new/.test(trace[n - 1]!))) t.fail(`${what}: nobody noticed`)
      } else {
        if (codeUnder(error ?? life.firstFailure) !== code) t.fail(`${what}: ${String(error)} does not tell the cause`)
        if (life.failure !== undefined) await assertStopped(t, life, machine, what, code)
      }
      const wrong = await complaints(life, machine.afterPowerCut('none', n))
      if (wrong.length > 0) t.fail(what, { wrong })
    }
    t.pass(`${boundaries} failures`)
  })
}

t.test('EIO on the n-th read, for every n', async (t) => {
  const { reads } = (await runUntilStopped(1, new Faults(), false)).machine.faults
  for (let n = 1; n <= reads; n++) {
    const { life, machine, error } = await runFailing((faults) => { faults.failReadAt(n, 'EIO') })
    const reported = error ?? life.firstFailure
    if (reported === undefined) t.fail(`read ${n}, ${machine.faults.readTrace[n - 1]}: nobody noticed`)
    else if (codeUnder(reported) !== 'EIO') t.fail(`read ${n}: ${String(reported)} does not tell the cause`)
    const wrong = await complaints(life, machine.afterKill(n))
    if (wrong.length > 0) t.fail(`read ${n}`, { wrong })
  }
  t.pass(`${reads} failures`)
})

/** A log that has failed takes nothing more, says why, and reports no progress. */
async function assertStopped (t: Test, life: LogLife, machine: Machine, what: string, code: FaultCode): Promise<void> {
  const before = life.twin.copy()
  for (const [name, call] of [
    ['append', async () => { life.append(9, 1, 100) }],
    ['syncThrough', () => life.log.syncThrough(life.log.lastIndex + 1)],
    ['truncateFrom', () => life.log.truncateFrom(life.log.lastIndex)]
  ] as const) {
    const thrown = await machine.run(call().then(() => undefined, (error: unknown) => error))
    const stopped = isMqError(thrown?.value, 'MQ_IO') ? codeUnder(thrown.value) === code : life.isClosing && isMqError(thrown?.value, 'MQ_CLOSED')
    if (!stopped) t.fail(`${what}: ${name} gave ${String(thrown?.value)}`)
  }
  // What was under way on other files may finish, without a word; then the disk is left alone.
  await machine.clock.advance(100)
  const { boundaries } = machine.faults
  await machine.clock.advance(1000)
  if (machine.faults.boundaries !== boundaries) t.fail(`${what}: the disk was written to afterwards: ${machine.faults.trace.slice(boundaries).join(', ')}`)
  if (life.progressAfterFailure) t.fail(`${what}: progress was reported afterwards`)
  life.twin.entries = before.entries
}
