import t, { type Test } from 'tap'
import type { MqError } from '../../lib/base/index.ts'
import { Faults, type FaultCode, type FaultKind } from '../support/faults.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { CounterMachine } from './counter-machine.ts'
import { DIRECTORY, Members, type Member } from './members.ts'

const flushes = [
  { name: 'flushed in the background', logSettings: {} },
  { name: 'flushed inline', logSettings: { inlineFlush: true } },
  { name: 'flushed by a timer', logSettings: { flush: { mode: 'async', intervalMs: 20, leastPages: 1 } } }
] as const

interface Answer { readonly id: number, done: boolean, error?: any }

/** The next life's disk fails no more, and is on its own time. */
const afresh = () => ({ directories: ['/data'], faults: new Faults(), schedule: undefined })

/** Submits `rounds` rounds of some proposals each, whatever becomes of them. */
async function submitRounds (members: Members, member: Member, rounds: number): Promise<Answer[]> {
  const answers: Answer[] = []
  for (let round = 0; round < rounds; round++) {
    for (let n = 0; n < 4; n++) answers.push(Object.assign(members.submit(member, answers.length, 300), { id: answers.length }))
    await members.clock.advance(3)
  }
  return answers
}

/** What must hold after node 1 failed with `answers` given or outstanding. */
async function checkStopped (t: Test, members: Members, member: Member, answers: readonly Answer[], code: FaultCode): Promise<void> {
  const { replica, machine } = member
  t.equal(replica.status().state, 'failed')
  if (!answers.every(({ done }) => done)) t.fail('a proposal was left without an answer')
  const firstFailed = answers.findIndex(({ error }) => error !== undefined)
  const afterwards = firstFailed === -1 ? [] : answers.slice(firstFailed)
  if (!afterwards.every(({ error }) => error?.code === 'MQ_IO' && error.retryable === false && error.cause !== undefined)) t.fail('something settled, or failed differently, after the failure')
  for (const { error } of afterwards.slice(0, 1)) t.match(error.message, new RegExp(code))
  const appliedCount = machine.count
  const late = members.submit(member, 99_999)
  t.match(late.error, { code: 'MQ_IO', outcome: 'not-applied' }, 'later proposals are refused')
  await t.rejects(replica.readBarrier(), { code: 'MQ_IO' })
  await t.rejects(replica.changeMembership({ transition: 'auto', steps: [{ type: 'addLearner', id: 9 }] }), { code: 'MQ_IO' })
  await t.rejects(replica.whenLeader(), { code: 'MQ_IO' })
  let told: MqError | undefined
  replica.onFailure((error) => { told = error })
  t.equal(told?.code, 'MQ_IO', 'who asks later is told at once')
  await members.clock.advance(1000)
  t.equal(machine.count, appliedCount, 'nothing is applied any more')
  await members.run(replica.close())
  t.equal(member.disk.openHandles, 0, 'files are let go of')
}

for (const { name, logSettings } of flushes) {
  for (const code of ['EIO', 'ENOSPC'] as const) {
    t.test(`${code} at the n-th write or sync, ${name}: the node stops, and what it has acknowledged survives`, async (t) => {
      const kinds: FaultKind[] = ['write', 'sync']
      let failed = 0
      for (let n = 1; n <= 24; n++) {
        const members = new Members([1])
        const disk = members.disk({ delayMs: 0.5, directories: ['/data'] })
        const member = await members.open(1, disk, { logSettings, checkpointEntries: 5 })
        await members.run(member.replica.whenLeader())
        const failures: MqError[] = []
        member.replica.onFailure((error) => { failures.push(error) })
        disk.faults.failAt(n, code, { kinds })
        const answers = await submitRounds(members, member, 8)
        await members.clock.advance(100)
        if (failures.length === 0) {
          t.ok(answers.every(({ done, error }) => done && error === undefined), `${n}: there was nothing to fail`)
          await members.closeAll()
          continue
        }
        failed++
        t.equal(failures.length, 1, `${n}: told once`)
        await checkStopped(t, members, member, answers, code)
        const settled = answers.filter(({ error }) => error === undefined).map(({ id }) => id)
        const disks = [disk.kill(afresh()), disk.powerCut({ ...afresh(), keep: 'none' }), disk.powerCut({ ...afresh(), keep: 'random', random: new SeededRandom(n) })]
        // The timer syncs later than it answers: a power cut may take what was acknowledged, and only that.
        for (const [at, again] of disks.entries()) {
          const next = new Members([1])
          const { replica, machine } = await next.open(1, again)
          await next.run(replica.whenLeader())
          const count = machine.count
          const acknowledged = settled.length
          if (at === 0 || !('flush' in logSettings)) t.ok(count >= acknowledged, `${n}: ${count} of ${acknowledged} acknowledged are there`)
          const replayed = machine.ids.slice(machine.ids.length - (count - (machine.checkpointedIndex === 0 ? 0 : machine.ids[0]!)))
          t.same(replayed, Array.from({ length: replayed.length }, (_, i) => count - replayed.length + i), 'in order, none twice')
          for (const answer of answers) if (answer.error?.outcome === 'not-applied' && answer.id < count) t.fail(`request ${answer.id} was said not to be applied`)
          await next.run(replica.close())
        }
      }
      t.ok(failed >= 12, `${failed} failures`)
    })
  }
}

t.test('a failure while a node is opened is its answer, and leaves nothing open', async (t) => {
  let failed = 0
  for (let n = 1; n <= 60; n++) {
    const members = new Members([1])
    const disk = members.disk({ directories: ['/data'] })
    disk.faults.failAt(n, 'EIO')
    disk.faults.failReadAt(n, 'EIO')
    const answer = await members.open(1, disk).catch((error) => error)
    if (answer.replica !== undefined) {
      await members.run(answer.replica.close()).catch(() => {})
    } else {
      failed++
      t.ok(answer.code === 'MQ_IO' || answer.code === 'EIO', `${n}: ${answer.code}`)
    }
    t.equal(disk.openHandles, 0, `${n}: nothing stays open`)
  }
  t.ok(failed > 3, `${failed} failures`)
})

t.test('an entry that cannot be read back to be applied stops the node', async (t) => {
  const members = new Members([1])
  const first = await members.open(1)
  await members.run(first.replica.whenLeader())
  await submitRounds(members, first, 3)
  const disk = first.disk.kill(afresh())
  const second = new Members([1])
  let machine: CounterMachine | undefined
  const { replica } = await second.open(1, disk, {
    logSettings: { tailCacheBytes: 1, coldCacheBytes: 1 },
    settings: { applySliceBytes: 1 },
    openStateMachine: async () => {
      machine = await CounterMachine.open({ disk, directory: DIRECTORY })
      machine.onApply = ({ index }) => { if (index === 2) disk.faults.failReadAt(1, 'EIO', { times: 1000 }) }
      return machine
    }
  })
  const leads = replica.whenLeader()
  leads.catch(() => {})
  await second.clock.advance(1000)
  t.equal(replica.status().state, 'failed')
  t.equal(machine!.appliedIndex, 2)
  await t.rejects(leads, { code: 'MQ_IO' })
  t.notOk(replica.status().isLeading)
  await second.closeAll()
})

t.test('a state machine that throws stops the node: that entry is not acknowledged', async (t) => {
  const members = new Members([1])
  const member = await members.open(1)
  await members.run(member.replica.whenLeader())
  t.equal(await members.add(member, 0), undefined)
  const { index } = { index: member.replica.status().appliedIndex + 1 }
  member.machine.onApply = (entry) => { if (entry.index === index) throw new Error('a mistake in apply') }
  const outcome = members.submit(member, 1)
  await members.clock.advance(10)
  t.match(outcome.error, { code: 'MQ_INVARIANT', outcome: 'unknown' })
  t.match(members.submit(member, 2).error, { code: 'MQ_INVARIANT', outcome: 'not-applied' })
  await members.closeAll()
  t.equal(member.disk.openHandles, 0)
})

t.test('a leader whose disk fails says farewell: another one leads without an election time-out', async (t) => {
  const members = new Members([1, 2, 3])
  // The leader's disk is the slowest: the others have acknowledged by the time it fails.
  await members.open(1, members.disk({ delayMs: 20, directories: ['/data'] }))
  await members.open(2)
  await members.open(3)
  const leader = members.members.get(1)!
  const elected = await members.untilLeader()
  if (elected !== leader) await members.run(elected.replica.transferLeadership(1))
  await members.run(leader.replica.whenLeader())
  t.equal(await members.add(leader, 1), undefined)
  await members.clock.advance(200)
  const outcome = members.submit(leader, 2)
  leader.disk.faults.failAt(1, 'EIO', { kinds: ['sync'] })
  const startMs = members.clock.nowMs()
  await members.clock.runUntil(() => outcome.done)
  t.match(outcome.error, { code: 'MQ_IO', outcome: 'unknown' })
  const next = await members.untilLeader()
  t.not(next.id, leader.id)
  t.ok(members.clock.nowMs() - startMs < 8 * 50, `after ${members.clock.nowMs() - startMs} ms`)
  t.equal(await members.add(next, 3), undefined)
  t.same(next.machine.ids, [1, 2, 3], 'it had been sent before the disk failed')
  await members.closeAll()
})
