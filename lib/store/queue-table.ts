import { ConsumeQueue, type OverlayGeneration, type TopicOfQueues } from './consume-queue.ts'

const utf8 = new TextEncoder()

/**
 * All consume queues by topic and queueId: those that were applied, and over them what the leader has proposed. A topic
 * whose deletion is proposed gets a fresh set of queues, which takes the old one's place when the deletion is applied.
 */
export class QueueTable {
  readonly overlay: OverlayGeneration = { generation: 0 }
  readonly #applied = new Map<string, TopicOfQueues>()
  /** Per topic, the sets that follow the applied one, one per proposed deletion. */
  readonly #proposed = new Map<string, TopicOfQueues[]>()

  /** The applied queue, made if need be (it counts as created when its first unit comes). */
  applied (topic: string, queueId: number): ConsumeQueue {
    return queueIn(topicIn(this.#applied, topic), queueId, this.overlay)
  }

  find (topic: string, queueId: number): ConsumeQueue | undefined {
    const queue = this.#applied.get(topic)?.queues[queueId]
    return queue?.isCreated === true ? queue : undefined
  }

  /** The leader's handle: the queue as it will be once all its proposals are applied. */
  proposed (topic: string, queueId: number): ConsumeQueue {
    const sets = this.#proposed.get(topic)
    return sets === undefined ? this.applied(topic, queueId) : queueIn(sets[sets.length - 1]!, queueId, this.overlay)
  }

  proposeDelete (topic: string): void {
    const sets = this.#proposed.get(topic) ?? []
    const before = sets.at(-1) ?? this.#applied.get(topic)
    before?.queues.forEach((queue) => { queue!.isRetired = true })
    sets.push(newTopic(topic))
    this.#proposed.set(topic, sets)
  }

  /** Takes the topic's queues out and returns those that had messages. */
  delete (topic: string): ConsumeQueue[] {
    const before = this.#applied.get(topic)
    const sets = this.#proposed.get(topic)
    const next = sets?.shift()
    if (sets?.length === 0) this.#proposed.delete(topic)
    if (next === undefined) this.#applied.delete(topic)
    else this.#applied.set(topic, next)
    before?.queues.forEach((queue) => { queue!.isRetired = true })
    return createdIn(before)
  }

  /** The number of all overlay state changes, so that none of it counts; sets of proposed topics go. */
  resetOverlay (): void {
    this.overlay.generation++
    this.#proposed.clear()
    for (const { topic, queues } of this.#applied.values()) {
      // Handles that were only asked for, or retired by a deletion that never came.
      queues.forEach((queue, queueId) => {
        if (!queue!.isCreated) delete queues[queueId]
        else queue!.isRetired = false
      })
      if (queues.every((queue) => queue === undefined)) this.#applied.delete(topic)
    }
  }

  * created (): Generator<ConsumeQueue> {
    for (const topic of this.#applied.values()) yield * createdIn(topic)
  }

  createdOf (topic: string): ConsumeQueue[] { return createdIn(this.#applied.get(topic)) }

  clear (): void {
    this.overlay.generation++
    this.#applied.clear()
    this.#proposed.clear()
  }
}

function newTopic (topic: string): TopicOfQueues {
  return { topic, topicBytes: utf8.encode(topic), queues: [] }
}

function topicIn (topics: Map<string, TopicOfQueues>, topic: string): TopicOfQueues {
  let found = topics.get(topic)
  if (found === undefined) topics.set(topic, found = newTopic(topic))
  return found
}

function queueIn (topic: TopicOfQueues, queueId: number, overlay: OverlayGeneration): ConsumeQueue {
  let queue = topic.queues[queueId]
  if (queue === undefined) topic.queues[queueId] = queue = new ConsumeQueue(topic, queueId, overlay)
  return queue
}

function createdIn (topic: TopicOfQueues | undefined): ConsumeQueue[] {
  return topic === undefined ? [] : topic.queues.filter((queue) => queue?.isCreated === true) as ConsumeQueue[]
}
