import type { DataVersion } from './data-version.ts'
import { MASTER_ID, type BrokerData } from './route.ts'

/** The connection that a broker registered over, known by identity: its end is the end of the registration. */
export interface BrokerLink { close (): void }

/** One node of a broker name. */
export interface RegisteredBroker {
  readonly brokerName: string
  readonly brokerId: number
  readonly brokerAddr: string
  readonly haServerAddr: string
  readonly link: BrokerLink
  readonly dataVersion: DataVersion
  readonly filterServers: readonly string[]
  /** Undefined: as long as the name server's setting says. */
  readonly heartbeatTimeoutMs: number | undefined
  /** Monotonic. */
  lastSeenAtMs: number
}

/** The nodes that share a broker name: a master and its slaves, or one Raft group. Never without nodes. */
export interface BrokerGroup {
  readonly brokerName: string
  readonly cluster: string
  readonly enableActingMaster: boolean
  readonly zoneName: string | undefined
  /** By broker id, lowest first. */
  readonly brokers: ReadonlyMap<number, RegisteredBroker>
}

/** Who is there and where. */
export class BrokerTable {
  readonly #groups = new Map<string, BrokerGroup>()
  #count = 0

  /** Nodes of all names. */
  get count (): number { return this.#count }

  get groups (): IterableIterator<BrokerGroup> { return this.#groups.values() }

  group (brokerName: string): BrokerGroup | undefined { return this.#groups.get(brokerName) }

  find (brokerName: string, brokerAddr: string): RegisteredBroker | undefined {
    for (const broker of this.#groups.get(brokerName)?.brokers.values() ?? []) if (broker.brokerAddr === brokerAddr) return broker
    return undefined
  }

  /** Whether no node of that name is the master. */
  lacksMaster (brokerName: string): boolean {
    return this.#groups.get(brokerName)?.brokers.has(MASTER_ID) !== true
  }

  /** Puts the node in the place of its id, and out of any other that its address had. What the lowest node says of the group holds. */
  put (broker: RegisteredBroker, facts: Omit<BrokerGroup, 'brokerName' | 'brokers'>): BrokerGroup {
    const before = this.#groups.get(broker.brokerName)
    const others = [...before?.brokers.values() ?? []].filter(({ brokerId, brokerAddr }) => brokerId !== broker.brokerId && brokerAddr !== broker.brokerAddr)
    const brokers = byId([...others, broker])
    const isLowest = brokers.keys().next().value === broker.brokerId
    const { cluster, enableActingMaster, zoneName } = before === undefined || isLowest ? facts : before
    const group = { brokerName: broker.brokerName, cluster, enableActingMaster, zoneName, brokers }
    this.#groups.set(broker.brokerName, group)
    this.#count += brokers.size - (before?.brokers.size ?? 0)
    return group
  }

  /** Returns the group as it is without the node, undefined when that was its last. */
  delete ({ brokerName, brokerId }: RegisteredBroker): BrokerGroup | undefined {
    const before = this.#groups.get(brokerName)
    if (before?.brokers.has(brokerId) !== true) return before
    this.#count--
    const brokers = byId([...before.brokers.values()].filter((broker) => broker.brokerId !== brokerId))
    if (brokers.size === 0) {
      this.#groups.delete(brokerName)
      return undefined
    }
    const group = { ...before, brokers }
    this.#groups.set(brokerName, group)
    return group
  }

  /** Broker names by cluster. */
  clusters (): Map<string, string[]> {
    const clusters = new Map<string, string[]>()
    for (const { cluster, brokerName } of this.#groups.values()) {
      const names = clusters.get(cluster)
      if (names === undefined) clusters.set(cluster, [brokerName])
      else names.push(brokerName)
    }
    return clusters
  }
}

export function brokerDataOf ({ brokerName, cluster, enableActingMaster, zoneName, brokers }: BrokerGroup): BrokerData {
  return { brokerName, cluster, enableActingMaster, zoneName, brokerAddrs: new Map([...brokers].map(([id, { brokerAddr }]) => [id, brokerAddr])) }
}

function byId (brokers: readonly RegisteredBroker[]): Map<number, RegisteredBroker> {
  return new Map([...brokers].sort((a, b) => a.brokerId - b.brokerId).map((broker) => [broker.brokerId, broker]))
}
