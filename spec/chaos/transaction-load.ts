import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../lib/base/index.ts'
import { checkTransactionState, decodeMessageId, endTransaction, RequestCode, ResponseCode, TransactionState, type RemotingFrame } from '../../lib/remoting/index.ts'
import { until, type BrokerGroup, type Cluster } from '../cluster/cluster.ts'
import type { AnyNode } from './any-node.ts'
import { TransactionHistory, type Decision } from './transaction-history.ts'

const GROUP = 'payers'
const LANES = 4
const PAUSE_MS = 100
const COMMITTED_SHARE = 0.6
/** Nothing is said of them before they are asked about. */
const LEFT_SHARE = 0.3
/** Of the checks: answered with "unknown". */
const UNDECIDED_SHARE = 0.2
/** Of the ended ones: that somebody tries to end otherwise. */
const CONTRADICTED_SHARE = 0.1
const END_ATTEMPTS = 3
/** Until an end of unknown outcome is asked for again, by then perhaps of another leader. */
const AGAIN_MS = 500
const HEARTBEAT_MS = 250
const HEARTBEAT_TIMEOUT_MS = 1000
const KEY = 'transaction/'

/** What a broker calls a half message by. */
interface Half {
  readonly id: string
  readonly halfOffset: number
  readonly position: number
}

/** What it needs of a node's configuration, so that producers are asked while a fault lasts. */
export const transactionSettings = { transactionTimeOut: 200, transactionCheckInterval: 500, transactionCheckMax: 10_000 } as const

/** Producers of transactional messages, which they commit and roll back; of some they say what became of them only when they are asked. */
export class TransactionLoad {
  readonly history = new TransactionHistory()
  readonly #node: AnyNode
  readonly #cluster: Cluster
  readonly #topic: string
  readonly #queues: number
  readonly #random: Random
  readonly #lanes: Promise<void>[]
  readonly #heartbeats: Promise<void>[]
  readonly #answers = new Set<Promise<void>>()
  /** Their end was asked for, and nobody knows whether it came: if it did, nobody will ask. */
  readonly #doubtful = new Map<string, Half>()
  readonly #again: Promise<void>
  #checkedCount = 0
  #isStopped = false
  #isSilent = false

  constructor (node: AnyNode, { cluster, group, topic, queues, random }: { readonly cluster: Cluster, readonly group: BrokerGroup, readonly topic: string, readonly queues: number, readonly random: Random }) {
    this.#node = node
    this.#cluster = cluster
    this.#topic = topic
    this.#queues = queues
    this.#random = random
    cluster.client.handle(checkTransactionState.code, (request) => {
      const answer = this.#answer(request).finally(() => this.#answers.delete(answer))
      this.#answers.add(answer)
      return undefined
    })
    this.#heartbeats = group.nodes.map((node) => this.#beat(node))
    this.#again = this.#endAgain()
    this.#lanes = Array.from({ length: LANES }, async (_, lane) => {
      for (let number = 0; !this.#isStopped; number++) {
        await this.#one(`${lane}/${number}`)
        await sleep(PAUSE_MS)
      }
    })
  }

  /** How often what. */
  get flows (): Readonly<Record<string, number>> {
    const { committedCount: committed, rolledBackCount: rolledBack } = this.history
    return { committed, rolledBack, 'ended when asked': this.#checkedCount }
  }

  /** Resolves when nothing more is sent, and nothing waits for its end; after a while anyway. */
  async stop (): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#lanes)
    await until('all transactions are ended', () => this.history.open().length === 0).catch(() => {})
    this.close()
    await Promise.all([...this.#heartbeats, ...this.#answers, this.#again])
  }

  close (): void { this.#isStopped = this.#isSilent = true }

  async #beat ({ address }: { readonly address: string }): Promise<void> {
    const body = Buffer.from(JSON.stringify({ clientID: 'chaos', consumerDataSet: [], producerDataSet: [{ groupName: GROUP }] }))
    for (; !this.#isSilent; await sleep(HEARTBEAT_MS)) {
      // who does not answer does not ask either
      await this.#cluster.client.invoke(address, { code: RequestCode.HEART_BEAT, body }, { timeoutMs: HEARTBEAT_TIMEOUT_MS }).catch(() => {})
    }
  }

  async #endAgain (): Promise<void> {
    for (; !this.#isSilent; await sleep(AGAIN_MS)) {
      for (const half of [...this.#doubtful.values()]) await this.#maybeEnd(half, false)
    }
  }

  async #one (id: string): Promise<void> {
    const { history } = this
    const queueId = Math.floor(this.#random.next() * this.#queues)
    history.preparing(id, queueId)
    const outcome = await this.#node.send({ topic: this.#topic, queueId, id, properties: { UNIQ_KEY: `${KEY}${id}`, TRAN_MSG: 'true', PGROUP: GROUP } })
    if (outcome === 'not done') return history.notPrepared(id)
    // if it is there, somebody will ask
    if (outcome === 'unknown') return history.unknown()
    history.prepared(id)
    if (history.wantedOf(id) !== undefined || this.#random.next() < LEFT_SHARE) return
    history.deciding(id, this.#draw())
    const half = { id, halfOffset: outcome.answer.queueOffset, position: decodeMessageId(outcome.answer.msgId).physicalOffset }
    for (let attempt = 0; attempt < END_ATTEMPTS && !await this.#maybeEnd(half, false); attempt++) await sleep(PAUSE_MS)
    if (history.isEnded(id) && this.#random.next() < CONTRADICTED_SHARE) await this.#contradict(half)
  }

  /** It is asked what became of one. */
  async #answer (request: RemotingFrame): Promise<void> {
    const { history } = this
    const { msgId = '', tranStateTableOffset: halfOffset, commitLogOffset: position } = checkTransactionState.request.decode(request)
    const id = msgId.slice(KEY.length)
    history.prepared(id)
    if (history.wantedOf(id) === undefined) {
      if (this.#random.next() < UNDECIDED_SHARE) return
      history.deciding(id, this.#draw())
    }
    const wasEnded = history.isEnded(id)
    if (await this.#maybeEnd({ id, halfOffset, position }, true) && !wasEnded) this.#checkedCount++
  }

  /** False: nobody knows whether it has ended. */
  async #maybeEnd (half: Half, isAnswer: boolean): Promise<boolean> {
    const { history } = this
    const answer = await this.#end(half, history.wantedOf(half.id)!, isAnswer)
    const isEnded = answer?.code === ResponseCode.SUCCESS
    const isRefused = !isEnded && /^Find prepared|wrong$|is over|was deleted/.test(answer?.remark ?? '')
    if (isEnded) history.ended(half.id)
    if (isRefused) history.refused(half.id, answer!.remark!)
    if (isEnded || isRefused) this.#doubtful.delete(half.id)
    else this.#doubtful.set(half.id, half)
    return isEnded
  }

  /** Its end is decided: nobody may change it. */
  async #contradict (half: Half): Promise<void> {
    const answer = await this.#end(half, this.history.wantedOf(half.id) === 'commit' ? 'rollback' : 'commit', false)
    if (answer?.code === ResponseCode.SUCCESS) this.history.endedOtherwise(half.id)
  }

  async #end ({ id, halfOffset, position }: Half, decision: Decision, fromTransactionCheck: boolean): Promise<RemotingFrame | undefined> {
    const outcome = await this.#node.invoke({
      code: endTransaction.code,
      extFields: endTransaction.request.encode({
        producerGroup: GROUP, tranStateTableOffset: halfOffset, commitLogOffset: position, commitOrRollback: decision === 'commit' ? TransactionState.commit : TransactionState.rollback, fromTransactionCheck, msgId: `${KEY}${id}`
      })
    })
    return typeof outcome === 'string' ? undefined : outcome.answer
  }

  #draw (): Decision { return this.#random.next() < COMMITTED_SHARE ? 'commit' : 'rollback' }
}
