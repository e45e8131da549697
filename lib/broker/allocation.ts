/** A queue of any broker of a cluster; queueId -1: all of that broker. */
export interface AssignableQueue {
  readonly topic: string
  readonly brokerName: string
  readonly queueId: number
}

/** Shares queues out among consumers; `at` is the consumer's place among `count` of them. Both lists are in the same order everywhere. */
export type Allocate = (queues: readonly AssignableQueue[], at: number, count: number) => AssignableQueue[]

/** A run of neighbours for each, those at the front with one more where it does not divide evenly. @see RocketMQ AllocateMessageQueueAveragely */
const averagely: Allocate = (queues, at, count) => {
  const rest = queues.length % count
  const each = Math.floor(queues.length / count)
  const from = at * each + Math.min(at, rest)
  return queues.slice(from, from + each + (at < rest ? 1 : 0))
}

/** In turn. @see RocketMQ AllocateMessageQueueAveragelyByCircle */
const byCircle: Allocate = (queues, at, count) => queues.filter((_, i) => i % count === at)

/** By the names that consumers send. */
export const allocations: ReadonlyMap<string, Allocate> = new Map([['AVG', averagely], ['AVG_BY_CIRCLE', byCircle]])

/**
 * What a consumer that pops takes from: of every broker all queues, unless it is to share its own ones with `shareCount` others only;
 * then those of the ones behind it too. Consumers without a queue of their own get one, so that each has some.
 * @see RocketMQ QueryAssignmentProcessor.allocate4Pop
 */
export function allocateForPop (allocate: Allocate, queues: readonly AssignableQueue[], at: number, count: number, shareCount: number): AssignableQueue[] {
  if (shareCount <= 0 || shareCount >= count - 1) {
    const brokers = new Map(queues.map(({ topic, brokerName }) => [brokerName, { topic, brokerName, queueId: -1 }]))
    return [...brokers.values()]
  }
  if (queues.length === 0) return []
  if (count > queues.length) return [queues[at % queues.length]!]
  return Array.from({ length: shareCount + 1 }, (_, i) => allocate(queues, (at + i) % count, count)).flat()
}

export function inOrder (queues: readonly AssignableQueue[]): AssignableQueue[] {
  return queues.slice().sort((a, b) => compare(a.topic, b.topic) || compare(a.brokerName, b.brokerName) || a.queueId - b.queueId)
}

/** As Java compares texts: by UTF-16 units. */
function compare (a: string, b: string): number { return a < b ? -1 : a > b ? 1 : 0 }
