import t, { type Test } from 'tap'
import { isMqError } from '../../lib/base/index.ts'
import { Faults, type FaultCode } from '../support/faults.ts'
import { EngineLife } from './engine-life.ts'
import { complaints, runUntilStopped, workload } from './engine-workload.ts'
import { codeUnder, Machine } from './machine.ts'

t.setTimeout(300_000)

async function runFailing (plan: (faults: Faults) => void): Promise<{ life: EngineLife, error: unknown }> {
  const life = new EngineLife(new Machine(1, { faults: new Faults({ trace: true }) }))
  plan(life.machine.faults)
  let error: unknown
  await life.machine.run(workload(life)).catch((thrown) => { error = thrown })
  return { life, error }
}

for (const code of ['EIO', 'ENOSPC'] satisfies FaultCode[]) {
  t.test(`${code} on the n-th operation, for every n: callers hear the cause, nothing is acked afterwards, what was acked is there`, async (t) => {
    const whole = await runUntilStopped(1, new Faults({ trace: true }))
    const { boundaries, trace } = whole.machine.faults
    const quiet: number[] = []
    for (let n = 1; n <= boundaries; n++) {
      const what = `${code} at ${n}, ${trace[n - 1]}`
      const { life, error } = await runFailing((faults) => { faults.failAt(n, code) })
      const reported = error ?? life.firstFailure
      if (reported === undefined) quiet.push(n)
      else if (codeUnder(reported) !== code) t.fail(`${what}: ${String(reported)} does not tell the cause`)
      if (life.ackedAfterFailure) t.fail(`${what}: something was acked after the failure`)
      if (life.failure !== undefined) await assertStopped(t, life, what, code)
      const wrong = await complaints(life, life.machine.afterPowerCut('none', n))
      if (wrong.length > 0) t.fail(what, { wrong })
    }
    // Only what the next start does again may fail without a word: removing files, and the last checkpoint of a close.
    // What makes a segment to come may want for room, and so may a base dump, and the terms that let the log open fast.
    const isMinor = (n: number) => trace[n - 1]!.startsWith('unlink') || (code === 'ENOSPC' && /\/next|^(write|sync) .*\/spare|^(create|truncate|write|sync) .*(\.base|\/terms)\.new/.test(trace[n - 1]!)) || whole.closes.some(([from, to]) => from <= n && n <= to)
    t.same(quiet.filter((n) => !isMinor(n)).map((n) => trace[n - 1]), [], `${boundaries} failures`)
  })
}

t.test('EIO on the n-th read, for every n', async (t) => {
  const { reads } = (await runUntilStopped(1, new Faults())).machine.faults
  for (let n = 1; n <= reads; n++) {
    const { life, error } = await runFailing((faults) => { faults.failReadAt(n, 'EIO') })
    const what = `EIO at read ${n}, ${life.machine.faults.readTrace[n - 1]}`
    const reported = error ?? life.firstFailure
    if (reported !== undefined && codeUnder(reported) !== 'EIO') t.fail(`${what}: ${String(reported)} does not tell the cause`)
    if (life.ackedAfterFailure) t.fail(`${what}: something was acked after the failure`)
    const wrong = await complaints(life, life.machine.afterKill(n))
    if (wrong.length > 0) t.fail(what, { wrong })
  }
  t.pass(`${reads} failures`)
})

/** An engine that has stopped refuses everything, and says why. */
async function assertStopped (t: Test, life: EngineLife, what: string, code: FaultCode): Promise<void> {
  const before = life.promises.sent.length
  for (const [name, call] of [
    ['send', () => life.send('orders', 0, 10)],
    ['pop', () => life.pop('orders', 1)],
    ['createTopic', () => life.engine.createTopic({ name: 'late', queueCount: 1, attributes: {} })]
  ] as const) {
    const thrown = await life.machine.run(call().then(() => undefined, (error: unknown) => error))
    const isStopped = isMqError(thrown?.value) && (codeUnder(thrown.value) === code || (life.isClosing && thrown.value.code === 'MQ_CLOSED'))
    if (!isStopped) t.fail(`${what}: ${name} gave ${String(thrown?.value)}`)
  }
  life.promises.sent.length = before
}
