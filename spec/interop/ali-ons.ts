import type { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'

export interface Message {
  body: Buffer
  readonly tags: string
  /** Set as a list, read as text. */
  get keys (): string
  set keys (keys: readonly string[])
  readonly topic: string
  readonly reconsumeTimes: number
}

export interface Producer extends EventEmitter {
  ready (): Promise<void>
  send (message: Message): Promise<{ readonly sendStatus: string }>
  close (): Promise<void>
  /** Has the admin request that makes a topic; the public interface leaves that to a console. */
  readonly _mqClient: {
    createTopic (broker: string, defaultTopic: string, config: Readonly<Record<string, unknown>>, timeoutMs: number): Promise<void>
    getTopicRouteInfoFromNameServer (topic: string, timeoutMs: number): Promise<unknown>
  }
}

export interface Consumer extends EventEmitter {
  subscribe (topic: string, tags: string, handler: (message: Message) => Promise<void>): void
  close (): Promise<void>
}

type Options = Readonly<Record<string, unknown>>

/** What the specs use of a package that comes without types. */
export const { Message, Producer, Consumer } = createRequire(import.meta.url)('ali-ons') as {
  readonly Message: new (topic: string, tags: string, body: string) => Message
  /** `defaultProducer` is hidden in every client and throws when nobody listens to its errors. */
  readonly Producer: { new (options: Options): Producer, readonly defaultProducer?: Producer }
  readonly Consumer: new (options: Options) => Consumer
}
