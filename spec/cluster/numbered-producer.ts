import { setTimeout as sleep } from 'node:timers/promises'
import { isMqError } from '../../lib/base/index.ts'
import { RequestCode, ResponseCode, sendMessageResponse, sendMessageV2 } from '../../lib/remoting/index.ts'
import type { BrokerGroup, Cluster } from './cluster.ts'
import { History, Outcome } from './history.ts'

const TIMEOUT_MS = 3000
const PAUSE_MS = 2
const POLL_MS = 1000
/** Of other codes nobody knows. */
const NOT_STORED: readonly number[] = [ResponseCode.SYSTEM_BUSY, ResponseCode.SERVICE_NOT_AVAILABLE, ResponseCode.GO_AWAY]

export interface ProducerOptions {
  readonly cluster: Pick<Cluster, 'client' | 'brokers'>
  readonly group: Pick<BrokerGroup, 'name'>
  readonly topic: string
  readonly queues: number
  /** Messages under way at any time. */
  readonly lanes: number
  readonly bodyBytes?: number
  /** Messages of one request, all for one queue; 1 unless told otherwise. */
  readonly batch?: number
  /** Messages a second that are not exceeded; unless given, as many as the lanes can. */
  readonly maxRate?: number
}

/** The answer to a request of which every message is stored. */
export interface Ack {
  readonly sentMs: number
  readonly atMs: number
}

/**
 * A producer of numbered messages in several lanes; in a lane each request is made after the outcome of the one before. What was
 * not confirmed is sent again, as another attempt, to the next broker of the route.
 */
export class NumberedProducer {
  readonly history = new History()
  readonly #options: ProducerOptions
  readonly #bodyBytes: number
  readonly #lanes: Promise<void>[]
  readonly #ackListeners = new Set<(ack: Ack) => void>()
  /** The route's brokers, the leader first. */
  #route: string[] = []
  #isStopped = false
  #looking: Promise<void> | undefined
  lastAck: Ack = { sentMs: 0, atMs: 0 }
  /** The longest time between two acks; to be set to 0. */
  longestGapMs = 0
  /** Codes of answers other than success, with how often they came. */
  readonly answers = new Map<string, number>()

  constructor (options: ProducerOptions) {
    this.#options = options
    this.#bodyBytes = options.bodyBytes ?? 1024
    this.#lanes = Array.from({ length: options.lanes }, (_, lane) => this.#run(lane))
    this.#poll().catch(() => {})
  }

  /** Resolves with the first ack that `isWanted`. */
  ack (isWanted: (ack: Ack) => boolean): Promise<Ack> {
    return new Promise((resolve) => {
      const listener = (ack: Ack): void => {
        if (!isWanted(ack)) return
        this.#ackListeners.delete(listener)
        resolve(ack)
      }
      this.#ackListeners.add(listener)
    })
  }

  /** Resolves when so many more were confirmed. */
  async acks (count: number): Promise<void> {
    const wanted = this.history.storedCount + count
    await this.ack(() => this.history.storedCount >= wanted)
  }

  /** Resolves when the last attempts have their outcome. */
  async stop (): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#lanes)
  }

  /** As clients do, only more often. */
  async #poll (): Promise<void> {
    while (!this.#isStopped) {
      await this.#look()
      await sleep(POLL_MS)
    }
  }

  async #run (lane: number): Promise<void> {
    const { lanes, queues, batch = 1, maxRate = Infinity } = this.#options
    const queueId = lane % queues
    let dueMs = performance.now()
    await this.#look()
    for (let number = 0; !this.#isStopped; number += batch) {
      dueMs = Math.max(dueMs + batch * lanes * 1000 / maxRate, performance.now())
      if (dueMs > performance.now()) await sleep(dueMs - performance.now())
      for (let attempt = 0; !this.#isStopped; attempt++) {
        const broker = this.#route[attempt % this.#route.length]
        if (broker === undefined) {
          await this.#look()
          continue
        }
        const ids = Array.from({ length: batch }, (_, i) => `${lane}/${number + i}/${attempt}`)
        if (await this.#attempt(ids, queueId, broker) === Outcome.stored) break
        // the next broker at once, and a look at the route
        this.#look().catch(() => {})
        if (attempt > 0) await sleep(PAUSE_MS)
      }
    }
  }

  async #attempt (ids: readonly string[], queueId: number, broker: string): Promise<Outcome> {
    const { history } = this
    const sentMs = performance.now()
    for (const id of ids) history.sending(id, queueId)
    const { outcome, firstOffset } = await this.#send(ids, queueId, broker)
    for (const [i, id] of ids.entries()) {
      if (outcome === Outcome.stored) history.stored(id, queueId, firstOffset + i)
      else if (outcome === Outcome.notStored) history.notStored(id)
      else history.unknown(id)
    }
    if (outcome !== Outcome.stored) return outcome
    const atMs = performance.now()
    this.longestGapMs = Math.max(this.longestGapMs, atMs - this.lastAck.atMs)
    this.lastAck = { sentMs, atMs }
    for (const listener of [...this.#ackListeners]) listener(this.lastAck)
    return outcome
  }

  async #send (ids: readonly string[], queueId: number, broker: string): Promise<{ readonly outcome: Outcome, readonly firstOffset: number }> {
    const { cluster: { client }, group, topic, queues, batch = 1 } = this.#options
    const bodies = ids.map((id) => bodyOf(id, this.#bodyBytes))
    const extFields = sendMessageV2.encode({ a: 'numbered', b: topic, c: 'TBW102', d: queues, e: queueId, f: 0, g: Date.now(), h: 0, i: '', j: 0, k: false, m: batch > 1, n: group.name })
    const request = batch > 1
      ? { code: RequestCode.SEND_BATCH_MESSAGE, extFields, body: Buffer.concat(bodies.map(batchItem)) }
      : { code: RequestCode.SEND_MESSAGE_V2, extFields, body: bodies[0]! }
    try {
      const answer = await client.invoke(broker, request, { timeoutMs: TIMEOUT_MS })
      if (answer.code === ResponseCode.SUCCESS) return { outcome: Outcome.stored, firstOffset: sendMessageResponse.decode(answer).queueOffset }
      this.#note(`${answer.code} ${answer.remark}`)
      return NOT_STORED.includes(answer.code) ? notStored : unknown
    } catch (error) {
      if (!isMqError(error)) throw error
      this.#note(error.code)
      return error.outcome === 'not-applied' ? notStored : unknown
    }
  }

  #note (answer: string): void { this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1) }

  #look (): Promise<void> {
    return (this.#looking ??= this.#askForRoute().finally(() => { this.#looking = undefined }))
  }

  async #askForRoute (): Promise<void> {
    const { cluster, group } = this.#options
    const addresses = (await cluster.brokers()).get(group.name)?.brokerAddrs ?? {}
    this.#route = Object.entries(addresses).sort(([a], [b]) => Number(a) - Number(b)).map(([, address]) => address)
    if (this.#route.length === 0) await sleep(PAUSE_MS)
  }
}

const notStored = { outcome: Outcome.notStored, firstOffset: -1 }
const unknown = { outcome: Outcome.unknown, firstOffset: -1 }

function bodyOf (id: string, sizeBytes: number): Buffer {
  const body = Buffer.alloc(sizeBytes, '.')
  body.write(`${id} `)
  return body
}

/** Without properties. @see BatchItems */
function batchItem (body: Buffer): Buffer {
  const item = Buffer.alloc(22 + body.length)
  item.writeInt32BE(item.length)
  item.writeInt32BE(body.length, 16)
  body.copy(item, 20)
  return item
}
