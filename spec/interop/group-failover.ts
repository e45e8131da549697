import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Cluster } from '../cluster/cluster.ts'
import { OffsetWatch } from '../cluster/offset-watch.ts'
import { readBodies } from '../cluster/read-back.ts'
import { rollingRestart } from '../cluster/rolling-restart.ts'
import { buildJava, hasJava, javaVersions } from './java-build.ts'
import { JavaDriver } from './java-driver.ts'
import { popMode } from './pop-snippets.ts'

/** Apache's clients of two generations, as they are, on a group of three whose leader is killed and whose nodes are restarted one by one. */
const ACKS = 200
const QUEUES = 4
const POP_GROUP = 'popping-consumers'

t.setTimeout(280_000)

if (!hasJava()) {
  t.pass('failover under Java clients', { skip: 'no mvn or no JDK here' })
} else {
  const folder = await mkdtemp(join(tmpdir(), 'ledgermq-java-group-'))
  const cluster = await Cluster.start({ folder, program: 'built', groups: [{ name: 'broker-a', settings: { mappedFileSizeCommitLog: 16 * 1024 * 1024 } }] })
  const group = cluster.groups[0]!
  const drivers = javaVersions.map((version) => ({ version, java: new JavaDriver({ classpath: buildJava(version), namesrv: cluster.nameServers[0]!.address, home: folder }) }))
  t.teardown(async () => {
    await Promise.all(drivers.map(({ java }) => java.close()))
    await cluster.close()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  await t.test('kill -9 of the leader and a rolling restart: producers and orderly consumers go on by themselves, nothing confirmed is lost, offsets never go back', async (t) => {
    const lanes = drivers.map(({ version, java }) => {
      const topic = `traffic-${version.replaceAll('.', '')}`
      return { version, java, topic, consumerGroup: `${topic}-consumers`, acks: 0 }
    })
    for (const { topic } of lanes) await cluster.makeTopic(topic, QUEUES)
    for (const { java, topic, consumerGroup } of lanes) {
      await java.call('cluster.ready')
      await java.call('traffic.start', { topic, group: consumerGroup, threads: QUEUES })
    }
    const popping = drivers[0]!.java
    await popMode(popping, lanes[0]!.topic, POP_GROUP)
    await popping.call('pop.start', { topic: lanes[0]!.topic, group: POP_GROUP })
    const watches = lanes.map(({ topic, consumerGroup }) => new OffsetWatch(cluster, group, { topic, consumerGroup, queues: QUEUES }))
    const goesOn = async (): Promise<void> => {
      await Promise.all(lanes.map(async (lane) => { lane.acks = await lane.java.call('traffic.acked', { topic: lane.topic, count: lane.acks + ACKS }) }))
    }
    await goesOn()

    const leader = await group.leader()
    const killedMs = performance.now()
    await leader.kill()
    await goesOn()
    t.comment(`both had ${ACKS} more confirmed ${Math.round(performance.now() - killedMs)} ms after the kill`)
    await leader.start()
    await leader.ready()
    await group.inSync(64 * 1024)
    await goesOn()

    await rollingRestart(group, goesOn)

    for (const { version, java, topic } of lanes) {
      const { acked, failures, neverReceived, outOfOrder, deliveries } = await java.call('traffic.stop', { topic })
      t.comment(`Java ${version}: ${acked.length} confirmed, ${failures} sends failed, ${deliveries} deliveries`)
      t.same(neverReceived ?? [], [], `${version}: the consumer was given all that was confirmed`)
      t.same(outOfOrder, [], `${version}: in the order of each queue`)
      if (java === popping) {
        const popped = await java.call('pop.stop', { topic, bodies: acked })
        t.same(popped.neverReceived ?? [], [], 'a consumer in pop mode was given all of it too')
        t.comment(`by pop: ${popped.distinct} messages in ${popped.deliveries} deliveries`)
      }
      await group.inSync()
      const stored = new Set((await readBodies(cluster, (await group.leader()).address, topic, QUEUES)).flat())
      t.same(acked.filter((body: string) => !stored.has(body)), [], `${version}: all of it is stored`)
    }
    for (const watch of watches) {
      await watch.stop()
      t.same(watch.backwards, [])
      t.ok(watch.sum > 0, 'progress was committed')
    }
  })
}
