import { defineCommand, EntryBodyWriter, recordSchema } from '../message/index.ts'
import { nameBytes } from './entry-names.ts'

/** What is logged about half messages: those of transactions that are not decided yet. The leader has decided everything. */

/** A half message: the hidden record at `physicalOffset`, in the same entry. */
export interface PreparedHalf {
  readonly physicalOffset: number
  readonly sizeBytes: number
  /** Number of its topic among the command's names. */
  readonly topic: number
  readonly queueId: number
  readonly tagsCode: number
  /** Number of the name of who is asked what became of it. */
  readonly producerGroup: number
  /** `tagsCodeOf` its UNIQ_KEY. */
  readonly idHash: number
  readonly checkAtMs: number
  /** Until when the producer itself may end it; 0: for ever. Later only an answer to a check does. */
  readonly immuneUntilMs: number
}

/** All that an entry stores: the next ones, numbered from `firstHalfOffset` on. */
export interface HalfPrepare {
  readonly firstHalfOffset: number
  readonly names: readonly string[]
  readonly halves: readonly PreparedHalf[]
}

export interface CommittedHalf {
  readonly halfOffset: number
  /** Number of its queue among the command's targets. */
  readonly target: number
  readonly physicalOffset: number
  readonly sizeBytes: number
  readonly tagsCode: number
}

/** They are the next messages of their queues, in this order, where their bytes are. */
export interface HalfCommit {
  readonly targets: ReadonlyArray<{ readonly topic: string, readonly queueId: number, readonly firstQueueOffset: number }>
  readonly halves: readonly CommittedHalf[]
}

/** It was decided otherwise; a `commit` here has its message in the same entry, stored anew. */
export interface HalfEnd {
  readonly halfOffset: number
  readonly outcome: HalfOutcome
}

/** The producers are asked once more. */
export interface HalfCheck {
  readonly halfOffsets: readonly number[]
  readonly nextCheckAtMs: number
}

/** Its bytes are in the same entry now. */
export interface HalfMove {
  readonly halfOffset: number
  readonly physicalOffset: number
  readonly sizeBytes: number
}

/** Nobody is asked any more: what lies at `physicalOffset` is a message that tells of it. */
export interface HalfDiscard extends HalfMove {}

/** It waits again as if it had not been asked about, with its bytes in the same entry. */
export interface HalfRevive extends HalfMove { readonly checkAtMs: number }

export const HalfOutcome = {
  /** Not decided, or so long ago that it is forgotten. */
  unknown: 0,
  commit: 1,
  rollback: 2,
  /** Its topic is gone, or its bytes. */
  lost: 3
} as const
export type HalfOutcome = typeof HalfOutcome[keyof typeof HalfOutcome]

const place = { halfOffset: 'long', physicalOffset: 'long', sizeBytes: 'long' }

const array = (items: unknown): object => ({ type: 'array', items })

export const halfPrepare = defineCommand<HalfPrepare>({
  type: 0x0701,
  name: 'halfPrepare',
  versions: [recordSchema('HalfPrepare', {
    firstHalfOffset: 'long',
    names: array('string'),
    halves: array(recordSchema('PreparedHalf', { physicalOffset: 'long', sizeBytes: 'long', topic: 'int', queueId: 'long', tagsCode: 'int', producerGroup: 'int', idHash: 'int', checkAtMs: 'long', immuneUntilMs: 'long' }))
  })]
})

export const halfCommit = defineCommand<HalfCommit>({
  type: 0x0702,
  name: 'halfCommit',
  versions: [recordSchema('HalfCommit', {
    targets: array(recordSchema('CommitTarget', { topic: 'string', queueId: 'long', firstQueueOffset: 'long' })),
    halves: array(recordSchema('CommittedHalf', { halfOffset: 'long', target: 'int', physicalOffset: 'long', sizeBytes: 'long', tagsCode: 'int' }))
  })]
})

export const halfEnd = defineCommand<HalfEnd>({ type: 0x0703, name: 'halfEnd', versions: [recordSchema('HalfEnd', { halfOffset: 'long', outcome: 'int' })] })

export const halfCheck = defineCommand<HalfCheck>({
  type: 0x0704,
  name: 'halfCheck',
  versions: [recordSchema('HalfCheck', { halfOffsets: { type: 'array', items: 'long' }, nextCheckAtMs: 'long' })]
})

export const halfMove = defineCommand<HalfMove>({ type: 0x0705, name: 'halfMove', versions: [recordSchema('HalfMove', place)] })
export const halfDiscard = defineCommand<HalfDiscard>({ type: 0x0706, name: 'halfDiscard', versions: [recordSchema('HalfDiscard', place)] })
export const halfRevive = defineCommand<HalfRevive>({ type: 0x0707, name: 'halfRevive', versions: [recordSchema('HalfRevive', { ...place, checkAtMs: 'long' })] })

/** What a command takes alone, and with each half message and queue more; a queue's topic, and names (`nameBytes`), come to that. */
export const halfBytes = { command: 32, prepared: 72, committed: 40, target: 20 } as const

/** Upper bounds of what the commands take of an entry: alone, which is the most that one more of them can take. */
export const halfCost = {
  prepare: (topic: string, producerGroup: string): number => EntryBodyWriter.commandCostBytes(halfBytes.command + halfBytes.prepared + nameBytes(topic) + nameBytes(producerGroup)),
  commit: (topic: string): number => EntryBodyWriter.commandCostBytes(halfBytes.command + halfBytes.committed + halfBytes.target + 3 * topic.length),
  /** A command of a few numbers. */
  command: EntryBodyWriter.commandCostBytes(48),
  number: 10
} as const
