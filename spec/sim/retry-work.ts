import type { MqError } from '../../lib/base/index.ts'
import { PutProposal, type Engine, type PutResult, type StoredRecord } from '../../lib/engine/index.ts'
import { deadLetterTopicOf, retryTopicOf } from '../../lib/store/index.ts'
import { groupConfig, topicConfig } from '../engine/wire.ts'
import { contentsOf } from './contents.ts'
import type { KindWork } from './kind-work.ts'
import { Violation } from './ledger.ts'
import { bodyFor, idOf } from './names.ts'
import type { World } from './world.ts'

const TOPIC = 'chores'
const GROUP = 'stubborn'
const RETRIES = retryTopicOf(GROUP)
const LETTERS = deadLetterTopicOf(GROUP)
/** What the levels say comes sooner than what any policy says. */
const LEVELS = [40, 60, 80, 100, 120]

interface Policy { readonly text: string, delayMs (reconsumeTimes: number): number }

const POLICIES: readonly Policy[] = [
  { text: '{"type":"EXPONENTIAL","exponentialRetryPolicy":{"initial":300,"max":1500,"multiplier":2}}', delayMs: (times) => Math.min(1_500, 300 * 2 ** times) },
  { text: '{"type":"CUSTOMIZED","customizedRetryPolicy":{"next":[10,20,500,1100]}}', delayMs: (times) => times === 0 ? 500 : 1_100 },
  { text: '', delayMs: (times) => LEVELS[Math.min(2 + times, LEVELS.length - 1)]! }
]

/** What becomes of a message that is given back so often: where it goes, and from when on. */
interface Returned {
  /** So many times it was so, as its consumers were told; and may have been. */
  known: number
  mayBe: number
  /** The earliest time at which it may be there. */
  leastDueMs: number
}

/** Messages that are given back come again after as long as the group's policy says, and are given up after as many times as it says. */
export class RetryWork implements KindWork {
  readonly #world: World
  readonly #policy: Policy
  readonly #maxTimes: number
  readonly #returned = new Map<string, Returned>()
  /** Positions of what consumers are done with. */
  readonly #done = new Set<number>()
  #lastId = 0
  readonly operations: KindWork['operations']

  constructor (world: World) {
    this.#world = world
    this.#policy = POLICIES[world.random.pick([0, 0, 1, 1, 2])]!
    this.#maxTimes = 1 + world.random.below(2)
    const consume = (engine: Engine): Promise<void> => this.#consume(engine)
    this.operations = [(engine) => this.#send(engine), consume, consume, consume]
  }

  isSettled (): boolean { return true }
  async settle (): Promise<void> {}

  async #send (engine: Engine): Promise<void> {
    const id = ++this.#lastId
    const topic = engine.topicToBe({ name: TOPIC, queueCount: 1, attributes: {} })
    await new Promise<PutResult>((resolve, reject) => { engine.submit(new PutProposal(topic, 0, bodyFor(id, 0), '', '', 0, '', resolve, reject)) })
  }

  async #consume (engine: Engine): Promise<void> {
    const { metadata } = engine.store
    if (metadata.group(GROUP) === undefined) return await engine.config.putGroups([{ config: { ...groupConfig(GROUP), retryMaxTimes: this.#maxTimes, groupRetryPolicy: this.#policy.text } }])
    const { random } = this.#world
    const topic = metadata.topic(RETRIES) !== undefined && random.chance(0.7) ? RETRIES : TOPIC
    if (metadata.topic(topic) === undefined) return
    const { minOffset, maxOffset } = engine.reads.rangeOf(topic, 0)
    const fromOffset = Math.max(minOffset, maxOffset - 1 - random.below(8))
    const records = await engine.read({ topic, queueId: 0, fromOffset, maxMessages: 8 })
    if (topic === RETRIES) for (const record of records) this.#arrived(topic, record)
    const stored = records.find(({ physicalOffset }) => !this.#done.has(physicalOffset))
    if (stored === undefined) return
    const { record, physicalOffset } = stored
    const { reconsumeTimes: times } = record
    const delayLevel = random.chance(0.9) ? 0 : random.below(3) - 1
    const isDead = delayLevel < 0 || times >= this.#maxTimes
    const returned = this.#returnedOf(isDead, idOf(record.body), times + 1)
    const delayMs = isDead ? 0 : delayLevel === 0 ? this.#policy.delayMs(times) : LEVELS[delayLevel - 1]!
    returned.mayBe++
    returned.leastDueMs = Math.min(returned.leastDueMs, engine.clock.wallMs() + delayMs)
    try {
      const sent = await engine.sendBack({ record, group: GROUP, delayLevel, levels: LEVELS, retryTopic: engine.topicPlanned(topicConfig(RETRIES, 1)), deadLetterTopic: engine.topicPlanned(topicConfig(LETTERS, 1)) })
      if (sent !== (isDead ? 'dead-letter' : 'retry')) throw new Violation('given up after so many times', `message ${idOf(record.body)}, given back after ${times} of ${this.#maxTimes} times with level ${delayLevel}: ${sent}`)
    } catch (error) {
      if ((error as MqError).outcome === 'not-applied') returned.mayBe--
      throw error
    }
    returned.known++
    this.#done.add(physicalOffset)
  }

  #returnedOf (isDead: boolean, id: number, times: number): Returned {
    const key = `${isDead ? LETTERS : RETRIES} ${id} ${times}`
    let returned = this.#returned.get(key)
    if (returned === undefined) this.#returned.set(key, returned = { known: 0, mayBe: 0, leastDueMs: Infinity })
    return returned
  }

  /** Somebody has given it back so often, and it comes when it may. Returns which it is. */
  #arrived (topic: string, { record, storeTimestampMs }: StoredRecord): string {
    const key = `${topic} ${idOf(record.body)} ${record.reconsumeTimes}`
    const returned = this.#returned.get(key)
    if (returned === undefined) throw new Violation('nothing invented', `${topic} holds message ${idOf(record.body)} for the ${record.reconsumeTimes}. time, which nobody gave back so often`)
    if (this.#world.parameters.clockStepEveryMs === Infinity && storeTimestampMs < returned.leastDueMs) throw new Violation('never early', `message ${idOf(record.body)} was given back, and came to ${topic} at ${storeTimestampMs}, ${returned.leastDueMs - storeTimestampMs} ms early`)
    return key
  }

  async verify (engine: Engine): Promise<void> {
    // what comes while the queues are read may be missed
    const known = new Map([...this.#returned].map(([key, { known }]) => [key, known]))
    const isOver = engine.store.delays.pendingCount === 0
    const counts = new Map<string, number>()
    let isComplete = isOver
    for (const topic of [RETRIES, LETTERS]) {
      const contents = await contentsOf(engine, topic)
      isComplete &&= contents.isComplete
      for (const record of contents.records) {
        const key = this.#arrived(topic, record)
        counts.set(key, (counts.get(key) ?? 0) + 1)
      }
    }
    for (const [key, { mayBe }] of this.#returned) {
      const count = counts.get(key) ?? 0
      if (count > mayBe) throw new Violation('given back once', `${key}: is there ${count} times, and was given back ${mayBe} times`)
      if (isComplete && count < (known.get(key) ?? 0)) throw new Violation('nothing lost', `${key}: is there ${count} times, and was given back ${known.get(key)} times`)
    }
  }
}
