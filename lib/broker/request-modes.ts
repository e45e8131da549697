import type { RunningConfig } from '../config/index.ts'
import type { Engine } from '../engine/index.ts'

export const RequestMode = { pull: 'PULL', pop: 'POP' } as const
export type RequestMode = typeof RequestMode[keyof typeof RequestMode]

/** How a group consumes a topic. */
export interface RequestModeOf {
  readonly mode: RequestMode
  /** With how many others a consumer that pops shares its queues; 0 or less: all share all. */
  readonly popShareQueueNum: number
}

const PREFIX = 'requestMode/'
const RETRY_PREFIX = '%RETRY%'

/** How groups consume topics, as administrators have set it: settings of the group of brokers. */
export class RequestModes {
  readonly #engine: Engine
  readonly #config: RunningConfig<'broker'>

  constructor ({ engine, config }: { readonly engine: Engine, readonly config: RunningConfig<'broker'> }) {
    this.#engine = engine
    this.#config = config
  }

  of (topic: string, group: string): RequestModeOf {
    const known = this.#engine.store.metadata.setting(nameOf(topic, group))
    if (known !== undefined) return parse(known)
    const { defaultMessageRequestMode: mode, defaultPopShareQueueNum } = this.#config.values
    return isRetryTopic(topic) || mode !== RequestMode.pop ? { mode: RequestMode.pull, popShareQueueNum: 0 } : { mode, popShareQueueNum: defaultPopShareQueueNum }
  }

  async set (topic: string, group: string, { mode, popShareQueueNum }: RequestModeOf): Promise<void> {
    await this.#engine.config.putSettings({ [nameOf(topic, group)]: `${mode},${popShareQueueNum}` })
  }

  /** Those that were set. */
  * all (): Iterable<RequestModeOf & { readonly topic: string, readonly consumerGroup: string }> {
    for (const [name, value] of this.#engine.store.metadata.settings()) {
      if (!name.startsWith(PREFIX)) continue
      const [topic, consumerGroup] = name.slice(PREFIX.length).split('@')
      yield { topic: topic!, consumerGroup: consumerGroup!, ...parse(value) }
    }
  }
}

/** What is sent back is always pulled. */
export function isRetryTopic (topic: string): boolean { return topic.startsWith(RETRY_PREFIX) }

/** Neither name holds an '@'. */
function nameOf (topic: string, group: string): string { return `${PREFIX}${topic}@${group}` }

function parse (value: string): RequestModeOf {
  const [mode, share] = value.split(',')
  return { mode: mode === RequestMode.pop ? RequestMode.pop : RequestMode.pull, popShareQueueNum: Number(share) }
}
