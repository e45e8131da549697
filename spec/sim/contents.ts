import { isMqError } from '../../lib/base/index.ts'
import type { Engine, StoredRecord } from '../../lib/engine/index.ts'
import { idOf } from './names.ts'

const MAX_ATTEMPTS = 3

export interface Contents {
  readonly records: readonly StoredRecord[]
  /** Nothing was removed, or could not be read. */
  readonly isComplete: boolean
}

/** All that the queues of a topic hold. */
export async function contentsOf (engine: Engine, topic: string): Promise<Contents> {
  const records: StoredRecord[] = []
  let isComplete = engine.store.floorPosition === 0
  for (const { queueId, minOffset, maxOffset } of engine.topics().find(({ name }) => name === topic)?.queues ?? []) {
    if (minOffset > 0) isComplete = false
    for (let at = minOffset, attempts = 0; at < maxOffset;) {
      const read = await engine.read({ topic, queueId, fromOffset: at, maxMessages: 100 }).catch((error: unknown) => {
        if (!isMqError(error, 'MQ_OFFSET_TOO_SMALL')) throw error
        return []
      })
      // its head may go while it is read
      const first = engine.reads.rangeOf(topic, queueId).minOffset
      if (first > at) {
        isComplete = false
        at = first
        continue
      }
      // what is damaged is asked of others that may not be there at the moment: the next read asks again
      if (read[0]?.queueOffset !== at && attempts++ < MAX_ATTEMPTS) continue
      if (read[0]?.queueOffset !== at) isComplete = false
      if (read.length === 0) break
      attempts = 0
      const gap = read.findIndex(({ queueOffset }, i) => queueOffset !== read[0]!.queueOffset + i)
      records.push(...gap === -1 ? read : read.slice(0, gap))
      at = records.at(-1)!.queueOffset + 1
    }
  }
  return { records, isComplete: isComplete && engine.store.floorPosition === 0 }
}

/** When each message came, by the stamps of the queues. */
export async function stampsOf (engine: Engine, topic: string): Promise<{ readonly ids: ReadonlyMap<number, number[]>, readonly isComplete: boolean }> {
  const { records, isComplete } = await contentsOf(engine, topic)
  const ids = new Map<number, number[]>()
  for (const { record, storeTimestampMs } of records) ids.set(idOf(record.body), [...ids.get(idOf(record.body)) ?? [], storeTimestampMs])
  return { ids, isComplete }
}
