import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../lib/base/index.ts'
import type { AnyNode } from './any-node.ts'
import { DedupeHistory } from './dedupe-history.ts'

const KEYS = 4
const PAUSE_MS = 100
const REPEATED_SHARE = 0.4
/** So far back goes what is sent again: often to another leader than the one that has stored it. */
const REPEATED_BEHIND = 300

/** The attribute of its topic. */
export const dedupeAttribute = '+dedupe.time=3600000'

/**
 * Producers of messages with ids, one for each key: a message is sent under the same id until it is confirmed, then the next one;
 * and now and then one that was confirmed before.
 */
export class DedupeLoad {
  readonly history = new DedupeHistory()
  readonly #node: AnyNode
  readonly #topic: string
  readonly #queues: number
  readonly #random: Random
  readonly #lanes: Promise<void>[]
  #attempts = 0
  #isStopped = false

  constructor (node: AnyNode, { topic, queues, random }: { readonly topic: string, readonly queues: number, readonly random: Random }) {
    this.#node = node
    this.#topic = topic
    this.#queues = queues
    this.#random = random
    this.#lanes = Array.from({ length: KEYS }, async (_, key) => {
      for (let number = 0; !this.#isStopped; number++) {
        while (!await this.#maybeStored(key, number) && !this.#isStopped);
        if (this.#random.next() < REPEATED_SHARE) await this.#maybeStored(key, Math.max(0, number - Math.floor(this.#random.next() * REPEATED_BEHIND)))
        await sleep(PAUSE_MS)
      }
    })
  }

  /** How often what. */
  get flows (): Readonly<Record<string, number>> {
    const { storedCount: storedOnce, repeatedCount: sentAgain } = this.history
    return { storedOnce, sentAgain }
  }

  /** Resolves when the last attempts have their outcome. */
  async stop (): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#lanes)
  }

  async #maybeStored (key: number, number: number): Promise<boolean> {
    const { history } = this
    const id = `${key}/${number}`
    const queueId = key % this.#queues
    history.sending(id, queueId)
    const attempt = this.#attempts++
    // known by the client's id, or by one that the producer gives while the client's changes
    const properties = key % 2 === 0 ? { UNIQ_KEY: `once/${id}` } : { DEDUPE_ID: `once/${id}`, UNIQ_KEY: `attempt/${attempt}` }
    const outcome = await this.#node.send({ topic: this.#topic, queueId, id, properties })
    if (typeof outcome !== 'string') history.stored(id, outcome.answer.queueId, outcome.answer.queueOffset)
    else if (outcome === 'unknown') history.unknown()
    else {
      history.notStored(id)
      await sleep(PAUSE_MS)
    }
    return typeof outcome !== 'string'
  }
}
