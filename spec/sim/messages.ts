import { isMqError } from '../../lib/base/index.ts'
import type { Delivery, Engine, PutResult, StoredRecord } from '../../lib/engine/index.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { Violation, type Ledger } from './ledger.ts'
import { DEAD_LETTER_TOPIC, idOf, isWhole, LATER, PRIMARY_TOPICS } from './names.ts'

const MAX_ATTEMPTS = 3

/** Messages of one request: all are stored, or none. */
export interface Sent {
  readonly topic: string
  readonly queueId: number
  readonly ids: readonly number[]
  /** The highest offset in its queue that was acknowledged before this was asked for: it comes behind. */
  readonly behind: number
  fate: 'unknown' | 'acknowledged' | 'refused'
}

interface Place { readonly topic: string, readonly queueId: number, readonly queueOffset: number, readonly physicalOffset: number }

/** What clients know of their messages, and what of it must be found in every node's queues. */
export class Messages {
  readonly #ledger: Ledger
  readonly #random: SeededRandom
  readonly #sent = new Map<number, Sent>()
  /** Where acknowledged messages stand. */
  readonly #places = new Map<number, Place>()
  /** By place: which message anybody has seen there first. */
  readonly #seen = new Map<string, number>()
  readonly #highest = new Map<string, number>()
  /** Acknowledged by a consumer: at which delivery. */
  readonly #consumed = new Map<string, number>()
  /** The dead letters of a group that must be there. */
  readonly #givenUp = new Set<number>()
  #next = 1

  constructor (ledger: Ledger, random: SeededRandom) {
    this.#ledger = ledger
    this.#random = random
  }

  nextNumber (): number { return this.#next++ }

  sends (topic: string, queueId: number, count: number): Sent {
    const ids = Array.from({ length: count }, () => this.#next++)
    const sent: Sent = { topic, queueId, ids, behind: this.#highest.get(`${topic} ${queueId}`) ?? -1, fate: 'unknown' }
    for (const id of ids) this.#sent.set(id, sent)
    return sent
  }

  /** Notes what a failure says of the request, and passes it on. */
  async outcome<T> (sent: Sent, answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (error) {
      if (!isMqError(error) || error.outcome === 'not-applied') {
        sent.fate = 'refused'
        if (PRIMARY_TOPICS.includes(sent.topic)) for (const id of sent.ids) this.#ledger.refused(id)
      }
      throw error
    }
  }

  stored (sent: Sent, results: readonly PutResult[]): void {
    sent.fate = 'acknowledged'
    const key = `${sent.topic} ${sent.queueId}`
    results.forEach(({ topic, queueId, queueOffset, physicalOffset }, i) => {
      const id = sent.ids[i]!
      this.#ledger.acknowledged(id)
      if (queueOffset <= sent.behind) throw new Violation('order', `message ${id} was sent after that at offset ${sent.behind} of queue ${queueId} was acknowledged, and stands at ${queueOffset}`)
      this.#places.set(id, { topic, queueId, queueOffset, physicalOffset })
      this.#highest.set(key, Math.max(this.#highest.get(key) ?? -1, queueOffset))
      this.#sees(topic, queueId, queueOffset, id)
    })
  }

  scheduled (sent: Sent): void { sent.fate = 'acknowledged' }

  /** A consumer got it: once it was acknowledged, never again. (An answer may come late, with a lease that was over long ago.) */
  delivered ({ group, topic, queueId, queueOffset, record, attempts }: Delivery): void {
    if (attempts > (this.#consumed.get(`${group} ${topic} ${queueId} ${queueOffset}`) ?? Infinity)) throw new Violation('consumed once acknowledged', `offset ${queueOffset} of ${topic}/${queueId} is delivered to ${group} again, which has acknowledged it`)
    this.seen(topic, { queueId, queueOffset, record })
  }

  consumed ({ group, topic, queueId, queueOffset, attempts }: Delivery): void { this.#consumed.set(`${group} ${topic} ${queueId} ${queueOffset}`, attempts) }

  /** A consumer wants it no more, and its dead letter is stored. */
  gaveUp ({ record }: Delivery): void { this.#givenUp.add(idOf(record.body)) }

  /** Somebody has read it. */
  seen (topic: string, { queueId, queueOffset, record }: Pick<StoredRecord, 'queueId' | 'queueOffset' | 'record'>): void {
    const { body } = record
    if (body.length < 4 || !isWhole(body)) throw new Violation('nothing invented', `offset ${queueOffset} of ${topic}/${queueId} holds bytes that nobody has sent`)
    const id = idOf(body)
    const sent = this.#sent.get(id)
    if (sent === undefined || sent.topic !== topic) throw new Violation('nothing invented', `offset ${queueOffset} of ${topic}/${queueId} holds message ${id}, which was not sent there`)
    if (sent.fate === 'refused') throw new Violation('not applied means never', `message ${id} was refused and is at offset ${queueOffset} of ${topic}/${queueId}`)
    this.#sees(topic, queueId, queueOffset, id)
  }

  #sees (topic: string, queueId: number, queueOffset: number, id: number): void {
    const key = `${topic} ${queueId} ${queueOffset}`
    const known = this.#seen.get(key)
    if (known === undefined) this.#seen.set(key, id)
    else if (known !== id) throw new Violation('queue offsets', `offset ${queueOffset} of ${topic}/${queueId} is message ${id}, and was ${known}`)
  }

  /** Every acknowledged message is in its place, once, unless retention took it; batches are whole; what came later has come. */
  async verify (engine: Engine): Promise<void> {
    const there = new Map<number, Place>()
    const { pendingCount } = engine.store.delays
    let isComplete = true
    for (const { name: topic, queues } of engine.topics()) {
      if (topic !== LATER && !PRIMARY_TOPICS.includes(topic)) continue
      for (const { queueId, minOffset, maxOffset } of queues) {
        if (minOffset > 0) isComplete = false
        // what is damaged is asked of others that may not be there at the moment: the next read asks again
        let attempts = 0
        for (let at = minOffset; at < maxOffset;) {
          const records = await this.#recordsFrom(engine, topic, queueId, at)
          // what is due to be removed may be so at any moment
          if (typeof records === 'number') {
            at = records
            continue
          }
          if (records.length === 0) break
          if (topic !== LATER && records[0]!.queueOffset !== at && attempts++ < MAX_ATTEMPTS && await this.#isKept(engine, topic, queueId, at, records[0]!.queueOffset)) continue
          attempts = 0
          for (const stored of records) {
            if (stored.queueOffset !== at && topic !== LATER && await this.#isKept(engine, topic, queueId, at, stored.queueOffset)) {
              // in the midst of what was read: asked for once more by itself
              if (stored !== records[0]) break
              throw new Violation('queue offsets', `${topic}/${queueId} goes on at ${stored.queueOffset}, not ${at}`)
            }
            at = stored.queueOffset + 1
            this.seen(topic, stored)
            const id = idOf(stored.record.body)
            if (there.has(id)) throw new Violation('applied once', `message ${id} is at offsets ${there.get(id)!.queueOffset} and ${stored.queueOffset} of ${topic}`)
            there.set(id, { topic, queueId, queueOffset: stored.queueOffset, physicalOffset: stored.physicalOffset })
          }
        }
      }
    }
    // of now: it may have been raised while all that was read
    const { floorPosition } = engine.store
    for (const [id, place] of this.#places) {
      const found = there.get(id)
      if (found === undefined) {
        if (place.physicalOffset >= floorPosition) throw new Violation('nothing lost', `message ${id} was acknowledged at offset ${place.queueOffset} of ${place.topic}/${place.queueId} and is gone`)
      } else if (found.queueOffset !== place.queueOffset || found.queueId !== place.queueId) {
        throw new Violation('queue offsets', `message ${id} was acknowledged at offset ${place.queueOffset} of ${place.topic}/${place.queueId} and is at ${found.queueOffset} of ${found.queueId}`)
      }
    }
    if (floorPosition === 0) await this.#verifyGivenUp(engine)
    for (const { ids, topic } of new Set(this.#sent.values())) {
      if (ids.length > 1 && topic === 'bulk' && floorPosition === 0 && ids.some((id) => there.has(id)) !== ids.every((id) => there.has(id))) throw new Violation('batches are whole', `of ${ids.join(', ')} some are there`)
    }
    const waiting = [...this.#sent].filter(([id, { topic, fate }]) => topic === LATER && fate === 'acknowledged' && !there.has(id))
    if (isComplete && floorPosition === 0 && waiting.length > pendingCount) throw new Violation('delivered once', `${waiting.length} delayed messages have not come (${waiting.slice(0, 5).map(([id]) => id).join(', ')} ...), ${pendingCount} wait`)
  }

  async #verifyGivenUp (engine: Engine): Promise<void> {
    const missing = new Set(this.#givenUp)
    if (missing.size === 0) return
    const { maxOffset } = engine.topics().find(({ name }) => name === DEAD_LETTER_TOPIC)?.queues[0] ?? { maxOffset: 0 }
    for (let at = 0; at < maxOffset;) {
      const records = await engine.read({ topic: DEAD_LETTER_TOPIC, queueId: 0, fromOffset: at, maxMessages: 50 })
      if (records.length === 0) break
      for (const { record, queueOffset } of records) {
        missing.delete(idOf(record.body))
        at = queueOffset + 1
      }
    }
    // retention may have come while all that was read
    if (missing.size > 0 && engine.store.floorPosition === 0) throw new Violation('nothing lost', `messages ${[...missing].join(', ')} were given up, and their dead letters are gone`)
  }

  /** Whether any of what a read left out has not been removed: how far a queue's beginning has followed the floor may differ between nodes. */
  async #isKept (engine: Engine, topic: string, queueId: number, from: number, to: number): Promise<boolean> {
    const units = await engine.reads.units(topic, queueId, from, to - from)
    return units.some(({ queueOffset, physicalOffset }) => queueOffset < to && physicalOffset >= engine.store.floorPosition)
  }

  async #recordsFrom (engine: Engine, topic: string, queueId: number, fromOffset: number): Promise<StoredRecord[] | number> {
    try {
      return await engine.read({ topic, queueId, fromOffset, maxMessages: 20 + this.#random.below(50) })
    } catch (error) {
      if (isMqError(error, 'MQ_OFFSET_TOO_SMALL')) return error.minOffset as number
      throw error
    }
  }
}
