import { PERM_WRITE, type QueueData } from './route.ts'
import type { TopicQueueMapping } from './topic-queue-mapping.ts'

const UNIT = 1
const UNIT_SUB = 2

/** Which brokers have which topics, with how many queues. Brokers are names here; where they are is in `BrokerTable`. */
export class TopicRoutes {
  readonly #queues = new Map<string, Map<string, QueueData>>()
  readonly #mappings = new Map<string, Map<string, TopicQueueMapping>>()
  #count = 0

  /** Pairs of topic and broker. */
  get count (): number { return this.#count }

  get topics (): string[] { return [...this.#queues.keys()] }

  /** By broker name; undefined: no broker has the topic. */
  queuesOf (topic: string): ReadonlyMap<string, QueueData> | undefined { return this.#queues.get(topic) }

  has (topic: string, brokerName: string): boolean { return this.#queues.get(topic)?.has(brokerName) === true }

  mappingsOf (topic: string): ReadonlyMap<string, TopicQueueMapping> | undefined { return this.#mappings.get(topic) }

  put (topic: string, queue: QueueData): void {
    let queues = this.#queues.get(topic)
    // Names come as pieces of registrations: kept as they are, each would keep all of its registration in memory.
    if (queues === undefined) this.#queues.set(ownText(topic), queues = new Map())
    if (!queues.has(queue.brokerName)) this.#count++
    queues.set(queue.brokerName, queue)
  }

  putMapping (mapping: TopicQueueMapping): void {
    let mappings = this.#mappings.get(mapping.topic)
    if (mappings === undefined) this.#mappings.set(ownText(mapping.topic), mappings = new Map())
    mappings.set(ownText(mapping.bname), mapping)
  }

  deleteTopic (topic: string): void {
    this.#count -= this.#queues.get(topic)?.size ?? 0
    this.#queues.delete(topic)
    this.#mappings.delete(topic)
  }

  delete (topic: string, brokerName: string): void {
    const queues = this.#queues.get(topic)
    if (queues?.delete(brokerName) !== true) return
    this.#count--
    this.#mappings.get(topic)?.delete(brokerName)
    if (queues.size === 0) this.deleteTopic(topic)
  }

  /** One walk over all topics for any number of brokers. */
  deleteBrokers (brokerNames: ReadonlySet<string>): void {
    if (brokerNames.size === 0) return
    for (const topic of this.topics) for (const name of brokerNames) this.delete(topic, name)
  }

  topicsOf (brokerNames: ReadonlySet<string>): string[] {
    const found: string[] = []
    for (const [topic, queues] of this.#queues) {
      for (const name of queues.keys()) {
        if (!brokerNames.has(name)) continue
        found.push(topic)
        break
      }
    }
    return found
  }

  /** Changes the permission of all topics that those brokers have; returns how many those are. */
  changePerm (brokerNames: ReadonlySet<string>, change: (perm: number) => number): number {
    let changed = 0
    for (const queues of this.#queues.values()) {
      for (const name of brokerNames) {
        const queue = queues.get(name)
        if (queue === undefined) continue
        queues.set(name, { ...queue, perm: change(queue.perm) })
        changed++
      }
    }
    return changed
  }

  /** Topics of units, or with subscriptions from units, or the latter that are not the former. @see RocketMQ TopicSysFlag */
  unitTopics (kind: 'unit' | 'unitSub' | 'unitSubOnly'): string[] {
    const isWanted = (flag: number): boolean => kind === 'unit' ? (flag & UNIT) !== 0 : (flag & UNIT_SUB) !== 0 && (kind === 'unitSub' || (flag & UNIT) === 0)
    return [...this.#queues].filter(([, queues]) => isWanted(queues.values().next().value!.topicSysFlag)).map(([topic]) => topic)
  }
}

export const withoutWrite = (perm: number): number => perm & ~PERM_WRITE
export const withWrite = (perm: number): number => perm | PERM_WRITE

/** A text that does not keep the one it was cut from. */
function ownText (text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le')
}
