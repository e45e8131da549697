import type { EntryBodyWriter } from '../message/index.ts'
import { popAck, popChangeInvisible, popCost, popReleaseOwner, popReturn, type InvisibleChange, type LeasePart, type PopReleaseOwner } from './pop-commands.ts'
import { PopDecision } from './pop-decision.ts'
import type { PopMachine } from './pop-machine.ts'
import { forEachPart, NO_RANGES, partsCostBytes, rangesOf, type LeasedRange, type PoppedRange } from './pop-ranges.ts'

export interface EndedLeases {
  /** Messages whose lease was ended by this. */
  readonly count: number
  /** Handles whose lease had ended before: nothing was done about these messages. */
  readonly lost: readonly LeasedRange[]
}

abstract class LeaseDecision<Result> extends PopDecision<Result> {
  override readonly costBytes: number
  protected readonly machine: PopMachine
  protected readonly ranges: readonly LeasedRange[]

  constructor (machine: PopMachine, ranges: readonly LeasedRange[]) {
    super()
    this.machine = machine
    this.ranges = ranges
    this.costBytes = popCost.command + partsCostBytes(ranges, machine.applied)
  }
}

/** Acknowledges messages. Put handles of one lease side by side: they then take one small part of the command. */
export class AckProposal extends LeaseDecision<EndedLeases> {
  decide (writer: EntryBodyWriter): void { this.result = acknowledge(writer, this.machine, this.ranges) }
}

/** Within a decision. Costs `popCost.command` and `partsCostBytes`. */
export function acknowledge (writer: EntryBodyWriter, { overlay }: PopMachine, ranges: readonly LeasedRange[]): EndedLeases {
  const parts: LeasePart[] = []
  let count = 0
  const lost = forEachPart(ranges, overlay, (part) => {
    overlay.state.ackPart(part)
    parts.push(part)
    count += part.count
  })
  if (parts.length > 0) overlay.record(writer, popAck, { parts })
  return { count, lost }
}

/** Within a decision: the message is still held under the handle's lease. */
export function isHeld ({ overlay }: PopMachine, { queue, lease, first }: LeasedRange): boolean {
  return overlay.state.queue(queue)?.lease(lease)?.holds(first) === true
}

export interface ReturnOptions {
  /** Not to be delivered again before so many ms have passed. */
  readonly delayMs?: number
  /** No consumer saw the messages: the delivery does not count. */
  readonly undelivered?: boolean
}

/** Gives messages back, to be delivered again: "retry later", or what was fetched in vain. */
export class ReturnProposal extends LeaseDecision<EndedLeases> {
  readonly #options: ReturnOptions

  constructor (machine: PopMachine, ranges: readonly LeasedRange[], options: ReturnOptions = {}) {
    super(machine, ranges)
    this.#options = options
  }

  decide (writer: EntryBodyWriter, storeTimestampMs: number): void {
    const overlay = this.machine.overlay
    const { delayMs = 0, undelivered = false } = this.#options
    const visibleAtMs = delayMs > 0 ? storeTimestampMs + delayMs : 0
    const parts: LeasePart[] = []
    let count = 0
    const lost = forEachPart(this.ranges, overlay, (part) => {
      overlay.state.giveBack({ visibleAtMs, undelivered, parts: [part] })
      parts.push(part)
      count += part.count
    })
    if (parts.length > 0) overlay.record(writer, popReturn, { visibleAtMs, undelivered, parts })
    this.result = { count, lost }
  }
}

export interface ChangedLeases {
  /** The handles that are valid now: those of a part of a lease have changed. */
  readonly ranges: readonly PoppedRange[]
  readonly lost: readonly LeasedRange[]
}

export interface ChangeInvisibleOptions {
  /** Counted from the decision; shorter than what was left is fine. */
  readonly invisibleMs: number
  /**
   * Makes the whole lease that a handle belongs to last longer; its handles stay as they are. Never shorter: other
   * messages of the lease may be in other hands. For renewals.
   */
  readonly wholeLease?: boolean
}

/** Gives messages another end of their lease. All held messages of a lease: it keeps its id; some of them: they get a lease of their own. */
export class ChangeInvisibleProposal extends LeaseDecision<ChangedLeases> {
  readonly #options: ChangeInvisibleOptions

  constructor (machine: PopMachine, ranges: readonly LeasedRange[], options: ChangeInvisibleOptions) {
    super(machine, ranges)
    this.#options = options
  }

  decide (writer: EntryBodyWriter, storeTimestampMs: number): void {
    const overlay = this.machine.overlay
    const invisibleUntilMs = storeTimestampMs + this.#options.invisibleMs
    const parts: InvisibleChange[] = []
    const ranges: PoppedRange[] = []
    const lost = forEachPart(this.ranges, overlay, ({ queue, lease, positions, of }) => {
      const isWhole = positions === null || this.#options.wholeLease === true
      const newLease = isWhole ? 0 : of.nextLeaseId
      const untilMs = this.#options.wholeLease === true ? Math.max(invisibleUntilMs, of.lease(lease)!.invisibleUntilMs) : invisibleUntilMs
      const part = { queue, lease, positions: isWhole ? null : positions, newLease, invisibleUntilMs: untilMs }
      overlay.state.changeInvisible({ parts: [part] })
      parts.push(part)
      ranges.push(...rangesOf(of, of.lease(isWhole ? lease : newLease)!))
    })
    if (parts.length > 0) overlay.record(writer, popChangeInvisible, { parts })
    this.result = { ranges, lost }
  }
}

/** Ends all leases of a session, or of all sessions whose name begins alike, at once. Deliveries stay counted. */
export class ReleaseOwnerProposal extends PopDecision<void> {
  override readonly costBytes: number
  readonly #machine: PopMachine
  readonly #command: PopReleaseOwner

  constructor (machine: PopMachine, { owner, isPrefix = false, except = '' }: { owner: string, isPrefix?: boolean, except?: string }) {
    super()
    this.#machine = machine
    this.#command = { owner, isPrefix, except }
    this.costBytes = popCost.command + popCost.text(owner) + popCost.text(except)
  }

  decide (writer: EntryBodyWriter): void {
    const overlay = this.#machine.overlay
    overlay.state.releaseOwner(this.#command)
    overlay.record(writer, popReleaseOwner, this.#command)
  }
}

/** So many leases end by one proposal; the rest is due still and follows by the next. */
const MAX_EXPIRED_LEASES = 512

/**
 * Ends the leases whose time has passed. To be proposed when `machine.nextExpiryMs` has come; until it is settled or has
 * failed no second one is needed. Also tells of offsets that were put off and are visible now, which needs no command.
 */
export class ExpireProposal extends PopDecision<EndedLeases> {
  override readonly costBytes = popCost.command + MAX_EXPIRED_LEASES * popCost.part
  readonly #machine: PopMachine
  readonly #visible: Array<{ group: string, topic: string }> = []

  constructor (machine: PopMachine) {
    super()
    this.#machine = machine
  }

  decide (writer: EntryBodyWriter, storeTimestampMs: number): void {
    const overlay = this.#machine.overlay
    const parts: LeasePart[] = []
    let count = 0
    while (parts.length < MAX_EXPIRED_LEASES) {
      const number = overlay.expiry.takeDue(storeTimestampMs)
      if (number === undefined) break
      const queue = overlay.state.queue(number)
      if (queue === undefined) continue
      for (const lease of queue.leases) {
        if (lease.invisibleUntilMs > storeTimestampMs) continue
        if (parts.length === MAX_EXPIRED_LEASES) break
        parts.push({ queue: number, lease: lease.id, positions: null })
        count += lease.heldCount
        queue.giveBack(lease.id, null, 0, false)
      }
      if ((queue.returned?.earliestVisibleMs ?? Infinity) <= storeTimestampMs) this.#visible.push(queue)
      queue.refreshDue(storeTimestampMs)
      overlay.changed(queue)
    }
    if (parts.length > 0) overlay.record(writer, popReturn, { visibleAtMs: 0, undelivered: false, parts })
    this.result = { count, lost: NO_RANGES }
  }

  override settle (): void {
    for (const { group, topic } of this.#visible) this.#machine.tellAvailable(group, topic)
    super.settle()
  }
}
