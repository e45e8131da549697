import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { RequestCode } from '../../lib/remoting/index.ts'
import { Cluster, jsonOf, until, type RouteBroker } from './cluster.ts'
import { NumberedProducer } from './numbered-producer.ts'
import { readBack } from './read-back.ts'

/** Two groups of three and three name servers, ten processes. */
t.setTimeout(170_000)

const TOPIC = 'spread'
const QUEUES = 2

const folder = await mkdtemp(join(tmpdir(), 'ledgermq-two-groups-'))
t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))

t.test('a topic made on the cluster lies on both groups; a group and a name server are killed: the other group goes on, in order, and the killed one comes back with all it had', async (t) => {
  const settings = { mappedFileSizeCommitLog: 4 * 1024 * 1024, registerNameServerPeriod: 10_000 }
  await using cluster = await Cluster.start({ folder, program: 'source', nameServers: 3, groups: [{ name: 'broker-a', settings }, { name: 'broker-b', settings }] })
  const [a, b] = cluster.groups as [typeof cluster.groups[0], typeof cluster.groups[0]]
  const [firstNameServer, ...otherNameServers] = cluster.nameServers

  // as `mqadmin updateTopic -c DefaultCluster` does it: on the master of each broker name
  await cluster.makeTopic(TOPIC, QUEUES)
  for (const { address } of cluster.nameServers) {
    const route = jsonOf((await cluster.ask(address, RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: TOPIC })).body) as { queueDatas: Array<{ brokerName: string, writeQueueNums: number }>, brokerDatas: RouteBroker[] }
    t.same(route.queueDatas.map(({ brokerName, writeQueueNums }) => [brokerName, writeQueueNums]).sort(), [['broker-a', QUEUES], ['broker-b', QUEUES]])
    await until('the name server knows six brokers', async () => {
      const { brokerAddrTable } = jsonOf((await cluster.ask(address, RequestCode.GET_BROKER_CLUSTER_INFO)).body) as { brokerAddrTable: Record<string, RouteBroker> }
      return ['broker-a', 'broker-b'].every((name) => Object.keys(brokerAddrTable[name]!.brokerAddrs).length === 3)
    })
  }

  const producers = [a, b].map((group) => new NumberedProducer({ cluster, group: group!, topic: TOPIC, queues: QUEUES, lanes: 4, bodyBytes: 200, maxRate: 200 }))
  const [toA, toB] = producers as [NumberedProducer, NumberedProducer]
  await Promise.all(producers.map((producer) => producer.acks(100)))

  await firstNameServer!.kill()
  await Promise.all(b!.nodes.map((node) => node.kill()))
  await toA.acks(100)

  // the group that is left changes its leader while a name server is away
  const leader = await a!.leader()
  await leader.kill()
  await toA.acks(100)
  t.not((await a!.leader(leader)).address, leader.address, 'told by the name servers that are left')
  await leader.start()

  const whileAway = toB.history.storedCount
  for (const node of b!.nodes) await node.start()
  await toB.acks(100)
  t.ok(toB.history.storedCount > whileAway)
  await firstNameServer!.start()
  await firstNameServer!.ready()
  await until('the name server that was away knows both groups again', async () => {
    const { brokerAddrTable } = jsonOf((await cluster.ask(firstNameServer!.address, RequestCode.GET_BROKER_CLUSTER_INFO)).body) as { brokerAddrTable: Record<string, RouteBroker> }
    return ['broker-a', 'broker-b'].every((name) => brokerAddrTable[name]?.brokerAddrs['0'] !== undefined)
  })
  t.equal(otherNameServers.length, 2)

  for (const [i, group] of [a!, b!].entries()) {
    const producer = producers[i]!
    await producer.stop()
    await group.inSync()
    const { storedCount, notStoredCount, unknownCount } = producer.history
    t.comment(`${group.name}: ${storedCount} confirmed, ${notStoredCount} not stored, ${unknownCount} unknown`)
    t.same(producer.history.check(await readBack(cluster, (await group.leader()).address, TOPIC, QUEUES)), [], group.name)
  }
})
