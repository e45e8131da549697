import { defineValue } from './stored-value.ts'

/** What is stored of a queue beside its pages. */
export interface QueueHead {
  readonly queueId: number
  readonly number: number
  readonly createdPosition: number
  readonly nextOffset: number
  readonly minOffset: number
  /** -1: the queue holds no unit. */
  readonly minPosition: number
  readonly maxPosition: number
  readonly lastStampMs: number
  readonly deltas: readonly number[]
}

/** The heads of up to this many neighbouring queues of a topic share a value: few values to load at a start. */
export const HEADS_PER_VALUE = 64

export const headsValue = defineValue<QueueHead[]>([{
  type: 'array',
  items: {
    type: 'record',
    name: 'QueueHead',
    fields: [
      { name: 'queueId', type: 'long' },
      { name: 'number', type: 'long' },
      { name: 'createdPosition', type: 'long' },
      { name: 'nextOffset', type: 'long' },
      { name: 'minOffset', type: 'long' },
      { name: 'minPosition', type: 'long' },
      { name: 'maxPosition', type: 'long' },
      { name: 'lastStampMs', type: 'long' },
      { name: 'deltas', type: { type: 'array', items: 'int' } }
    ]
  }
}])

export function headsKey (topic: string, queueId: number): string {
  return `${topic}/${String(Math.floor(queueId / HEADS_PER_VALUE)).padStart(10, '0')}`
}

export function topicOfHeadsKey (key: string): string {
  return key.slice(0, key.lastIndexOf('/'))
}
