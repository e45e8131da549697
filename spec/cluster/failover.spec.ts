import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Cluster } from './cluster.ts'
import { bringBack, loseLeader, moveLeader } from './leader-changes.ts'
import { NumberedProducer } from './numbered-producer.ts'
import { readBack } from './read-back.ts'

/** Three brokers and a name server as processes, under load; `npm run bench -- failover` does the same a hundred times and measures it. */
t.setTimeout(150_000)

const TOPIC = 'orders'
const QUEUES = 4

const folder = await mkdtemp(join(tmpdir(), 'ledgermq-failover-'))
t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))

t.test('leaders are killed, suspended, stopped and told to hand over: no confirmed message is lost, doubled or moved, none is invented', async (t) => {
  await using cluster = await Cluster.start({ folder, program: 'source', groups: [{ name: 'broker-a', settings: { mappedFileSizeCommitLog: 4 * 1024 * 1024, slaveReadEnable: true } }] })
  const group = cluster.groups[0]!
  await cluster.makeTopic(TOPIC, QUEUES)
  const producer = new NumberedProducer({ cluster, group, topic: TOPIC, queues: QUEUES, lanes: 8, bodyBytes: 256, maxRate: 400 })
  const load = { cluster, group, producer }

  const failed = producer.history.notStoredCount + producer.history.unknownCount
  t.comment(`planned: ${Math.round(await moveLeader(load))} ms`)
  t.equal(producer.history.notStoredCount + producer.history.unknownCount, failed, 'no send fails while leadership is handed over')

  const killed = await loseLeader(load, (leader) => leader.kill())
  t.comment(`killed: ${Math.round(killed.gapMs)} ms`)
  await bringBack(load, killed.leader)

  const suspended = await loseLeader(load, (leader) => leader.suspend())
  suspended.leader.resume()
  t.comment(`suspended: ${Math.round(suspended.gapMs)} ms`)
  await group.inSync(256 * 1024)

  const stopped = await loseLeader(load, (leader) => leader.stop())
  t.comment(`stopped: ${Math.round(stopped.gapMs)} ms`)
  await bringBack(load, stopped.leader)

  // a kill while the one before is still away leaves no majority: nothing is confirmed until one is back
  const first = await loseLeader(load, (leader) => leader.kill())
  const second = await group.leader(first.leader)
  await second.kill()
  const withoutMajority = producer.history.storedCount
  await first.leader.start()
  await first.leader.ready()
  await second.start()
  await second.ready()
  await producer.acks(100)
  t.ok(producer.history.storedCount > withoutMajority)

  await producer.stop()
  await group.inSync()
  const { storedCount, notStoredCount, unknownCount } = producer.history
  t.comment(`${storedCount} confirmed, ${notStoredCount} not stored, ${unknownCount} unknown`)
  for (const { name, address } of group.nodes) t.same(producer.history.check(await readBack(cluster, address, TOPIC, QUEUES)), [], name)
})
