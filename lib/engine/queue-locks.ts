import { MqError, type Clock } from '../base/index.ts'
import { EntryBodyWriter } from '../message/index.ts'
import type { Proposal } from '../replica/index.ts'
import { LockMachine, type Store } from '../store/index.ts'
import { Decision } from './decision.ts'
import { Expiry } from './expiry.ts'
import { hasQueue } from './topic.ts'

/** Locks that one command ends, or one request asks for. */
const MAX_LOCKS = 4096
const MAX_NAME_LENGTH = 255
/** Locks that end together, and a bound of what naming them takes of an entry. */
const RELEASED_AT_ONCE = 32
const RELEASE_BYTES = EntryBodyWriter.commandCostBytes(32 + RELEASED_AT_ONCE * (20 + 2 * 3 * MAX_NAME_LENGTH))

export interface LockableQueue {
  readonly topic: string
  readonly queueId: number
}

export interface QueueLocksOptions {
  readonly clock: Clock
  readonly store: Store
  readonly submit: (proposal: Proposal) => void
  /** Commits of offsets that were made before come before. */
  readonly closeCommits: () => void
}

/**
 * Locks of queues for ordered consumption (RocketMQ's codes 41 and 42): at most one client of a group holds a queue. A
 * lock lasts 60 s from its last renewal, 30 s from the loss of the client's connection, and over restarts and changes
 * of the leader, where its time begins anew.
 */
export class QueueLocks {
  readonly #options: QueueLocksOptions
  readonly #machine: LockMachine
  readonly #expiry: Expiry
  /** In which a client asked in vain since queues of the group were free last. */
  readonly #refused = new Set<string>()
  #freed: (group: string) => void = () => {}

  constructor (options: QueueLocksOptions) {
    this.#options = options
    const machine = this.#machine = options.store.locks
    machine.onUnlocked = (group) => { if (this.#refused.delete(group)) this.#freed(group) }
    this.#expiry = new Expiry({
      clock: options.clock,
      nextMs: () => machine.nextExpiryMs,
      expire: () => this.#decide(RELEASE_BYTES, (writer, nowMs) => { machine.expire(writer, nowMs, RELEASED_AT_ONCE) })
    })
  }

  /** This node leads: the time of all locks begins. */
  async begin (): Promise<void> {
    await this.#decide(RELEASE_BYTES, (writer, nowMs) => { this.#machine.expire(writer, nowMs, RELEASED_AT_ONCE) })
    this.#expiry.look()
  }

  stop (): void { this.#expiry.stop() }

  /** Told when queues are free that some client of the group has asked for in vain; the listener may not throw. Only of what this node refused, as the leader. */
  onFreed (listener: (group: string) => void): void { this.#freed = listener }

  /**
   * The client asks for queues, or renews them. Resolves with those it holds; queues that do not exist are not among them.
   * @throws MQ_INVALID_ARGUMENT it asks for more than 4096 at once; a name is too long or malformed
   */
  async lock (group: string, clientId: string, queues: readonly LockableQueue[]): Promise<LockableQueue[]> {
    assertLocks(group, queues)
    if (clientId.length > 4 * MAX_NAME_LENGTH) throw new MqError('MQ_INVALID_ARGUMENT', `client ${clientId.slice(0, 64)}... has too long a name`)
    const { metadata } = this.#options.store
    const held = await this.#decide(LockMachine.costBytes(group.length + clientId.length, queues), (writer, nowMs) => {
      const existing = queues.filter(({ topic, queueId }) => {
        const config = metadata.proposedTopic(topic)
        return config !== undefined && hasQueue(config, queueId)
      })
      const held = this.#machine.lock(writer, group, clientId, existing, nowMs)
      // noted with the decision: a release that is decided after it, and applied, tells
      if (held.length < existing.length) this.#refused.add(group)
      return held
    })
    this.#expiry.look()
    return held
  }

  /** The client gives queues back; those that it does not hold stay as they are. */
  async unlock (group: string, clientId: string, queues: readonly LockableQueue[]): Promise<void> {
    assertLocks(group, queues)
    const costBytes = LockMachine.costBytes(0, queues) + queues.length * (5 + 3 * group.length)
    await this.#decide(costBytes, (writer, nowMs) => { this.#machine.unlock(writer, group, clientId, queues, nowMs) })
  }

  /** The client leaves the group, or all of them. */
  async unregister (clientId: string, group?: string): Promise<void> {
    for (let isMore = true; isMore;) {
      isMore = await this.#decide(RELEASE_BYTES, (writer, nowMs) => this.#machine.releaseOwner(writer, clientId, group, nowMs, RELEASED_AT_ONCE))
    }
  }

  /** The client's connection is gone without a word: what it holds ends in 30 s unless it renews. */
  connectionLost (clientId: string): void {
    // a failure means that this node does not lead, or that it closes: the locks end all the same, later
    this.#decide(EntryBodyWriter.emptyBytes, (_, nowMs) => { this.#machine.connectionLost(clientId, nowMs) }).then(() => { this.#expiry.look() }, () => {})
  }

  /** Whether any client of the group holds a queue: it consumes in order. */
  holdsAny (group: string): boolean { return this.#machine.holdsAny(group) }

  /** Within a decision: whether another client holds the queue. */
  isFenced (key: LockableQueue & { readonly group: string }, clientId: string, nowMs: number): boolean {
    const holder = this.#machine.holderOf(key, nowMs)
    return holder !== undefined && holder !== clientId
  }

  async #decide<Result> (costBytes: number, decide: (writer: EntryBodyWriter, nowMs: number) => Result): Promise<Result> {
    this.#options.closeCommits()
    const decision = new Decision(costBytes, decide)
    this.#options.submit(decision)
    return await decision.done
  }
}

function assertLocks (group: string, queues: readonly LockableQueue[]): void {
  if (queues.length > MAX_LOCKS) throw new MqError('MQ_INVALID_ARGUMENT', `${queues.length} queues in one request of locks are more than ${MAX_LOCKS}`)
  if (group.length > MAX_NAME_LENGTH || group.includes('@')) throw new MqError('MQ_INVALID_ARGUMENT', `${group.slice(0, 64)} is no name of a group`)
  const wrong = queues.find(({ topic }) => topic.length > MAX_NAME_LENGTH || topic.includes('@'))
  if (wrong !== undefined) throw new MqError('MQ_INVALID_ARGUMENT', `${wrong.topic.slice(0, 64)} is no name of a topic`)
}
