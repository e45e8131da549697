import { crc32 } from 'node:zlib'
import type { Clock, Logger, Timer } from '../base/index.ts'
import type { RunningConfig } from '../config/index.ts'
import type { Engine } from '../engine/index.ts'
import { encodeRegisterBody } from '../namesrv/index.ts'
import { addressText, registerBroker, requestCodeName, ResponseCode, unregisterBroker, type RemotingClient, type RemotingRequest } from '../remoting/index.ts'
import type { BrokerNames } from './system-topics.ts'
import type { BrokerTopics } from './topics.ts'

const MASTER_ID = 0
const UNREGISTER_TIMEOUT_MS = 1000

export interface RegistrationOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly engine: Engine
  readonly config: RunningConfig<'broker'>
  readonly client: RemotingClient
  readonly names: BrokerNames
  readonly address: string
  readonly haAddress: string
  readonly topics: BrokerTopics
}

/**
 * Tells all configured name servers of this broker and its topics: at the start, every `registerNameServerPeriod`, and at
 * once when topics have changed. Name servers do not know each other, so each is told everything.
 * @see RocketMQ BrokerOuterAPI
 */
export class Registration {
  readonly #options: RegistrationOptions
  /** Name servers that the last attempt reached, or not: changes are logged, not every attempt. */
  readonly #reachable = new Map<string, boolean>()
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  #isDue = false
  #isDeferred = false
  #isStopped = true

  constructor (options: RegistrationOptions) {
    this.#options = options
  }

  /** Resolves when every name server was told, or could not be reached. */
  async start (): Promise<void> {
    this.#isStopped = false
    this.#schedule()
    await this.#registerNow()
  }

  /** Topics have changed: name servers are told at the end of this turn. */
  topicsChanged (): void {
    if (this.#isStopped || this.#isDeferred) return
    this.#isDeferred = true
    this.#options.clock.defer(() => {
      this.#isDeferred = false
      if (!this.#isStopped) this.#registerNow().catch(() => {})
    })
  }

  /** Tells name servers that this broker is going; they need not answer. */
  async stop (): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#timer?.cancel()
    const { names, address } = this.#options
    const extFields = unregisterBroker.request.encode({ ...names, brokerAddr: address, brokerId: MASTER_ID })
    await Promise.all([...this.#reachable].filter(([, isReachable]) => isReachable).map(([server]) =>
      this.#options.client.invoke(server, { code: unregisterBroker.code, extFields }, { timeoutMs: UNREGISTER_TIMEOUT_MS }).catch(() => {})))
  }

  #schedule (): void {
    const { clock, config } = this.#options
    this.#timer = clock.setTimer(config.values.registerNameServerPeriod, () => {
      this.#registerNow().catch(() => {})
      if (!this.#isStopped) this.#schedule()
    })
  }

  /** One at a time; what changes while one runs is told by the next. */
  #registerNow (): Promise<void> {
    this.#isDue = true
    this.#running ??= this.#run().finally(() => { this.#running = undefined })
    return this.#running
  }

  async #run (): Promise<void> {
    while (this.#isDue && !this.#isStopped) {
      this.#isDue = false
      const servers = this.#options.config.values.namesrvAddr.map(addressText)
      if (servers.length === 0) return
      const request = this.#request()
      await Promise.all(servers.map((server) => this.#tell(server, request)))
    }
  }

  #request (): RemotingRequest {
    const { engine, names, address, haAddress, topics } = this.#options
    const { counter, timestampMs } = engine.config.version('topic')
    const body = encodeRegisterBody({ dataVersion: { stateVersion: engine.term, counter, timestamp: timestampMs }, topics: topics.all(), filterServers: [], mappings: [] })
    return {
      code: registerBroker.code,
      extFields: registerBroker.request.encode({
        ...names, brokerAddr: address, brokerId: MASTER_ID, haServerAddr: haAddress, enableActingMaster: false, compressed: false, bodyCrc32: crc32(body) & 0x7fff_ffff
      }),
      body
    }
  }

  async #tell (server: string, request: RemotingRequest): Promise<void> {
    const { client, config, logger } = this.#options
    let problem: string | undefined
    try {
      const { code, remark } = await client.invoke(server, request, { timeoutMs: config.values.registerBrokerTimeoutMills })
      if (code !== ResponseCode.SUCCESS) problem = `it answered ${requestCodeName(request.code)} with ${code}: ${remark ?? ''}`
    } catch (error) {
      problem = (error as Error).message
    }
    if (this.#isStopped) return
    const was = this.#reachable.get(server)
    this.#reachable.set(server, problem === undefined)
    if (problem === undefined && was !== true) logger.info('registered with a name server', { nameServer: server })
    else if (problem !== undefined && was !== false) logger.warn('a name server does not take the registration; it is tried again', { nameServer: server, problem })
  }
}
