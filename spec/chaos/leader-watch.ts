import { setTimeout as sleep } from 'node:timers/promises'
import type { BrokerGroup, ClusterProcess } from '../cluster/cluster.ts'
import type { Links } from './links.ts'

const LOOK_EVERY_MS = 10

/** What was seen of leaders since it was asked last. */
export interface LeaderNews {
  /** The longest time without one, ms, the one that lasts included. */
  readonly withoutMs: number
  /** By how much the highest term of any node grew. */
  readonly terms: number
}

/** Asks all nodes again and again whether they lead. Only who exchanges messages with a majority counts as a leader. */
export class LeaderWatch {
  readonly #group: BrokerGroup
  readonly #links: Links | undefined
  readonly #running: Promise<void[]>
  /** By node: the term that it leads; 0: it does not. */
  readonly #ledTerms: number[] = []
  #isStopped = false
  #term = 0
  #termBefore = 0
  #aloneSinceMs: number | undefined
  #longestMs = 0

  constructor (group: BrokerGroup, links?: Links) {
    this.#group = group
    this.#links = links
    this.#running = Promise.all(group.nodes.map(async (node, number) => {
      for (; !this.#isStopped; await sleep(LOOK_EVERY_MS)) {
        const figures = await node.figures()
        // what is late says nothing
        if (figures === undefined) continue
        const term = Number(figures['groupTerm'])
        this.#term = Math.max(this.#term, term)
        this.#ledTerms[number] = figures['groupRole'] === 'leader' ? term : 0
        this.#look()
      }
    }))
  }

  /** Of several the one of the latest term: others do not know of it yet. */
  get leader (): ClusterProcess | undefined {
    let [latest, leader]: [number, ClusterProcess | undefined] = [0, undefined]
    for (const [number, node] of this.#group.nodes.entries()) {
      const term = this.#ledTerms[number] ?? 0
      if (term > latest && this.#reachesMajority(number)) [latest, leader] = [term, node]
    }
    return leader
  }

  /** To be called at once when links have changed. */
  take (): LeaderNews {
    this.#look()
    const nowMs = performance.now()
    const news = { withoutMs: Math.max(this.#longestMs, nowMs - (this.#aloneSinceMs ?? nowMs)), terms: this.#term - this.#termBefore }
    this.#termBefore = this.#term
    this.#longestMs = 0
    if (this.#aloneSinceMs !== undefined) this.#aloneSinceMs = nowMs
    return news
  }

  async stop (): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  #look (): void {
    const nowMs = performance.now()
    if (this.leader !== undefined) {
      this.#longestMs = Math.max(this.#longestMs, nowMs - (this.#aloneSinceMs ?? nowMs))
      this.#aloneSinceMs = undefined
    } else this.#aloneSinceMs ??= nowMs
  }

  #reachesMajority (number: number): boolean {
    const { nodes } = this.#group
    const isCut = (from: number, to: number): boolean => this.#links?.fault(from, to).isCut === true
    return nodes.filter((_, other) => other === number || (!isCut(number, other) && !isCut(other, number))).length * 2 > nodes.length
  }
}
