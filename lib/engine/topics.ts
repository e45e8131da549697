import type { TopicConfig } from '../message/index.ts'
import type { Store } from '../store/index.ts'
import { Topic, topicConfigOf, type TopicSettings } from './topic.ts'

/** The handles of topics that are in use, by name. */
export class Topics {
  readonly #store: Store
  readonly #topics = new Map<string, Topic>()

  constructor (store: Store) {
    this.#store = store
  }

  /** The topic, if it exists. */
  get (name: string): Topic | undefined {
    const known = this.#topics.get(name)
    if (known?.exists === true) return known
    const config = this.#store.metadata.topic(name)
    if (config === undefined) return undefined
    return this.#add(new Topic(this.#store, config, true))
  }

  /** The topic, or one that its first message will make. */
  getOrPlan (settings: TopicSettings): Topic {
    return this.get(settings.name) ?? this.#topics.get(settings.name) ?? this.#add(new Topic(this.#store, topicConfigOf(settings), false))
  }

  /** A topic was put, as applied. */
  applied (config: TopicConfig): void {
    this.#topics.get(config.topic)?.refresh(config)
  }

  /** Its deletion is proposed: handles refuse from now on, who asks again gets another one. */
  deletionProposed (name: string): void {
    this.#topics.get(name)?.forgetChecked()
  }

  deleted (name: string): void {
    this.#topics.get(name)?.forgetChecked()
    this.#topics.delete(name)
  }

  leadershipChanged (): void {
    for (const topic of this.#topics.values()) topic.forgetChecked()
  }

  #add (topic: Topic): Topic {
    this.#topics.set(topic.name, topic)
    return topic
  }
}
