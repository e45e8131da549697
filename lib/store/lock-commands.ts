import { defineCommand, recordSchema } from '../message/index.ts'

/** What is logged about locks of queues for ordered consumption. The leader has decided who gets what. */

export interface LockQueues {
  readonly group: string
  readonly owner: string
  readonly queues: ReadonlyArray<{ readonly topic: string, readonly queueId: number }>
}

export interface LockKey {
  readonly group: string
  readonly topic: string
  readonly queueId: number
}

export interface UnlockQueues { readonly locks: readonly LockKey[] }

/** The client holds these queues for the group, whoever did before. */
export const lockQueues = defineCommand<LockQueues>({
  type: 0x0501,
  name: 'lockQueues',
  versions: [recordSchema('LockQueues', { group: 'string', owner: 'string', queues: { type: 'array', items: recordSchema('Queue', { topic: 'string', queueId: 'long' }) } })]
})

/** Nobody holds them any more. */
export const unlockQueues = defineCommand<UnlockQueues>({
  type: 0x0502,
  name: 'unlockQueues',
  versions: [recordSchema('UnlockQueues', { locks: { type: 'array', items: recordSchema('Lock', { group: 'string', topic: 'string', queueId: 'long' }) } })]
})
