import { silentLogger } from '../../lib/base/index.ts'
import { VirtualClock } from '../../lib/adapters/index.ts'
import { effectiveConfig } from '../../lib/config/index.ts'
import type { TopicConfig } from '../../lib/message/index.ts'
import { defaultLimits, RouteTable, type BrokerLink, type MinBrokerIdChange, type NameServerLimits, type NameServerSettings, type Registration } from '../../lib/namesrv/index.ts'

export function topicConfig (topic: string, rest: Partial<TopicConfig> = {}): TopicConfig {
  return { topic, readQueueNums: 8, writeQueueNums: 8, perm: 6, topicSysFlag: 0, order: false, attributes: {}, ...rest }
}

export interface BrokerSays extends Partial<Omit<Registration, 'body'>> {
  readonly term?: number
  readonly counter?: number
  /** Names, or whole configurations. */
  readonly topics?: ReadonlyArray<string | TopicConfig>
  readonly filterServers?: readonly string[]
}

/** A registration of broker-a in DefaultCluster, id 0, unless it says otherwise. */
export function registrationOf ({ term = 1, counter = 1, topics = ['TBW102', 'T'], filterServers = [], ...rest }: BrokerSays = {}): Registration {
  const configs = topics.map((topic) => typeof topic === 'string' ? topicConfig(topic) : topic)
  return {
    clusterName: 'DefaultCluster',
    brokerName: 'broker-a',
    brokerAddr: '10.0.0.1:10911',
    brokerId: 0,
    haServerAddr: '10.0.0.1:10912',
    zoneName: undefined,
    heartbeatTimeoutMillis: undefined,
    enableActingMaster: false,
    ...rest,
    body: { dataVersion: { stateVersion: term, timestamp: 1_700_000_000_000, counter }, topics: new Map(configs.map((config) => [config.topic, config])), filterServers, mappings: [] }
  }
}

export interface LinkUnderTest extends BrokerLink { isClosed: boolean }

export function newLink (): LinkUnderTest {
  return { isClosed: false, close () { this.isClosed = true } }
}

/** A table on virtual time, what it told brokers, and settings that a test may change. */
export class TableUnderTest {
  readonly clock = new VirtualClock()
  readonly changes: MinBrokerIdChange[] = []
  readonly table: RouteTable
  settings: NameServerSettings

  constructor (settings: Partial<NameServerSettings> = {}, limits: Partial<NameServerLimits> = {}) {
    this.settings = { ...effectiveConfig('namesrv', {}).values, ...settings }
    this.table = new RouteTable({
      clock: this.clock,
      settings: () => this.settings,
      limits: { ...defaultLimits, ...limits },
      logger: silentLogger,
      onMinBrokerIdChange: (change) => { this.changes.push(change) }
    })
  }

  /** Registers over a connection of its own, unless one is given; returns what was said and the connection. */
  register (says: BrokerSays = {}, link: BrokerLink = newLink()): { readonly kind: string, readonly masterAddr?: string | undefined, readonly reason?: string, readonly link: BrokerLink } {
    return { ...this.table.register(registrationOf(says), link), link }
  }

  /** Addresses of broker-a by id. */
  addrs (brokerName = 'broker-a'): Record<string, string> {
    return Object.fromEntries(this.table.brokerData(brokerName)?.brokerAddrs ?? [])
  }

  /** Permissions of a topic by broker name. */
  perms (topic = 'T'): Record<string, number> {
    return Object.fromEntries((this.table.route(topic)?.queueDatas ?? []).map(({ brokerName, perm }) => [brokerName, perm]))
  }
}

export const hostA = { brokerAddr: '10.0.0.1:10911', haServerAddr: '10.0.0.1:10912' }
export const hostB = { brokerAddr: '10.0.0.2:10911', haServerAddr: '10.0.0.2:10912' }
export const hostC = { brokerAddr: '10.0.0.3:10911', haServerAddr: '10.0.0.3:10912' }
