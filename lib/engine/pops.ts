import { isMqError, MqError, type Clock, type Timer } from '../base/index.ts'
import type { RecordView } from '../message/index.ts'
import type { Proposal } from '../replica/index.ts'
import {
  AckProposal, ChangeInvisibleProposal, OpenProposal, PopProposal, ReturnProposal,
  type ConsumeQueue, type LeasedRange, type PopMachine, type PoppedRange, type ReturnOptions, type StartPosition, type Store
} from '../store/index.ts'
import { hasPriorities, priorityFactorOf } from './attributes.ts'
import { CoalescedAcks, leaseLost } from './coalesced-acks.ts'
import { Delivery, type StoredRecord } from './delivery.ts'
import type { MessageReader } from './message-reader.ts'
import { expiresAtMs } from './time-to-live.ts'
import type { WaitingPops } from './waiting-pops.ts'

export interface WaitOptions {
  readonly group: string
  readonly topic: string
  /** Default: all queues of the topic. */
  readonly queueId?: number
  /** How long to wait for the first message. */
  readonly waitMs?: number
  readonly signal?: AbortSignal | undefined
  /** Called before it waits. */
  readonly onWait?: () => void
}

export interface PopOptions extends WaitOptions {
  readonly max: number
  readonly invisibleMs: number
  /** A queue with messages checked out gives nothing more to the group. */
  readonly isOrdered?: boolean
  /** Messages that were delivered so often are dead letters. */
  readonly maxAttempts?: number
  /** Whose the leases are; default: this process's, with which they end. */
  readonly owner?: string
  /** The same again by the same owner: an ordered queue hands out again what this attempt still holds. */
  readonly attemptId?: string
  /** Where the group begins with queues that are new to it; default: with their first messages. */
  readonly start?: (sources: readonly ConsumeQueue[]) => StartPosition
  /** Called before queues are looked at. */
  readonly prepare?: (sources: readonly ConsumeQueue[]) => void
  /** Which messages it wants: the others count as done. Default: all. */
  readonly wants?: (record: RecordView) => boolean
  /** What goes beyond is left for the next pop; at least one message is given. */
  readonly maxBytes?: number
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

/** Where nobody wants what was found, so many are looked at together at most. */
const MOST_FILTERED = 1024

/** Checking messages out, and what becomes of them. */
export class Pops {
  readonly #options: PopsOptions
  readonly #acks: CoalescedAcks
  #waitingCount = 0
  /** Messages that groups did not get because their time to live was over, since the engine was opened. */
  expiredCount = 0

  constructor (options: PopsOptions) {
    this.#options = options
    this.#acks = new CoalescedAcks(options.machine, options.submit)
  }

  /**
   * Checks out up to `max` messages. While there are none it waits, then resolves with none. An abort ends the waiting
   * only: messages that are checked out already are returned.
   * @throws MQ_TOPIC_NOT_FOUND, MQ_QUEUE_NOT_FOUND, MQ_ABORTED, MQ_BUSY
   */
  pop (options: PopOptions): Promise<Delivery[]> {
    return this.waitFor(options, () => this.#popOnce(options), ({ length }) => length > 0, ({ length }) => length >= options.max)
  }

  /**
   * Looks, and looks again whenever there may be something new, until it finds something or has waited long enough: then
   * with what it found last. `hasMore`: there may be enough for others too.
   * @throws MQ_ABORTED, MQ_BUSY
   */
  async waitFor<Found> (options: WaitOptions, look: () => Promise<Found>, isFound: (found: Found) => boolean, hasMore: (found: Found) => boolean): Promise<Found> {
    const { clock, waiting, maxWaiting, assertOpen } = this.#options
    const { topic, group, queueId, signal, waitMs = 0 } = options
    const deadlineMs = waitMs === Infinity ? Infinity : clock.nowMs() + waitMs
    for (;;) {
      assertOpen()
      if (signal?.aborted === true) throw aborted(signal)
      // Listens before it looks: what comes in between is not missed.
      const alarm = new Alarm()
      const forget = waiting.add(topic, group, () => { alarm.ring() }, queueId)
      let found: Found
      try {
        found = await look()
      } catch (error) {
        forget()
        throw error
      }
      const remainingMs = deadlineMs - clock.nowMs()
      if (isFound(found) || (!alarm.hasRung && remainingMs <= 0)) {
        forget()
        // the alarm was meant for somebody who looks again; and where as much was as we asked for, more may be
        if (alarm.hasRung || hasMore(found)) waiting.wake(topic, group, 1)
        return found
      }
      if (this.#waitingCount >= maxWaiting) {
        forget()
        throw new MqError('MQ_BUSY', `maxWaitingConsumers (${maxWaiting}) is reached`, { setting: 'maxWaitingConsumers', bound: maxWaiting })
      }
      options.onWait?.()
      this.#waitingCount++
      await alarm.wait(clock, remainingMs, signal)
      this.#waitingCount--
      forget()
    }
  }

  /** Consumers that wait for messages. */
  get waitingCount (): number { return this.#waitingCount }

  /** Done. Resolves when that is durable. @throws MQ_LEASE_LOST */
  ack (message: LeasedRange): Promise<void> { return this.#acks.ack(message) }

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

  /** The group begins to consume the topic, unless it does already. */
  async open (group: string, topic: string, start: PopOptions['start'] = () => 'first'): Promise<void> {
    const { machine, submit } = this.#options
    const sources = this.sources(topic)
    const proposal = new OpenProposal(machine, { group, topic, sources, start: start(sources) })
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

  /** In how many pops of a hundred messages of high priority come first. */
  #lastFirst (group: string, topic: string): number {
    const { metadata } = this.#options.store
    return hasPriorities(metadata.topic(topic)?.attributes) ? priorityFactorOf(metadata.group(group)?.attributes) : 0
  }

  async #popOnce (options: PopOptions): Promise<Delivery[]> {
    const { machine, submit, session } = this.#options
    const { group, topic, queueId, max, invisibleMs, isOrdered = false, maxAttempts, owner = session, attemptId = '', wants } = options
    for (let count = max; ;) {
      const sources = this.sources(topic, queueId)
      options.prepare?.(sources)
      const proposal = new PopProposal(machine, {
        group, topic, sources, max: count, invisibleMs, ordered: isOrdered, lastFirst: this.#lastFirst(group, topic), owner, attemptId, ...(maxAttempts === undefined ? {} : { maxAttempts })
      })
      submit(proposal)
      const { messages, exhausted, unopened, isRetired } = await proposal.done
      if (isRetired) continue
      if (exhausted.length > 0) await this.#giveUp(group, topic, exhausted)
      if (messages.length > 0) {
        const loaded = await this.#load(group, topic, messages, options.maxBytes)
        const deliveries = wants === undefined ? loaded : await this.#wantedOf(loaded, wants, max)
        if (deliveries.length > 0) return deliveries
        // nobody waits any more for what may be behind them
        if (options.signal?.aborted === true) return []
        count = Math.min(4 * count, MOST_FILTERED)
      } else if (!unopened && exhausted.length === 0) {
        return []
      }
      if (unopened) await this.open(group, topic, options.start)
    }
  }

  /** What nobody wants is done; of what is wanted, more than `max` is for the next pop. */
  async #wantedOf (deliveries: readonly Delivery[], wants: (record: RecordView) => boolean, max: number): Promise<Delivery[]> {
    const wanted: Delivery[] = []
    const rest: Delivery[] = []
    for (const delivery of deliveries) (wants(delivery.record) ? wanted : rest).push(delivery)
    await this.#leave(wanted.splice(max))
    if (rest.length > 0) {
      const done = this.#end(new AckProposal(this.#options.machine, rangesOf(rest)))
      // nobody waits for it where there is something to give; whatever becomes of it, they are looked at again at worst
      if (wanted.length > 0) done.catch(() => {})
      else await done.catch((error: unknown) => { if (!isMqError(error, 'MQ_LEASE_LOST')) throw error })
    }
    return wanted
  }

  async #load (group: string, topic: string, ranges: readonly PoppedRange[], maxBytes = Infinity): Promise<Delivery[]> {
    const { store, reader, clock } = this.#options
    const nowMs = clock.wallMs()
    const deliveries: Delivery[] = []
    const tooMuch: LeasedRange[] = []
    let bytes = 0
    for (const range of ranges) {
      const queue = store.consumeQueues.find(topic, range.queueId)
      if (queue === undefined) continue
      if (bytes >= maxBytes) {
        tooMuch.push(range)
        continue
      }
      const records = await reader.read(queue, range.first, range.count, maxBytes - bytes)
      let expired: Set<StoredRecord> | undefined
      for (const record of records) {
        // as the reader counts, which stops by it: what it did not come to is not gone
        bytes += record.record.sizeBytes
        if (expiresAtMs(record) <= nowMs) expired = (expired ?? new Set()).add(record)
        else deliveries.push(new Delivery(group, topic, record, range))
      }
      // where it stopped because of the bytes, what follows was not looked at
      const end = bytes >= maxBytes ? records.at(-1)!.queueOffset + 1 : range.first + range.count
      this.expiredCount += expired?.size ?? 0
      const kept = expired === undefined ? records : records.filter((record) => !expired.has(record))
      if (kept.length < end - range.first) this.#drop({ ...range, count: end - range.first }, kept)
      if (end < range.first + range.count) tooMuch.push({ ...range, first: end, count: range.first + range.count - end })
    }
    await this.#leave(tooMuch)
    return deliveries
  }

  /** They are there for the next pop, as if they had not been checked out. */
  async #leave (messages: readonly LeasedRange[]): Promise<void> {
    if (messages.length === 0) return
    await this.#end(new ReturnProposal(this.#options.machine, rangesOf(messages), { undelivered: true })).catch((error: unknown) => { if (!isMqError(error, 'MQ_LEASE_LOST')) throw error })
  }

  /** Messages that are gone (retention, damage), or whose time is over, are done: nobody is to have them any more. */
  #drop (range: PoppedRange, keptRecords: readonly StoredRecord[]): void {
    const kept = new Set(keptRecords.map(({ queueOffset }) => queueOffset))
    const gone: LeasedRange[] = []
    for (let first = range.first; first < range.first + range.count; first++) {
      if (!kept.has(first)) gone.push({ queue: range.queue, lease: range.lease, first, count: 1 })
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
export function rangesOf (messages: readonly LeasedRange[]): LeasedRange[] {
  const sorted = messages.slice().sort((a, b) => a.queue - b.queue || a.lease - b.lease || a.first - b.first)
  const ranges: Array<{ queue: number, lease: number, first: number, count: number }> = []
  for (const { queue, lease, first, count } of sorted) {
    const last = ranges.at(-1)
    if (last !== undefined && last.queue === queue && last.lease === lease && last.first + last.count === first) last.count += count
    else ranges.push({ queue, lease, first, count })
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
