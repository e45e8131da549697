import { defineCommand, EntryBodyWriter, recordSchema } from '../message/index.ts'
import { nameBytes } from './entry-names.ts'

/** What is logged about messages that are delivered later. The leader has decided everything. */

/** The data format that has `delaySchedules`; before, each is a `delaySchedule`. */
export const SCHEDULES_FORMAT = 3

/** The hidden record at `physicalOffset`, in the same entry, becomes a message of the queue at that time. */
export interface DelaySchedule {
  readonly deliverAtMs: number
  readonly topic: string
  readonly queueId: number
  readonly tagsCode: number
  readonly physicalOffset: number
  readonly sizeBytes: number
}

/** All that an entry schedules: units are in the order of their records. */
export interface DelaySchedules {
  /** What units' times and positions are told from. */
  readonly fromMs: number
  readonly fromPosition: number
  readonly topics: readonly string[]
  readonly units: readonly ScheduledUnit[]
}

export interface ScheduledUnit {
  readonly afterMs: number
  /** Number of its topic among the command's. */
  readonly topic: number
  readonly queueId: number
  readonly tagsCode: number
  readonly distance: number
  readonly sizeBytes: number
}

/** Names a message that waits: by the number of its bucket, and its own within it. */
export interface DelayKey {
  readonly bucket: number
  readonly ordinal: number
}

export interface DeliveredUnit extends DelayKey {
  readonly physicalOffset: number
  readonly sizeBytes: number
  readonly tagsCode: number
}

/** They wait no more, and are the next messages of their queues. */
export interface DelayDeliver {
  readonly parts: ReadonlyArray<{ readonly topic: string, readonly queueId: number, readonly firstQueueOffset: number, readonly units: readonly DeliveredUnit[] }>
}

/** They wait no more: stored anew elsewhere, or their topic is gone. */
export interface DelayRemove { readonly units: readonly DelayKey[] }

const array = (items: unknown) => ({ type: 'array', items })

export const delaySchedule = defineCommand<DelaySchedule>({
  type: 0x0601,
  name: 'delaySchedule',
  versions: [recordSchema('DelaySchedule', { deliverAtMs: 'long', topic: 'string', queueId: 'long', tagsCode: 'int', physicalOffset: 'long', sizeBytes: 'long' })]
})

export const delayDeliver = defineCommand<DelayDeliver>({
  type: 0x0602,
  name: 'delayDeliver',
  versions: [recordSchema('DelayDeliver', {
    parts: array(recordSchema('Part', {
      topic: 'string',
      queueId: 'long',
      firstQueueOffset: 'long',
      units: array(recordSchema('Unit', { bucket: 'long', ordinal: 'long', physicalOffset: 'long', sizeBytes: 'long', tagsCode: 'int' }))
    }))
  })]
})

export const delayRemove = defineCommand<DelayRemove>({
  type: 0x0603,
  name: 'delayRemove',
  versions: [recordSchema('DelayRemove', { units: array(recordSchema('Key', { bucket: 'long', ordinal: 'long' })) })]
})

export const delaySchedules = defineCommand<DelaySchedules>({
  type: 0x0604,
  name: 'delaySchedules',
  versions: [recordSchema('DelaySchedules', {
    fromMs: 'long',
    fromPosition: 'long',
    topics: array('string'),
    units: array(recordSchema('ScheduledUnit', { afterMs: 'long', topic: 'int', queueId: 'long', tagsCode: 'int', distance: 'long', sizeBytes: 'long' }))
  })]
})

/** Of the unit with that number. */
export function scheduledOf ({ fromMs, fromPosition, topics, units }: DelaySchedules, number: number): DelaySchedule {
  const { afterMs, topic, queueId, tagsCode, distance, sizeBytes } = units[number]!
  return { deliverAtMs: fromMs + afterMs, topic: topics[topic]!, queueId, tagsCode, physicalOffset: fromPosition + distance, sizeBytes }
}

/** What `delaySchedules` takes alone, and with each unit more; topics (`nameBytes`) come to that. */
export const schedulesBytes = { command: 40, unit: 50 } as const

/** Upper bounds of what the commands take of an entry. */
export const delayCost = {
  /** By itself, or as the first of several. */
  schedule: (topic: string): number => EntryBodyWriter.commandCostBytes(schedulesBytes.command + schedulesBytes.unit + nameBytes(topic)),
  command: EntryBodyWriter.commandCostBytes(16),
  part: (topic: string): number => 32 + 3 * topic.length,
  unit: 40,
  key: 16
} as const
