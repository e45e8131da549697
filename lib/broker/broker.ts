import { NodeClock, NodeDisk, NodeRandom, processId } from '../adapters/index.ts'
import { silentLogger, type Logger } from '../base/index.ts'
import type { BrokerConfig, RunningConfig } from '../config/index.ts'
import { Engine, type EngineOptions, type EnginePorts, type RecoveryProgress } from '../engine/index.ts'
import type { GroupConfig } from '../message/index.ts'
import {
  addressText, encodeHost, failure, RemotingClient, RemotingServer, RequestCode, ResponseCode, UniqueKeys, type Address, type Network, type Processor, type RemotingConnection, type RemotingFrame, type RemotingResponse
} from '../remoting/index.ts'
import { PEER_MAGIC } from '../transport/index.ts'
import { ClientRegistry } from './client-registry.ts'
import type { BrokerContext } from './context.ts'
import { engineOptionsOf } from './engine-options.ts'
import { answering, failureOf, type TakeOver } from './failures.ts'
import { Forwarding } from './forwarding.ts'
import { ClientPort, isOneOfSeveral, maybeOpenAlone, openGroupNode } from './group-node.ts'
import { BrokerGroups } from './groups.ts'
import { handLeadershipOver } from './hand-over.ts'
import { defaultBrokerLimits, type BrokerLimits } from './limits.ts'
import type { BrokerNode } from './node.ts'
import { answeredByEveryNode, linearizable } from './places.ts'
import { processorsOf } from './processors.ts'
import { Pulls } from './pulls.ts'
import { MASTER_ID, Registration } from './registration.ts'
import { ReplicaAcks } from './replica-acks.ts'
import { RequestModes } from './request-modes.ts'
import { Sends } from './sends.ts'
import { BrokerStats } from './stats.ts'
import { TransactionChecks } from './transaction-checks.ts'
import type { BrokerNames } from './system-topics.ts'
import { TopicQueues } from './topic-queues.ts'
import { BrokerTopics } from './topics.ts'

const ANY_ADDRESS = '0.0.0.0'
const DEFAULT_BROKER_NAME = 'DEFAULT_BROKER'

export interface BrokerOptions {
  readonly config: RunningConfig<'broker'>
  readonly network: Network
  readonly logger?: Logger
  /** Of the links between nodes, if not the same. */
  readonly peerNetwork?: Network
  /** Others than the machine's, for specs: disk, state, clock and random source. */
  readonly ports?: EnginePorts
  readonly limits?: Partial<BrokerLimits>
  readonly onProgress?: (progress: RecoveryProgress) => void
  readonly signal?: AbortSignal
  /** What it is the front of, if not what the configuration asks for. */
  readonly openNode?: (options: EngineOptions) => Promise<BrokerNode>
}

interface Parts {
  readonly node: BrokerNode
  readonly server: RemotingServer
  /** Undefined: it listens already. */
  readonly listenAt: Address | undefined
  readonly told: Address
}

/**
 * A broker that RocketMQ's clients use: an engine, and a server in front of it that knows the protocol's request codes.
 *
 *     const broker = await Broker.open({ config, network })   // what is stored is readable
 *     await broker.start()                                     // clients are served, name servers know of it
 *     await broker.close()
 */
export class Broker implements AsyncDisposable {
  readonly server: RemotingServer
  /** What clients are told to connect to, `host:port`. */
  readonly address: string
  readonly #node: BrokerNode
  readonly #client: RemotingClient
  readonly #registration: Registration
  readonly #forwarding: Forwarding
  readonly #listenAt: Address | undefined
  readonly #logger: Logger
  readonly #failureListeners: Array<(error: Error) => void> = []
  #context: BrokerContext
  #processors: ReadonlyMap<number, Processor>
  #closing: Promise<void> | undefined

  /**
   * Opens (or makes) the data in `storePathRootDir`. Nothing listens yet, but for a node that may have others: it takes
   * those, and its clients are told that it starts.
   * @throws MQ_NOT_A_DATA_DIRECTORY, MQ_READ_ONLY, MQ_LOCKED, MQ_CORRUPT, MQ_FORMAT_TOO_NEW, MQ_FORMAT_TOO_OLD, MQ_DISK_ROOM, MQ_IO, MQ_ABORTED
   */
  static async open (options: BrokerOptions): Promise<Broker> {
    const { config, network, peerNetwork = network, logger = silentLogger, ports, onProgress, signal, openNode } = options
    const { values } = config
    // ids of messages carry the port, so it has to be known before there are any
    const port = values.listenPort === 0 ? await freePort(network, values.bindAddress) : values.listenPort
    const told = { host: values.brokerIP1 !== '' ? values.brokerIP1 : values.bindAddress === ANY_ADDRESS ? '127.0.0.1' : values.bindAddress, port: values.advertisedPort || port }
    const storeHost = encodeHost(told)
    const engine = engineOptionsOf(options.config, { storeHost, logger, ports, onProgress, signal })
    const listenAt = { host: values.bindAddress, port }
    const clock = ports?.clock ?? new NodeClock()
    const connectionLimits = { idleTimeoutMs: values.serverChannelMaxIdleTimeSeconds * 1000 }
    const only = openNode !== undefined ? await openNode(engine) : isOneOfSeveral(config) ? undefined : await maybeOpenAlone(engine)
    if (only !== undefined) {
      const server = new RemotingServer({ clock, network, logger, connectionLimits })
      return new Broker(options, { node: only, server, listenAt, told })
    }
    const clientPort = new ClientPort()
    const server = new RemotingServer({ clock, network, logger, connectionLimits, otherProtocol: { firstByte: PEER_MAGIC[0]!, take: (connection) => { clientPort.take(connection) } } })
    for (const code of Object.values(RequestCode)) server.handle(code, () => failure(ResponseCode.SERVICE_NOT_AVAILABLE, 'this node of the broker is starting'))
    // a group may have to form over the ports for clients
    await server.listen(listenAt)
    try {
      const node = await openGroupNode({ clock, config, engine, network, peerNetwork, address: told, clientPort })
      return new Broker(options, { node, server, listenAt: undefined, told })
    } catch (error) {
      await server.close({ graceMs: 0 })
      throw error
    }
  }

  private constructor ({ config, network, logger = silentLogger, ports, limits }: BrokerOptions, { node, server, listenAt, told }: Parts) {
    const { values } = config
    const { clock } = node.engine
    const storeHost = encodeHost(told)
    const names: BrokerNames = { brokerName: values.brokerName === '' ? DEFAULT_BROKER_NAME : values.brokerName, clusterName: values.brokerClusterName }
    const allLimits = { ...defaultBrokerLimits, ...limits }
    const random = ports?.random ?? new NodeRandom()
    const startedAtMs = clock.wallMs()
    this.address = addressText(told)
    this.#node = node
    this.#listenAt = listenAt
    this.#logger = logger
    this.server = server
    this.#client = new RemotingClient({ clock, network, logger })
    const stats = new BrokerStats(clock, names.clusterName)
    const clients = new ClientRegistry({
      clock,
      logger,
      limits: allLimits,
      expiry: () => config.values,
      isNotified: (group) => config.values.notifyConsumerIdsChangedEnable && this.#context.groups.find(group)?.notifyConsumerIdsChangedEnable !== false,
      onConsumerLost: (clientId) => { node.engine.locks.connectionLost(clientId) }
    })
    this.#registration = new Registration({
      clock, logger, node, config, client: this.#client, names, address: this.address, haAddress: addressText({ ...told, port: values.haListenPort }), topics: () => this.#context.topics
    })
    this.#forwarding = new Forwarding({
      clock,
      logger,
      node,
      process: (request, connection) => this.#asLeader(request, connection),
      clientIdOf: (connection) => clients.clientIdOf(connection)
    })
    const maybeTakeOver: TakeOver = (request, connection, error) => this.#forwarding.maybeTakeOver(request, connection, error)
    const topicQueues = new TopicQueues({ clock, logger, config, client: this.#client, names, topics: () => this.#context.topics })
    const contextOf = (engine: Engine): BrokerContext => {
      const groups = new BrokerGroups({ engine, config, limits: allLimits })
      const acks = new ReplicaAcks({ clock, engine, config, isGroup: values.enableDLegerCommitLog })
      return {
        clock,
        logger,
        disk: ports?.disk ?? new NodeDisk(),
        startedAtMs,
        engine,
        node,
        config,
        limits: allLimits,
        names,
        address: this.address,
        storeHost,
        topics: new BrokerTopics({ engine, config, names, limits: allLimits }),
        topicQueues,
        requestModes: new RequestModes({ engine, config }),
        groups,
        clients,
        sends: new Sends({ clock, config, storeHost, clusterName: names.clusterName, brokerName: names.brokerName, stats, maybeTakeOver, acks }),
        pulls: new Pulls({ clock, engine, stats, capacity: () => config.values.pullThreadPoolQueueCapacity, suggestedId: (group, isSlow) => suggestedId(config.values, groups.find(group), isSlow) }),
        uniqueKeys: new UniqueKeys(clock, random, storeHost, processId()),
        stats,
        registration: this.#registration,
        forwarding: this.#forwarding
      }
    }
    this.#context = contextOf(node.engine)
    this.#processors = answeringBy(this.#context, maybeTakeOver)
    this.#watch(node.engine)
    node.onEngine((engine) => {
      const { pulls: { waiting } } = this.#context
      this.#context = contextOf(engine)
      this.#processors = answeringBy(this.#context, maybeTakeOver)
      this.#watch(engine)
      // they are answered that there is nothing new, and pull again
      waiting.wakeAll()
    })
    node.onFailure?.((error) => { for (const listener of this.#failureListeners) listener(error) })
    node.onRemoved?.(() => {
      logger.warn('this node was removed from its group: name servers are told that it is gone, and it may be stopped', names)
      this.#registration.leave()
    })
    const isAlone = node.group === undefined
    for (const code of this.#processors.keys()) {
      const process: Processor = (request, connection) => this.#processors.get(code)!(request, connection)
      this.server.handle(code, isAlone || answeredByEveryNode.has(code) ? process : this.#byLeader)
    }
  }

  get engine (): Engine { return this.#node.engine }
  get names (): BrokerNames { return this.#context.names }

  /** Told once when an error of the disk, say, has stopped the engine: from then on requests are refused. */
  onFailure (listener: (error: Error) => void): void { this.#failureListeners.push(listener) }

  /**
   * Serves clients and tells the name servers; resolves when all were told, could not be reached, or hang.
   * @throws the system's error when the port cannot be listened on
   */
  async start (): Promise<void> {
    if (this.#listenAt !== undefined) await this.server.listen(this.#listenAt)
    this.#logger.info('the broker serves clients', { address: this.address, ...this.names })
    await this.#registration.start()
  }

  readonly #byLeader: Processor = (request, connection) => this.engine.role.isLeader ? this.#asLeader(request, connection) : this.#forwarding.forward(request, connection)

  /** As the leader answers it, whoever's client asks: what must not miss anything, after a majority has confirmed that this node leads. */
  readonly #asLeader: Processor = (request, connection) => {
    const process = this.#processors.get(request.code)!
    return linearizable.has(request.code) ? this.#confirmed(process, request, connection) : process(request, connection)
  }

  async #confirmed (process: Processor, request: RemotingFrame, connection: RemotingConnection): Promise<RemotingResponse | undefined> {
    try {
      await this.engine.readBarrier()
    } catch (error) {
      return failureOf(error)
    }
    return await process(request, connection)
  }

  #watch (engine: Engine): void {
    const { stats, pulls, clients, storeHost, names: { brokerName } } = this.#context
    const logger = this.#logger
    const checks = new TransactionChecks({ clients, logger, storeHost, brokerName, stats })
    engine.locks.onFreed((group) => { clients.queuesFreed(group) })
    engine.transactions.onCheck((check) => { checks.ask(check) })
    engine.onFailure((error) => { for (const listener of this.#failureListeners) listener(error) })
    engine.onTopicGone((name) => { stats.topicGone(name) })
    engine.config.onChange((kind, name) => {
      if (kind === 'topic') logger.info(engine.store.metadata.topic(name) === undefined ? 'a topic was deleted' : 'a topic was made or changed', { ...engine.store.metadata.topic(name), topic: name })
      if (kind === 'group') logger.info(engine.store.metadata.group(name) === undefined ? 'a consumer group was deleted' : 'a consumer group was made or changed', { group: name })
      if (kind !== 'topic') return
      pulls.waiting.topicChanged(name)
      this.#registration.topicsChanged()
    })
    engine.onLeadership(() => { this.#registration.roleChanged() })
  }

  /** Refuses new requests, finishes those under way, leaves the name servers and lets go of the data. Never rejects. */
  close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close (): Promise<void> {
    // what clients send meanwhile waits for the next leader, and is answered by it
    if (this.#node.group !== undefined) await handLeadershipOver(this.engine, this.#logger)
    await this.#registration.stop()
    const serverClosed = this.server.close()
    this.#context.pulls.waiting.wakeAll()
    this.#context.clients.close()
    this.#context.stats.close()
    await serverClosed
    this.#forwarding.close()
    this.#context.sends.close()
    await this.#client.close()
    await this.#node.close()
    this.#logger.info('the broker has closed', this.names)
  }

  [Symbol.asyncDispose] (): Promise<void> { return this.close() }
}

/** Who answers what here; what fails because another node leads goes there, but for what every node answers. */
function answeringBy (context: BrokerContext, maybeTakeOver: TakeOver): ReadonlyMap<number, Processor> {
  return new Map(Object.entries(processorsOf(context)).map(([code, processor]) =>
    [Number(code), answering(processor, answeredByEveryNode.has(Number(code)) ? () => false : maybeTakeOver)]))
}

/**
 * Where a group is to pull: with `slaveReadEnable` a consumer of old messages is sent to a replica.
 * @see RocketMQ PullMessageProcessor
 */
function suggestedId ({ slaveReadEnable }: BrokerConfig, group: GroupConfig | undefined, isSlow: boolean): number {
  if (!slaveReadEnable || group === undefined) return MASTER_ID
  return isSlow ? group.whichBrokerWhenConsumeSlowly : group.brokerId
}

/** A port that is free at the moment. */
async function freePort (network: Network, host: string): Promise<number> {
  const listener = await network.listen({ host, port: 0 }, ({ stream }) => { stream.destroy() })
  await listener.close()
  return listener.address.port
}
