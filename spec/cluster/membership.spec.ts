import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { SeededRandom } from '../support/seeded-random.ts'
import { Cluster } from './cluster.ts'
import { MembershipRounds } from './membership-rounds.ts'
import { NumberedProducer } from './numbered-producer.ts'
import { readBack } from './read-back.ts'

/** A group of processes grows and shrinks under load; `npm run bench -- membership` does the same twenty times. */
t.setTimeout(170_000)

const TOPIC = 'orders'
const QUEUES = 4
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
const ROUNDS = Number(process.env.ROUNDS ?? 1)

const folder = await mkdtemp(join(tmpdir(), 'ledgermq-membership-'))
t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))

t.test(`one node, three, five, three again, whoever leads, leaves or is killed: no confirmed message is lost, doubled or moved (SEED=${seed})`, async (t) => {
  await using cluster = await Cluster.start({ folder, program: 'source', groups: [{ name: 'broker-a', nodes: 1, settings: { mappedFileSizeCommitLog: 4 * 1024 * 1024, slaveReadEnable: true } }] })
  const group = cluster.groups[0]!
  await cluster.makeTopic(TOPIC, QUEUES)
  const producer = new NumberedProducer({ cluster, group, topic: TOPIC, queues: QUEUES, lanes: 4, bodyBytes: 256, maxRate: 200 })
  const rounds = new MembershipRounds({ cluster, group, producer }, new SeededRandom(seed))
  for (let round = 1; round <= ROUNDS; round++) t.comment(JSON.stringify(await rounds.run({ endsWith: round === ROUNDS ? 3 : 1 })))
  await producer.stop()
  await group.inSync()
  const { storedCount, notStoredCount, unknownCount } = producer.history
  t.comment(`${storedCount} confirmed, ${notStoredCount} not stored, ${unknownCount} unknown`)
  for (const { name, address } of group.nodes) t.same(producer.history.check(await readBack(cluster, address, TOPIC, QUEUES)), [], name)
})
