import { fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Cluster } from '../cluster/cluster.ts'
import { readBodies } from '../cluster/read-back.ts'
import type { Fact, Wish } from '../queue/growing-child.ts'
import { Consumer } from './ali-ons.ts'

/** An embedded queue that two brokers join while it is used; its process is killed, and a client of the 4.x protocol reads everything from the two. */
t.setTimeout(180_000)

const COUNT = Number(process.env.MESSAGES ?? 100_000)
const TOPIC = 'grown'
const QUEUES = 4
const GROUP = 'grown-queue'

const folder = await mkdtemp(join(tmpdir(), 'ledgermq-grown-'))
const cluster = await Cluster.start({ folder, program: 'source', groups: [{ name: GROUP, nodes: 0 }] })
t.teardown(async () => {
  await cluster.close()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  // the client's timers go on for as long as the process lives
  setImmediate(() => process.exit())
})

t.test(`a queue of ${COUNT} messages grows live to three nodes and is killed: a consumer gets all that was confirmed from the two others`, async (t) => {
  const startedMs = performance.now()
  const comment = (text: string): void => { t.comment(`${Math.round(performance.now() - startedMs)} ms: ${text}`) }
  const group = cluster.groups[0]!
  const queue = fork('spec/queue/growing-child.ts', [join(folder, 'queue'), TOPIC, String(QUEUES), String(COUNT), GROUP], { execArgv: ['--import', 'tsx'] })
  t.teardown(() => { queue.kill('SIGKILL') })
  const facts = new EventEmitter()
  let acked = -1
  queue.on('message', (fact: Fact) => {
    if ('acked' in fact) acked = fact.acked
    for (const [name, value] of Object.entries(fact)) facts.emit(`${name} ${name === 'servesAt' ? '' : value}`, value)
  })

  const [address] = await once(facts, 'servesAt ') as [string]
  comment(`${acked + 1} messages are in the queue`)
  for (const number of [1, 2]) {
    const node = await group.add(number, [`n0-${address}`])
    const [id, at] = node.peer.split(/-(.*)/) as [string, string]
    queue.send([id, at] satisfies Wish)
    await once(facts, `added ${id}`)
    await node.start()
  }
  await once(facts, 'voters 3')
  comment('three voters')
  await once(facts, `acked ${acked + 100}`)
  queue.kill('SIGKILL')
  await once(queue, 'exit')
  comment(`killed after ${acked + 1} messages`)

  const leader = await group.leader()
  comment(`${leader.name} leads`)
  const received = new Set<string>()
  const news = new EventEmitter()
  const consumer = new Consumer({
    nameSrv: cluster.nameServers[0]!.address,
    httpclient: { request () {} },
    logger: { info () {}, debug () {}, warn () {}, error () {} },
    rebalanceInterval: 1000,
    consumerGroup: 'readers',
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
    pullThresholdForQueue: 50_000,
    parallelConsumeLimit: 32
  })
  consumer.on('error', () => {})
  consumer.subscribe(TOPIC, '*', async ({ body }) => {
    const text = body.toString()
    // the last send may be stored and not confirmed
    if (Number(text.slice('message-'.length)) <= acked) received.add(text)
    if (received.size > acked) news.emit('all')
  })
  await once(news, 'all')
  comment(`${received.size} messages were received`)
  const wanted = Array.from({ length: acked + 1 }, (_, n) => `message-${n}`)
  t.same(wanted.filter((body) => !received.has(body)), [])
  await consumer.close()

  const stored = await Promise.all(group.nodes.map(async ({ address }) => await readBodies(cluster, address, TOPIC, QUEUES)))
  t.same(stored[0], stored[1], 'both have the same')
  t.equal(new Set(stored[0]!.flat()).size, stored[0]!.flat().length, 'nothing twice')
  comment('read back from both')
})
