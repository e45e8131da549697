import { MqError } from '../base/index.ts'
import { deadLetterSettings, ORIGIN_CODEC, type Engine, type Topic, type TopicSettings } from '../engine/index.ts'
import { Property, tagsCodeOf } from '../message/index.ts'
import { makeCodec, mergeCodec, type Codec, type CodecRecord } from './codec.ts'
import { checkTopic } from './arguments.ts'
import { attributesOf } from './options.ts'
import type { TopicOptions } from './types.ts'

/** Replies to requests, as RocketMQ's brokers of a cluster that nobody has named have it. */
export const REPLY_TOPIC = 'DefaultCluster_REPLY_TOPIC'

/** What a send to one topic needs: the engine's handle, the codec, whose turn it is. */
export class TopicRoute {
  readonly topic: Topic
  codec: Codec
  #nextQueueId = 0

  constructor (topic: Topic, codec: Codec) {
    this.topic = topic
    this.codec = codec
  }

  get exists (): boolean { return this.topic.exists }

  /** Queues take turns. */
  nextQueueId (): number {
    if (this.#nextQueueId >= this.topic.queueCount) this.#nextQueueId = 0
    return this.#nextQueueId++
  }

  /** As RocketMQ's SelectMessageQueueByHash: |hashCode(key) % queues|. */
  queueOf (key: string): number {
    return Math.abs(tagsCodeOf(key) % this.topic.queueCount)
  }
}

/** The topics this process knows, by name: one look-up per send. */
export class TopicRoutes {
  readonly #engine: Engine
  readonly #autoCreate: boolean
  readonly #defaultQueues: number
  readonly #routes = new Map<string, TopicRoute>()
  #ensuring: Promise<void> = Promise.resolve()

  constructor (engine: Engine, { autoCreateTopics, defaultQueues }: { readonly autoCreateTopics: boolean, readonly defaultQueues: number }) {
    this.#engine = engine
    this.#autoCreate = autoCreateTopics
    this.#defaultQueues = defaultQueues
    engine.onTopicGone((name) => { this.#routes.delete(name) })
  }

  /**
   * The route of a topic that exists, or that the first send will make.
   * @throws TypeError, MQ_INVALID_ARGUMENT, MQ_TOPIC_NOT_FOUND
   */
  get (name: string): TopicRoute {
    return this.#routes.get(name) ?? this.#find(name)
  }

  #find (name: string): TopicRoute {
    checkTopic(name)
    this.#engine.assertOpen()
    let topic = this.#engine.topic(name)
    if (topic === undefined) {
      if (!this.#autoCreate && name !== REPLY_TOPIC) throw new MqError('MQ_TOPIC_NOT_FOUND', `there is no topic ${name}, and autoCreateTopics is off: make it with createTopic`)
      topic = this.#engine.topicToBe(this.#defaultsOf(name))
    }
    const route = new TopicRoute(topic, this.#codecOf(topic.attributes))
    this.#routes.set(name, route)
    return route
  }

  /** Dead letters are of several topics: each is decoded as in the topic it comes from. */
  #codecOf (attributes: Readonly<Record<string, string>>): Codec {
    const record = codecRecordOf(attributes)
    if (record.codec !== ORIGIN_CODEC) return makeCodec(record)
    const bytes = makeCodec({ codec: 'bytes' })
    return {
      name: ORIGIN_CODEC,
      encode: (body) => bytes.encode(body),
      decode: (body, properties) => {
        // a dead letter that was given up once more comes from another topic of dead letters; the first one tells
        const origin = properties?.get(Property.retryTopic) ?? properties?.get(Property.dlqOriginTopic)
        const topic = origin === undefined ? undefined : this.#engine.topic(origin)
        const isKnown = topic !== undefined && topic.attributes.codec !== ORIGIN_CODEC
        return (isKnown ? this.#codecOf(topic.attributes) : bytes).decode(body)
      }
    }
  }

  /** Makes a topic that `get` said does not exist yet, with the defaults. */
  async create (name: string): Promise<void> {
    await this.#engine.createTopic(this.#defaultsOf(name))
  }

  #defaultsOf (name: string): TopicSettings {
    return deadLetterSettings(name) ?? { name, queueCount: name === REPLY_TOPIC ? 1 : this.#defaultQueues, attributes: codecAttributesOf({ codec: 'json' }) }
  }

  /** Makes the topic, or brings it in line with `options`. */
  async ensure (name: string, options: TopicOptions): Promise<void> {
    const { codec, queues } = options
    const { queueCount, attributes } = this.#defaultsOf(name)
    const named = attributesOf(options)
    // at once: what is sent to it after this call comes after it
    const made = this.#engine.createTopic({ name, queueCount: queues ?? queueCount, attributes: { ...codec === undefined ? attributes : codecAttributesOf(mergeCodec(name, undefined, codec)), ...named } })
    const ensured = this.#adjust(name, options, named, made, this.#ensuring)
    this.#ensuring = ensured.catch(() => {})
    await ensured
  }

  /** One after the other: each looks at what the one before has changed. */
  async #adjust (name: string, { codec, queues }: TopicOptions, named: Readonly<Record<string, string>>, made: Promise<void>, before: Promise<void>): Promise<void> {
    await Promise.all([made, before])
    const topic = this.#engine.topic(name)
    if (topic === undefined) return // deleted meanwhile
    const stored = codecRecordOf(topic.attributes)
    const record = mergeCodec(name, stored, codec)
    if (queues !== undefined && queues < topic.queueCount) {
      throw new MqError('MQ_INVALID_ARGUMENT', `topic ${name} has ${topic.queueCount} queues; their number can grow, not shrink to ${queues}`)
    }
    const hasChanged = Object.entries(named).some(([name, value]) => topic.attributes[name] !== value)
    if (record !== stored || hasChanged || (queues !== undefined && queues > topic.queueCount)) {
      await this.#engine.updateTopic({ name, queueCount: Math.max(queues ?? 0, topic.queueCount), attributes: { ...topic.attributes, ...codecAttributesOf(record), ...named } })
    }
    // the route may be older than the topic, or than its newest schema
    const route = this.#routes.get(name)
    if (route !== undefined) route.codec = this.#codecOf(this.#engine.topic(name)?.attributes ?? topic.attributes)
  }
}

/** Topics made without us (by a broker's clients) name no codec: their payload is bytes. */
function codecRecordOf ({ codec = 'bytes', schemas }: Readonly<Record<string, string>>): CodecRecord {
  return schemas === undefined ? { codec } : { codec, schemas: JSON.parse(schemas) as string[] }
}

function codecAttributesOf ({ codec, schemas }: CodecRecord): Record<string, string> {
  return schemas === undefined ? { codec } : { codec, schemas: JSON.stringify(schemas) }
}
