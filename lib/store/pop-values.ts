import { Lease } from './pop-lease.ts'
import { PopQueue } from './pop-queue.ts'
import { ReturnedOffsets, type ReturnedRun } from './pop-returned.ts'
import { defineValue } from './stored-value.ts'

/** One pop queue as it is saved, with all that is leased and returned. */
interface SavedQueue {
  readonly number: number
  readonly group: string
  readonly topic: string
  readonly queueId: number
  readonly nextOffset: number
  readonly nextLeaseId: number
  readonly leases: ReadonlyArray<{
    readonly id: number
    readonly firstOffset: number
    readonly span: number
    readonly words: readonly number[]
    readonly attempts: number
    readonly invisibleUntilMs: number
    readonly owner: string
    readonly attemptId: string
  }>
  readonly returned: readonly ReturnedRun[]
}

const fields = (types: Record<string, unknown>) => Object.entries(types).map(([name, type]) => ({ name, type })) as never[]

const savedQueue = defineValue<SavedQueue>([{
  type: 'record',
  name: 'SavedQueue',
  fields: fields({
    number: 'long',
    group: 'string',
    topic: 'string',
    queueId: 'int',
    nextOffset: 'long',
    nextLeaseId: 'long',
    leases: {
      type: 'array',
      items: {
        type: 'record',
        name: 'SavedLease',
        fields: fields({
          id: 'long',
          firstOffset: 'long',
          span: 'int',
          words: { type: 'array', items: 'int' },
          attempts: 'int',
          invisibleUntilMs: 'long',
          owner: 'string',
          attemptId: 'string'
        })
      }
    },
    returned: {
      type: 'array',
      items: { type: 'record', name: 'SavedRun', fields: fields({ first: 'long', count: 'long', attempts: 'int', visibleAtMs: 'long' }) }
    }
  })
}])

const savedNumber = defineValue<number>(['long'])

export const NEXT_NUMBER_KEY = 'next'

export function queueKey (number: number): string {
  return `queue/${String(number).padStart(16, '0')}`
}

export function encodeNextNumber (number: number): Uint8Array { return savedNumber.encode(number) }
export function decodeNextNumber (value: Uint8Array): number { return savedNumber.decode(NEXT_NUMBER_KEY, value) }

/** Equal queues give equal bytes. */
export function encodeQueue (queue: PopQueue): Uint8Array {
  const { number, group, topic, queueId, nextOffset, nextLeaseId } = queue
  const leases = Array.from(queue.leases, (lease) => {
    const { id, firstOffset, span, attempts, invisibleUntilMs, owner, attemptId } = lease
    const words = Array.from({ length: lease.wordCount }, (_, i) => lease.word(i))
    return { id, firstOffset, span, words, attempts, invisibleUntilMs, owner, attemptId }
  })
  return savedQueue.encode({ number, group, topic, queueId, nextOffset, nextLeaseId, leases, returned: queue.returned?.runs ?? [] })
}

/** @throws MQ_CORRUPT, MQ_FORMAT_TOO_NEW */
export function decodeQueue (key: string, value: Uint8Array): PopQueue {
  const saved = savedQueue.decode(key, value)
  const queue = new PopQueue(saved.number, saved.group, saved.topic, saved.queueId, saved.nextOffset)
  queue.nextLeaseId = saved.nextLeaseId
  const leases = saved.leases.map(({ words, ...fields }) => {
    const lease = new Lease(fields)
    words.forEach((word, i) => lease.holdWord(i, word))
    return lease
  })
  queue.restore(leases, new ReturnedOffsets(saved.returned.map(({ first, count, attempts, visibleAtMs }) => ({ first, count, attempts, visibleAtMs }))))
  return queue
}
