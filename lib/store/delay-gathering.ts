import type { EntryBodyWriter } from '../message/index.ts'
import { delaySchedules, schedulesBytes, type DelaySchedule, type ScheduledUnit } from './delay-commands.ts'

/** Gathers what an entry schedules. */
export class Schedules {
  #generation = -1
  #fromMs = 0
  #fromPosition = 0
  #topics: string[] = []
  #units: ScheduledUnit[] = []

  /** Within a decision. */
  add (writer: EntryBodyWriter, { deliverAtMs, topic, queueId, tagsCode, physicalOffset, sizeBytes }: DelaySchedule): void {
    if (this.#generation !== writer.generation) this.#begin(writer, deliverAtMs, physicalOffset)
    this.#units.push({ afterMs: deliverAtMs - this.#fromMs, topic: this.#numberOf(writer, topic), queueId, tagsCode, distance: physicalOffset - this.#fromPosition, sizeBytes })
    writer.grow(schedulesBytes.unit)
  }

  #begin (writer: EntryBodyWriter, fromMs: number, fromPosition: number): void {
    this.#generation = writer.generation
    this.#fromMs = fromMs
    this.#fromPosition = fromPosition
    const topics = this.#topics = [] as string[]
    const units = this.#units = [] as ScheduledUnit[]
    writer.addGrowing(delaySchedules.type, () => delaySchedules.encode({ fromMs, fromPosition, topics, units }))
    writer.grow(schedulesBytes.command)
  }

  /** Few topics come in one entry, and mostly the last one again. */
  #numberOf (writer: EntryBodyWriter, topic: string): number {
    const number = this.#topics.lastIndexOf(topic)
    if (number >= 0) return number
    writer.grow(schedulesBytes.topic + 3 * topic.length)
    return this.#topics.push(topic) - 1
  }
}
