import { MqError, type Clock, type Logger, type Timer } from '../base/index.ts'
import { notifyConsumerIdsChanged, type RemotingConnection, type RemotingFrame } from '../remoting/index.ts'
import { ConsumerGroup, isSame } from './consumer-group.ts'
import { ForwardedCaller } from './forwarded-caller.ts'
import { BROADCASTING, type ConsumerSays, type Heartbeat } from './heartbeat.ts'
import type { BrokerLimits } from './limits.ts'
import type { Member } from './member.ts'

const SCAN_INTERVAL_MS = 10_000

export interface ClientRegistryOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: Pick<BrokerLimits, 'maxGroupsPerClient' | 'maxHeartbeatBytes'>
  /** Times after which who is silent counts as gone. */
  readonly expiry: () => { readonly channelExpiredTimeout: number, readonly subscriptionExpiredTimeout: number }
  /** Whether members of the group are told when others come or go. */
  readonly isNotified: (group: string) => boolean
  /** A consumer's connection has closed. */
  readonly onConsumerLost: (clientId: string) => void
}

/** What a connection takes part in. */
interface Groups {
  /** With the characters of what each subscribes to. */
  readonly consumers: Map<string, number>
  readonly producers: Set<string>
  clientId: string
}

/**
 * The clients that send heartbeats here, by group. Nothing of it is stored: a client tells it anew to every broker it knows.
 * A connection that closes, or is silent for too long, is forgotten.
 * @see RocketMQ ConsumerManager, ProducerManager
 */
export class ClientRegistry {
  readonly #options: ClientRegistryOptions
  readonly #consumers = new Map<string, ConsumerGroup>()
  readonly #producers = new Map<string, Map<RemotingConnection, Member>>()
  readonly #connections = new Map<RemotingConnection, Groups>()
  readonly #byClientId = new Map<string, RemotingConnection>()
  /** Whose members have changed in this turn of the event loop. */
  readonly #changed = new Set<string>()
  #scan: Timer | undefined

  constructor (options: ClientRegistryOptions) {
    this.#options = options
    this.#scheduleScan()
  }

  close (): void { this.#scan?.cancel() }

  get consumerGroups (): ReadonlyMap<string, ConsumerGroup> { return this.#consumers }
  get producerGroups (): ReadonlyMap<string, ReadonlyMap<RemotingConnection, Member>> { return this.#producers }
  consumerGroup (group: string): ConsumerGroup | undefined { return this.#consumers.get(group) }

  /** Undefined for a connection without a heartbeat so far. */
  clientIdOf (connection: RemotingConnection): string | undefined {
    return connection instanceof ForwardedCaller ? connection.clientId : this.#connections.get(connection)?.clientId
  }

  /** The connection of a client that has sent heartbeats, the latest if it has several. */
  connectionOf (clientId: string): RemotingConnection | undefined { return this.#byClientId.get(clientId) }

  /**
   * Returns whether the client is to send its subscriptions again. Groups that are not in `known` count as not said.
   * @throws MQ_INVALID_ARGUMENT all heartbeats of the connection together name more than one of them may
   */
  heartbeat (heartbeat: Heartbeat, known: (group: string) => boolean, request: RemotingFrame, connection: RemotingConnection): boolean {
    if (connection.isClosed) return false
    const { clientId, producerGroups, consumers, fingerprint, withoutSubscriptions } = heartbeat
    const groups = this.#groupsOf(connection, clientId)
    this.#assertWithinLimits(groups, heartbeat)
    const said = { connection, clientId, language: request.language, version: request.version, updatedAtMs: this.#nowMs() }
    let wantsAll = fingerprint === 0
    for (const says of consumers) {
      if (!known(says.group)) continue
      const group = this.#consumerGroup(says.group)
      if (fingerprint !== 0) {
        const isUnknown = withoutSubscriptions && group.subscriptions.size === 0
        if (isUnknown || (group.fingerprint !== undefined && group.fingerprint !== fingerprint)) wantsAll = true
        group.fingerprint = fingerprint
      }
      const before = group.members.get(connection)
      const isNew = before?.clientId !== clientId
      const member: Member = { ...said, subscriptions: withoutSubscriptions && before !== undefined ? before.subscriptions : new Map(says.subscriptions.map((subscription) => [subscription.topic, subscription])) }
      group.members.set(connection, member)
      group.updatedAtMs = member.updatedAtMs
      group.describe(says)
      if (!withoutSubscriptions) this.#tellConflict(group, member, before)
      if (!withoutSubscriptions || !groups.consumers.has(says.group)) groups.consumers.set(says.group, charactersOf(says))
      const isChanged = !withoutSubscriptions && group.subscribe(says.subscriptions)
      if (isNew || isChanged) this.#noteChange(group)
    }
    for (const name of producerGroups) {
      let producers = this.#producers.get(name)
      if (producers === undefined) this.#producers.set(name, producers = new Map())
      producers.set(connection, { ...said, subscriptions: new Map() })
      groups.producers.add(name)
    }
    return wantsAll
  }

  /**
   * Members share the queues of a topic: of what one does not want the others see nothing, as far as it lies in its queues.
   * Told when a member comes with it, or changes to it.
   */
  #tellConflict (group: ConsumerGroup, member: Member, before: Member | undefined): void {
    if (group.messageModel === BROADCASTING || group.members.size < 2) return
    const { clientId, connection, subscriptions } = member
    const changed = [...subscriptions.values()].filter((subscription) => {
      const known = before?.subscriptions.get(subscription.topic)
      return known === undefined || !isSame(known, subscription)
    })
    const conflict = group.conflictOf(connection, changed)
    if (conflict === undefined) return
    const { subscription: { topic, subString }, other, theirs } = conflict
    this.#options.logger.warn(`members of group ${group.name} want different messages of topic ${topic}: each gets what it wants of its own queues, and nobody the rest`, {
      group: group.name, topic, clientId, subscription: subString.slice(0, 200), otherClientId: other.clientId, otherSubscription: theirs.subString.slice(0, 200)
    })
  }

  /** Members of the group look anew at who has which queue: one has given some back. */
  queuesFreed (group: string): void {
    const known = this.#consumers.get(group)
    if (known !== undefined) this.#noteChange(known)
  }

  /** The client leaves these groups; others of the same connection stay. */
  unregister (connection: RemotingConnection, producerGroup: string | undefined, consumerGroup: string | undefined): void {
    const groups = this.#connections.get(connection)
    if (groups === undefined) return
    if (producerGroup !== undefined && groups.producers.delete(producerGroup)) this.#removeProducer(producerGroup, connection)
    if (consumerGroup !== undefined && groups.consumers.delete(consumerGroup)) this.#removeConsumer(consumerGroup, connection)
  }

  /** A client names all its groups each time; one that names others each time would make this grow for ever. */
  #assertWithinLimits (groups: Groups, { producerGroups, consumers }: Heartbeat): void {
    const { maxGroupsPerClient, maxHeartbeatBytes } = this.#options.limits
    const newProducers = producerGroups.filter((name) => !groups.producers.has(name)).length
    const newConsumers = consumers.filter(({ group }) => !groups.consumers.has(group)).length
    if (groups.producers.size + groups.consumers.size + newProducers + newConsumers > maxGroupsPerClient) {
      throw new MqError('MQ_INVALID_ARGUMENT', `the connection has named more than ${maxGroupsPerClient} groups (maxGroupsPerClient); those that are left are to be unregistered`)
    }
    let characters = consumers.reduce((sum, says) => sum + charactersOf(says) - (groups.consumers.get(says.group) ?? 0), 0)
    for (const known of groups.consumers.values()) characters += known
    if (characters > maxHeartbeatBytes) throw new MqError('MQ_INVALID_ARGUMENT', `the subscriptions of the connection take more than ${maxHeartbeatBytes} characters (maxHeartbeatBytes)`)
  }

  #groupsOf (connection: RemotingConnection, clientId: string): Groups {
    let groups = this.#connections.get(connection)
    if (groups === undefined) {
      groups = { consumers: new Map(), producers: new Set(), clientId }
      this.#connections.set(connection, groups)
      connection.onClose(() => { this.#forget(connection) })
    }
    if (groups.clientId !== clientId) this.#forgetId(groups.clientId, connection)
    groups.clientId = clientId
    this.#byClientId.set(clientId, connection)
    return groups
  }

  #forgetId (clientId: string, connection: RemotingConnection): void {
    if (this.#byClientId.get(clientId) === connection) this.#byClientId.delete(clientId)
  }

  #consumerGroup (name: string): ConsumerGroup {
    let group = this.#consumers.get(name)
    if (group === undefined) this.#consumers.set(name, group = new ConsumerGroup(name, this.#nowMs()))
    return group
  }

  #forget (connection: RemotingConnection): void {
    const groups = this.#connections.get(connection)
    if (groups === undefined) return
    this.#connections.delete(connection)
    this.#forgetId(groups.clientId, connection)
    for (const name of groups.producers) this.#removeProducer(name, connection)
    for (const name of groups.consumers.keys()) this.#removeConsumer(name, connection)
    if (groups.consumers.size > 0) this.#options.onConsumerLost(groups.clientId)
  }

  #removeProducer (name: string, connection: RemotingConnection): void {
    const producers = this.#producers.get(name)
    producers?.delete(connection)
    if (producers?.size === 0) this.#producers.delete(name)
  }

  /** A group without members is remembered for a while: its subscriptions are what tools look at. */
  #removeConsumer (name: string, connection: RemotingConnection): void {
    const group = this.#consumers.get(name)
    if (group?.members.delete(connection) !== true) return
    group.updatedAtMs = this.#nowMs()
    if (group.members.size === 0) group.fingerprint = undefined
    this.#noteChange(group)
  }

  /** Told once per turn: a client with many groups, or many clients that go at once, cause one notice each. */
  #noteChange ({ name, messageModel }: ConsumerGroup): void {
    if (messageModel === BROADCASTING || !this.#options.isNotified(name)) return
    if (this.#changed.size === 0) this.#options.clock.defer(() => { this.#notify() })
    this.#changed.add(name)
  }

  #notify (): void {
    const changed = [...this.#changed]
    this.#changed.clear()
    for (const name of changed) {
      const request = { code: notifyConsumerIdsChanged.code, extFields: notifyConsumerIdsChanged.request.encode({ consumerGroup: name }) }
      for (const { connection, clientId } of this.#consumers.get(name)?.members.values() ?? []) {
        try {
          connection.invokeOneWay(request)
        } catch (error) {
          // it looks by itself every 20 s
          this.#options.logger.debug('a consumer could not be told that its group changed', { group: name, clientId, error: (error as Error).message })
        }
      }
    }
  }

  #scheduleScan (): void {
    this.#scan = this.#options.clock.setTimer(SCAN_INTERVAL_MS, () => {
      this.#expire()
      this.#scheduleScan()
    })
  }

  #expire (): void {
    const nowMs = this.#nowMs()
    const { channelExpiredTimeout, subscriptionExpiredTimeout } = this.#options.expiry()
    const silent = new Set<RemotingConnection>()
    const look = (members: Iterable<Member>): void => {
      for (const { connection, updatedAtMs } of members) if (nowMs - updatedAtMs > channelExpiredTimeout) silent.add(connection)
    }
    for (const group of this.#consumers.values()) look(group.members.values())
    for (const producers of this.#producers.values()) look(producers.values())
    for (const connection of silent) {
      this.#options.logger.warn('a client is silent and its connection closed', { clientId: this.clientIdOf(connection), peer: connection.peerText })
      connection.close()
    }
    for (const [name, { members, updatedAtMs }] of this.#consumers) if (members.size === 0 && nowMs - updatedAtMs > subscriptionExpiredTimeout) this.#consumers.delete(name)
  }

  #nowMs (): number { return this.#options.clock.nowMs() }
}

function charactersOf ({ group, subscriptions }: ConsumerSays): number {
  return subscriptions.reduce((sum, { topic, subString, tagsSet }) => sum + topic.length + subString.length + tagsSet.reduce((all, tag) => all + tag.length, 0), group.length)
}
