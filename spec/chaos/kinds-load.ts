import type { Random } from '../../lib/base/index.ts'
import { until, type BrokerGroup, type Cluster } from '../cluster/cluster.ts'
import { readBack } from '../cluster/read-back.ts'
import type { AnyNode } from './any-node.ts'
import { dedupeAttribute, DedupeLoad } from './dedupe-load.ts'
import { DelayLoad } from './delay-load.ts'
import { TailReader } from './tail-reader.ts'
import { TransactionLoad } from './transaction-load.ts'

const topics = { delayed: 'later', transactions: 'payments', once: 'once', probe: 'probe' } as const
const QUEUES = 2
const PAUSE_MS = 100
/** Of each thing that clients do, before a fault, while it lasts and after it. */
const LEAST_FLOW = 2
/** A kind that takes longer is told of. */
const SLOW_MS = 8000

export interface KindsOptions {
  readonly cluster: Cluster
  readonly group: BrokerGroup
  readonly node: AnyNode
  readonly random: Random
  /** The longest delay, ms. */
  readonly longestDelayMs: number
  readonly tell: (text: string) => void
}

/** Load of messages of each kind that is not plain: for a later time, of transactions, sent again under the same id. */
export class KindsLoad {
  readonly #cluster: Cluster
  readonly #tell: (text: string) => void
  readonly #delays: DelayLoad
  readonly #transactions: TransactionLoad
  readonly #once: DedupeLoad
  readonly #readers: TailReader[]

  static async start (options: KindsOptions): Promise<KindsLoad> {
    const { cluster, node } = options
    for (const topic of [topics.delayed, topics.transactions]) await cluster.makeTopic(topic, QUEUES)
    for (const topic of [topics.once, topics.probe]) await cluster.makeTopic(topic, QUEUES, dedupeAttribute)
    // a group that has just begun writes the oldest format for a moment, and remembers nothing
    let last = -1
    await until('a message that is sent again is known', async () => {
      const outcome = await node.send({ topic: topics.probe, queueId: 0, id: 'probe', properties: { DEDUPE_ID: 'probe' } })
      if (typeof outcome === 'string') return false
      const { queueOffset } = outcome.answer
      const isKnown = queueOffset === last
      last = queueOffset
      return isKnown
    })
    return new KindsLoad(options)
  }

  private constructor ({ cluster, group, node, random, longestDelayMs, tell }: KindsOptions) {
    this.#cluster = cluster
    this.#tell = tell
    this.#delays = new DelayLoad(node, { topic: topics.delayed, queues: QUEUES, longestMs: longestDelayMs, random })
    this.#transactions = new TransactionLoad(node, { cluster, group, topic: topics.transactions, queues: QUEUES, random })
    this.#once = new DedupeLoad(node, { topic: topics.once, queues: QUEUES, random })
    this.#readers = this.#histories.map(([topic, history]) => new TailReader(cluster, group, topic, QUEUES, history, PAUSE_MS))
  }

  get #histories (): ReadonlyArray<readonly [topic: string, history: DelayLoad['history'] | TransactionLoad['history'] | DedupeLoad['history']]> {
    return [[topics.delayed, this.#delays.history], [topics.transactions, this.#transactions.history], [topics.once, this.#once.history]]
  }

  get #flows (): Readonly<Record<string, number>> { return { ...this.#delays.flows, ...this.#transactions.flows, ...this.#once.flows } }

  get figures (): Readonly<Record<string, number>> {
    const unknown = this.#histories.reduce((sum, [, { unknownCount }]) => sum + unknownCount, 0)
    return { ...this.#flows, unknownOfAllKinds: unknown }
  }

  /** Resolves when each kind has flowed from now on. @throws Error it does not */
  async steady (when: string): Promise<void> {
    const before = this.#flows
    const fromMs = performance.now()
    let last: string[] = []
    const still = (): string[] => Object.entries(this.#flows).filter(([name, count]) => count < before[name]! + LEAST_FLOW).map(([name]) => name)
    await until(`each kind of message flows ${when}`, () => {
      const left = still()
      if (left.length === 0) return true
      last = left
      throw new Error(`not yet: ${left.join()}`)
    })
    const tookMs = Math.round(performance.now() - fromMs)
    if (tookMs > SLOW_MS) this.#tell(`${last.join()} flowed ${when} after ${tookMs} ms`)
  }

  /** Resolves when nothing more is sent, and consumers were given all that has to come; after a while anyway. */
  async stop (): Promise<void> {
    await Promise.all([this.#delays.stop(), this.#transactions.stop(), this.#once.stop()])
    await until('consumers have all', () => this.#histories.every(([, history]) => history.missing().length === 0)).catch(() => {})
    await Promise.all(this.#readers.map((reader) => reader.stop()))
  }

  /** Compares with what that node holds, when nothing more is sent. */
  async check (address: string): Promise<string[]> {
    const problems: string[] = []
    for (const [topic, history] of this.#histories) {
      for (const problem of history.check(await readBack(this.#cluster, address, topic, QUEUES))) problems.push(`${topic}: ${problem}`)
    }
    return problems
  }

  /** Ends it where nobody wants to know. */
  async close (): Promise<void> {
    this.#transactions.close()
    await Promise.all([this.#once.stop(), ...this.#readers.map((reader) => reader.stop())])
  }
}
