import { on, type CommandHandler, type KeyChange, type KeyValue, type Machine } from './machine.ts'
import { popAck, popChangeInvisible, popCheckOut, popForget, popOpen, popReleaseOwner, popReturn, popSeek } from './pop-commands.ts'
import { PopOverlay } from './pop-overlay.ts'
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

  /** Groups that consume by pop, and what each of them consumes. */
  groups (): string[] { return this.#applied.groups() }
  topicsOf (group: string): string[] { return this.#applied.topicsOf(group) }

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
