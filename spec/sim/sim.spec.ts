import t from 'tap'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import * as mutants from './mutants.ts'
import type { Mutant } from './mutants.ts'
import type { Parameters } from './parameters.ts'
import { simulate } from './simulation.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
/** Breaks the process that the command runs in. */
const PLANTED = `data:text/javascript,import { settlesAtAppend } from '${new URL('mutants.ts', import.meta.url)}'; settlesAtAppend.plant()`

/** Where a bug needs a rare event, worlds are drawn in which it is not. */
const powerCuts: Partial<Parameters> = { nodeCount: 3, crashEveryMs: 500, crashMs: 300, powerCuts: true, keeps: ['none'] }
const elections: Partial<Parameters> = { nodeCount: 3, partitionEveryMs: 800, partitionMs: 1200, crashEveryMs: 500, crashMs: 100 }
/** Nodes that are hardly down, and vote for another one in the same term when they are back. */
const restarts: Partial<Parameters> = { nodeCount: 3, partitionEveryMs: 400, partitionMs: 600, crashEveryMs: 150, crashMs: 20 }
/** Nodes are away for long, and the others remove what they need. */
const returns: Partial<Parameters> = { nodeCount: 3, stateMachine: 'store', retention: true, segmentBytes: 4096, checkpointEntries: 10, crashEveryMs: 700, crashMs: 3_000, proposeEveryMs: 8, payloadBytes: 400, chunkBytes: 4_000, powerCuts: true, keeps: ['none'] }
const errors: Partial<Parameters> = { nodeCount: 3, diskErrorEveryMs: 300 }

t.test('some seeds, of one, three and five nodes, break no rule and decide something', async (t) => {
  for (const [seed, nodeCount] of [[1, undefined], [7, undefined], [23, 1], [42, 3], [99, 5]] as const) {
    const { violation, decided, acknowledged } = await simulate({ seed, ...(nodeCount === undefined ? {} : { parameters: { nodeCount } }) })
    t.equal(violation, undefined, `seed ${seed}`)
    t.ok(acknowledged > 0 && decided > 0, `seed ${seed}: ${acknowledged} requests in ${decided} entries`)
  }
})

t.test('nodes that come back to logs without the beginning catch up', async (t) => {
  let installs = 0
  for (let seed = 1; seed <= 4; seed++) {
    const { violation, faults } = await simulate({ seed, parameters: returns })
    t.equal(violation, undefined, `seed ${seed}`)
    installs += faults['installs']!
  }
  t.ok(installs > 0, `${installs} times`)
})

t.test('the same seed gives the same run, another one another', async (t) => {
  const parameters = { nodeCount: 3, faultyMs: 4_000 }
  const [first, second, other] = [await simulate({ seed: 11, parameters }), await simulate({ seed: 11, parameters }), await simulate({ seed: 12, parameters })]
  t.same(second, first)
  t.not(other.traceHash, first.traceHash)
})

t.test('the command: its last line, and its exit status', async (t) => {
  const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', MAIN, '--seed', '3', '--seeds', '2', '--json'], { encoding: 'utf8' })
  t.equal(status, 0)
  const last = JSON.parse(stdout.trimEnd().split('\n').at(-1)!)
  t.match(last, { firstSeed: 3, seeds: 2, violations: 0, steps: Number, faults: Object })
  t.same(Object.keys(last).sort(), ['faults', 'firstSeed', 'seeds', 'steps', 'violations'])
  t.ok(last.steps > 1000)
  const broken = spawnSync(process.execPath, ['--import', 'tsx', '--import', PLANTED, MAIN, '--seed', '3', '--seeds', '9', '--json'], { encoding: 'utf8' })
  t.equal(broken.status, 1, 'a violation')
  t.match(broken.stdout, /^seed (\d+): .+\n(?:.*\n)*?replay: npm run sim -- --seed \1 --trace\n/)
  const lastOfBroken = JSON.parse(broken.stdout.trimEnd().split('\n').at(-1)!)
  t.match(lastOfBroken, { firstSeed: 3, violations: 1 })
  t.ok(lastOfBroken.seeds < 9, 'it stops at the first')
  const refused = spawnSync(process.execPath, ['--import', 'tsx', MAIN, '--seed', 'x'], { encoding: 'utf8' })
  t.not(refused.status, 0, 'a seed that is no number')
})

/** The rules by which each may be found; `no unexpected errors`: the shipped code's own checks stop it first. */
const planted: ReadonlyArray<{ readonly mutant: Mutant, readonly rules: readonly string[], readonly parameters?: Partial<Parameters> }> = [
  { mutant: mutants.acknowledgesBeforeSync, rules: ['acknowledged is durable', 'committed never changes', 'leader completeness'], parameters: powerCuts },
  { mutant: mutants.syncsNothing, rules: ['acknowledged is durable', 'no unexpected errors'], parameters: powerCuts },
  { mutant: mutants.installsUnsynced, rules: ['acknowledged is durable', 'no unexpected errors'], parameters: returns },
  { mutant: mutants.savesNoVote, rules: ['one vote per term', 'one leader per term'], parameters: restarts },
  { mutant: mutants.losesLastEntry, rules: ['acknowledged is durable', 'leader completeness', 'committed never changes'], parameters: { nodeCount: 3, crashEveryMs: 500 } },
  { mutant: mutants.appliesUncommitted, rules: ['committed never changes', 'no unexpected errors'], parameters: elections },
  { mutant: mutants.commitsAlone, rules: ['committed never changes', 'leader completeness'], parameters: elections },
  { mutant: mutants.settlesAtAppend, rules: ['acknowledged is applied', 'queue offsets'] },
  { mutant: mutants.knowsWhatItCannot, rules: ['not applied means never'], parameters: errors },
  { mutant: mutants.readsAtOnce, rules: ['linearizable reads'], parameters: elections },
  { mutant: mutants.deliversAgain, rules: ['delivered once', 'no unexpected errors'], parameters: { nodeCount: 3, stateMachine: 'store' } },
  { mutant: mutants.forgetsDelivered, rules: ['delivered once', 'equal state'], parameters: { nodeCount: 3, crashEveryMs: 500, stateMachine: 'store' } }
]

for (const { mutant, rules, parameters = {} } of planted) {
  t.test(`notices that ${mutant.name}`, async (t) => {
    const mend = mutant.plant?.()
    t.teardown(() => { mend?.() })
    for (let seed = 1; seed <= 30; seed++) {
      const { violation } = await simulate({ seed, mutant, parameters })
      if (violation === undefined) continue
      t.comment(`seed ${seed}: ${violation.message}`)
      t.ok(rules.includes(violation.rule), `seed ${seed}: ${violation.rule}`)
      return
    }
    t.fail('not noticed in 30 seeds')
  })
}
