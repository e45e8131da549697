import type { Engine } from '../engine/index.ts'
import { checkInteger, checkKeys, checkObject, checkTime, checkTopic, invalid, wrongType } from './arguments.ts'
import type { GroupProgress, SeekTarget } from './types.ts'

/** A consumer group: where it is, and where it shall be. */
export class Group {
  readonly name: string
  readonly #engine: Engine

  constructor (engine: Engine, name: string) {
    this.#engine = engine
    this.name = name
  }

  /**
   * Moves the group to the first or the end of a topic, to an offset (of one queue or, without `queueId`, of each), or to
   * the first message stored at or after a time. Leases held by the group on those queues end. Resolves when durable.
   * @throws MQ_TOPIC_NOT_FOUND, MQ_QUEUE_NOT_FOUND, MQ_INVALID_ARGUMENT
   */
  async seek (topic: string, target: SeekTarget): Promise<void> {
    checkTopic(topic)
    if (target === 'first' || target === 'last') return await this.#engine.seek({ group: this.name, topic, to: target })
    if (typeof target === 'string') throw invalid('target', '\'first\', \'last\', { offset } or { time }', target)
    if (target !== null && typeof target === 'object' && 'time' in target) {
      checkKeys('target', target, ['time'])
      return await this.#engine.seek({ group: this.name, topic, to: { timeMs: checkTime('time', target.time) } })
    }
    if (target === null || typeof target !== 'object' || !('offset' in target)) throw wrongType('target', '\'first\', \'last\', { offset } or { time }', target)
    checkKeys('target', target, ['offset', 'queueId'])
    checkObject('target', target)
    const offset = checkInteger('offset', target.offset, 0)
    if (target.queueId !== undefined) checkInteger('queueId', target.queueId, 0)
    await this.#engine.seek({ group: this.name, topic, queueId: target.queueId, to: { offset } })
  }

  /** Where the group is in each queue of a topic, or of all topics it has consumed. */
  progress (topic?: string): GroupProgress[] {
    if (topic !== undefined) checkTopic(topic)
    return this.#engine.progress(this.name, topic)
  }

  /** Messages not done yet: of one topic, or of all the group has consumed. */
  lag (topic?: string): number {
    return this.progress(topic).reduce((sum, queue) => sum + queue.lag, 0)
  }
}
