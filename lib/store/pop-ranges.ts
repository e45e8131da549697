import { popCost, type LeasePart } from './pop-commands.ts'
import type { Lease } from './pop-lease.ts'
import type { PopOverlay } from './pop-overlay.ts'
import type { PopQueue } from './pop-queue.ts'
import type { PopState } from './pop-state.ts'

/** Handle of messages that were popped: [first, first + count) under one lease of one pop queue. */
export interface LeasedRange {
  /** PopQueue.number */
  readonly queue: number
  readonly lease: number
  readonly first: number
  readonly count: number
}

/** Messages handed out by a pop. */
export interface PoppedRange extends LeasedRange {
  readonly queueId: number
  /** Which delivery of these messages this is, from 1. */
  readonly attempts: number
  readonly invisibleUntilMs: number
}

export const NO_RANGES: readonly LeasedRange[] = Object.freeze([])

/** The held offsets of a lease as ranges, ascending. */
export function rangesOf (queue: PopQueue, lease: Lease): PoppedRange[] {
  const ranges: PoppedRange[] = []
  const { id, attempts, invisibleUntilMs } = lease
  lease.forEachHeld(null, (first, count) => {
    ranges.push({ queue: queue.number, queueId: queue.queueId, lease: id, first, count, attempts, invisibleUntilMs })
  })
  return ranges
}

/** Upper bound of what the parts for these ranges take in a command. `state` is the applied one. */
export function partsCostBytes (ranges: readonly LeasedRange[], state: PopState): number {
  let bytes = 0
  let last: LeasedRange | undefined
  for (const range of ranges) {
    if (range.queue !== last?.queue || range.lease !== last.lease) {
      bytes += popCost.part + popCost.word * (state.queue(range.queue)?.lease(range.lease)?.wordCount ?? 0)
    }
    last = range
  }
  return bytes
}

export interface HeldPart extends LeasePart {
  readonly held: Lease
  readonly of: PopQueue
  /** How many offsets it names. */
  readonly count: number
}

/**
 * Goes through handles, neighbours of one lease together, and calls `each` with what is still held of them; `each` ends
 * or changes that part of the lease at once. What was not held any more (any longer, or named twice) is returned.
 */
export function forEachPart (ranges: readonly LeasedRange[], overlay: PopOverlay, each: (part: HeldPart) => void): readonly LeasedRange[] {
  let lost: LeasedRange[] | undefined
  for (let i = 0; i < ranges.length;) {
    const { queue: number, lease: id } = ranges[i]!
    const queue = overlay.state.queue(number)
    const lease = queue?.lease(id)
    const positions: number[] = []
    let count = 0
    for (; i < ranges.length && ranges[i]!.queue === number && ranges[i]!.lease === id; i++) {
      const range = ranges[i]!
      const before = positions.slice()
      const added = lease === undefined ? 0 : lease.select(range.first, range.count, positions)
      count += added
      if (added < range.count) lost = lost === undefined ? lostOf(range, lease, before) : lost.concat(lostOf(range, lease, before))
    }
    if (count > 0) each({ queue: number, lease: id, positions: count === lease!.heldCount ? null : positions, held: lease!, of: queue!, count })
  }
  return lost ?? NO_RANGES
}

function lostOf (range: LeasedRange, lease: Lease | undefined, before: readonly number[]): LeasedRange[] {
  if (lease === undefined) return [range]
  const lost: LeasedRange[] = []
  for (let offset = range.first; offset < range.first + range.count; offset++) {
    const at = offset - lease.firstOffset
    const isNamedTwice = at >= 0 && ((before[at >>> 5] ?? 0) & (1 << (at & 31))) !== 0
    if (lease.holds(offset) && !isNamedTwice) continue
    const last = lost.at(-1)
    if (last !== undefined && last.first + last.count === offset) lost[lost.length - 1] = { ...last, count: last.count + 1 }
    else lost.push({ ...range, first: offset, count: 1 })
  }
  return lost
}
