import t from 'tap'
import { RequestCode, ResponseCode, type ExtFields } from '../../lib/remoting/index.ts'
import { startedBroker, type Client } from './support.ts'

const TOPIC = 'orders'
const MESSAGES = 60

/** A group that pulls a queue as a consumer does: from where it is told to be, committing as it goes. */
class Reader {
  readonly #client: Client
  readonly #group: string
  readonly bodies: string[] = []
  #next = 0

  constructor (client: Client, group: string) {
    this.#client = client
    this.#group = group
  }

  /** Pulls once; false: there is nothing. */
  async pull (maxMsgNums = 7): Promise<boolean> {
    const { code, header, bodies } = await this.#client.pull(TOPIC, 0, this.#next, { consumerGroup: this.#group, maxMsgNums })
    this.#next = header.nextBeginOffset
    this.bodies.push(...bodies)
    await this.#client.ask(RequestCode.UPDATE_CONSUMER_OFFSET, { consumerGroup: this.#group, topic: TOPIC, queueId: 0, commitOffset: this.#next })
    return code !== ResponseCode.PULL_NOT_FOUND
  }

  async readOn (): Promise<string[]> {
    while (await this.pull());
    return this.bodies.splice(0)
  }
}

const numbers = (from: number, to = MESSAGES): string[] => Array.from({ length: to - from }, (_, i) => String(from + i))

t.test('groups go back and forth side by side, each as it was told, and nobody else with them', async (t) => {
  const { connect, clock } = await startedBroker(t)
  const client = connect()
  let middleMs = 0
  for (let i = 0; i < MESSAGES; i++) {
    if (i === 20) middleMs = clock.wallMs()
    await client.send(TOPIC, String(i))
    await clock.advance(1000)
  }
  const groups = ['first', 'time', 'offset', 'skip', 'other']
  const readers = new Map(groups.map((group) => [group, new Reader(client, group)]))
  for (const [name, reader] of readers) if (name !== 'skip') t.same(await reader.readOn(), numbers(0))
  for (let i = 0; i < 2; i++) await readers.get('skip')!.pull()
  const reset = (group: string, fields: ExtFields): Promise<unknown> => client.json(RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, { topic: TOPIC, group, isForce: true, ...fields })
  await Promise.all([reset('first', { timestamp: 0 }), reset('time', { timestamp: middleMs }), reset('offset', { timestamp: -1, queueId: 0, offset: 33 }), reset('skip', { timestamp: -1 })])
  readers.get('skip')!.bodies.length = 0
  // all of them at once, one pull each in turn
  for (let busy = true; busy;) busy = (await Promise.all([...readers.values()].map((reader) => reader.pull()))).some((more) => more)
  const replayed = Object.fromEntries([...readers].map(([name, { bodies }]) => [name, bodies]))
  t.same(replayed, { first: numbers(0), time: numbers(20), offset: numbers(33), skip: [], other: [] })
  await client.ask(RequestCode.CLONE_GROUP_OFFSET, { srcGroup: 'skip', destGroup: 'late', topic: TOPIC, offline: true })
  const cloned = await client.ask(RequestCode.QUERY_CONSUMER_OFFSET, { consumerGroup: 'late', topic: TOPIC, queueId: 0, setZeroIfNotFound: false })
  t.equal(cloned.extFields().get('offset'), String(MESSAGES))
})
