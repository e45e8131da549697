import t from 'tap'
import { silentLogger } from '../../lib/base/index.ts'
import { Checkpoints, type CheckpointedLog } from '../../lib/replica/checkpoints.ts'
import type { StateMachine, WriteBaseDump } from '../../lib/replica/index.ts'
import { settle } from '../support/virtual-clock.ts'

t.test('what is due waits for the end of a segment that is nearly full, of one and not of the next, and what is demanded does not wait', async (t) => {
  const log: CheckpointedLog & { nearlyFullSegment: number | undefined } = { durableIndex: 1, async syncThrough () {}, nearlyFullSegment: undefined }
  let count = 0
  const stateMachine = { appliedIndex: 1, checkpointDue: true, async checkpoint () { count++ } } as unknown as StateMachine & { checkpointDue: boolean }
  const checkpoints = new Checkpoints({ log, stateMachine, logger: silentLogger, pauseApply () {}, resumeApply () {}, onFailure: (error) => { t.fail(String(error)) } })
  async function countAfter (nearlyFullSegment: number | undefined): Promise<number> {
    log.nearlyFullSegment = nearlyFullSegment
    stateMachine.checkpointDue = true
    checkpoints.maybeStart()
    stateMachine.checkpointDue = false
    await checkpoints.demanded()
    return count
  }
  t.equal(await countAfter(undefined), 1)
  t.equal(await countAfter(1000), 1)
  t.equal(await countAfter(1000), 1, 'still the same one')
  t.equal(await countAfter(2000), 2, 'the next one, however full')
  t.equal(await countAfter(2000), 2, 'and so on')
  checkpoints.demand()
  t.equal(await countAfter(2000), 3)
})

t.test('what is overdue does not wait for the end of a segment: nothing may come to it any more, while much that is in the log is applied', async (t) => {
  let count = 0
  const log: CheckpointedLog = { durableIndex: 1, async syncThrough () {}, nearlyFullSegment: 1000 }
  const stateMachine = { appliedIndex: 1, checkpointDue: true, isCheckpointOverdue: false, async checkpoint () { count++ } } as unknown as StateMachine & { isCheckpointOverdue: boolean }
  const checkpoints = new Checkpoints({ log, stateMachine, logger: silentLogger, pauseApply () {}, resumeApply () {}, onFailure: (error) => { t.fail(String(error)) } })
  checkpoints.maybeStart()
  t.equal(count, 0)
  stateMachine.isCheckpointOverdue = true
  checkpoints.maybeStart()
  t.equal(count, 1)
  await checkpoints.stop()
})

/** A state machine whose checkpoints and dumps end when the spec says so. */
class Held {
  readonly appliedIndex = 1
  checkpointDue = false
  baseDumpDue = false
  isCheckpointOverdue = false
  /** What is under way, in the order it began. */
  readonly under: Array<{ readonly what: 'checkpoint' | 'dump', readonly end: (error?: Error) => void, readonly isWanted?: () => boolean }> = []

  checkpoint (): Promise<void> {
    this.checkpointDue = false
    return new Promise((resolve, reject) => { this.under.push({ what: 'checkpoint', end: (error) => error === undefined ? resolve() : reject(error) }) })
  }

  async beginBaseDump (): Promise<WriteBaseDump> {
    await this.checkpoint()
    this.baseDumpDue = false
    return (isWanted) => new Promise((resolve, reject) => {
      this.under.push({ what: 'dump', isWanted, end: (error) => error === undefined ? resolve(isWanted() ? 1 : undefined) : reject(error) })
    })
  }
}

function begin (): { readonly machine: Held, readonly checkpoints: Checkpoints, readonly pauses: () => number, readonly failures: unknown[] } {
  const log: CheckpointedLog = { durableIndex: 1, async syncThrough () {} }
  const machine = new Held()
  const failures: unknown[] = []
  let pauses = 0
  const checkpoints = new Checkpoints({ log, stateMachine: machine as unknown as StateMachine, logger: silentLogger, pauseApply () { pauses++ }, resumeApply () { pauses-- }, onFailure: (error) => { failures.push(error) } })
  return { machine, checkpoints, pauses: () => pauses, failures }
}

t.test('checkpoints go on while a base dump is written, and only one dump is written at a time', async (t) => {
  const { machine, checkpoints, failures } = begin()
  machine.baseDumpDue = true
  checkpoints.maybeStart()
  machine.checkpointDue = true
  checkpoints.maybeStart()
  t.same(machine.under.map(({ what }) => what), ['checkpoint'], 'the dump begins with one, beside which no other runs')
  machine.checkpointDue = false
  machine.under.shift()!.end()
  await settle()
  t.same(machine.under.map(({ what }) => what), ['dump'])
  machine.checkpointDue = machine.baseDumpDue = true
  checkpoints.demandBaseDump()
  checkpoints.maybeStart()
  await settle()
  t.same(machine.under.map(({ what }) => what), ['dump', 'checkpoint'])
  machine.under.pop()!.end()
  machine.checkpointDue = true
  await settle()
  t.same(machine.under.map(({ what }) => what), ['dump', 'checkpoint'], 'the next one, and no second dump')
  machine.under.pop()!.end()
  await settle()
  machine.under.shift()!.end()
  await settle()
  t.same(machine.under.map(({ what }) => what), ['checkpoint'], 'now the one that was due meanwhile begins')
  t.same(failures, [])
})

t.test('nothing is applied while far too much waits for the checkpoint that is being written', async (t) => {
  const { machine, checkpoints, pauses } = begin()
  machine.checkpointDue = true
  checkpoints.maybeStart()
  checkpoints.maybeStart()
  t.equal(pauses(), 0)
  machine.isCheckpointOverdue = true
  checkpoints.maybeStart()
  checkpoints.maybeStart()
  t.equal(pauses(), 1)
  machine.isCheckpointOverdue = false
  machine.under.pop()!.end()
  await settle()
  t.equal(pauses(), 0)
})

t.test('a dump is given up when the node closes, after which a last checkpoint is written; what fails in it fails the node', async (t) => {
  const { machine, checkpoints } = begin()
  machine.baseDumpDue = true
  checkpoints.maybeStart()
  machine.under.shift()!.end()
  await settle()
  const [dump] = machine.under
  t.equal(dump!.isWanted!(), true)
  const finished = checkpoints.finish()
  await settle()
  t.equal(dump!.isWanted!(), false)
  t.same(machine.under.map(({ what }) => what), ['dump'])
  machine.under.shift()!.end()
  await settle()
  t.same(machine.under.map(({ what }) => what), ['checkpoint'])
  machine.under.shift()!.end()
  await finished

  const other = begin()
  other.machine.baseDumpDue = true
  other.checkpoints.maybeStart()
  other.machine.under.shift()!.end()
  await settle()
  other.machine.under.shift()!.end(new Error('the disk is gone'))
  await settle()
  t.match(other.failures, [{ message: 'the disk is gone' }])
  other.machine.checkpointDue = true
  other.checkpoints.maybeStart()
  t.same(other.machine.under, [])
  await other.checkpoints.stop()
})
