import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Cluster } from '../cluster/cluster.ts'
import { OffsetWatch } from '../cluster/offset-watch.ts'
import { readBodies } from '../cluster/read-back.ts'
import { rollingRestart } from '../cluster/rolling-restart.ts'
import { Consumer, Message, Producer } from './ali-ons.ts'

/** A client of the 4.x protocol from npm, as it is, on a group of three whose leader is killed and whose nodes are restarted one by one. */
t.setTimeout(180_000)

const TOPIC = 'ons-group'
const GROUP = 'ons-group-consumers'
const QUEUES = 4

const folder = await mkdtemp(join(tmpdir(), 'ledgermq-ons-group-'))
const cluster = await Cluster.start({ folder, program: 'source', groups: [{ name: 'broker-a', settings: { mappedFileSizeCommitLog: 4 * 1024 * 1024 } }] })
t.teardown(async () => {
  await cluster.close()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  // its timers go on for as long as the process lives
  setImmediate(() => process.exit())
})

const options = (instanceName: string) => ({
  nameSrv: cluster.nameServers[0]!.address,
  httpclient: { request () {} },
  logger: { info () {}, debug () {}, warn () {}, error () {} },
  instanceName,
  rebalanceInterval: 1000,
  pollNameServerInteval: 1000,
  persistConsumerOffsetInterval: 500
})

t.test('a kill of the leader and a rolling restart: producer and consumer go on by themselves, nothing confirmed is lost, offsets never go back', async (t) => {
  const group = cluster.groups[0]!
  await cluster.makeTopic(TOPIC, QUEUES)

  const received = new Set<string>()
  const news = new EventEmitter()
  const consumer = new Consumer({ ...options('consumer'), consumerGroup: GROUP, consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET', pullTimeDelayMillsWhenException: 200 })
  consumer.on('error', () => {})
  consumer.subscribe(TOPIC, '*', async (message) => {
    received.add(message.body.toString())
    news.emit('received')
  })
  const producer = new Producer({ ...options('producer'), producerGroup: 'ons-group-producers', sendMsgTimeout: 3000 })
  producer.on('error', () => {})
  await producer.ready()
  Producer.defaultProducer?.on('error', () => {})
  const watch = new OffsetWatch(cluster, group, { consumerGroup: GROUP, topic: TOPIC, queues: QUEUES })

  const confirmed: string[] = []
  let failures = 0
  const ending = new AbortController()
  const traffic = (async () => {
    for (let i = 0; !ending.signal.aborted; i++) {
      const sent = await producer.send(new Message(TOPIC, 'TagA', `message-${i}`)).catch(() => undefined)
      if (sent?.sendStatus === 'SEND_OK') confirmed.push(`message-${i}`)
      else failures++
      news.emit('sent')
      await new Promise((resolve) => setTimeout(resolve, sent === undefined ? 50 : 5))
    }
  })()
  /** Both go on: so many more are confirmed, and come. */
  const goesOn = async (count = 50): Promise<void> => {
    const wanted = confirmed.length + count
    while (confirmed.length < wanted) await once(news, 'sent')
    const last = confirmed.at(-1)!
    while (!received.has(last)) await once(news, 'received')
  }
  await goesOn()

  const leader = await group.leader()
  const killedMs = performance.now()
  await leader.kill()
  await goesOn()
  t.comment(`50 more were confirmed and had come ${Math.round(performance.now() - killedMs)} ms after the kill`)
  await leader.start()
  await leader.ready()
  await group.inSync(64 * 1024)

  await rollingRestart(group, goesOn)

  ending.abort()
  await traffic
  t.comment(`${confirmed.length} confirmed, ${failures} sends failed, ${watch.answers} answers of offsets`)
  while (confirmed.some((body) => !received.has(body))) await once(news, 'received')
  t.pass('the consumer was given all that was confirmed')
  await group.inSync()
  for (const { name, address } of group.nodes) {
    const stored = new Set((await readBodies(cluster, address, TOPIC, QUEUES)).flat())
    t.same(confirmed.filter((body) => !stored.has(body)), [], `all of it is stored, says ${name}`)
  }
  await watch.stop()
  t.same(watch.backwards, [])
  t.ok(watch.sum > 0, 'progress was committed')
  await consumer.close()
})
