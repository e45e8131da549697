import t from 'tap'
import { silentLogger } from '../../lib/base/index.ts'
import { Checkpoints, type CheckpointedLog } from '../../lib/replica/checkpoints.ts'
import type { StateMachine } from '../../lib/replica/index.ts'

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
