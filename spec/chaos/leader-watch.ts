import { setTimeout as sleep } from 'node:timers/promises'
import type { BrokerGroup } from '../cluster/cluster.ts'
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
  readonly #links: Links
  readonly #running: Promise<void[]>
  readonly #leads: boolean[] = []
  #isStopped = false
  #term = 0
  #termBefore = 0
  #aloneSinceMs: number | undefined
  #longestMs = 0

  constructor (group: BrokerGroup, links: Links) {
    this.#group = group
    this.#links = links
    this.#running = Promise.all(group.nodes.map(async (node, number) => {
      for (; !this.#isStopped; await sleep(LOOK_EVERY_MS)) {
        const figures = await node.figures()
        // what is late says nothing
        if (figures === undefined) continue
        this.#term = Math.max(this.#term, Number(figures['groupTerm']))
        this.#leads[number] = figures['groupRole'] === 'leader'
        this.#look()
      }
    }))
  }

  get hasLeader (): boolean { return this.#leads.some((leads, number) => leads && this.#reachesMajority(number)) }

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
    if (this.hasLeader) {
      this.#longestMs = Math.max(this.#longestMs, nowMs - (this.#aloneSinceMs ?? nowMs))
      this.#aloneSinceMs = undefined
    } else this.#aloneSinceMs ??= nowMs
  }

  #reachesMajority (number: number): boolean {
    const { nodes } = this.#group
    const isCut = (from: number, to: number): boolean => this.#links.fault(from, to).isCut === true
    return nodes.filter((_, other) => other === number || (!isCut(number, other) && !isCut(other, number))).length * 2 > nodes.length
  }
}
