import { isMqError, MqError, type Clock, type Timer } from '../base/index.ts'
import type { Proposal } from '../replica/index.ts'
import {
  AckProposal, ChangeInvisibleProposal, OpenProposal, PopProposal, ReturnProposal,
  type ConsumeQueue, type LeasedRange, type PopMachine, type PoppedRange, type ReturnOptions, type Store
} from '../store/index.ts'
import { CoalescedAcks, leaseLost } from './coalesced-acks.ts'
import { Delivery, type StoredRecord } from './delivery.ts'
import type { MessageReader } from './message-reader.ts'
import type { WaitingPops } from './waiting-pops.ts'

export interface PopOptions {
  readonly group: string
  readonly topic: string
  /** Default: all queues of the topic. */
  readonly queueId?: number
  readonly max: number
  readonly invisibleMs: number
  /** A queue with messages checked out gives nothing more to the group. */
  readonly isOrdered?: boolean
  /** Messages that were delivered so often are dead letters. */
  readonly maxAttempts?: number
  /** How long to wait for the first message. */
  readonly waitMs?: number
  readonly signal?: AbortSignal | undefined
}

export interface PopsOptions {
  readonly store: Store
  readonly machine: PopMachine
  readonly reader: MessageReader
  readonly clock: Clock
  readonly waiting: WaitingPops
  readonly maxWaiting: number
  /** Owner of all leases of this process. */
  readonly session: string
  readonly submit: (proposal: Proposal) => void
  readonly assertOpen: () => void
  readonly deadLetter: (delivery: Delivery) => Promise<void>
}

/** Checking messages out, and what becomes of them. */
export class Pops {
  readonly #options: PopsOptions
  readonly #acks: CoalescedAcks
  #waitingCount = 0

  constructor (options: PopsOptions) {
    this.#options = options
    this.#acks = new CoalescedAcks(options.machine, options.submit)
  }

  /**
   * Checks out up to `max` messages. While there are none it waits, then resolves with none. An abort ends the waiting
   * only: messages that are checked out already are returned.
   * @throws MQ_TOPIC_NOT_FOUND, MQ_QUEUE_NOT_FOUND, MQ_ABORTED, MQ_BUSY
   */
  async pop (options: PopOptions): Promise<Delivery[]> {
    const { clock, waiting, maxWaiting, assertOpen } = this.#options
    const { topic, group, signal, waitMs = 0 } = options
    const deadlineMs = waitMs === Infinity ? Infinity : clock.nowMs() + waitMs
    for (;;) {
      assertOpen()
      if (signal?.aborted === true) throw aborted(signal)
      // Listens before it looks: what comes in between is not missed.
      const alarm = new Alarm()
      const forget = waiting.add(topic, group, () => { alarm.ring() })
      let deliveries: Delivery[]
      try {
        deliveries = await this.#popOnce(options)
      } catch (error) {
        forget()
        throw error
      }
      const remainingMs = deadlineMs - clock.nowMs()
      if (deliveries.length > 0 || (!alarm.hasRung && remainingMs <= 0)) {
        forget()
        // the alarm was meant for somebody who looks again; and where as much was as we asked for, more may be
        if (alarm.hasRung || deliveries.length >= options.max) waiting.wake(topic, group, 1)
        return deliveries
      }
      if (this.#waitingCount >= maxWaiting) {
        forget()
        throw new MqError('MQ_BUSY', `maxWaitingConsumers (${maxWaiting}) is reached`, { setting: 'maxWaitingConsumers', bound: maxWaiting })
      }
      this.#waitingCount++
      await alarm.wait(clock, remainingMs, signal)
      this.#waitingCount--
      forget()
    }
  }

  /** Done. Resolves when that is durable. @throws MQ_LEASE_LOST */
  ack (delivery: Delivery): Promise<void> { return this.#acks.ack(delivery) }

  /** The same for several, with one command. @throws MQ_LEASE_LOST (`lost`: how many); the others are acknowledged */
  async ackAll (deliveries: readonly Delivery[]): Promise<void> {
    await this.#end(new AckProposal(this.#options.machine, rangesOf(deliveries)))
  }

  /** Gives back, to be delivered again after the delay; `undelivered`: without counting this delivery. @throws MQ_LEASE_LOST */
  async giveBack (deliveries: readonly Delivery[], options: ReturnOptions): Promise<void> {
    await this.#end(new ReturnProposal(this.#options.machine, rangesOf(deliveries), options))
  }

  /** Makes the leases last at least `invisibleMs` from now; tells for each whether it still held. */
  async renew (deliveries: readonly Delivery[], invisibleMs: number): Promise<boolean[]> {
    const proposal = new ChangeInvisibleProposal(this.#options.machine, rangesOf(deliveries), { invisibleMs, wholeLease: true })
    this.#options.submit(proposal)
    const { lost } = await proposal.done
    return deliveries.map(({ queue, lease, queueOffset }) => {
      return !lost.some((range) => range.queue === queue && range.lease === lease && range.first <= queueOffset && queueOffset < range.first + range.count)
    })
  }

  /** The group begins to consume the topic, at its first message, unless it does already. */
  async open (group: string, topic: string): Promise<void> {
    const { machine, submit } = this.#options
    const proposal = new OpenProposal(machine, { group, topic, sources: this.sources(topic), start: 'first' })
    submit(proposal)
    await proposal.done
  }

  /** The queues of a topic as handles. @throws MQ_TOPIC_NOT_FOUND, MQ_QUEUE_NOT_FOUND */
  sources (topic: string, queueId?: number): ConsumeQueue[] {
    const { store } = this.#options
    const config = store.metadata.topic(topic)
    if (config === undefined) throw new MqError('MQ_TOPIC_NOT_FOUND', `there is no topic ${topic}`)
    const count = config.readQueueNums
    if (queueId !== undefined) {
      if (queueId >= count) throw new MqError('MQ_QUEUE_NOT_FOUND', `topic ${topic} has ${count} queues, there is no queue ${queueId}`)
      return [store.consumeQueues.proposed(topic, queueId)]
    }
    return Array.from({ length: count }, (_, id) => store.consumeQueues.proposed(topic, id))
  }

  async #popOnce ({ group, topic, queueId, max, invisibleMs, isOrdered = false, maxAttempts }: PopOptions): Promise<Delivery[]> {
    const { machine, submit, session } = this.#options
    for (;;) {
      const sources = this.sources(topic, queueId)
      const proposal = new PopProposal(machine, {
        group, topic, sources, max, invisibleMs, ordered: isOrdered, owner: session, ...(maxAttempts === undefined ? {} : { maxAttempts })
      })
      submit(proposal)
      const { messages, exhausted, unopened, isRetired } = await proposal.done
      if (isRetired) continue
      if (exhausted.length > 0) await this.#giveUp(group, topic, exhausted)
      if (messages.length > 0) {
        const deliveries = await this.#load(group, topic, messages)
        if (deliveries.length > 0) return deliveries
      } else if (!unopened && exhausted.length === 0) {
        return []
      }
      if (unopened) await this.open(group, topic)
    }
  }

  async #load (group: string, topic: string, ranges: readonly PoppedRange[]): Promise<Delivery[]> {
    const { store, reader } = this.#options
    const deliveries: Delivery[] = []
    for (const range of ranges) {
      const queue = store.consumeQueues.find(topic, range.queueId)
      if (queue === undefined) continue
      const records = await reader.read(queue, range.first, range.count)
      for (const record of records) deliveries.push(new Delivery(group, topic, record, range))
      if (records.length < range.count) this.#dropUnreadable(range, records)
    }
    return deliveries
  }

  /** Messages that are gone (retention, damage) are done: nobody can have them any more. */
  #dropUnreadable (range: PoppedRange, records: readonly StoredRecord[]): void {
    const readable = new Set(records.map(({ queueOffset }) => queueOffset))
    const gone: LeasedRange[] = []
    for (let first = range.first; first < range.first + range.count; first++) {
      if (!readable.has(first)) gone.push({ queue: range.queue, lease: range.lease, first, count: 1 })
    }
    const proposal = new AckProposal(this.#options.machine, gone)
    this.#options.submit(proposal)
    proposal.done.catch(() => {}) // closing; they come up again
  }

  /** Messages that had all their deliveries become dead letters. */
  async #giveUp (group: string, topic: string, ranges: readonly PoppedRange[]): Promise<void> {
    for (const delivery of await this.#load(group, topic, ranges)) {
      try {
        await this.#options.deadLetter(delivery)
      } catch (error) {
        if (!isMqError(error, 'MQ_LEASE_LOST')) throw error // a seek or a deletion came between: not ours to give up
      }
    }
  }

  async #end (proposal: AckProposal | ReturnProposal): Promise<void> {
    this.#options.submit(proposal)
    const { lost } = await proposal.done
    if (lost.length > 0) throw leaseLost(lost.reduce((sum, { count }) => sum + count, 0))
  }
}

/** Neighbours of one lease as one range; in the order of leases, as commands want them. */
function rangesOf (deliveries: readonly Delivery[]): LeasedRange[] {
  const sorted = deliveries.slice().sort((a, b) => a.queue - b.queue || a.lease - b.lease || a.first - b.first)
  const ranges: Array<{ queue: number, lease: number, first: number, count: number }> = []
  for (const { queue, lease, first } of sorted) {
    const last = ranges.at(-1)
    if (last !== undefined && last.queue === queue && last.lease === lease && last.first + last.count === first) last.count++
    else ranges.push({ queue, lease, first, count: 1 })
  }
  return ranges
}

function aborted (signal: AbortSignal): MqError {
  return new MqError('MQ_ABORTED', 'waiting for messages was aborted', { cause: signal.reason })
}

/** Rings once; whoever waits for it waits until then, for a time, or until a signal fires. */
class Alarm {
  hasRung = false
  #wake: (() => void) | undefined

  ring (): void {
    this.hasRung = true
    this.#wake?.()
  }

  async wait (clock: Clock, limitMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.hasRung || signal?.aborted === true) return
    let timer: Timer | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (limitMs !== Infinity) timer = clock.setTimer(limitMs, resolve)
      signal?.addEventListener('abort', this.#onAbort, { once: true })
    })
    timer?.cancel()
    signal?.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => { this.#wake!() }
}
