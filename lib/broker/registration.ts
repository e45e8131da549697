import { crc32 } from 'node:zlib'
import type { Clock, Logger, Timer } from '../base/index.ts'
import type { RunningConfig } from '../config/index.ts'
import { encodeCompressedRegisterBody, encodeRegisterBody } from '../namesrv/index.ts'
import { addressText, registerBroker, requestCodeName, ResponseCode, unregisterBroker, type RemotingClient, type RemotingRequest } from '../remoting/index.ts'
import type { BrokerNode } from './node.ts'
import type { BrokerNames } from './system-topics.ts'
import type { BrokerTopics } from './topics.ts'

/** Who leads. */
export const MASTER_ID = 0
const UNREGISTER_TIMEOUT_MS = 1000
/** How long whoever has changed topics waits for name servers to know them. */
const KNOWN_WITHIN_MS = 1000
/** Of more topics the compressed layout is told: a frame would have no room for them. */
const MAX_PLAIN_TOPICS = 10_000
/** After a body that took so long to make, changes of topics wait for that many times as long: who makes topics without end must not keep the broker from all else. */
const PAUSE_PER_COST = 20

export interface RegistrationOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly node: BrokerNode
  readonly config: RunningConfig<'broker'>
  readonly client: RemotingClient
  readonly names: BrokerNames
  readonly address: string
  readonly haAddress: string
  readonly topics: () => BrokerTopics
}

/** What is known of one name server. */
interface NameServerPeer {
  /** Whether the last attempt reached it: changes are logged, not every attempt. undefined: there was none. */
  isReachable: boolean | undefined
  /** It does not know the newest yet. */
  isDue: boolean
  /** Resolves when it was told all that was due, or could not be reached. */
  running: Promise<void> | undefined
}

/**
 * Tells all configured name servers of this broker and its topics: at the start, every `registerNameServerPeriod`, and at
 * once when topics have changed. Name servers do not know each other, so each is told everything; one that hangs keeps
 * the others from nothing.
 *
 * In a group the leader is broker 0 and the others have numbers of their own; a change is told at once, with the term as
 * state version, so that a name server keeps what the later term says. A leader repeats itself only after a majority has
 * confirmed that it is one. While nobody leads nothing is told: the last leader stays where clients find it, and has the
 * next one answer them.
 * @see RocketMQ BrokerOuterAPI
 */
export class Registration {
  readonly #options: RegistrationOptions
  readonly #peers = new Map<string, NameServerPeer>()
  /** Made when the first name server is told, for all of them. */
  #request: RemotingRequest | undefined
  /** The last one, and what it was made of. */
  #body: { readonly bytes: Uint8Array, readonly term: number, readonly counter: number, readonly system: unknown } | undefined
  /** Changes of topics are not told before. */
  #notBeforeMs = 0
  #pause: { readonly ended: Promise<void>, readonly end: () => void } | undefined
  #timer: Timer | undefined
  #isDeferred = false
  #isStopped = true
  #isGone = false
  /** As which name servers were told of it. */
  #toldId: number | undefined
  #toldTerm = -1

  constructor (options: RegistrationOptions) {
    this.#options = options
  }

  /** Resolves as `known`. */
  async start (): Promise<void> {
    if (this.#isGone) return
    this.#isStopped = false
    this.#schedule()
    await this.known()
  }

  /** The leader has changed: name servers are told at the end of this turn. */
  roleChanged (): void {
    if (this.#isBetweenLeaders || this.#isTold) return
    this.#endPause()
    this.topicsChanged()
  }

  /** Topics have changed: name servers are told at the end of this turn. */
  topicsChanged (): void {
    if (this.#isStopped || this.#isDeferred) return
    this.#isDeferred = true
    this.#options.clock.defer(() => { if (this.#isDeferred && !this.#isStopped) this.#registerNow() })
  }

  /**
   * Resolves when the name servers know the topics of now, so that clients find them: those that could be reached the last
   * time, and after KNOWN_WITHIN_MS in any case. Never rejects.
   */
  async known (): Promise<void> {
    if (this.#isStopped) return
    const reached = this.#registerNow().filter(({ isReachable }) => isReachable !== false)
    if (reached.length === 0) return
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.setTimer(KNOWN_WITHIN_MS, resolve)
      Promise.all(reached.map(({ running }) => running)).finally(() => { timer.cancel(); resolve() })
    })
  }

  /** This broker is none of its group any more: name servers are told that it has gone, and nothing after that. */
  async leave (): Promise<void> {
    this.#isGone = true
    await this.stop()
  }

  /** Tells name servers that this broker is going; they need not answer. */
  async stop (): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#timer?.cancel()
    this.#endPause()
    const { names, address } = this.#options
    // not as the leader any more, once another one is: older name servers take out whoever has that number by now
    const brokerId = this.#isBetweenLeaders ? this.#toldId ?? MASTER_ID : this.#brokerId
    const extFields = unregisterBroker.request.encode({ ...names, brokerAddr: address, brokerId })
    await Promise.all([...this.#peers].filter(([, { isReachable }]) => isReachable).map(([server]) =>
      this.#options.client.invoke(server, { code: unregisterBroker.code, extFields }, { timeoutMs: UNREGISTER_TIMEOUT_MS }).catch(() => {})))
  }

  #schedule (): void {
    const { clock, config } = this.#options
    this.#timer = clock.setTimer(config.values.registerNameServerPeriod, () => {
      this.#confirmed().then(() => { this.#registerNow() }, (error: unknown) => {
        this.#options.logger.warn('the name servers are not told: no majority confirms that this node leads', { error })
      })
      if (!this.#isStopped) this.#schedule()
    })
  }

  /** Resolves at once for a node that does not lead. */
  async #confirmed (): Promise<void> {
    const { engine, group } = this.#options.node
    if (group !== undefined && engine.role.isLeader) await engine.readBarrier()
  }

  /** It knows nobody that leads, or is to lead and does not yet. */
  get #isBetweenLeaders (): boolean {
    const { engine } = this.#options.node
    const { isLeader, leaderId } = engine.role
    return !isLeader && (leaderId === 0 || leaderId === engine.status().nodeId)
  }

  /** What was told last, or is being told, is so. */
  get #isTold (): boolean {
    return this.#toldId === this.#brokerId && this.#toldTerm === this.#options.node.engine.term
  }

  get #brokerId (): number {
    const { engine, group } = this.#options.node
    return group === undefined || engine.role.isLeader ? MASTER_ID : group.brokerId
  }

  /** Each is asked one thing at a time; what changes meanwhile is told by the next request. */
  #registerNow (): NameServerPeer[] {
    this.#isDeferred = false
    if (this.#isStopped || (this.#isBetweenLeaders && this.#toldId === MASTER_ID)) return []
    this.#request = undefined
    this.#toldId = this.#brokerId
    this.#toldTerm = this.#options.node.engine.term
    return this.#options.config.values.namesrvAddr.map((address) => {
      const server = addressText(address)
      let peer = this.#peers.get(server)
      if (peer === undefined) this.#peers.set(server, (peer = { isReachable: undefined, isDue: false, running: undefined }))
      peer.isDue = true
      peer.running ??= this.#run(server, peer)
      return peer
    })
  }

  async #run (server: string, peer: NameServerPeer): Promise<void> {
    while (peer.isDue && !this.#isStopped) {
      if (this.#request === undefined) await this.#paused()
      peer.isDue = false
      // what it was to say of this node as the leader may no longer be true
      if (!this.#isStopped && (this.#request !== undefined || this.#isTold)) await this.#tell(server, peer)
    }
    peer.running = undefined
  }

  async #paused (): Promise<void> {
    const { clock } = this.#options
    const waitMs = this.#notBeforeMs - clock.nowMs()
    if (waitMs <= 0) return
    if (this.#pause === undefined) {
      let resolve!: () => void
      const ended = new Promise<void>((_resolve) => { resolve = _resolve })
      const end = (): void => {
        this.#pause = undefined
        timer.cancel()
        resolve()
      }
      const timer = clock.setTimer(waitMs, end)
      this.#pause = { ended, end }
    }
    await this.#pause.ended
  }

  #endPause (): void {
    this.#notBeforeMs = 0
    this.#pause?.end()
  }

  /** Made anew only when something has changed. */
  #currentBody (): Uint8Array {
    const { node: { engine }, clock } = this.#options
    const topics = this.#options.topics()
    const { system } = topics
    const { counter, timestampMs } = engine.config.version('topic')
    const term = this.#toldTerm
    if (this.#body?.term === term && this.#body.counter === counter && this.#body.system === system) return this.#body.bytes
    const startMs = clock.nowMs()
    const all = topics.all()
    const encode = all.size > MAX_PLAIN_TOPICS ? encodeCompressedRegisterBody : encodeRegisterBody
    const bytes = encode({ dataVersion: { stateVersion: term, counter, timestamp: timestampMs }, topics: all, filterServers: [], mappings: [] })
    this.#body = { bytes, term, counter, system }
    const nowMs = clock.nowMs()
    this.#notBeforeMs = nowMs + PAUSE_PER_COST * (nowMs - startMs)
    return bytes
  }

  #newRequest (): RemotingRequest {
    const { names, address, haAddress } = this.#options
    const body = this.#currentBody()
    return {
      code: registerBroker.code,
      extFields: registerBroker.request.encode({
        ...names, brokerAddr: address, brokerId: this.#toldId ?? this.#brokerId, haServerAddr: haAddress, enableActingMaster: false, compressed: isCompressed(body), bodyCrc32: crc32(body) & 0x7fff_ffff
      }),
      body
    }
  }

  async #tell (server: string, peer: NameServerPeer): Promise<void> {
    const { client, config, logger } = this.#options
    let problem: string | undefined
    try {
      const { code, remark } = await client.invoke(server, this.#request ??= this.#newRequest(), { timeoutMs: config.values.registerBrokerTimeoutMills })
      if (code !== ResponseCode.SUCCESS) problem = `it answered ${requestCodeName(registerBroker.code)} with ${code}: ${remark ?? ''}`
    } catch (error) {
      problem = (error as Error).message
    }
    if (this.#isStopped) return
    const was = peer.isReachable
    peer.isReachable = problem === undefined
    if (problem === undefined && was !== true) logger.info('registered with a name server', { nameServer: server })
    else if (problem !== undefined && was !== false) logger.warn('a name server does not take the registration; it is tried again', { nameServer: server, problem })
  }
}

/** Plain ones begin with a brace. */
function isCompressed (body: Uint8Array): boolean { return body[0] !== 0x7b }
