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
/** One message in so many holds up its queue the first time it comes: not more, or what an old client has let pile up after the kill would take long. */
const SUSPEND_EVERY = 100
/** A 4.9 client that has messages of a queue in hand gives it up only so much later; 20 s unless told otherwise. */
const UNLOCK_DELAY_MS = 1000
const POP_GROUP = 'popping-consumers'
/** Transactions that are under way when the leader is killed, of each kind. */
const TRANSACTIONS = 5
const PAID = 'paid'
const PAYERS = 'payers'
/** What the producer says at first, and when it is asked. */
const paid = (said: string, asked: string): string[] => Array.from({ length: TRANSACTIONS }, (_, i) => `${i}/${said}/${asked}`)

t.setTimeout(280_000)

if (!hasJava()) {
  t.pass('failover under Java clients', { skip: 'no mvn or no JDK here' })
} else {
  const folder = await mkdtemp(join(tmpdir(), 'ledgermq-java-group-'))
  const cluster = await Cluster.start({ folder, program: 'built', groups: [{ name: 'broker-a', settings: { mappedFileSizeCommitLog: 16 * 1024 * 1024, transactionCheckInterval: 2000 } }] })
  const group = cluster.groups[0]!
  const drivers = javaVersions.map((version) => ({ version, java: new JavaDriver({ classpath: buildJava(version), namesrv: cluster.nameServers[0]!.address, home: folder, properties: version.startsWith('4') ? { 'rocketmq.client.unlockDelayTimeMills': UNLOCK_DELAY_MS } : {} }) }))
  t.teardown(async () => {
    await Promise.all(drivers.map(({ java }) => java.close()))
    await cluster.close()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  await t.test('kill -9 of the leader, a rolling restart, members that join and leave: producers and orderly consumers go on by themselves, each key in order past what is suspended, nothing confirmed is lost, offsets never go back', async (t) => {
    const lanes = drivers.map(({ version, java }) => {
      const topic = `traffic-${version.replaceAll('.', '')}`
      return { version, java, topic, consumerGroup: `${topic}-consumers`, acks: 0 }
    })
    for (const { topic } of lanes) await cluster.makeTopic(topic, QUEUES)
    for (const { java, topic, consumerGroup } of lanes) {
      await java.call('cluster.ready')
      await java.call('traffic.start', { topic, group: consumerGroup, threads: QUEUES, suspendEvery: SUSPEND_EVERY })
    }
    const popping = drivers[0]!.java
    await popMode(popping, lanes[0]!.topic, POP_GROUP)
    await popping.call('pop.start', { topic: lanes[0]!.topic, group: POP_GROUP })
    const watches = lanes.map(({ topic, consumerGroup }) => new OffsetWatch(cluster, group, { topic, consumerGroup, queues: QUEUES }))
    const goesOn = async (): Promise<void> => {
      await Promise.all(lanes.map(async (lane) => { lane.acks = await lane.java.call('traffic.acked', { topic: lane.topic, count: lane.acks + ACKS }) }))
    }
    await goesOn()
    const shares = await Promise.all(lanes.map(({ java, topic }) => java.call<Record<string, string[]>>('traffic.join', { topic, member: 'b', queues: QUEUES })))
    t.same(shares.map((members) => Object.values(members).map((queues) => queues.length)), lanes.map(() => [2, 2]), 'a second member of each group takes its share over')
    await goesOn()

    const leader = await group.leader()
    const wanted = [...paid('COMMIT_MESSAGE', 'COMMIT_MESSAGE'), ...paid('UNKNOW', 'COMMIT_MESSAGE')]
    const unwanted = [...paid('ROLLBACK_MESSAGE', 'ROLLBACK_MESSAGE'), ...paid('UNKNOW', 'ROLLBACK_MESSAGE')]
    await cluster.makeTopic(PAID, QUEUES)
    await popping.call('transactions.begin', { group: PAYERS })
    const halves = await popping.call<Array<{ readonly status?: string }>>('transactions.send', { topic: PAID, group: PAYERS, bodies: [...wanted, ...unwanted] })
    t.same(halves.map(({ status }) => status), halves.map(() => 'SEND_OK'))
    const paidBefore = (await readBodies(cluster, leader.address, PAID, QUEUES)).flat()
    t.same(paidBefore.filter((body) => !body.includes('/COMMIT_MESSAGE/')), [], 'what its producer has not committed is not visible')
    const killedMs = performance.now()
    await leader.kill()
    await goesOn()
    t.comment(`both had ${ACKS} more confirmed ${Math.round(performance.now() - killedMs)} ms after the kill`)
    await leader.start()
    await leader.ready()
    await group.inSync(64 * 1024)
    await goesOn()

    // that takes a while: the second members leave meanwhile
    const checking = popping.call<unknown[]>('transactions.checked', { group: PAYERS, count: 2 * TRANSACTIONS })
    await Promise.all(lanes.map(({ java, topic }) => java.call('traffic.leave', { topic, member: 'b', queues: QUEUES })))
    await goesOn()
    t.ok((await checking).length >= 2 * TRANSACTIONS, 'the next leader asks what became of those that nobody has decided')

    await rollingRestart(group, goesOn)

    const paidAfter = (await readBodies(cluster, (await group.leader()).address, PAID, QUEUES)).flat()
    t.same(paidAfter.sort(), wanted.sort(), 'transactions: what was committed is there, once, and nothing else')
    await popping.call('transactions.end', { group: PAYERS })
    for (const { version, java, topic } of lanes) {
      const { acked, failures, neverReceived, outOfOrder, deliveries, suspended, byMember } = await java.call('traffic.stop', { topic })
      t.comment(`Java ${version}: ${acked.length} confirmed, ${failures} sends failed, ${deliveries} deliveries (${byMember.b} of the second member), ${suspended} suspended`)
      t.same(neverReceived ?? [], [], `${version}: the consumer was given all that was confirmed`)
      t.same(outOfOrder, [], `${version}: in the order of each key, by one consumer at a time`)
      t.ok(suspended > 0 && byMember.b > 0)
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
