import { silentLogger, type Clock, type Disk, type Logger, type Timer } from '../base/index.ts'
import type { RunningConfig } from '../config/index.ts'
import { notifyMinBrokerIdChange, type RemotingClient, type RemotingConnection, type RemotingServer } from '../remoting/index.ts'
import { KvConfig } from './kv-config.ts'
import { brokerProcessors } from './processors/brokers.ts'
import { configurationProcessors } from './processors/configuration.ts'
import { kvProcessors } from './processors/kv.ts'
import { routeProcessors } from './processors/routes.ts'
import { topicProcessors } from './processors/topics.ts'
import type { MinBrokerIdChange } from './registration.ts'
import { RouteTable } from './route-table.ts'
import { defaultLimits, type NameServerLimits } from './settings.ts'

export interface NameServerOptions {
  readonly clock: Clock
  readonly disk: Disk
  /** Is given all processors of a name server; who listens where, and when it closes, is its owner's affair. */
  readonly server: RemotingServer
  /** For what brokers are told (notifyMinBrokerIdChanged); without one they are not. */
  readonly client?: RemotingClient | undefined
  readonly config: RunningConfig<'namesrv'>
  readonly limits?: Partial<NameServerLimits>
  readonly logger?: Logger
}

const NOTIFY_TIMEOUT_MS = 300

/**
 * A name server: knows brokers and their topics, tells clients. Independent of others, which brokers tell the same; nothing
 * but the key-value table is kept on disk.
 */
export class NameServer implements AsyncDisposable {
  readonly table: RouteTable
  readonly #clock: Clock
  readonly #kv: KvConfig
  readonly #config: RunningConfig<'namesrv'>
  readonly #client: RemotingClient | undefined
  readonly #logger: Logger
  readonly #watched = new WeakSet<RemotingConnection>()
  /** Connections that closed in this turn of the event loop: when many go at once, topics are walked once. */
  #closed = new Set<RemotingConnection>()
  #scan: Timer | undefined

  private constructor ({ clock, server, client, config, limits, logger = silentLogger }: NameServerOptions, kv: KvConfig) {
    this.#clock = clock
    this.#kv = kv
    this.#config = config
    this.#client = client
    this.#logger = logger
    const allLimits = { ...defaultLimits, ...limits }
    this.table = new RouteTable({
      clock,
      limits: allLimits,
      logger,
      settings: () => config.values,
      onMinBrokerIdChange: (change) => this.#tell(change)
    })
    const context = {
      clock,
      startedAtMs: clock.nowMs(),
      table: this.table,
      kv,
      config,
      limits: allLimits,
      onRegistered: (connection: RemotingConnection) => this.#watch(connection)
    }
    for (const processorsOf of [routeProcessors, brokerProcessors, topicProcessors, kvProcessors, configurationProcessors]) {
      for (const [code, processor] of Object.entries(processorsOf(context))) server.handle(Number(code), processor)
    }
    this.#scheduleScan()
  }

  /** @throws MQ_CORRUPT the file of the key-value table is none */
  static async open (options: NameServerOptions): Promise<NameServer> {
    const { disk, config: { values: { kvConfigPath } }, limits } = options
    const kv = await KvConfig.open({ disk, path: kvConfigPath === '' ? undefined : kvConfigPath, maxBytes: { ...defaultLimits, ...limits }.maxKvConfigBytes })
    return new NameServer(options, kv)
  }

  /** Looks for silent brokers no more; resolves when changes of the key-value table that were asked for are on disk. Close the server first. */
  async close (): Promise<void> {
    this.#scan?.cancel()
    await this.#kv.close()
  }

  [Symbol.asyncDispose] (): Promise<void> { return this.close() }

  #scheduleScan (): void {
    this.#scan = this.#clock.setTimer(this.#config.values.scanNotActiveBrokerInterval, () => {
      this.table.expire()
      this.#scheduleScan()
    })
  }

  #watch (connection: RemotingConnection): void {
    if (this.#watched.has(connection)) return
    this.#watched.add(connection)
    connection.onClose(() => {
      if (this.#closed.size === 0) this.#clock.defer(() => this.#forgetClosed())
      this.#closed.add(connection)
    })
  }

  #forgetClosed (): void {
    const closed = this.#closed
    this.#closed = new Set()
    this.table.linksClosed(closed)
  }

  /** As RocketMQ does, to the addresses that brokers serve clients on, without waiting: who misses it learns it from its next registration. */
  #tell ({ addrsToTell, ...change }: MinBrokerIdChange): void {
    const request = { code: notifyMinBrokerIdChange.code, extFields: notifyMinBrokerIdChange.request.encode(change) }
    for (const addr of addrsToTell) {
      this.#client?.invokeOneWay(addr, request, { timeoutMs: NOTIFY_TIMEOUT_MS })
        .catch((error: Error) => this.#logger.debug('a broker could not be told of the lowest id', { addr, error: error.message }))
    }
  }
}
