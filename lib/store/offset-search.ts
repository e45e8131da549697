import type { ConsumeQueue } from './consume-queue.ts'
import type { UnitReader } from './unit-reader.ts'

/** `lower`: the first unit stored at or after the time. `upper`: the last one stored at or before it. */
export type TimeBoundary = 'lower' | 'upper'

/**
 * The queue offset for a time, by binary search over the units' stamps, which never decrease. `lower` gives the
 * queue's next offset when all units are older; `upper` gives its first when all are younger.
 */
export async function searchOffset (reader: UnitReader, queue: ConsumeQueue, timeMs: number, boundary: TimeBoundary = 'lower'): Promise<number> {
  // First unit with stamp >= bound; stamps are whole ms, so "last <= time" is the one before "first >= time + 1".
  const boundMs = boundary === 'lower' ? timeMs : timeMs + 1
  let from = queue.minOffset
  let to = queue.nextOffset
  while (from < to) {
    const middle = Math.floor((from + to) / 2)
    if (middle < queue.minOffset) {
      from = queue.minOffset
      continue
    }
    const { page, from: unit } = await reader.units(queue, middle, 1)
    if (page.storeTimestampMsOf(unit) >= boundMs) to = middle
    else from = middle + 1
  }
  return boundary === 'lower' ? from : Math.max(from - 1, queue.minOffset)
}
