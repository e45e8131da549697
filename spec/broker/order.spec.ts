import t from 'tap'
import { jsonArray, jsonMap, parseJson } from '../../lib/message/index.ts'
import { queryConsumerOffset, RequestCode, ResponseCode, type ExtFields, type RemotingFrame } from '../../lib/remoting/index.ts'
import { BrokerGroup } from './broker-group.ts'
import { consumerData, type Ask, type Client } from './support.ts'

const GROUP = 'group'
const TOPIC = 'orders'
const QUEUES = 4
const KEYS = 4
const NODES = [1, 2, 3]
/** As RocketMQ's clients have it: a lock is renewed that often, and trusted that long. */
const RENEW_MS = 20_000
const TRUST_MS = 30_000
const TIMEOUT_MS = 3000

interface Handled { readonly member: string, readonly queueId: number, readonly key: number, readonly sequence: number }

interface HeldQueue { offset: number, lockedAtMs: number }

/** An orderly consumer by the rules of RocketMQ's clients: locks before it pulls, one message of a queue at a time, commits, gives up what is another's. */
class OrderlyMember {
  readonly #group: BrokerGroup
  readonly #clientId: string
  readonly #handled: Handled[]
  readonly #nodes: Client[]
  readonly #held = new Map<number, HeldQueue>()
  #lastLookMs = -Infinity

  constructor (group: BrokerGroup, clientId: string, handled: Handled[]) {
    this.#group = group
    this.#clientId = clientId
    this.#handled = handled
    this.#nodes = NODES.map((id) => group.connect(id))
  }

  async heartbeat (): Promise<void> {
    await Promise.all(this.#nodes.map(async (node) => { await node.heartbeat(this.#clientId, { consumers: [consumerData(GROUP, { [TOPIC]: '*' })] }).catch(() => {}) }))
  }

  /** What it does in a moment: looks at its share if it was told to, or has not for a while, then takes a few messages of each queue. */
  async step (): Promise<void> {
    const isTold = this.#nodes.some(({ asked }) => asked.splice(0).some(({ code }) => code === RequestCode.NOTIFY_CONSUMER_IDS_CHANGED))
    if (isTold || this.#nowMs - this.#lastLookMs > RENEW_MS) await this.#rebalance()
    for (const [queueId, held] of this.#held) await this.#consume(queueId, held)
  }

  async leave (): Promise<void> {
    await this.#unlock([...this.#held.keys()])
    for (const node of this.#nodes) await node.ask(RequestCode.UNREGISTER_CLIENT, { clientID: this.#clientId, consumerGroup: GROUP }, { timeoutMs: TIMEOUT_MS }).catch(() => {})
  }

  async #rebalance (): Promise<void> {
    this.#lastLookMs = this.#nowMs
    await this.heartbeat()
    const answer = await this.#ask(RequestCode.GET_CONSUMER_LIST_BY_GROUP, { consumerGroup: GROUP })
    const members = answer === undefined ? [] : (jsonArray(jsonMap(parseJson(answer.body))?.get('consumerIdList')) ?? []).map(String).sort()
    const place = members.indexOf(this.#clientId)
    if (place < 0) return
    const mine = [...Array(QUEUES).keys()].filter((queueId) => queueId % members.length === place)
    await this.#unlock([...this.#held.keys()].filter((queueId) => !mine.includes(queueId)))
    const body = { clientId: this.#clientId, consumerGroup: GROUP, mqSet: mine.map(messageQueue), onlyThisBroker: false }
    const askedAtMs = this.#nowMs
    const locked = await this.#ask(RequestCode.LOCK_BATCH_MQ, {}, { body })
    if (locked === undefined) return
    const got = (jsonArray(jsonMap(parseJson(locked.body))?.get('lockOKMQSet')) ?? []).map((queue) => Number(jsonMap(queue)?.get('queueId')))
    for (const queueId of this.#held.keys()) if (!got.includes(queueId)) this.#held.delete(queueId)
    for (const queueId of got) {
      const known = this.#held.get(queueId)
      if (known !== undefined) {
        known.lockedAtMs = askedAtMs
        continue
      }
      const offset = await this.#ask(RequestCode.QUERY_CONSUMER_OFFSET, { consumerGroup: GROUP, topic: TOPIC, queueId })
      if (offset !== undefined) this.#held.set(queueId, { offset: queryConsumerOffset.response.decode(offset).offset, lockedAtMs: askedAtMs })
    }
  }

  async #consume (queueId: number, held: HeldQueue): Promise<void> {
    const isTrusted = (): boolean => this.#held.get(queueId) === held && this.#nowMs - held.lockedAtMs < TRUST_MS
    if (!isTrusted()) return
    for (const node of this.#nodes) {
      const pulled = await node.pull(TOPIC, queueId, held.offset, { consumerGroup: GROUP, maxMsgNums: 8, suspendTimeoutMillis: 0, sysFlag: 4 }).catch(() => undefined)
      if (pulled?.code !== ResponseCode.SUCCESS) continue
      for (const body of pulled.bodies) {
        if (!isTrusted()) return
        const [key, sequence] = body.split(':').map(Number)
        this.#handled.push({ member: this.#clientId, queueId, key: key!, sequence: sequence! })
        held.offset++
      }
      break
    }
    await this.#ask(RequestCode.UPDATE_CONSUMER_OFFSET, { consumerGroup: GROUP, topic: TOPIC, queueId, commitOffset: held.offset })
  }

  async #unlock (queueIds: readonly number[]): Promise<void> {
    for (const queueId of queueIds) this.#held.delete(queueId)
    if (queueIds.length > 0) await this.#ask(RequestCode.UNLOCK_BATCH_MQ, {}, { body: { clientId: this.#clientId, consumerGroup: GROUP, mqSet: queueIds.map(messageQueue), onlyThisBroker: false } })
  }

  /** Of the first node that answers with success. */
  async #ask (code: number, fields: ExtFields, ask: Ask = {}): Promise<RemotingFrame | undefined> {
    for (const node of this.#nodes) {
      const answer = await node.ask(code, fields, { ...ask, timeoutMs: TIMEOUT_MS }).catch(() => undefined)
      if (answer?.code === ResponseCode.SUCCESS) return answer
    }
    return undefined
  }

  get #nowMs (): number { return this.#group.clock.nowMs() }
}

function messageQueue (queueId: number) { return { brokerName: 'broker-a', queueId, topic: TOPIC } }

/** Keys whose messages were not handled in the order in which they were sent: one passed over, or earlier ones again by who had handled them. */
function wrong (handled: readonly Handled[]): string[] {
  const lastOfKey = new Map<number, number>()
  const lastOfQueue = new Map<number, string>()
  const wrong: string[] = []
  for (const { key, sequence, queueId, member } of handled) {
    const before = lastOfKey.get(key) ?? -1
    // who takes a queue over begins where the one before had committed
    const isNewHand = lastOfQueue.get(queueId) !== member
    if (sequence > before + 1 || (sequence < before && !isNewHand)) wrong.push(`key ${key}: ${before} then ${sequence} by ${member}`)
    lastOfKey.set(key, sequence)
    lastOfQueue.set(queueId, member)
  }
  return wrong
}

t.test('the judge sees what is passed over, and what goes back', async (t) => {
  const judged = (...sequences: number[]) => wrong(sequences.map((sequence) => ({ member: 'a', queueId: 0, key: 0, sequence })))
  t.same(judged(0, 1, 1, 2), [])
  t.equal(judged(0, 2).length, 1)
  t.equal(judged(0, 1, 2, 0).length, 1)
})

t.test('members that come and go, leaders that close and are cut off: messages of one key are handled in order, all of them', async (t) => {
  const group = await BrokerGroup.start()
  t.teardown(() => group.closeAll())
  const { clock } = group
  const handled: Handled[] = []
  const senders = NODES.map((id) => group.connect(id))
  await group.run(senders[0]!.ask(RequestCode.UPDATE_AND_CREATE_TOPIC, { topic: TOPIC, defaultTopic: 'TBW102', readQueueNums: QUEUES, writeQueueNums: QUEUES, perm: 6, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false }))
  let sent = 0
  const members: OrderlyMember[] = []
  const joins = async (name: string): Promise<void> => {
    const member = new OrderlyMember(group, name, handled)
    members.push(member)
    await group.run(member.heartbeat())
  }
  /** The next message of each key, sent until it is answered; one that nobody knows about comes twice in a row. */
  const sendAll = async (): Promise<void> => {
    for (let key = 0; key < KEYS; key++) {
      for (let turn = 0; ; turn++) {
        const answer = await group.run(senders[turn % senders.length]!.trySend(TOPIC, `${key}:${sent}`, { e: key % QUEUES }, { timeoutMs: TIMEOUT_MS }).catch(() => undefined))
        if (answer?.code === ResponseCode.SUCCESS) break
        await clock.advance(50)
      }
    }
    sent++
  }
  const work = async (rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      await sendAll()
      for (const member of members) await group.run(member.step())
      await clock.advance(100)
    }
  }
  await joins('a')
  await work(3)
  await joins('b')
  await work(10)
  t.equal(new Set(handled.slice(-8).map(({ member }) => member)).size, 2, 'the second member has its share within a second')
  const first = group.leaderId
  await group.close(first)
  await work(3)
  await joins('c')
  await work(6)
  await group.open(first)
  await group.untilEqual()
  group.isolate(group.leaderId)
  await work(8)
  await group.run(members.shift()!.leave())
  await work(3)
  for (let round = 0; handled.filter(({ sequence }) => sequence === sent - 1).length < KEYS && round < 400; round++) {
    for (const member of members) await group.run(member.step())
    await clock.advance(500)
  }
  t.same(wrong(handled), [])
  for (let key = 0; key < KEYS; key++) t.same([...new Set(handled.filter((one) => one.key === key).map(({ sequence }) => sequence))], [...Array(sent).keys()], `key ${key}: all, in order`)
  t.comment(`${sent * KEYS} messages, ${handled.length} handled`)
})
