import { LOCAL_HOST, NO_QUEUE_OFFSET, type EntryBodyWriter, type RecordFields } from '../../lib/message/index.ts'
import { DelayDue, type ConsumeQueue, type DelayDeliver, type PendingUnit, type Store } from '../../lib/store/index.ts'

const topicBytes = new TextEncoder()

/** Stores a message that is to come to its queue at that time. */
export function schedule (store: Store, writer: EntryBodyWriter, { topic, queueId, body, stampMs, deliverAtMs }: { readonly topic: string, readonly queueId: number, readonly body: Uint8Array, readonly stampMs: number, readonly deliverAtMs: number }): void {
  const record: RecordFields = {
    bodyCrc: 0,
    queueId,
    flag: 0,
    queueOffset: NO_QUEUE_OFFSET,
    physicalOffset: 0,
    sysFlag: 0,
    bornTimestampMs: 0,
    bornHost: LOCAL_HOST,
    storeTimestampMs: stampMs,
    storeHost: LOCAL_HOST,
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    body,
    topic: topicBytes.encode(topic),
    properties: new Uint8Array(0)
  }
  store.delays.schedule(writer, record, topic, 7, stampMs, deliverAtMs)
}

/** Delivers up to `max` of what is due; returns what it has delivered, in order. */
export function deliverDue (store: Store, due: DelayDue, writer: EntryBodyWriter, nowMs: number, max: number): PendingUnit[] {
  const delivered: PendingUnit[] = []
  const queues = new Map<ConsumeQueue, PendingUnit[]>()
  while (delivered.length < max) {
    const pending = due.takeDue(nowMs)
    if (pending === undefined) break
    delivered.push(pending)
    const queue = store.consumeQueues.proposed(pending.topic, pending.queueId)
    const units = queues.get(queue)
    if (units === undefined) queues.set(queue, [pending])
    else units.push(pending)
  }
  const parts: Array<DelayDeliver['parts'][number]> = []
  for (const [queue, units] of queues) parts.push({ topic: queue.topic, queueId: queue.queueId, firstQueueOffset: queue.appendDelivered(writer, units.length), units })
  if (parts.length > 0) store.delays.deliver(writer, parts)
  return delivered
}
