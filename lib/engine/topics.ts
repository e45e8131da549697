import { isDeepStrictEqual } from 'node:util'
import type { Host, TopicConfig } from '../message/index.ts'
import type { Store } from '../store/index.ts'
import { Topic } from './topic.ts'

/** The handles of topics that are in use, by name. */
export class Topics {
  readonly #store: Store
  readonly #storeHost: Host
  readonly #topics = new Map<string, Topic>()

  constructor (store: Store, storeHost: Host) {
    this.#store = store
    this.#storeHost = storeHost
  }

  /** The topic, if it exists. */
  get (name: string): Topic | undefined {
    const known = this.#topics.get(name)
    if (known?.exists === true) return known
    const config = this.#store.metadata.topic(name)
    if (config === undefined) return undefined
    return this.#add(new Topic(this.#store, config, true, this.#storeHost))
  }

  /** The topic, or one that its first message will make so, unless one of another plan is made before. */
  getOrPlan (config: TopicConfig): Topic {
    const known = this.get(config.topic) ?? this.#topics.get(config.topic)
    if (known !== undefined && (known.exists || isDeepStrictEqual(known.config, config))) return known
    return this.#add(new Topic(this.#store, config, false, this.#storeHost))
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
