import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { MemoryDisk } from '../../lib/adapters/index.ts'
import { silentLogger } from '../../lib/base/index.ts'
import { VoteFile } from '../../lib/log/index.ts'
import { childProgram } from '../support/child-program.ts'
import { FlipDisk } from './flip-disk.ts'
import type { FlipOutcomes } from './flip-worker.ts'

t.setTimeout(600_000)
t.jobs = 2

for (const stop of ['closed', 'killed']) {
  t.test(`a bit flip at every byte of a 256 KiB last segment, ${stop}: refusal naming file and byte, or a reported cut; never served wrong`, async (t) => {
    const { stdout } = await promisify(execFile)(process.execPath, [...childProgram('spec/log/flip-worker.ts'), stop])
    const { wrong, ...outcomes } = JSON.parse(stdout) as FlipOutcomes
    t.comment(outcomes)
    t.ok(outcomes.bytes >= 256 * 1024)
    t.equal(outcomes.refused + outcomes.cut + outcomes.local, outcomes.bytes)
    t.equal(outcomes.local, 9 * 16)
    t.strictSame(wrong, [])
  })
}

t.test('a bit flip at every byte of the vote file: the vote is known, whichever slot is hit', async (t) => {
  const memory = new MemoryDisk()
  await memory.makeDirectory('/data')
  const vote = await VoteFile.open(memory, '/data/vote', silentLogger)
  await vote.save({ term: 7, vote: 2 })
  await vote.save({ term: 9, vote: 3 })
  await vote.close()
  const bytes = (await memory.readFile('/data/vote'))!
  const disk = new FlipDisk(new Map([['/data/vote', bytes]]), '/data/vote')
  let wrong = 0
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      disk.flip(at, 1 << bit)
      const { hardState } = await VoteFile.open(disk, '/data/vote', silentLogger)
      if (hardState.term !== 9 || hardState.vote !== 3) wrong++
    }
  }
  t.equal(wrong, 0)
})
