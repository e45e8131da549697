import t from 'tap'
import type { BrokerLink } from '../../lib/namesrv/index.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { newLink, TableUnderTest } from './support.ts'

const seed = Number(process.env.SEED ?? 1)
const runs = 150
const stepsPerRun = 150

const names = ['broker-a', 'broker-b', 'broker-c']
const addrs = ['h1:1', 'h2:1', 'h3:1', 'h4:1']
const topics = ['TBW102', 'T', 'U', 'V', 'W']
const clusters = ['C1', 'C2']

t.test('whatever happens in whatever order, the table agrees with itself', async (t) => {
  for (let run = 0; run < runs; run++) {
    const chance = new SeededRandom(seed * 100_003 + run)
    const server = new TableUnderTest({ deleteTopicWithBrokerRegistration: chance.chance(0.3), notifyMinBrokerIdChanged: true, supportActingMaster: true }, { maxBrokers: 8, maxRoutes: 13 })
    const links = Array.from({ length: 6 }, newLink)
    for (let step = 0; step < stepsPerRun; step++) {
      const before = mastersOf(server)
      const did = await doSomething(chance, server, links)
      const wrong = contradictions(server) ?? staleMaster(before, server)
      if (wrong !== undefined) t.fail(`SEED=${seed} run ${run} step ${step}, ${did}: ${wrong}`)
    }
    server.table.linksClosed(new Set(links))
    t.same([server.table.brokerCount, server.table.routeCount, server.table.topics, [...server.table.clusters]], [0, 0, [], []], `run ${run}: all gone`)
  }
})

async function doSomething (chance: SeededRandom, server: TableUnderTest, links: readonly BrokerLink[]): Promise<string> {
  const { table, clock } = server
  const brokerName = chance.pick(names)
  const brokerAddr = chance.pick(addrs)
  const clusterName = chance.pick(clusters)
  const kind = chance.below(20)
  if (kind < 11) {
    const says = {
      brokerName,
      brokerAddr,
      clusterName,
      brokerId: chance.below(4),
      term: chance.below(5),
      counter: chance.below(3),
      topics: topics.filter(() => chance.chance(0.6)),
      enableActingMaster: chance.pick([true, false, undefined]),
      heartbeatTimeoutMillis: chance.pick([undefined, 5000])
    }
    return `register ${JSON.stringify(says)}: ${server.register(says, chance.pick(links)).kind}`
  }
  switch (kind) {
    case 11: table.unregister([{ brokerName, brokerAddr, clusterName, brokerId: 0 }, { brokerName: chance.pick(names), brokerAddr, clusterName, brokerId: 1 }]); return `unregister ${brokerName} ${brokerAddr}`
    case 12: table.linksClosed(new Set([chance.pick(links), chance.pick(links)])); return 'links closed'
    case 13: await clock.advance(chance.pick([1000, 6000, 130_000])); table.expire(); return 'time'
    case 14: table.wipeWritePerm(brokerName); return `wipe ${brokerName}`
    case 15: table.addWritePerm(brokerName); return `add ${brokerName}`
    case 16: table.deleteTopic(chance.pick(topics), chance.pick([undefined, ...clusters])); return 'delete topic'
    case 17: table.registerTopic(chance.pick(topics), names.filter(() => chance.chance(0.5)).map((name) => ({ brokerName: name, readQueueNums: 1, writeQueueNums: 1, perm: 6, topicSysFlag: 0 }))); return 'register topic'
    default: table.heartbeat({ brokerName, brokerAddr }); return `heartbeat ${brokerName} ${brokerAddr}`
  }
}

function contradictions ({ table, changes }: TableUnderTest): string | undefined {
  const groups = table.brokerDatas
  const addressCount = groups.reduce((sum, { brokerAddrs }) => sum + brokerAddrs.size, 0)
  if (addressCount !== table.brokerCount || addressCount > 8) return `${table.brokerCount} brokers counted, ${addressCount} there`
  for (const { brokerName, brokerAddrs } of groups) {
    if (brokerAddrs.size === 0 || new Set(brokerAddrs.values()).size !== brokerAddrs.size) return `addresses of ${brokerName}: ${[...brokerAddrs]}`
    const ids = [...brokerAddrs.keys()]
    if (ids.some((id, i) => i > 0 && id < ids[i - 1]!)) return `ids of ${brokerName} out of order: ${ids}`
  }
  const inClusters = [...table.clusters.values()].flat().sort()
  if (inClusters.join() !== groups.map(({ brokerName }) => brokerName).sort().join()) return `clusters have ${inClusters}`
  let routes = 0
  for (const topic of table.topics) {
    const route = table.route(topic)
    if (route === undefined) return `${topic} is listed and has no route`
    routes += route.queueDatas.length
    const there = route.brokerDatas.map(({ brokerName }) => brokerName).join()
    if (route.queueDatas.map(({ brokerName }) => brokerName).join() !== there) return `${topic}: queues and brokers differ`
  }
  if (routes !== table.routeCount || routes > 13) return `${table.routeCount} routes counted, ${routes} there`
  const odd = changes.splice(0).find(({ minBrokerAddr, addrsToTell }) => addrsToTell.length === 0 || !addrs.includes(minBrokerAddr))
  return odd && `told nobody: ${JSON.stringify(odd)}`
}

/** Address and state version of the master by broker name. */
function mastersOf ({ table }: TableUnderTest): Map<string, { readonly addr: string, readonly term: number }> {
  const masters = table.brokerDatas.map((group) => [group, group.brokerAddrs.get(0)] as const).filter(([, addr]) => addr !== undefined)
  return new Map(masters.map(([{ brokerName, cluster }, addr]) => [brokerName, {
    addr: addr!, term: Number(table.dataVersionOf({ clusterName: cluster, brokerName, brokerAddr: addr!, brokerId: 0 })!.stateVersion)
  }]))
}

/** No node takes the place of a master that is there with an earlier state version. */
function staleMaster (before: ReturnType<typeof mastersOf>, server: TableUnderTest): string | undefined {
  for (const [name, { addr, term }] of mastersOf(server)) {
    const former = before.get(name)
    if (former !== undefined && former.addr !== addr && former.term > term) return `${name}: ${addr} with ${term} replaced ${former.addr} with ${former.term}`
  }
  return undefined
}
