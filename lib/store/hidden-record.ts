import { isMqError } from '../base/index.ts'
import { HIDDEN_TARGET, NO_QUEUE_OFFSET, type EntryBodyWriter, type RecordFields } from '../message/index.ts'
import { PAGE_UNITS } from './unit-page.ts'
import type { HiddenRecord, LocatedRecord } from './commit-log.ts'
import type { ConsumeQueues } from './consume-queues.ts'

/** So many units are looked at, from the time on when the message was due: far more than a queue gets while a delivery is late. */
const MAX_SCANNED_UNITS = 1024 * PAGE_UNITS

/** A half message is delivered by reference only so long after it was stored; units' times may run ahead of that a little. */
export const REFERENCE_MS = 30_000
const CLOCKS_MS = 60_000

/** Writes a record that stands in no queue yet; it gets its place and time. */
export function addHidden (writer: EntryBodyWriter, record: RecordFields, tagsCode: number, storeTimestampMs: number): { readonly physicalOffset: number, readonly sizeBytes: number } {
  const physicalOffset = record.physicalOffset = writer.nextPhysicalOffset
  record.queueOffset = NO_QUEUE_OFFSET
  record.storeTimestampMs = storeTimestampMs
  return { physicalOffset, sizeBytes: writer.addRecord(HIDDEN_TARGET, tagsCode, record) }
}

/** The record in the queue that it was delivered to; undefined while it was not: then nobody may see it. */
export async function locateHidden (consumeQueues: ConsumeQueues, { entry, record, physicalOffset, schedule, halfOffset }: HiddenRecord): Promise<LocatedRecord | undefined> {
  const { topic, queueId, deliverAtMs, tagsCode } = schedule
  const queue = consumeQueues.find(topic, queueId)
  if (queue === undefined) return undefined
  try {
    let offset = await consumeQueues.searchOffset(queue, deliverAtMs)
    for (const end = offset + MAX_SCANNED_UNITS; offset < Math.min(end, queue.nextOffset);) {
      const { page, from, to } = await consumeQueues.units(queue, offset, PAGE_UNITS)
      if (halfOffset !== undefined && page.storeTimestampMsOf(from) > deliverAtMs + REFERENCE_MS + CLOCKS_MS) return undefined
      if (page.minPosition <= physicalOffset && physicalOffset <= page.maxPosition) {
        for (let unit = from; unit < to; unit++) {
          if (page.physicalOffsetOf(unit) !== physicalOffset) continue
          return { entry, record, topic, queueId, queueOffset: offset + unit - from, tagsCode, storeTimestampMs: page.storeTimestampMsOf(unit) }
        }
      }
      offset += to - from
    }
  } catch (error) {
    if (!isMqError(error, 'MQ_OFFSET_TOO_SMALL')) throw error // retention, or a deletion of the topic, came in between
  }
  return undefined
}
