import { isMqError, turn, type Clock } from '../base/index.ts'
import type { RecordView } from '../message/index.ts'
import type { Proposal } from '../replica/index.ts'
import {
  AckProposal, ChangeInvisibleProposal, ReturnProposal,
  type ConsumeQueue, type HeldMessage, type LeasedRange, type Outlook, type PopMachine, type PopProgress, type Store
} from '../store/index.ts'
import type { Delivery } from './delivery.ts'
import type { OffsetCommits } from './offset-commits.ts'
import { rangesOf, type Pops, type WaitOptions } from './pops.ts'
import type { WaitingPops } from './waiting-pops.ts'

/** Leases of consumers at the other end of a connection are nobody's: they end by their time, whatever becomes of connection and leader. */
const OWNER = 'pop'
/** After so many messages that are looked for others get their turn. */
const SOUGHT_AT_A_TIME = 64

export interface RemoteConsumer extends WaitOptions {
  readonly isOrdered: boolean
  /** The same again: an ordered queue gives the same messages again. Empty: none. */
  readonly attemptId: string
  /** A group that is new begins with the last message, where older ones were removed already. */
  readonly startsLast: boolean
}

export interface RemotePop extends RemoteConsumer {
  readonly max: number
  readonly maxBytes: number
  readonly invisibleMs: number
  readonly maxAttempts: number
  readonly wants?: (record: RecordView) => boolean
}

export interface ChangedMessage {
  readonly invisibleUntilMs: number
}

export interface RemotePopsOptions {
  readonly clock: Clock
  readonly store: Store
  readonly machine: PopMachine
  readonly pops: Pops
  readonly waiting: WaitingPops
  readonly offsets: OffsetCommits
  readonly submit: (proposal: Proposal) => void
  /** What is under way when the engine stops fails because of that. */
  readonly unlessStopped: <Result>(running: Promise<Result>) => Promise<Result>
  /** Leases have changed: when the next one ends is to be looked at. */
  readonly leasesChanged: () => void
}

/**
 * Consumption by leases for consumers elsewhere, who know a message by its place and the end of its lease, and for groups
 * that consume by offset as well, now or earlier: they go on where they were. Only the leader's.
 */
export class RemotePops {
  readonly #options: RemotePopsOptions

  constructor (options: RemotePopsOptions) {
    this.#options = options
  }

  /** @throws as Pops.pop */
  async pop (request: RemotePop): Promise<Delivery[]> {
    const { pops, leasesChanged, unlessStopped } = this.#options
    const { group, topic, startsLast } = request
    const deliveries = await unlessStopped(pops.pop({
      ...request,
      owner: OWNER,
      start: (sources) => new Map(sources.map((source) => [source.queueId, this.#startIn(group, topic, source, startsLast)])),
      prepare: (sources) => { this.#clearResets(group, topic, sources) }
    }))
    leasesChanged()
    return deliveries
  }

  /** Nobody took the messages: they are there for the next one, as if they had not been checked out. */
  async giveBack (deliveries: readonly Delivery[]): Promise<void> {
    await this.#options.pops.giveBack(deliveries, { undelivered: true })
  }

  /** Whether the messages were acknowledged, now or before; false: the lease has ended, and somebody gets the message again. */
  async ack (message: HeldMessage): Promise<boolean> {
    const { machine, pops } = this.#options
    const { group, topic, queueId, offset } = message
    const held = machine.leaseOf(message)
    if (held !== undefined) {
      try {
        await pops.ack(held)
        return true
      } catch (error) {
        if (!isMqError(error, 'MQ_LEASE_LOST')) throw error
      }
    }
    return machine.isDone(group, topic, queueId, offset)
  }

  /** The same for many, with one command; what is not held any more is left out. Returns how many were. */
  async ackAll (messages: Iterable<HeldMessage>): Promise<number> {
    const { machine, submit, clock } = this.#options
    const held: LeasedRange[] = []
    let count = 0
    for (const message of messages) {
      if (++count % SOUGHT_AT_A_TIME === 0) await turn(clock)
      const range = machine.leaseOf(message)
      if (range !== undefined) held.push(range)
    }
    if (held.length === 0) return 0
    const proposal = new AckProposal(machine, rangesOf(held))
    submit(proposal)
    return (await proposal.done).count
  }

  /** The message comes again after `invisibleMs` from now; its old handle is void. Undefined: it was not held any more. */
  async changeInvisible (message: HeldMessage, invisibleMs: number): Promise<ChangedMessage | undefined> {
    const { machine, submit, leasesChanged, clock } = this.#options
    const held = machine.leaseOf(message)
    if (held === undefined) return undefined
    if (invisibleMs === 0) {
      const proposal = new ReturnProposal(machine, [held])
      submit(proposal)
      return (await proposal.done).count === 0 ? undefined : { invisibleUntilMs: clock.wallMs() }
    }
    const proposal = new ChangeInvisibleProposal(machine, [held], { invisibleMs })
    submit(proposal)
    const changed = (await proposal.done).ranges.find(({ first, count }) => first <= message.offset && message.offset < first + count)
    leasesChanged()
    return changed
  }

  /** Waits until a pop would find something; false: it would not. @throws as Pops.pop */
  async hasMessages (request: RemoteConsumer & { readonly maxAttempts: number }): Promise<boolean> {
    return await this.#options.pops.waitFor(request, async () => {
      return this.outlook(request).canTake
    }, (canTake) => canTake, (canTake) => canTake)
  }

  /** @throws MQ_TOPIC_NOT_FOUND, MQ_QUEUE_NOT_FOUND */
  outlook ({ group, topic, queueId, isOrdered, attemptId, startsLast, maxAttempts }: RemoteConsumer & { readonly maxAttempts: number }): Outlook {
    const { machine, pops, clock } = this.#options
    const sources = pops.sources(topic, queueId)
    const startOf = (queueId: number): number => this.#startIn(group, topic, sources.find((source) => source.queueId === queueId)!, startsLast)
    return machine.outlook({ group, topic, sources, nowMs: clock.wallMs(), ordered: isOrdered, attemptId, owner: OWNER, maxAttempts, startOf })
  }

  /** From where a pop would take new messages. */
  nextOffset (group: string, topic: string, queueId: number): number {
    const { machine, pops } = this.#options
    return machine.progressOf(group, topic, queueId)?.nextOffset ?? this.#startIn(group, topic, pops.sources(topic, queueId)[0]!, false)
  }

  /** How many consumers of the group wait for that queue, or for any. */
  waitingCount (group: string, topic: string, queueId: number | undefined): number { return this.#options.waiting.countOf(topic, group, queueId) }

  /** The group was moved: who waits looks again. */
  moved (group: string, topic: string): void { this.#options.waiting.wake(topic, group, Infinity) }

  progress (group: string, topic: string, queueId: number): PopProgress | undefined { return this.#options.machine.progressOf(group, topic, queueId) }

  #startIn (group: string, topic: string, { queueId, minOffset, proposedNextOffset }: ConsumeQueue, startsLast: boolean): number {
    const { store, machine } = this.#options
    const known = store.consumerOffsets.offset(group, topic, queueId)
    if (known !== undefined) return known
    // queues that a topic got later hold nothing the group has seen
    if (!startsLast || minOffset <= 0 || machine.topicsOf(group).includes(topic)) return minOffset
    return Math.max(minOffset, proposedNextOffset - 1)
  }

  /** Leases were moved with the reset: its consumers need not be told, unless others consume by offset as well. */
  #clearResets (group: string, topic: string, sources: readonly ConsumeQueue[]): undefined {
    for (const { queueId } of sources) this.#options.offsets.takeReset({ group, topic, queueId })
  }
}
