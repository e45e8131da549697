import { MqError } from '../base/index.ts'
import type { EntryBodyWriter } from '../message/index.ts'
import type { PopSource } from './pop-choice.ts'
import { popAck, popCheckOut, popCost, popReturn, type LeasePart } from './pop-commands.ts'
import { MAX_LEASE_SPAN } from './pop-lease.ts'
import type { PopMachine } from './pop-machine.ts'
import type { OffsetRange, PopQueue } from './pop-queue.ts'
import { forEachPart, rangesOf, type LeasedRange } from './pop-ranges.ts'

export interface SettleRequest {
  readonly group: string
  readonly topic: string
  readonly source: PopSource
  /** Offsets [from, to), at most MAX_LEASE_SPAN; those before must have been looked at by this function or by a pop. */
  readonly from: number
  readonly to: number
}

/** Leases end in the entry in which they begin; none is to be taken for one that has ended before. */
const LEASE_MS = 60_000
/** One offset in two can be a range. */
const MAX_RANGES = MAX_LEASE_SPAN / 2 + 1

/** An upper bound of what `settleOffsets` writes, beside what `settle` does. */
export const SETTLE_COST_BYTES = 3 * popCost.command + popCost.take + MAX_RANGES * popCost.range + 4 * (popCost.part + (MAX_LEASE_SPAN / 32 + 1) * popCost.word)

/**
 * Within a decision: checks out those offsets that the group has neither done nor leased, and asks `settle` for each, ascending, whether it is done with this
 * entry (to which `settle` may add what comes of it). The others are as before, and no lease is left. So whatever `settle` does for an offset is done once.
 * Returns how many are done. @throws MQ_TOPIC_NOT_FOUND the topic was deleted, or the group has not begun to consume it
 */
export function settleOffsets (machine: PopMachine, writer: EntryBodyWriter, { group, topic, source, from, to }: SettleRequest, nowMs: number, settle: (offset: number) => boolean): number {
  const { overlay } = machine
  const queue = overlay.state.topic(group, topic)?.queues.get(source.queueId)
  if (queue === undefined || source.isRetired === true) throw new MqError('MQ_TOPIC_NOT_FOUND', `topic ${topic} was deleted`)
  const take = takeOf(queue, source, from, to)
  if (take.returned.length === 0 && take.freshCount === 0) return 0
  const terms = { invisibleUntilMs: nowMs + LEASE_MS, owner: '', attemptId: '' }
  const leases = overlay.state.take(queue, take, terms)
  overlay.record(writer, popCheckOut, { ...terms, takes: [take] })
  const done: LeasedRange[] = []
  const left: LeasedRange[] = []
  for (const range of leases.flatMap((lease) => rangesOf(queue, lease))) {
    for (let offset = range.first; offset < range.first + range.count; offset++) (settle(offset) ? done : left).push({ ...range, first: offset, count: 1 })
  }
  const doneParts: LeasePart[] = []
  forEachPart(done, overlay, (part) => {
    overlay.state.ackPart(part)
    doneParts.push(part)
  })
  if (doneParts.length > 0) overlay.record(writer, popAck, { parts: doneParts })
  const leftParts: LeasePart[] = []
  forEachPart(left, overlay, (part) => {
    overlay.state.giveBack({ visibleAtMs: 0, undelivered: false, parts: [part] })
    leftParts.push(part)
  })
  if (leftParts.length > 0) overlay.record(writer, popReturn, { visibleAtMs: 0, undelivered: false, parts: leftParts })
  return done.length
}

function takeOf (queue: PopQueue, { minOffset, proposedNextOffset }: PopSource, from: number, to: number) {
  const first = Math.max(from, minOffset)
  const end = Math.min(to, proposedNextOffset)
  const returned: OffsetRange[] = []
  for (const run of queue.returned?.runs ?? []) {
    const at = Math.max(run.first, first)
    const count = Math.min(run.first + run.count, end) - at
    if (count > 0) returned.push({ first: at, count })
  }
  const freshFirst = Math.max(queue.nextOffset, minOffset)
  // what lies before was not looked at: whoever moved the group back begins again
  const freshCount = freshFirst < first ? 0 : Math.max(0, end - freshFirst)
  return { queue: queue.number, firstLeaseId: queue.nextLeaseId, floor: minOffset, returned, freshFirst, freshCount, countsAsDelivery: false }
}
