import t from 'tap'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { clockWorlds } from './clocks.ts'
import { KINDS } from './kind-work.ts'
import { partitionMatrix, summaryOf } from './matrix.ts'
import type { Parameters } from './parameters.ts'
import { simulate } from './simulation.ts'

t.setTimeout(300_000)

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
/** Breaks the process that the command runs in: a proposal is settled when it is sealed. */
const PLANTED = `data:text/javascript,${encodeURIComponent(`
  const { UndecidedBatches: { prototype } } = await import('${new URL('../../lib/replica/undecided-batches.ts', import.meta.url)}')
  const { add } = prototype
  prototype.add = function (batch) {
    for (let i = batch.from; i < batch.to; i++) batch.proposals[i].settle()
    add.call(this, { ...batch, proposals: [], from: 0, to: 0 })
  }`)}`

/** Nodes are away for long, and the others remove what they need. */
const returns: Partial<Parameters> = { level: 'replica', nodeCount: 3, stateMachine: 'store', retention: true, segmentBytes: 4096, checkpointEntries: 10, crashEveryMs: 700, crashMs: 3_000, proposeEveryMs: 8, payloadBytes: 400, mode: 'safety', faultyMs: 10_000, maxSteps: 20_000, chunkBytes: 4_000, powerCuts: true, keeps: ['none'] }

t.test('some seeds, of one, three and five nodes, break no rule and decide something', async (t) => {
  for (const [seed, nodeCount] of [[1, undefined], [7, undefined], [23, 1], [42, 3], [99, 5]] as const) {
    const { violation, decided, acknowledged } = await simulate({ seed, ...(nodeCount === undefined ? {} : { parameters: { nodeCount } }) })
    t.equal(violation, undefined, `seed ${seed}`)
    t.ok(acknowledged > 0 && decided > 0, `seed ${seed}: ${acknowledged} requests in ${decided} entries`)
  }
})

t.test('work that has judges of its own, all kinds of it together', async (t) => {
  t.equal((await simulate({ seed: 1, parameters: { level: 'member', nodeCount: 3, mode: 'safety', focus: 'kinds', kinds: KINDS, faultyMs: 6_000 } })).violation, undefined)
})

t.test('nodes that come back to logs without the beginning catch up', async (t) => {
  let installs = 0
  for (let seed = 1; seed <= 4; seed++) {
    const { violation, installs: came } = await simulate({ seed, parameters: returns })
    t.equal(violation, undefined, `seed ${seed}`)
    installs += came
  }
  t.ok(installs > 0, `${installs} times`)
})

t.test('the same seed gives the same run, another one another', async (t) => {
  const parameters = { nodeCount: 3, faultyMs: 4_000 }
  const [first, second, other] = [await simulate({ seed: 11, parameters }), await simulate({ seed: 11, parameters }), await simulate({ seed: 12, parameters })]
  t.same(second, first)
  t.not(other.traceHash, first.traceHash)
})

t.test('each kind of partition, between three and five nodes: a connected majority has a leader soon, and healing changes the term once at most', async (t) => {
  const cells = [...await partitionMatrix({ rounds: 1, firstSeed: 1, nodeCounts: [3] }), ...await partitionMatrix({ rounds: 1, firstSeed: 1, nodeCounts: [5], kinds: ['one-way', 'bridge', 'ring'] })]
  t.equal(cells.length, 11)
  for (const cell of cells) t.same(summaryOf(cell).problems, [], summaryOf(cell).text)
})

t.test('clocks that jump by an hour and are 10 % off cause no election and no stale read', async (t) => {
  for (const { seed, parameters = {} } of clockWorlds(1, 3)) {
    const { violation, elections, reads, faults } = await simulate({ seed, parameters })
    t.equal(violation, undefined, `seed ${seed}`)
    t.equal(elections, 0)
    t.ok(Object.keys(faults).some((fault) => fault.startsWith('clock step/')), `${reads} reads`)
  }
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
  t.match(broken.stdout, /^seeds .+\nseed (\d+): .+\n(?:.*\n)*?replay: npm run sim -- --seed \1 --trace\n/)
  const lastOfBroken = JSON.parse(broken.stdout.trimEnd().split('\n').at(-1)!)
  t.match(lastOfBroken, { firstSeed: 3, violations: 1 })
  t.ok(lastOfBroken.seeds < 9, 'it stops at the first')
  const refused = spawnSync(process.execPath, ['--import', 'tsx', MAIN, '--seed', 'x'], { encoding: 'utf8' })
  t.not(refused.status, 0, 'a seed that is no number')
})
