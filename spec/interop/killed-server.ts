import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Message, Producer } from './ali-ons.ts'
import { buildJava, hasJava, javaVersions } from './java-build.ts'
import { JavaDriver } from './java-driver.ts'
import type { Seen } from './java-snippets.ts'
import { freePorts, startLedgermq } from './servers.ts'

/** The server is killed under Java and Node traffic, twice, and started again; clients are left alone. */
const KILLS = 2
const ACKS_PER_ROUND = 300

t.setTimeout(280_000)

if (!hasJava()) {
  t.pass('killed server', { skip: 'no mvn or no JDK here' })
} else {
  const folder = await mkdtemp(join(tmpdir(), 'ledgermq-killed-'))
  const ports = await freePorts()
  let server = await startLedgermq(folder, ports)
  const java = new JavaDriver({ classpath: buildJava(javaVersions[0]), namesrv: server.namesrv, home: folder })
  const node = new Producer({ nameSrv: server.namesrv, httpclient: { request () {} }, logger: { info () {}, debug () {}, warn () {}, error () {} }, producerGroup: 'killed-node', sendMsgTimeout: 3000 })
  node.on('error', () => {})
  t.teardown(async () => {
    await java.close()
    await server.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    // timers of the Node client live as long as the process
    setImmediate(() => process.exit())
  })

  await t.test('kill -9 under traffic: nothing acknowledged is lost, offsets and locks are where they were, clients go on by themselves', async (t) => {
    const topic = 'killed'
    const group = 'killed-group'
    await java.call('cluster.ready')
    for (const name of [topic, `${topic}-node`, `${topic}-still`]) await java.call('topic.create', { topic: name, queues: 4 })

    // what nobody touches any more
    await java.call('send.sync', { topic: `${topic}-still`, count: 40 })
    const still = { topic: `${topic}-still`, group: `${group}-still` }
    await java.call('offsets.set', { ...still, offset: 3 })
    const offsets = await java.call('offsets.get', still)
    t.same(offsets, { 'broker-a/0': 3, 'broker-a/1': 4, 'broker-a/2': 5, 'broker-a/3': 6 })
    const held = ['broker-a/0', 'broker-a/1', 'broker-a/2', 'broker-a/3']
    t.same(await java.call('locks.take', { ...still, clientId: 'holder' }), held)

    // what goes on all the time
    await java.call('traffic.start', { topic, group, threads: 4, suspendEvery: 25 })
    await node.ready()
    Producer.defaultProducer?.on('error', () => {})
    const nodeAcked: string[] = []
    const ending = new AbortController()
    const nodeTraffic = (async () => {
      for (let i = 0; !ending.signal.aborted; i++) {
        const sent = await node.send(new Message(`${topic}-node`, 'TagA', `node-${i}`)).catch(() => undefined)
        if (sent?.sendStatus === 'SEND_OK') nodeAcked.push(`node-${i}`)
        else await new Promise((resolve) => setTimeout(resolve, 50))
      }
    })()

    let acks = 0
    for (let kill = 0; kill < KILLS; kill++) {
      acks = await java.call('traffic.acked', { topic, count: acks + ACKS_PER_ROUND })
      await server.kill()
      server = await startLedgermq(folder, ports)
      t.same(await java.call('locks.take', { ...still, clientId: 'another' }), [], 'the locks have their holder')
      t.same(await java.call('locks.take', { ...still, clientId: 'holder' }), held, 'the holder takes them again')
      t.same(await java.call('offsets.get', still), offsets, 'offsets are where they were')
    }
    await java.call('traffic.acked', { topic, count: acks + ACKS_PER_ROUND })
    ending.abort()
    await nodeTraffic
    const { acked, failures, neverReceived, outOfOrder, deliveries, suspended } = await java.call('traffic.stop', { topic })
    t.comment(`Java: ${acked.length} acknowledged, ${failures} sends failed, ${deliveries} deliveries; Node: ${nodeAcked.length} acknowledged`)
    t.same(neverReceived ?? [], [], 'the consumer was given all that was acknowledged')
    t.same(outOfOrder, [], 'in the order of each queue')
    t.ok(suspended > 0, 'also past messages that held it up')
    const stored = (await java.call<Seen[]>('topic.read', { topic, atLeast: acked.length })).map(({ body }) => body)
    t.same(acked.filter((body: string) => !stored.includes(body)), [], 'all of it is stored')
    const storedOfNode = (await java.call<Seen[]>('topic.read', { topic: `${topic}-node`, atLeast: nodeAcked.length })).map(({ body }) => body)
    t.same(nodeAcked.filter((body) => !storedOfNode.includes(body)), [])
    t.ok(nodeAcked.length > 0)
  })
}
