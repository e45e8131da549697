import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Consumer, Message, Producer } from './ali-ons.ts'
import { freePorts, type Server, startLedgermqFromSource } from './servers.ts'

/** A client of the 4.x protocol from npm, as it is, against the command as users start it. */
t.setTimeout(180_000)

const folder = await mkdtemp(join(tmpdir(), 'ledgermq-ali-ons-'))
const ports = await freePorts()
let server: Server = await startLedgermqFromSource(folder, ports)
const nameSrv = server.namesrv
t.teardown(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  // its timers and its hidden producer go on for as long as the process lives
  setImmediate(() => process.exit())
})

const silent = { info () {}, debug () {}, warn () {}, error () {} }
let instances = 0
/** Each with a name of its own, so that two of a group can live in one process. */
const options = () => ({ nameSrv, httpclient: { request () {} }, logger: silent, instanceName: `spec-${++instances}`, rebalanceInterval: 500, pollNameServerInteval: 500, persistConsumerOffsetInterval: 500 })

interface Delivered { readonly body: string, readonly tags: string, readonly keys: string, readonly reconsumeTimes: number, readonly topic: string }

/** A consumer and what it was given; `fails` says which deliveries are thrown back. */
class Member {
  readonly consumer: Consumer
  readonly delivered: Delivered[] = []
  readonly #news = new EventEmitter()

  constructor (group: string, topic: string, { tags = '*', fails = () => false, ...more }: { tags?: string, fails?: (delivered: Delivered) => boolean, isBroadcast?: boolean, maxReconsumeTimes?: number } = {}) {
    this.consumer = new Consumer({ ...options(), consumerGroup: group, consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET', pullTimeDelayMillsWhenException: 200, ...more })
    // what it cannot reach for a while it tells of, and tries again
    this.consumer.on('error', () => {})
    this.consumer.subscribe(topic, tags, async (message) => {
      const delivered = { body: message.body.toString(), tags: message.tags, keys: message.keys, reconsumeTimes: message.reconsumeTimes, topic: message.topic }
      this.delivered.push(delivered)
      this.#news.emit('delivered')
      if (fails(delivered)) throw new Error('thrown back')
    })
  }

  async until (condition: (delivered: readonly Delivered[]) => boolean): Promise<readonly Delivered[]> {
    while (!condition(this.delivered)) await once(this.#news, 'delivered')
    return this.delivered
  }

  bodies (): string[] {
    return [...new Set(this.delivered.map(({ body }) => body))].sort()
  }
}

const has = (count: number) => (delivered: readonly Delivered[]): boolean => new Set(delivered.map(({ body }) => body)).size >= count

/** One for all: a closed one still throws when the server goes, and nobody can listen to it any more. */
const producer = new Producer({ ...options(), producerGroup: 'ali-ons-producers' })
producer.on('error', () => {})
await producer.ready()
Producer.defaultProducer?.on('error', () => {})

async function sendAll (topic: string, bodies: readonly string[], tags: readonly string[] = ['TagA']): Promise<void> {
  for (const [i, body] of bodies.entries()) {
    const message = new Message(topic, tags[i % tags.length]!, body)
    message.keys = [`key-${i}`]
    const { sendStatus } = await producer.send(message)
    if (sendStatus !== 'SEND_OK') throw new Error(`${body}: ${sendStatus}`)
  }
}

/** This client sends to no topic that was not made before. */
async function makeTopic (topicName: string): Promise<void> {
  await producer._mqClient.createTopic(server.broker, 'TBW102', { topicName, readQueueNums: 4, writeQueueNums: 4, perm: 6, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false }, 10_000)
  while (await producer._mqClient.getTopicRouteInfoFromNameServer(topicName, 10_000).catch(() => undefined) === undefined);
}

const numbered = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(2, '0')}`)

t.test('what is sent is taken by a push consumer, text of any script and bodies that the client compresses included', async (t) => {
  await makeTopic('ons-plain')
  const bodies = [...numbered('plain-', 20), '订单已支付 📦', 'long '.repeat(3000)]
  await sendAll('ons-plain', bodies)
  const member = new Member('ons-plain-group', 'ons-plain')
  t.teardown(() => member.consumer.close())
  const delivered = await member.until(has(bodies.length))
  t.same(member.bodies(), [...bodies].sort())
  t.match(delivered.find(({ body }) => body === 'plain-03'), { keys: 'key-3', tags: 'TagA', reconsumeTimes: 0 })
})

t.test('tags choose what a group gets', async (t) => {
  await makeTopic('ons-tags')
  const bodies = numbered('tagged-', 30)
  await sendAll('ons-tags', bodies, ['TagA', 'TagB', 'TagC'])
  const member = new Member('ons-tags-group', 'ons-tags', { tags: 'TagA || TagB' })
  t.teardown(() => member.consumer.close())
  await member.until(has(20))
  t.same(member.bodies(), bodies.filter((_, i) => i % 3 !== 2))
})

t.test('what a consumer throws back comes again after the first delay of retries', async (t) => {
  await makeTopic('ons-retry')
  const member = new Member('ons-retry-group', 'ons-retry', { fails: ({ reconsumeTimes }) => reconsumeTimes === 0 })
  t.teardown(() => member.consumer.close())
  await sendAll('ons-retry', ['fails once'])
  const deliveries = await member.until((delivered) => delivered.length === 2)
  t.same(deliveries.map(({ body, reconsumeTimes, topic }) => [body, reconsumeTimes, topic]), [['fails once', 0, 'ons-retry'], ['fails once', 1, 'ons-retry']])
})

t.test('in a broadcasting group every member gets everything', async (t) => {
  await makeTopic('ons-broadcast')
  const bodies = numbered('all-', 12)
  await sendAll('ons-broadcast', bodies)
  const members = [0, 1].map(() => new Member('ons-broadcast-group', 'ons-broadcast', { isBroadcast: true }))
  t.teardown(() => Promise.all(members.map(({ consumer }) => consumer.close())))
  for (const member of members) {
    await member.until(has(12))
    t.same(member.bodies(), bodies)
  }
})

t.test('the server is killed and started again: clients go on, nothing that was acknowledged is missing', async (t) => {
  await makeTopic('ons-restart')
  const member = new Member('ons-restart-group', 'ons-restart')
  t.teardown(() => member.consumer.close())
  const acknowledged: string[] = []
  const send = async (body: string): Promise<void> => {
    // its own retries end before a server is back: what fails is sent again
    while ((await producer.send(new Message('ons-restart', 'TagA', body)).catch(() => undefined))?.sendStatus !== 'SEND_OK');
    acknowledged.push(body)
  }
  for (const body of numbered('before-', 20)) await send(body)
  await member.until(has(10))
  await server.kill()
  server = await startLedgermqFromSource(folder, ports)
  for (const body of numbered('after-', 20)) await send(body)
  await member.until(has(40))
  t.same(member.bodies(), acknowledged.sort())
})
