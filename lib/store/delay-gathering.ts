import type { EntryBodyWriter } from '../message/index.ts'
import { delaySchedules, schedulesBytes, type DelaySchedule, type ScheduledUnit } from './delay-commands.ts'
import { EntryNames } from './entry-names.ts'

/** Gathers what an entry schedules. */
export class Schedules {
  #generation = -1
  #fromMs = 0
  #fromPosition = 0
  #topics = new EntryNames()
  #units: ScheduledUnit[] = []

  /** Within a decision. */
  add (writer: EntryBodyWriter, { deliverAtMs, topic, queueId, tagsCode, physicalOffset, sizeBytes }: DelaySchedule): void {
    if (this.#generation !== writer.generation) this.#begin(writer, deliverAtMs, physicalOffset)
    this.#units.push({ afterMs: deliverAtMs - this.#fromMs, topic: this.#topics.numberOf(writer, topic), queueId, tagsCode, distance: physicalOffset - this.#fromPosition, sizeBytes })
    writer.grow(schedulesBytes.unit)
  }

  #begin (writer: EntryBodyWriter, fromMs: number, fromPosition: number): void {
    this.#generation = writer.generation
    this.#fromMs = fromMs
    this.#fromPosition = fromPosition
    const topics = this.#topics = new EntryNames()
    const units = this.#units = [] as ScheduledUnit[]
    writer.addGrowing(delaySchedules.type, () => delaySchedules.encode({ fromMs, fromPosition, topics: topics.names, units }))
    writer.grow(schedulesBytes.command)
  }
}
