import { setTimeout as sleep } from 'node:timers/promises'
import { queryConsumerOffset, RequestCode } from '../../lib/remoting/index.ts'
import type { BrokerGroup, Cluster } from './cluster.ts'

const LOOK_EVERY_MS = 20

/** Asks again and again, one node after the other, how far a group is: that never becomes less. */
export class OffsetWatch {
  readonly #cluster: Cluster
  readonly #group: BrokerGroup
  readonly #where: { readonly consumerGroup: string, readonly topic: string, readonly queues: number }
  readonly #running: Promise<void>
  readonly #last: number[]
  #isStopped = false
  answers = 0
  readonly backwards: string[] = []

  constructor (cluster: Cluster, group: BrokerGroup, where: { readonly consumerGroup: string, readonly topic: string, readonly queues: number }) {
    this.#cluster = cluster
    this.#group = group
    this.#where = where
    this.#last = Array.from({ length: where.queues }, () => 0)
    this.#running = this.#run()
  }

  /** Up to where all queues together were consumed, by the last answers. */
  get sum (): number { return this.#last.reduce((sum, offset) => sum + offset, 0) }

  async stop (): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async #run (): Promise<void> {
    const { consumerGroup, topic, queues } = this.#where
    for (let look = 0; !this.#isStopped; look++) {
      const node = this.#group.nodes[look % this.#group.nodes.length]!
      for (let queueId = 0; node.isRunning && queueId < queues; queueId++) {
        try {
          const { offset } = queryConsumerOffset.response.decode(await this.#cluster.ask(node.address, RequestCode.QUERY_CONSUMER_OFFSET, { consumerGroup, topic, queueId }))
          if (offset < this.#last[queueId]!) this.backwards.push(`queue ${queueId} was consumed up to ${this.#last[queueId]}, ${node.name} says ${offset}`)
          this.#last[queueId] = offset
          this.answers++
        } catch {
          // nobody answers, or there is none yet
        }
      }
      await sleep(LOOK_EVERY_MS)
    }
  }
}
