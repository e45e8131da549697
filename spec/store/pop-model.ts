import type { LeasedRange, PopSource } from '../../lib/store/pop.ts'

/** The naive twin of the pop machine: one object for every offset that is not done, and loops over all of them. */
export type Item =
  | { state: 'leased', lease: number, untilMs: number, attempts: number, owner: string, attemptId: string }
  | { state: 'returned', attempts: number, visibleAtMs: number }

export interface ModelQueue {
  readonly number: number
  readonly group: string
  readonly topic: string
  readonly queueId: number
  next: number
  items: Map<number, Item>
}

export type Model = Map<number, ModelQueue>

export interface Offset { readonly queue: number, readonly lease: number, readonly offset: number }
export interface Delivery extends Offset { readonly attempts: number }

export function cloneModel (model: Model): Model {
  return new Map([...model].map(([number, queue]) => [number, { ...queue, items: new Map([...queue.items].map(([offset, item]) => [offset, { ...item }])) }]))
}

export function queuesOf (model: Model, group: string, topic: string): Map<number, ModelQueue> {
  return new Map([...model.values()].filter((queue) => queue.group === group && queue.topic === topic).map((queue) => [queue.queueId, queue]))
}

export function returnedOf (queue: ModelQueue): Array<[offset: number, item: Item & { state: 'returned' }]> {
  return [...queue.items].filter(([, item]) => item.state === 'returned').sort(([a], [b]) => a - b) as never
}

export function leasedOf (queue: ModelQueue): Array<[offset: number, item: Item & { state: 'leased' }]> {
  return [...queue.items].filter(([, item]) => item.state === 'leased').sort(([a], [b]) => a - b) as never
}

export function consumerOffsetOf (queue: ModelQueue): number {
  return Math.min(queue.next, ...queue.items.keys())
}

export interface Rules { nowMs: number, ordered: boolean, maxAttempts: number, maxOutstanding: number }

/** What a pop of `max` must take from this queue. */
export function choose (queue: ModelQueue, source: PopSource, max: number, rules: Rules): { deliver: Array<{ offset: number, attempts: number }>, exhausted: number[] } {
  const deliver: Array<{ offset: number, attempts: number }> = []
  const exhausted: number[] = []
  if (rules.ordered && leasedOf(queue).length > 0) return { deliver, exhausted }
  let fresh = true
  for (const [offset, { attempts, visibleAtMs }] of returnedOf(queue)) {
    if (offset < source.minOffset) continue
    if (deliver.length === max) break
    if (rules.ordered) {
      // nothing overtakes: the first offset that is put off, or whose attempts are used up, ends the batch
      if (visibleAtMs > rules.nowMs || (attempts >= rules.maxAttempts && deliver.length > 0) || (exhausted.length > 0 && attempts < rules.maxAttempts)) {
        fresh = false
        break
      }
    } else if (visibleAtMs > rules.nowMs) {
      continue
    }
    if (attempts < rules.maxAttempts) {
      deliver.push({ offset, attempts: attempts + 1 })
    } else if (exhausted.length < max) {
      exhausted.push(offset)
      if (rules.ordered) fresh = false
    }
  }
  const outstanding = queue.items.size
  if (!fresh) return { deliver, exhausted }
  for (let offset = Math.max(queue.next, source.minOffset), taken = 0; offset < source.proposedNextOffset && deliver.length < max && outstanding + taken < rules.maxOutstanding; offset++, taken++) {
    deliver.push({ offset, attempts: 1 })
  }
  return { deliver, exhausted }
}

export function forgetBelow (queue: ModelQueue, minOffset: number): void {
  queue.next = Math.max(queue.next, minOffset)
  for (const [offset] of returnedOf(queue)) if (offset < minOffset) queue.items.delete(offset)
}

/** Offsets of handles, in their order; those that are held when their turn comes are given to `each`, the others returned. */
export function forHeld (model: Model, ranges: readonly LeasedRange[], each: (queue: ModelQueue, offset: number, item: Item & { state: 'leased' }) => void): Offset[] {
  const lost: Offset[] = []
  const seen = new Set<string>()
  for (const { queue: number, lease, offset } of explode(ranges)) {
    const queue = model.get(number)
    const item = queue?.items.get(offset)
    const key = `${number}/${lease}/${offset}`
    if (item?.state === 'leased' && item.lease === lease && !seen.has(key)) each(queue!, offset, item)
    else lost.push({ queue: number, lease, offset })
    seen.add(key)
  }
  return lost
}

export function explode<R extends LeasedRange> (ranges: readonly R[]): Array<Offset & { range: R }> {
  return ranges.flatMap((range) => Array.from({ length: range.count }, (_, i) => ({ queue: range.queue, lease: range.lease, offset: range.first + i, range })))
}
