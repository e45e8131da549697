import { on, type CommandHandler, type KeyChange, type KeyValue, type Machine } from './machine.ts'
import { popAck, popChangeInvisible, popCheckOut, popForget, popOpen, popReleaseOwner, popReturn, popSeek } from './pop-commands.ts'
import { chooseOffsets, type Choice, type PopSource } from './pop-choice.ts'
import { PopOverlay, type CommandWriter } from './pop-overlay.ts'
import { DEFAULT_MAX_ATTEMPTS, DEFAULT_MAX_OUTSTANDING } from './pop-limits.ts'
import type { LeasedRange } from './pop-ranges.ts'
import { PopState } from './pop-state.ts'
import { decodeNextNumber, decodeQueue, encodeNextNumber, encodeQueue, NEXT_NUMBER_KEY, queueKey } from './pop-values.ts'
import { deleteGroup, deleteTopic, type CommandType } from '../message/index.ts'
import type { PopQueue } from './pop-queue.ts'

/** How far a group is with a queue. */
export interface PopProgress {
  /** The smallest offset that is not done: what other consumers call the group's committed offset. */
  readonly consumerOffset: number
  /** Offsets from here on were never handed out. */
  readonly nextOffset: number
  readonly leasedCount: number
  readonly returnedCount: number
}

/** A message that a group was given, and until when. */
export interface HeldMessage {
  readonly group: string
  readonly topic: string
  readonly queueId: number
  readonly offset: number
  readonly invisibleUntilMs: number
}

export interface OutlookRequest {
  readonly group: string
  readonly topic: string
  readonly sources: readonly PopSource[]
  readonly nowMs: number
  readonly ordered?: boolean
  readonly attemptId?: string
  readonly owner?: string
  readonly maxAttempts?: number
  /** Where the group will begin with a queue that is new to it. */
  readonly startOf: (queueId: number) => number
}

export interface Outlook {
  readonly canTake: boolean
  readonly restCount: number
}

function hasSome (choice: Choice | undefined): boolean { return choice !== undefined && choice.count + choice.exhausted.length > 0 }

/** What a group has made of one offset of a queue, as applied. */
export type OffsetState =
  | { readonly is: 'fresh' }
  | { readonly is: 'done' }
  | { readonly is: 'leased', readonly attempts: number, readonly owner: string, readonly untilMs: number }
  | { readonly is: 'returned', readonly attempts: number, readonly visibleAtMs: number }

/**
 * Consumption by pop: who holds which messages until when, what came back and how often it was delivered. Takes the
 * place of RocketMQ's check-point, ack and revive messages. The proposals of pop*-proposal(s).ts decide on `overlay`.
 */
export class PopMachine implements Machine {
  readonly name = 'pop'
  readonly handlers: readonly CommandHandler[]
  /** Called when a group can take messages of a topic that it could not take before. May be called in vain. */
  onAvailable: ((group: string, topic: string) => void) | undefined
  #applied!: PopState
  #overlay: PopOverlay | undefined
  readonly #dirty = new Map<number, PopQueue | undefined>()
  #savedNextNumber = 1
  /** Which topics groups consume in order: whom to tell that a queue has no lease any more. Not part of the state. */
  readonly #ordered = new Map<string, Set<string>>()

  constructor () {
    this.clear()
    this.handlers = [
      this.#handler(popOpen, (command) => this.#applied.open(command)),
      this.#handler(popCheckOut, (command) => this.#applied.checkOut(command)),
      this.#handler(popAck, (command) => this.#applied.ack(command)),
      this.#handler(popChangeInvisible, (command) => this.#applied.changeInvisible(command)),
      this.#handler(popReturn, (command) => this.#applied.giveBack(command)),
      this.#handler(popReleaseOwner, (command) => this.#applied.releaseOwner(command)),
      this.#handler(popSeek, (command) => this.#applied.seek(command)),
      this.#handler(popForget, (command) => this.#applied.forget(command)),
      this.#handler(deleteTopic, ({ topic }) => this.#applied.forgetTopic(topic)),
      this.#handler(deleteGroup, ({ group, removeOffsets }) => { if (removeOffsets) this.#applied.forget({ group, topic: '' }) })
    ]
  }

  get applied (): PopState { return this.#applied }

  /** The leader's working copy; made when it is first asked for in a term. Only the leader may ask. */
  get overlay (): PopOverlay {
    this.#overlay ??= new PopOverlay(this.#applied)
    return this.#overlay
  }

  /** When an ExpireProposal is due: never before a lease ends or an offset that was put off is visible. Infinity: never. */
  get nextExpiryMs (): number { return this.overlay.expiry.nextMs }

  /** True when the group consumes all queues [0, queueCount) of the topic; otherwise an OpenProposal comes first. */
  isOpen (group: string, topic: string, queueCount: number): boolean {
    const queues = this.#applied.topic(group, topic)?.queues
    for (let queueId = 0; queueId < queueCount; queueId++) if (queues?.has(queueId) !== true) return false
    return true
  }

  progressOf (group: string, topic: string, queueId: number): PopProgress | undefined {
    const queue = this.#applied.topic(group, topic)?.queues.get(queueId)
    if (queue === undefined) return undefined
    const { consumerOffset, nextOffset, leasedCount, returnedCount } = queue
    return { consumerOffset, nextOffset, leasedCount, returnedCount }
  }

  /**
   * The lease under which the group holds a message until that time; undefined: none, or not any more. Time and place are all
   * that a handle tells that went through a consumer's hands.
   */
  leaseOf ({ group, topic, queueId, offset, invisibleUntilMs }: HeldMessage): LeasedRange | undefined {
    const queue = this.#applied.topic(group, topic)?.queues.get(queueId)
    const lease = queue?.leaseAt(offset)
    return lease?.invisibleUntilMs === invisibleUntilMs ? { queue: queue!.number, lease: lease.id, first: offset, count: 1 } : undefined
  }

  /** Whether the group has done with that message. */
  isDone (group: string, topic: string, queueId: number, offset: number): boolean {
    const queue = this.#applied.topic(group, topic)?.queues.get(queueId)
    return queue !== undefined && queue.isDone(offset)
  }

  /** Whether a pop would find something now, and how many messages of these queues the group has not got yet. Only the leader may ask. */
  outlook ({ group, topic, sources, nowMs, ordered = false, attemptId = '', owner = '', maxAttempts = DEFAULT_MAX_ATTEMPTS, startOf }: OutlookRequest): Outlook {
    if (ordered) this.noteOrdered(group, topic)
    const queues = this.overlay.state.topic(group, topic)?.queues
    const rules = { nowMs, ordered, maxAttempts, maxOutstanding: DEFAULT_MAX_OUTSTANDING }
    let canTake = false
    let restCount = 0
    for (const source of sources) {
      const queue = queues?.get(source.queueId)
      const nextOffset = Math.max(source.minOffset, queue?.nextOffset ?? startOf(source.queueId))
      const freshCount = Math.max(0, source.proposedNextOffset - nextOffset)
      restCount += freshCount + (queue?.returnedCount ?? 0)
      if (canTake) continue
      if (queue === undefined) canTake = freshCount > 0
      else if (ordered && queue.leaseCount > 0) canTake = attemptId !== '' && [...queue.leases].every((lease) => lease.attemptId === attemptId && lease.owner === owner)
      else canTake = hasSome(chooseOffsets(queue, source, 1, rules))
    }
    return { canTake, restCount }
  }

  /** For proposals: the group reads on from `offset` by other means, so it does by pop; its leases there end. Costs `popCost.move`. */
  proposeMove (writer: CommandWriter, group: string, topic: string, queueId: number, offset: number): void {
    const { overlay } = this
    const queue = overlay.state.topic(group, topic)?.queues.get(queueId)
    if (queue === undefined || queue.consumerOffset === offset) return
    const command = { queues: [{ queue: queue.number, offset }] }
    overlay.state.seek(command)
    overlay.record(writer, popSeek, command)
  }

  /** Undefined: the group does not consume the queue. */
  offsetState (group: string, topic: string, queueId: number, offset: number): OffsetState | undefined {
    const queue = this.#applied.topic(group, topic)?.queues.get(queueId)
    if (queue === undefined) return undefined
    if (offset >= queue.nextOffset) return { is: 'fresh' }
    const run = queue.returned?.find(offset)
    if (run !== undefined) return { is: 'returned', attempts: run.attempts, visibleAtMs: run.visibleAtMs }
    const lease = queue.leaseAt(offset)
    return lease === undefined ? { is: 'done' } : { is: 'leased', attempts: lease.attempts, owner: lease.owner, untilMs: lease.invisibleUntilMs }
  }

  /** Groups that consume by pop, and what each of them consumes. */
  groups (): string[] { return this.#applied.groups() }
  topicsOf (group: string): string[] { return this.#applied.topicsOf(group) }

  /** Where a group is in the queues of a topic that it consumes by pop. */
  * offsetsOf (group: string, topic: string): Iterable<readonly [queueId: number, consumerOffset: number]> {
    for (const [queueId, { consumerOffset }] of this.#applied.topic(group, topic)?.queues ?? []) yield [queueId, consumerOffset]
  }

  /** Somebody pops in order. */
  noteOrdered (group: string, topic: string): void {
    const topics = this.#ordered.get(group)
    if (topics === undefined) this.#ordered.set(group, new Set([topic]))
    else topics.add(topic)
  }

  tellAvailable (group: string, topic: string): void { this.onAvailable?.(group, topic) }

  /** This machine's part of a deletion that is being proposed; whoever writes the command calls it. */
  proposeDeleteTopic (topic: string): void {
    this.overlay.state.forgetTopic(topic)
    this.overlay.recordForeign()
  }

  /** The same for a group; without `removeOffsets` the group's place is kept, should it come back. */
  proposeDeleteGroup (group: string, removeOffsets: boolean): void {
    if (removeOffsets) this.overlay.state.forget({ group, topic: '' })
    this.overlay.recordForeign()
  }

  resetOverlay (): void {
    this.#overlay = undefined
  }

  freeze (): KeyChange[] {
    const changes: KeyChange[] = []
    for (const [number, queue] of this.#dirty) {
      changes.push({ key: queueKey(number), value: queue === undefined ? undefined : encodeQueue(queue) })
    }
    this.#dirty.clear()
    if (this.#applied.nextNumber !== this.#savedNextNumber) {
      this.#savedNextNumber = this.#applied.nextNumber
      changes.push({ key: NEXT_NUMBER_KEY, value: encodeNextNumber(this.#savedNextNumber) })
    }
    this.#overlay?.dropIdle()
    return changes
  }

  load (key: string, value: Uint8Array): void {
    if (key === NEXT_NUMBER_KEY) this.#savedNextNumber = this.#applied.nextNumber = decodeNextNumber(value)
    else this.#applied.restore(decodeQueue(key, value))
  }

  * values (): Iterable<KeyValue> {
    if (this.#applied.nextNumber > 1) yield { key: NEXT_NUMBER_KEY, value: encodeNextNumber(this.#applied.nextNumber) }
    for (const queue of this.#applied.queues) yield { key: queueKey(queue.number), value: encodeQueue(queue) }
  }

  clear (): void {
    this.#overlay = undefined
    this.#dirty.clear()
    this.#savedNextNumber = 1
    this.#applied = new PopState({
      changed: (queue) => { this.#dirty.set(queue.number, queue) },
      removed: (queue) => { this.#dirty.set(queue.number, undefined) },
      available: (queue) => this.tellAvailable(queue.group, queue.topic),
      unblocked: (queue) => { if (this.#ordered.get(queue.group)?.has(queue.topic) === true) this.tellAvailable(queue.group, queue.topic) }
    })
  }

  #handler<T> (command: CommandType<T>, apply: (value: T) => void): CommandHandler {
    return on(command, (value) => {
      apply(value)
      this.#overlay?.noteApplied()
    })
  }
}
