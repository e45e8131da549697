import { setTimeout as sleep } from 'node:timers/promises'
import type { BrokerGroup, Cluster } from '../cluster/cluster.ts'
import { maybePull, type StampedRead } from '../cluster/read-back.ts'

const PAUSE_MS = 20

/** What is told of each message. */
interface Consumer {
  given (read: StampedRead): void
}

/** Consumes all queues of a topic, each piece from another node, followers too; tells the history what it was given. */
export class TailReader {
  readonly #running: Promise<void[]>
  #isStopped = false

  constructor (cluster: Cluster, group: BrokerGroup, topic: string, queues: number, history: Consumer, pauseMs = PAUSE_MS) {
    this.#running = Promise.all(Array.from({ length: queues }, async (_, queueId) => {
      for (let offset = 0, turn = queueId; !this.#isStopped; turn++) {
        const { address, isRunning } = group.nodes[turn % group.nodes.length]!
        const pulled = isRunning ? await maybePull(cluster, address, topic, queueId, offset).catch(() => undefined) : undefined
        for (const read of pulled?.reads ?? []) history.given(read)
        if (pulled === undefined || pulled.reads.length === 0) await sleep(pauseMs)
        // what a follower does not have yet another one may have
        offset = Math.max(offset, pulled?.nextOffset ?? 0)
      }
    }))
  }

  async stop (): Promise<void> {
    this.#isStopped = true
    await this.#running
  }
}
