import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../lib/base/index.ts'
import { decodeRecallHandle } from '../../lib/message/index.ts'
import { recallMessage, ResponseCode } from '../../lib/remoting/index.ts'
import type { AnyNode } from './any-node.ts'
import { DelayHistory } from './delay-history.ts'

const LANES = 6
const PAUSE_MS = 100
const RECALLED_SHARE = 0.3
const RECALL_ATTEMPTS = 3
/** Of the delays: how many are up to so long, ms; the others up to the longest. */
const SHORT = { share: 0.4, ms: 500 }
const MIDDLE = { share: 0.4, ms: 3000 }
const LEAST_MS = 5

/** Producers of messages for a later time, some of which they take back: soon after they were sent, or when they are about to come. */
export class DelayLoad {
  readonly history = new DelayHistory()
  readonly #node: AnyNode
  readonly #topic: string
  readonly #queues: number
  readonly #longestMs: number
  readonly #random: Random
  readonly #lanes: Promise<void>[]
  #lastDueMs = 0
  #isStopped = false

  constructor (node: AnyNode, { topic, queues, longestMs, random }: { readonly topic: string, readonly queues: number, readonly longestMs: number, readonly random: Random }) {
    this.#node = node
    this.#topic = topic
    this.#queues = queues
    this.#longestMs = longestMs
    this.#random = random
    this.#lanes = Array.from({ length: LANES }, async (_, lane) => {
      for (let number = 0; !this.#isStopped; number++) {
        await this.#one(`${lane}/${number}`)
        await sleep(PAUSE_MS)
      }
    })
  }

  /** How often what. */
  get flows (): Readonly<Record<string, number>> {
    const { storedCount: delayed, givenCount: delivered, recalledCount: recalled } = this.history
    return { delayed, delivered, recalled }
  }

  /** Resolves when nothing more is sent, and all that was sent is due. */
  async stop (): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#lanes)
    await sleep(Math.max(0, this.#lastDueMs - Date.now()))
  }

  async #one (id: string): Promise<void> {
    const { history } = this
    const queueId = Math.floor(this.#random.next() * this.#queues)
    const delayMs = this.#drawDelay()
    const isAbsolute = this.#random.next() < 0.5
    const dueMs = Date.now() + delayMs
    history.sending(id, queueId, isAbsolute ? dueMs : -Infinity)
    const time = isAbsolute ? { TIMER_DELIVER_MS: String(dueMs) } : { TIMER_DELAY_MS: String(delayMs) }
    const outcome = await this.#node.send({ topic: this.#topic, queueId, id, properties: { UNIQ_KEY: `delay/${id}`, ...time } })
    if (outcome === 'not done') return history.notStored(id)
    this.#lastDueMs = Math.max(this.#lastDueMs, Date.now() + delayMs)
    if (outcome === 'unknown') return history.unknown()
    const { recallHandle } = outcome.answer
    history.stored(id, decodeRecallHandle(recallHandle ?? '')?.deliverAtMs ?? dueMs)
    if (recallHandle === undefined || this.#random.next() >= RECALLED_SHARE) return
    if (this.#random.next() < 0.5) await sleep(this.#random.next() * Math.min(delayMs, SHORT.ms))
    await this.#recall(id, recallHandle)
  }

  async #recall (id: string, recallHandle: string): Promise<void> {
    const { history } = this
    history.recalling(id)
    for (let attempt = 0; attempt < RECALL_ATTEMPTS; attempt++) {
      const outcome = await this.#node.invoke({ code: recallMessage.code, extFields: recallMessage.request.encode({ topic: this.#topic, recallHandle }) })
      if (outcome === 'not done') continue
      if (outcome === 'unknown') return
      if (outcome.answer.code === ResponseCode.SUCCESS) history.recalled(id)
      // other codes say nothing
      else if (outcome.answer.code === ResponseCode.ILLEGAL_OPERATION) history.notRecalled(id)
      return
    }
    history.notRecalled(id)
  }

  #drawDelay (): number {
    const draw = this.#random.next()
    const mostMs = draw < SHORT.share ? SHORT.ms : draw < SHORT.share + MIDDLE.share ? MIDDLE.ms : this.#longestMs
    return LEAST_MS + Math.floor(this.#random.next() * Math.min(mostMs, this.#longestMs))
  }
}
