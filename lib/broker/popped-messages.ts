import { viewOf } from '../base/index.ts'
import type { Delivery } from '../engine/index.ts'
import { patchBodyCrc, patchReconsumeTimes } from '../message/index.ts'

/** The messages of a queue do not come from a retry topic: a message that comes again stays where it is. */
const NORMAL_TOPIC = 0

/** What the header of a pop's answer says of its messages, queue by queue. @see RocketMQ ExtraInfoUtil */
export interface PoppedInfo {
  /** `retry queueId startOffset`, with `;` between. */
  readonly startOffsetInfo: string
  /** `retry queueId offset,offset,...`: in the order of the body. */
  readonly msgOffsetInfo: string
  /** `retry qo<queueId>%<offset> times` of those that were consumed before. */
  readonly orderCountInfo: string
}

export function poppedInfo (deliveries: readonly Delivery[]): PoppedInfo {
  const queues = new Map<number, number[]>()
  const counts: string[] = []
  for (const { queueId, queueOffset, attempts } of deliveries) {
    const offsets = queues.get(queueId)
    if (offsets === undefined) queues.set(queueId, [queueOffset])
    else offsets.push(queueOffset)
    if (attempts > 1) counts.push(`${NORMAL_TOPIC} qo${queueId}%${queueOffset} ${attempts - 1}`)
  }
  const all = [...queues]
  return {
    startOffsetInfo: all.map(([queueId, offsets]) => `${NORMAL_TOPIC} ${queueId} ${offsets[0]!}`).join(';'),
    msgOffsetInfo: all.map(([queueId, offsets]) => `${NORMAL_TOPIC} ${queueId} ${offsets.join(',')}`).join(';'),
    orderCountInfo: counts.join(';')
  }
}

/** The records as their consumers are to see them: with how often they were delivered before. Changed where they lie. */
export function poppedRecords (deliveries: readonly Delivery[]): Uint8Array[] {
  return deliveries.map(({ record, attempts }) => {
    const { bytes } = record
    const view = viewOf(bytes)
    if (attempts > 1) patchReconsumeTimes(view, 0, record.reconsumeTimes + attempts - 1)
    patchBodyCrc(bytes, view, 0)
    return bytes
  })
}
