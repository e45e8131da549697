import type { Clock, Logger } from '../base/index.ts'
import { BrokerTable, brokerDataOf, type BrokerGroup, type BrokerLink, type RegisteredBroker } from './broker-table.ts'
import { isSameVersion, type DataVersion, type Long } from './data-version.ts'
import type { NameServerLimits, NameServerSettings } from './settings.ts'
import type { BrokerIdentity, MinBrokerIdChange, Registration, RegistrationResult } from './registration.ts'
import { MASTER_ID, type BrokerData, type TopicRoute } from './route.ts'
import { TopicRoutes, withoutWrite, withWrite } from './topic-routes.ts'

const MAX_NAME_CHARACTERS = 255

/** A master that was lost and did not say that it leaves. */
interface LostMaster {
  readonly brokerAddr: string
  readonly stateVersion: Long
  readonly untilMs: number
}

export interface RouteTableOptions {
  readonly clock: Clock
  readonly settings: () => NameServerSettings
  readonly limits: NameServerLimits
  readonly logger: Logger
  readonly onMinBrokerIdChange: (change: MinBrokerIdChange) => void
}

/**
 * What a name server knows: the brokers that registered, and the topics they have. All in memory, all told again by the
 * brokers within one period of registration.
 *
 * Which node of a broker name is its master is decided by those nodes; here the later state version wins (for our brokers
 * the Raft term). A deposed leader whose timer still registers it as id 0 is ignored while its successor is registered, and
 * for one time of expiry after the successor's connection was lost.
 * @see RocketMQ RouteInfoManager
 */
export class RouteTable {
  readonly #clock: Clock
  readonly #settings: () => NameServerSettings
  readonly #limits: NameServerLimits
  readonly #logger: Logger
  readonly #onMinBrokerIdChange: (change: MinBrokerIdChange) => void
  readonly #brokers = new BrokerTable()
  readonly #routes = new TopicRoutes()
  readonly #lostMasters = new Map<string, LostMaster>()
  /** Broker names whose write permission was wiped: it stays so for topics that come later. */
  readonly #wiped = new Set<string>()

  constructor ({ clock, settings, limits, logger, onMinBrokerIdChange }: RouteTableOptions) {
    this.#clock = clock
    this.#settings = settings
    this.#limits = limits
    this.#logger = logger
    this.#onMinBrokerIdChange = onMinBrokerIdChange
  }

  get brokerCount (): number { return this.#brokers.count }
  /** Pairs of topic and broker. */
  get routeCount (): number { return this.#routes.count }
  get topics (): string[] { return this.#routes.topics }
  /** Broker names by cluster. */
  get clusters (): Map<string, string[]> { return this.#brokers.clusters() }

  register (registration: Registration, link: BrokerLink): RegistrationResult {
    if (this.#isStale(registration)) {
      this.#logger.warn('a registration was ignored: another node holds the id with a later state version', factsOf(registration))
      return { kind: 'stale' }
    }
    const reason = this.#objection(registration)
    if (reason !== undefined) {
      this.#logger.warn(`a registration was refused: ${reason}`, factsOf(registration))
      return { kind: 'refused', reason }
    }
    const { brokerName, brokerId, brokerAddr } = registration
    const before = this.#brokers.group(brokerName)
    const known = this.#brokers.find(brokerName, brokerAddr)
    const holder = before?.brokers.get(brokerId)
    const group = this.#enter(registration, link)
    if (known?.brokerId !== brokerId) this.#logger.info('a broker registered', { ...factsOf(registration), replaces: holder?.brokerAddr })
    if (brokerId === MASTER_ID) {
      this.#lostMasters.delete(brokerName)
      if (holder === undefined) this.#wiped.delete(brokerName)
    }
    const isSame = holder?.brokerAddr === brokerAddr && known !== undefined && isSameVersion(known.dataVersion, registration.body.dataVersion)
    if (speaksForTopics(registration, group)) this.#takeTopics(registration, group, isSame)
    if (before !== undefined && brokerId < lowestOf(before).brokerId && this.#settings().notifyMinBrokerIdChanged) this.#tellOthers(group, registration.haServerAddr)
    const master = brokerId === MASTER_ID ? undefined : group.brokers.get(MASTER_ID)
    return { kind: 'accepted', masterAddr: master?.brokerAddr, haServerAddr: master?.haServerAddr }
  }

  /** Takes brokers out that say that they leave; those that are not there count for nothing. */
  unregister (identities: readonly BrokerIdentity[]): void {
    const leaving = identities.map(({ brokerName, brokerAddr }) => this.#brokers.find(brokerName, brokerAddr)).filter((broker) => broker !== undefined)
    this.#takeOut(leaving, 'it unregistered')
    for (const { brokerName, brokerId } of leaving) if (brokerId === MASTER_ID) this.#lostMasters.delete(brokerName)
  }

  /** Takes out the brokers that registered last over one of these connections. */
  linksClosed (links: ReadonlySet<BrokerLink>): void {
    this.#takeOut(this.#brokersWhere(({ link }) => links.has(link)), 'its connection closed')
  }

  /** Takes out the brokers that were silent for too long, and closes connections that no other broker uses. */
  expire (): void {
    const nowMs = this.#clock.nowMs()
    const { routeInfoPathExpiredTime } = this.#settings()
    for (const [name, { untilMs }] of this.#lostMasters) if (untilMs <= nowMs) this.#lostMasters.delete(name)
    const silent = this.#brokersWhere(({ lastSeenAtMs, heartbeatTimeoutMs }) => nowMs - lastSeenAtMs > (heartbeatTimeoutMs ?? routeInfoPathExpiredTime))
    this.#takeOut(silent, 'it was silent for too long')
    for (const { link } of silent) if (this.#brokersWhere((broker) => broker.link === link).length === 0) link.close()
  }

  /** A sign of life. */
  heartbeat ({ brokerName, brokerAddr }: Pick<BrokerIdentity, 'brokerName' | 'brokerAddr'>): void {
    const broker = this.#brokers.find(brokerName, brokerAddr)
    if (broker !== undefined) broker.lastSeenAtMs = this.#clock.nowMs()
  }

  dataVersionOf ({ brokerName, brokerAddr }: BrokerIdentity): DataVersion | undefined {
    return this.#brokers.find(brokerName, brokerAddr)?.dataVersion
  }

  /** Undefined: no broker that is there has the topic. */
  route (topic: string): TopicRoute | undefined {
    const queues = this.#routes.queuesOf(topic)
    const groups = [...queues?.keys() ?? []].map((name) => this.#brokers.group(name)).filter((group) => group !== undefined)
    if (queues === undefined || groups.length === 0) return undefined
    const filterServerTable = new Map<string, readonly string[]>()
    for (const group of groups) {
      for (const { brokerAddr, filterServers } of group.brokers.values()) if (filterServers.length > 0) filterServerTable.set(brokerAddr, filterServers)
    }
    return { brokerDatas: groups.map(brokerDataOf), queueDatas: [...queues.values()], filterServerTable, topicQueueMappingByBroker: this.#routes.mappingsOf(topic) }
  }

  brokerData (brokerName: string): BrokerData | undefined {
    const group = this.#brokers.group(brokerName)
    return group === undefined ? undefined : brokerDataOf(group)
  }

  get brokerDatas (): BrokerData[] { return [...this.#brokers.groups].map(brokerDataOf) }

  topicsOfCluster (cluster: string): string[] {
    return this.#routes.topicsOf(new Set(this.clusters.get(cluster)))
  }

  unitTopics (kind: 'unit' | 'unitSub' | 'unitSubOnly'): string[] { return this.#routes.unitTopics(kind) }

  /** Returns how many topics the broker has. What it registers from now on cannot be written either, until `addWritePerm` or until its master comes anew. */
  wipeWritePerm (brokerName: string): number {
    if (this.#brokers.group(brokerName) !== undefined) this.#wiped.add(brokerName)
    return this.#routes.changePerm(new Set([brokerName]), withoutWrite)
  }

  addWritePerm (brokerName: string): number {
    this.#wiped.delete(brokerName)
    return this.#routes.changePerm(new Set([brokerName]), withWrite)
  }

  /** Adds queues of a topic to brokers that are there. Returns why not, if so; nothing was changed then. */
  registerTopic (topic: string, queues: readonly TopicRoute['queueDatas'][number][]): string | undefined {
    const unknown = queues.find(({ brokerName }) => this.#brokers.group(brokerName) === undefined)
    if (unknown !== undefined) return `no broker ${unknown.brokerName} is registered`
    const added = queues.filter(({ brokerName }) => !this.#routes.has(topic, brokerName)).length
    if (this.#routes.count + added > this.#limits.maxRoutes) return `there would be more than ${this.#limits.maxRoutes} routes (maxRoutes)`
    for (const queue of queues) this.#routes.put(topic, queue)
    return undefined
  }

  /** Forgets the topic: everywhere, or for the brokers of one cluster. */
  deleteTopic (topic: string, cluster: string | undefined): void {
    if (cluster === undefined) return this.#routes.deleteTopic(topic)
    for (const name of this.clusters.get(cluster) ?? []) this.#routes.delete(topic, name)
  }

  #isStale ({ brokerName, brokerId, brokerAddr, body }: Registration): boolean {
    const { stateVersion } = body.dataVersion
    const holder = this.#brokers.group(brokerName)?.brokers.get(brokerId)
    if (holder !== undefined) return holder.brokerAddr !== brokerAddr && holder.dataVersion.stateVersion > stateVersion
    const lost = brokerId === MASTER_ID ? this.#lostMasters.get(brokerName) : undefined
    return lost !== undefined && lost.untilMs > this.#clock.nowMs() && lost.brokerAddr !== brokerAddr && lost.stateVersion > stateVersion
  }

  #objection ({ brokerName, brokerId, brokerAddr, clusterName, haServerAddr, zoneName = '', body }: Registration): string | undefined {
    const { maxBrokers, maxRoutes } = this.#limits
    if (!Number.isSafeInteger(brokerId) || brokerId < 0) return `${brokerId} is no broker id`
    if (brokerName === '' || brokerAddr === '' || clusterName === '') return 'a name or address is empty'
    if ([brokerName, brokerAddr, clusterName, haServerAddr, zoneName].some((text) => text.length > MAX_NAME_CHARACTERS)) return `a name or address is longer than ${MAX_NAME_CHARACTERS} characters`
    const group = this.#brokers.group(brokerName)
    // Guards the route of all other topics against a broker that registers one topic before its whole table.
    if (group?.brokers.has(brokerId) !== true && body.topics.size === 1) return 'the first registration of a broker must not carry one topic alone'
    if (this.#brokers.find(brokerName, brokerAddr) === undefined && this.#brokers.count >= maxBrokers) return `${maxBrokers} brokers are registered already (maxBrokers)`
    let added = 0
    for (const topic of body.topics.keys()) if (!this.#routes.has(topic, brokerName)) added++
    return this.#routes.count + added > maxRoutes ? `there would be more than ${maxRoutes} routes (maxRoutes)` : undefined
  }

  #enter ({ clusterName, brokerName, brokerId, brokerAddr, haServerAddr, zoneName, heartbeatTimeoutMillis, enableActingMaster, body }: Registration, link: BrokerLink): BrokerGroup {
    const broker = {
      brokerName,
      brokerId,
      brokerAddr,
      haServerAddr,
      link,
      dataVersion: body.dataVersion,
      filterServers: body.filterServers,
      heartbeatTimeoutMs: heartbeatTimeoutMillis,
      lastSeenAtMs: this.#clock.nowMs()
    }
    return this.#brokers.put(broker, { cluster: clusterName, zoneName, enableActingMaster: enableActingMaster === true })
  }

  #takeTopics ({ brokerName, brokerId, body }: Registration, group: BrokerGroup, isSame: boolean): void {
    const isActing = brokerId !== MASTER_ID && group.enableActingMaster
    const isReadOnly = isActing || this.#wiped.has(brokerName)
    if (this.#settings().deleteTopicWithBrokerRegistration && body.mappings.length === 0) {
      for (const topic of this.#routes.topicsOf(new Set([brokerName]))) if (!body.topics.has(topic)) this.#routes.delete(topic, brokerName)
    }
    for (const { topic, readQueueNums, writeQueueNums, perm, topicSysFlag } of body.topics.values()) {
      if (isSame && this.#routes.has(topic, brokerName)) continue
      this.#routes.put(topic, { brokerName, readQueueNums, writeQueueNums, perm: isReadOnly ? withoutWrite(perm) : perm, topicSysFlag })
    }
    if (!isSame) for (const mapping of body.mappings) this.#routes.putMapping(mapping)
  }

  #takeOut (brokers: readonly RegisteredBroker[], why: string): void {
    const goneNames = new Set<string>()
    const masterlessNames = new Set<string>()
    for (const broker of brokers) {
      const { brokerName, brokerId, brokerAddr } = broker
      const before = this.#brokers.group(brokerName)
      if (before === undefined) continue
      if (brokerId === MASTER_ID) this.#rememberLost(broker)
      const group = this.#brokers.delete(broker)
      this.#logger.info(`a broker was taken out: ${why}`, { brokerName, brokerId, brokerAddr })
      if (group === undefined) {
        goneNames.add(brokerName)
        continue
      }
      if (group.enableActingMaster && this.#brokers.lacksMaster(brokerName)) masterlessNames.add(brokerName)
      if (group.enableActingMaster && brokerId === lowestOf(before).brokerId && this.#settings().notifyMinBrokerIdChanged) this.#tellOthers(group, undefined, brokerAddr)
    }
    for (const name of goneNames) this.#wiped.delete(name)
    this.#routes.deleteBrokers(goneNames)
    if (masterlessNames.size > 0) this.#routes.changePerm(masterlessNames, withoutWrite)
  }

  #rememberLost ({ brokerName, brokerAddr, dataVersion }: RegisteredBroker): void {
    if (this.#lostMasters.size >= this.#limits.maxBrokers) return
    this.#lostMasters.set(brokerName, { brokerAddr, stateVersion: dataVersion.stateVersion, untilMs: this.#clock.nowMs() + this.#settings().routeInfoPathExpiredTime })
  }

  /** Those that were there already when a node came, all that are left when one went. */
  #tellOthers (group: BrokerGroup, haBrokerAddr: string | undefined, offlineBrokerAddr?: string): void {
    const { brokerId: minBrokerId, brokerAddr: minBrokerAddr } = lowestOf(group)
    const tellsAll = offlineBrokerAddr !== undefined || group.brokers.size === 1
    const addrsToTell = [...group.brokers.values()].filter(({ brokerId }) => tellsAll || brokerId !== minBrokerId).map(({ brokerAddr }) => brokerAddr)
    this.#onMinBrokerIdChange({ brokerName: group.brokerName, minBrokerId, minBrokerAddr, offlineBrokerAddr, haBrokerAddr, addrsToTell })
  }

  #brokersWhere (condition: (broker: RegisteredBroker) => boolean): RegisteredBroker[] {
    return [...this.#brokers.groups].flatMap(({ brokers }) => [...brokers.values()].filter(condition))
  }
}

/** The master does, and in its absence the lowest slave of those that know of acting masters. */
function speaksForTopics ({ brokerId, enableActingMaster }: Registration, group: BrokerGroup): boolean {
  return brokerId === MASTER_ID || (enableActingMaster !== undefined && brokerId === lowestOf(group).brokerId)
}

function lowestOf (group: BrokerGroup): RegisteredBroker {
  return group.brokers.values().next().value!
}

function factsOf ({ clusterName, brokerName, brokerId, brokerAddr, body }: Registration): object {
  return { clusterName, brokerName, brokerId, brokerAddr, stateVersion: body.dataVersion.stateVersion, topics: body.topics.size }
}
