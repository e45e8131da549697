import type { EntryBodyWriter } from '../message/index.ts'
import { popCost, popForget, popOpen, popSeek } from './pop-commands.ts'
import { PopDecision } from './pop-decision.ts'
import type { PopSource } from './pop-choice.ts'
import type { PopMachine } from './pop-machine.ts'

/** Where a group begins: with the oldest message there is, with the next one to be stored, or with given offsets by queueId. */
export type StartPosition = 'first' | 'last' | ReadonlyMap<number, number>

function offsetAt ({ queueId, minOffset, proposedNextOffset }: PopSource, start: StartPosition): number {
  if (start === 'last') return proposedNextOffset
  const offset = start === 'first' ? minOffset : start.get(queueId) ?? minOffset
  return Math.max(minOffset, Math.min(proposedNextOffset, offset))
}

/**
 * The group begins to consume the queues named, those it does not consume yet. Only its first queues of a topic begin at
 * `start`: queues that the topic got later begin with their first message, none of which the group can have seen. Does
 * nothing when the topic was deleted meanwhile.
 */
export class OpenProposal extends PopDecision<{ readonly opened: number }> {
  override readonly costBytes: number
  readonly #machine: PopMachine
  readonly #group: string
  readonly #topic: string
  readonly #sources: readonly PopSource[]
  readonly #start: StartPosition

  constructor (machine: PopMachine, { group, topic, sources, start }: { group: string, topic: string, sources: readonly PopSource[], start: StartPosition }) {
    super()
    this.#machine = machine
    this.#group = group
    this.#topic = topic
    this.#sources = sources.slice()
    this.#start = start
    this.costBytes = popCost.command + popCost.text(group) + popCost.text(topic) + sources.length * popCost.range
  }

  decide (writer: EntryBodyWriter): void {
    this.result = { opened: 0 }
    if (this.#sources.some(({ isRetired }) => isRetired)) return
    const overlay = this.#machine.overlay
    const known = overlay.state.topic(this.#group, this.#topic)?.queues
    const start = known !== undefined && known.size > 0 && typeof this.#start === 'string' ? 'first' : this.#start
    const queues = this.#sources
      .filter(({ queueId }) => known?.has(queueId) !== true)
      .map((source) => ({ queueId: source.queueId, startOffset: offsetAt(source, start) }))
    if (queues.length > 0) {
      const command = { group: this.#group, topic: this.#topic, firstNumber: overlay.state.nextNumber, queues }
      overlay.state.open(command)
      overlay.record(writer, popOpen, command)
    }
    this.result = { opened: queues.length }
  }
}

/** Sets the group to another place of the queues named, which it must consume already (OpenProposal). All its leases there end. */
export class SeekProposal extends PopDecision<{ readonly moved: number, readonly isRetired: boolean }> {
  override readonly costBytes: number
  readonly #machine: PopMachine
  readonly #group: string
  readonly #topic: string
  readonly #sources: readonly PopSource[]
  readonly #to: StartPosition

  /** With offsets by queueId only the queues that are in the map move. */
  constructor (machine: PopMachine, { group, topic, sources, to }: { group: string, topic: string, sources: readonly PopSource[], to: StartPosition }) {
    super()
    this.#machine = machine
    this.#group = group
    this.#topic = topic
    this.#sources = typeof to === 'string' ? sources.slice() : sources.filter(({ queueId }) => to.has(queueId))
    this.#to = to
    this.costBytes = popCost.command + this.#sources.length * 2 * popCost.range
  }

  /** `isRetired`: the topic was deleted meanwhile, nothing was done. */
  decide (writer: EntryBodyWriter): void {
    this.result = { moved: 0, isRetired: true }
    if (this.#sources.some(({ isRetired }) => isRetired)) return
    const overlay = this.#machine.overlay
    const known = overlay.state.topic(this.#group, this.#topic)?.queues
    const queues = this.#sources.flatMap((source) => {
      const queue = known?.get(source.queueId)
      return queue === undefined ? [] : [{ queue: queue.number, offset: offsetAt(source, this.#to) }]
    })
    if (queues.length > 0) {
      overlay.state.seek({ queues })
      overlay.record(writer, popSeek, { queues })
    }
    this.result = { moved: queues.length, isRetired: false }
  }
}

/** Forgets what a group consumed: of one topic, or of all when none is named. Its handles become void. */
export class ForgetGroupProposal extends PopDecision<void> {
  override readonly costBytes: number
  readonly #machine: PopMachine
  readonly #group: string
  readonly #topic: string

  constructor (machine: PopMachine, { group, topic = '' }: { group: string, topic?: string }) {
    super()
    this.#machine = machine
    this.#group = group
    this.#topic = topic
    this.costBytes = popCost.command + popCost.text(group) + popCost.text(topic)
  }

  decide (writer: EntryBodyWriter): void {
    const overlay = this.#machine.overlay
    const command = { group: this.#group, topic: this.#topic }
    overlay.state.forget(command)
    overlay.record(writer, popForget, command)
  }
}
