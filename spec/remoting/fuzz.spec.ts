import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { childProgram } from '../support/child-program.ts'
import type { FuzzOutcomes } from './fuzz-worker.ts'

t.setTimeout(300_000)
t.jobs = 2

const worker = childProgram('spec/remoting/fuzz-worker.ts')
/** Another number tries other frames; what fails names its seed. */
const seed = Number(process.env.SEED ?? 1)
const FRAMES_EACH = 500_000

for (const part of [0, 1]) {
  t.test(`half a million frames that were tampered with, part ${part + 1}: decoded or refused, never anything else`, async (t) => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', ...worker, String(FRAMES_EACH), String(2 * seed + part)])
    const { wrong, ...outcomes } = JSON.parse(stdout) as FuzzOutcomes
    t.comment(outcomes)
    t.strictSame(wrong, [])
    t.equal(outcomes.frames, FRAMES_EACH)
    t.ok(outcomes.decoded > FRAMES_EACH / 10, 'many are still frames')
    t.ok(outcomes.headersRead > FRAMES_EACH / 20, 'many still have a header that can be read')
    t.ok(outcomes.refused > FRAMES_EACH / 10, 'many are not')
    t.ok(outcomes.twins > FRAMES_EACH / 200)
    t.ok(outcomes.grownMiB < 8, `${outcomes.grownMiB} MiB`)
    t.ok(outcomes.slowestMs < 5000, `the slowest took ${outcomes.slowestMs} ms`)
  })
}
