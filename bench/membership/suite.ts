import { parseArgs } from 'node:util'
import { Cluster } from '../../spec/cluster/cluster.ts'
import { MembershipRounds, type RoundFigures } from '../../spec/cluster/membership-rounds.ts'
import { NumberedProducer } from '../../spec/cluster/numbered-producer.ts'
import { readBack } from '../../spec/cluster/read-back.ts'
import { SeededRandom } from '../../spec/support/seeded-random.ts'
import { describeMachine, printMachine } from '../harness/machine.ts'
import { inScratchFolder } from '../harness/scratch.ts'
import { endProgress, progress } from '../harness/table.ts'

const usage = `npm run bench -- membership [options]

A group of brokers and a name server, each a process of its own, under load. Each round it grows from one node to three and to five,
and shrinks to three and to one, nodes chosen at random, the leader among them; while the members change the leader is killed (SIGKILL) or
stopped, or a newcomer is killed. Nodes that were removed are emptied and come again. At the end every message is read back from each
node that is left: none that was confirmed is missing, none is there that was not sent or twice, each is where its answer said.
The last line is JSON.

  --rounds N       (20)
  --seed N         of what happens when (random)
  --rate N         messages a second (300)
  --lanes N        under way at the same time (8)
  --size BYTES     of a body (512)
  --dir DIR        where the data lies while it runs (the system's temporary folder)
`

const QUEUES = 8
const TOPIC = 'membership'

export async function membershipSuite (args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '20' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      rate: { type: 'string', default: '300' },
      lanes: { type: 'string', default: '8' },
      size: { type: 'string', default: '512' },
      dir: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) { console.log(usage); return }
  const [rounds, seed, maxRate, lanes, bodyBytes] = [values.rounds, values.seed, values.rate, values.lanes, values.size].map(Number) as [number, number, number, number, number]
  const machine = describeMachine()
  printMachine(machine)
  console.log(`SEED=${seed}`)
  await inScratchFolder(values.dir, async (folder) => {
    await using cluster = await Cluster.start({ folder, program: 'built', groups: [{ name: 'bench-group', nodes: 1, settings: { slaveReadEnable: true, mappedFileSizeCommitLog: 8 * 1024 * 1024 } }] })
    const [group] = cluster.groups
    await cluster.makeTopic(TOPIC, QUEUES)
    const producer = new NumberedProducer({ cluster, group: group!, topic: TOPIC, queues: QUEUES, lanes, bodyBytes, maxRate })
    const members = new MembershipRounds({ cluster, group: group!, producer }, new SeededRandom(seed))
    const done: RoundFigures[] = []
    for (let round = 1; round <= rounds; round++) {
      const figures = await members.run({ endsWith: round === rounds ? 3 : 1 })
      done.push(figures)
      const steps = Object.entries(figures.steps).map(([step, ms]) => `${step} in ${ms} ms`).join(', ')
      progress(`round ${round} of ${rounds}: ${steps}; no ack for ${figures.longestGapMs} ms; ${producer.history.storedCount} confirmed; ${figures.disturbed.join(', ')}`)
    }
    await producer.stop()
    progress('reading back')
    await group!.inSync()
    for (const { address } of group!.nodes) producer.history.check(await readBack(cluster, address, TOPIC, QUEUES))
    endProgress()
    const { storedCount: confirmed, notStoredCount: refused, unknownCount: unknown, problems } = producer.history
    for (const problem of problems.slice(0, 20)) console.error(problem)
    for (const [answer, count] of producer.answers) console.log(`${count} times: ${answer}`)
    if (problems.length > 0) process.exitCode = 1
    console.log(JSON.stringify({ suite: 'membership', machine, seed, rounds, confirmed, refused, unknown, problems: problems.length, longestGapMs: Math.max(...done.map(({ longestGapMs }) => longestGapMs)), medianStepMs: medianSteps(done) }))
  })
}

function medianSteps (rounds: readonly RoundFigures[]): Record<string, number> {
  const steps = new Map<string, number[]>()
  for (const round of rounds) for (const [step, ms] of Object.entries(round.steps)) steps.set(step, [...steps.get(step) ?? [], ms])
  return Object.fromEntries([...steps].map(([step, all]) => [step, all.sort((a, b) => a - b)[all.length >> 1]!]))
}
