import { isMqError } from '../../lib/base/index.ts'
import type { Engine } from '../../lib/engine/index.ts'
import { get, put, topicConfig, wireMessage } from '../engine/wire.ts'
import type { Nodes } from './nodes.ts'

const TOPIC = 'load'

/** Messages sent one after the other by several senders to whoever leads, and what became of each. */
export class Load {
  readonly #nodes: Nodes
  readonly acked = new Set<string>()
  readonly refused = new Set<string>()
  readonly unknown = new Set<string>()
  #next = 0
  #isStopped = false
  readonly #senders: Promise<void>[] = []

  constructor (nodes: Nodes, senders = 8) {
    this.#nodes = nodes
    for (let i = 0; i < senders; i++) this.#senders.push(this.#send())
  }

  async stop (): Promise<void> {
    this.#isStopped = true
    await this.#nodes.run(Promise.all(this.#senders))
  }

  async #send (): Promise<void> {
    const { clock } = this.#nodes
    while (!this.#isStopped) {
      const body = `m${this.#next++}`
      const { leader } = this.#nodes
      try {
        if (leader !== undefined) {
          await put(leader.engine, TOPIC, wireMessage(body), topicConfig(TOPIC, 1))
          this.acked.add(body)
        }
      } catch (error) {
        if (!isMqError(error)) throw error
        if (error.outcome === 'not-applied') this.refused.add(body)
        else this.unknown.add(body)
      }
      await new Promise<void>((resolve) => { clock.setTimer(5, resolve) })
    }
  }

  /** What is wrong with what a node holds, or undefined: nothing acknowledged is missing, nothing is there twice, nothing refused is there. */
  async defectOn (engine: Engine): Promise<string | undefined> {
    const { maxOffset } = engine.reads.rangeOf(TOPIC, 0)
    const bodies: string[] = []
    while (bodies.length < maxOffset) {
      const batch = await this.#nodes.run(get(engine, { topic: TOPIC, fromOffset: bodies.length }))
      if (batch.bodies.length === 0) return `nothing at offset ${bodies.length} of ${maxOffset}`
      bodies.push(...batch.bodies)
    }
    const there = new Set(bodies)
    if (there.size !== bodies.length) return 'a message is there twice'
    for (const body of this.acked) if (!there.has(body)) return `${body} was acknowledged and is gone`
    for (const body of this.refused) if (there.has(body)) return `${body} was refused and is there`
    for (const body of there) if (!this.acked.has(body) && !this.unknown.has(body)) return `${body} was never sent`
    return undefined
  }
}
