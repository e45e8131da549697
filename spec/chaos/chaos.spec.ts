import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { kinds } from './rounds.ts'
import { Scene } from './scene.ts'

/** One round of each; `npm run chaos` does hundreds. */
t.setTimeout(150_000)

const folder = await mkdtemp(join(tmpdir(), 'ledgermq-chaos-'))
t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
const seed = Number(process.env.SEED ?? Date.now() % 1e9)

t.test(`three processes under load: killed, cut off, without power, with damaged files; nothing that was confirmed is lost (SEED=${seed})`, async (t) => {
  await using scene = await Scene.start({ folder, program: 'forgetful', seed, hasLinks: true, rate: 600, longestDelayMs: 1000, settings: kinds.corruption!.settings, tell: (text) => t.comment(text) })
  for (const [kind, round] of [['kills', 0], ['partitions', 0], ['power', 2], ['corruption', 1]] as const) {
    await scene.steady('before the fault')
    await kinds[kind]!.round(scene, round)
    await scene.whole()
  }
  t.same(await scene.judge(), [])
  t.comment(scene.figures)
  t.match(scene.figures, { killed: 1, split: 1, powerCutsOf3: 1, leadersLost: 2 })
})
