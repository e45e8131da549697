import type { Engine, Resent } from '../engine/index.ts'
import { deadLetterTopicOf } from '../store/index.ts'
import { checkFunction, checkInteger, checkKeys, checkObject, checkTime, checkTopic, invalid, wrongType } from './arguments.ts'
import { StoredMessage } from './message.ts'
import type { TopicRoutes } from './topic-routes.ts'
import type { GroupProgress, SeekTarget } from './types.ts'

export interface ResendOptions {
  /** Which dead letters, by themselves and the topic they were first sent to; default: all. */
  readonly select?: (letter: StoredMessage, originTopic: string) => boolean
  /** At most so many. */
  readonly max?: number
}

/** A consumer group: where it is, and where it shall be. */
export class Group {
  readonly name: string
  readonly #engine: Engine
  readonly #routes: TopicRoutes

  constructor (engine: Engine, routes: TopicRoutes, name: string) {
    this.#engine = engine
    this.#routes = routes
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

  /**
   * Sends the group's dead letters again, to the topics they were first sent to, as new messages with as many attempts as any; all groups of those topics
   * get them. In order, and those that are there when it is called. Each comes once: that it was sent again is noted in the entry that stores it, so a call after one that failed or was
   * cut short goes on with the rest. The topic `%DLQ%<group>` still has them, until retention removes them. Resolves when all is durable.
   * @throws MQ_NOT_LEADER, MQ_LEADERSHIP_LOST, MQ_IO, MQ_CLOSED; some may have been sent
   */
  async resendDeadLetters (options: ResendOptions = {}): Promise<Resent> {
    const { select, max }: ResendOptions = checkKeys('options', options, ['select', 'max'])
    if (select !== undefined) checkFunction('select', select)
    if (max !== undefined) checkInteger('max', max, 1)
    this.#engine.assertOpen()
    const topic = deadLetterTopicOf(this.name)
    if (this.#engine.topic(topic) === undefined) return { resent: 0, kept: 0, withoutTopic: 0 }
    const route = this.#routes.get(topic)
    return await this.#engine.deadLetters.resend({
      group: this.name,
      ...(select === undefined ? {} : { select: (letter, originTopic) => select(new StoredMessage(topic, letter, route), originTopic) }),
      ...(max === undefined ? {} : { max })
    })
  }
}
