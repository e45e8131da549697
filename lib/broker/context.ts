import type { Clock, Disk, Logger } from '../base/index.ts'
import type { RunningConfig } from '../config/index.ts'
import type { Engine } from '../engine/index.ts'
import type { Host } from '../message/index.ts'
import type { UniqueKeys } from '../remoting/index.ts'
import type { ClientRegistry } from './client-registry.ts'
import type { Forwarding } from './forwarding.ts'
import type { BrokerGroups } from './groups.ts'
import type { BrokerNode } from './node.ts'
import type { BrokerLimits } from './limits.ts'
import type { Registration } from './registration.ts'
import type { RequestModes } from './request-modes.ts'
import type { Sends } from './sends.ts'
import type { BrokerStats } from './stats.ts'
import type { BrokerNames } from './system-topics.ts'
import type { TopicQueues } from './topic-queues.ts'
import type { BrokerTopics } from './topics.ts'
import type { Pulls } from './pulls.ts'

/** What processors work on. */
export interface BrokerContext {
  readonly clock: Clock
  readonly logger: Logger
  readonly disk: Pick<Disk, 'room'>
  /** ms since 1970. */
  readonly startedAtMs: number
  readonly engine: Engine
  readonly node: BrokerNode
  readonly config: RunningConfig<'broker'>
  readonly limits: BrokerLimits
  readonly names: BrokerNames
  /** What clients reach this broker by, `host:port`. */
  readonly address: string
  /** The same as records have it. */
  readonly storeHost: Host
  readonly topics: BrokerTopics
  readonly topicQueues: TopicQueues
  readonly requestModes: RequestModes
  readonly groups: BrokerGroups
  readonly clients: ClientRegistry
  readonly sends: Sends
  readonly pulls: Pulls
  readonly uniqueKeys: UniqueKeys
  readonly stats: BrokerStats
  readonly registration: Registration
  readonly forwarding: Forwarding
}
