import { PopQueue, type LeaseTerms, type QueueTake } from './pop-queue.ts'
import type { LeasePart, PopAck, PopChangeInvisible, PopCheckOut, PopForget, PopOpen, PopReleaseOwner, PopReturn, PopSeek } from './pop-commands.ts'
import type { Lease } from './pop-lease.ts'
import { PopTurns } from './pop-turns.ts'

/** One group's queues of one topic, by queueId. */
export interface PopTopic {
  readonly group: string
  readonly topic: string
  readonly queues: Map<number, PopQueue>
  /** Where the next choice among the queues begins. Only the leader looks at it; outlives the overlay. */
  readonly turns: PopTurns
  /** Number of the last command that the leader decided on it; what is applied through that number leaves nothing pending. */
  lastDecision: number
}

/** Told what commands do to queues. */
export interface PopChanges {
  changed (queue: PopQueue): void
  removed (queue: PopQueue): void
  /** Offsets can be taken that could not before. */
  available (queue: PopQueue): void
  /** The queue has no lease any more: of an ordered one more can be taken. */
  unblocked (queue: PopQueue): void
}

/**
 * All pop queues, and what each command does to them. Used twice: for the applied state, and with that as its base for
 * the leader's overlay, which runs ahead. The overlay copies a group's topic when it is first asked for it and from then
 * on looks at its copy, so that the two never share anything that changes.
 */
export class PopState {
  readonly #base: PopState | undefined
  readonly #changes: PopChanges
  readonly #groups = new Map<string, Map<string, PopTopic>>()
  readonly #queues = new Map<number, PopQueue>()
  readonly #owners = new Map<string, string>()
  #nextNumber = 1

  constructor (changes: PopChanges, base?: PopState) {
    this.#changes = changes
    this.#base = base
  }

  /** The number that the next queue gets. */
  get nextNumber (): number { return Math.max(this.#nextNumber, this.#base?.nextNumber ?? 0) }
  set nextNumber (number: number) { this.#nextNumber = number }

  /** Queues held here; of an overlay those it has copied. */
  get queues (): Iterable<PopQueue> { return this.#queues.values() }

  topic (group: string, topic: string): PopTopic | undefined {
    const own = this.#groups.get(group)?.get(topic)
    if (own !== undefined || this.#base === undefined) return own
    const below = this.#base.topic(group, topic)
    if (below === undefined) return undefined
    const copy = this.#addTopic(group, topic, below.turns)
    for (const queue of below.queues.values()) this.#addQueue(copy, queue.copy())
    return copy
  }

  queue (number: number): PopQueue | undefined {
    const own = this.#queues.get(number)
    if (own !== undefined || this.#base === undefined) return own
    const below = this.#base.queue(number)
    if (below === undefined) return undefined
    this.topic(below.group, below.topic)
    return this.#queues.get(number)
  }

  /** Topics of the group, those of the base included. */
  topicsOf (group: string): string[] {
    return [...new Set([...this.#groups.get(group)?.keys() ?? [], ...this.#base?.topicsOf(group) ?? []])]
  }

  groups (): string[] {
    return [...new Set([...this.#groups.keys(), ...this.#base?.groups() ?? []])]
  }

  open ({ group, topic, firstNumber, queues }: PopOpen): void {
    const popTopic = this.topic(group, topic) ?? this.#addTopic(group, topic)
    let number = firstNumber
    for (const { queueId, startOffset } of queues) {
      const queue = new PopQueue(number++, group, topic, queueId, startOffset)
      if (popTopic.queues.has(queueId)) continue
      this.#addQueue(popTopic, queue)
      this.#changes.changed(queue)
    }
    if (number > this.nextNumber) this.#nextNumber = number
  }

  checkOut ({ takes, ...terms }: PopCheckOut): void {
    for (const take of takes) {
      const queue = this.queue(take.queue)
      if (queue !== undefined) this.take(queue, take, terms)
    }
  }

  /** Returns the leases made. */
  take (queue: PopQueue, take: QueueTake, terms: LeaseTerms): Lease[] {
    const leases = queue.checkOut(take, { ...terms, owner: this.#shared(terms.owner) })
    this.#changes.changed(queue)
    return leases
  }

  ack ({ parts }: PopAck): void {
    for (const part of parts) this.ackPart(part)
  }

  ackPart ({ queue: number, lease, positions }: LeasePart): void {
    const queue = this.queue(number)
    if (queue === undefined || queue.ack(lease, positions) === 0) return
    this.#changes.changed(queue)
    if (queue.leaseCount === 0) this.#changes.unblocked(queue)
  }

  changeInvisible ({ parts }: PopChangeInvisible): void {
    for (const { queue: number, lease, positions, newLease, invisibleUntilMs } of parts) {
      const queue = this.queue(number)
      if (queue !== undefined && queue.changeInvisible(lease, positions, newLease, invisibleUntilMs) > 0) this.#changes.changed(queue)
    }
  }

  giveBack ({ visibleAtMs, undelivered, parts }: PopReturn): void {
    for (const { queue: number, lease, positions } of parts) {
      const queue = this.queue(number)
      if (queue === undefined || queue.giveBack(lease, positions, visibleAtMs, undelivered) === 0) continue
      this.#changes.changed(queue)
      if (visibleAtMs === 0) this.#changes.available(queue)
      else if (queue.leaseCount === 0) this.#changes.unblocked(queue)
    }
  }

  releaseOwner ({ owner, isPrefix, except }: PopReleaseOwner): void {
    const ends = (lease: Lease): boolean => lease.owner !== except && (isPrefix ? lease.owner.startsWith(owner) : lease.owner === owner)
    if (this.#base !== undefined) {
      for (const queue of this.#base.queues) if (some(queue.leases, ends)) this.queue(queue.number)
    }
    for (const queue of this.#queues.values()) {
      const ended = [...queue.leases].filter(ends)
      if (ended.length === 0) continue
      for (const lease of ended) queue.giveBack(lease.id, null, 0, false)
      this.#gaveBack(queue)
    }
  }

  seek ({ queues }: PopSeek): void {
    for (const { queue: number, offset } of queues) {
      const queue = this.queue(number)
      if (queue === undefined) continue
      queue.seek(offset)
      this.#gaveBack(queue)
    }
  }

  /** An empty topic stands for all topics of the group. */
  forget ({ group, topic }: PopForget): void {
    for (const name of topic === '' ? this.topicsOf(group) : [topic]) {
      const gone = this.topic(group, name)
      if (gone === undefined) continue
      for (const queue of gone.queues.values()) {
        this.#queues.delete(queue.number)
        this.#changes.removed(queue)
      }
      gone.queues.clear()
      // in an overlay the empty topic stays and hides the one below
      if (this.#base === undefined) this.#removeTopic(group, name)
    }
  }

  /** The topic is deleted: no group knows it any more. */
  forgetTopic (topic: string): void {
    for (const group of this.groups()) this.forget({ group, topic })
  }

  /** Takes in a saved queue. */
  restore (queue: PopQueue): void {
    this.#addQueue(this.topic(queue.group, queue.topic) ?? this.#addTopic(queue.group, queue.topic), queue)
  }

  /** Lets go of copies on which nothing is pending: those with no decision after number `applied`. */
  dropIdle (applied: number): void {
    for (const topics of this.#groups.values()) {
      for (const topic of topics.values()) {
        if (topic.lastDecision > applied) continue
        for (const queue of topic.queues.values()) this.#queues.delete(queue.number)
        this.#removeTopic(topic.group, topic.topic)
      }
    }
  }

  /** One string for all leases of an owner, not one for each command. */
  #shared (owner: string): string {
    const known = this.#owners.get(owner)
    if (known !== undefined) return known
    if (this.#owners.size === 1000) this.#owners.clear()
    this.#owners.set(owner, owner)
    return owner
  }

  #gaveBack (queue: PopQueue): void {
    this.#changes.changed(queue)
    this.#changes.available(queue)
  }

  #addTopic (group: string, topic: string, turns = new PopTurns()): PopTopic {
    let topics = this.#groups.get(group)
    if (topics === undefined) this.#groups.set(group, topics = new Map())
    const added: PopTopic = { group, topic, queues: new Map(), turns, lastDecision: 0 }
    topics.set(topic, added)
    return added
  }

  #removeTopic (group: string, topic: string): void {
    const topics = this.#groups.get(group)
    topics?.delete(topic)
    if (topics?.size === 0) this.#groups.delete(group)
  }

  #addQueue (topic: PopTopic, queue: PopQueue): void {
    topic.queues.set(queue.queueId, queue)
    this.#queues.set(queue.number, queue)
  }
}

function some<T> (items: Iterable<T>, test: (item: T) => boolean): boolean {
  for (const item of items) if (test(item)) return true
  return false
}
