import { MqError, silentLogger, type Clock, type Logger, type Random, type Timer } from '../base/index.ts'
import type { NodeId, RaftMessage } from '../raft/index.ts'
import { addressText, type Address, type ByteConnection, type Listener, type Network } from '../remoting/index.ts'
import type { LinkListener, Transport } from '../replica/index.ts'
import { CallHandlers } from './call-handlers.ts'
import { Attempt, type DiallerContext } from './dialler.ts'
import { LinkKind } from './frame.ts'
import { HeadArena } from './frame-writer.ts'
import { PROTOCOL_MINOR } from './headers.ts'
import { receive, type Acquaintance, type HandshakeContext } from './handshake.ts'
import { Peer, type PeerContext } from './peer.ts'
import type { PeerConnection } from './peer-connection.ts'
import { PeerLink, type LinkContext } from './peer-link.ts'
import { MAX_CALL_BYTES, MAX_METHOD_LENGTH, type CallHandler, type CallHandlerOptions, type CallOptions, type PeerLinkStats, type PeerNetwork, type SelfDescription } from './peer-network.ts'
import { PendingCall } from './pending-call.ts'
import type { ClusterSecret } from './ports.ts'
import { RefusalLog } from './refusal-log.ts'
import { defaultPeerSettings, type PeerSettings } from './settings.ts'

export interface TcpPeerNetworkOptions {
  readonly clock: Clock
  readonly random: Random
  /** With TLS on both sides, or none (NodeSockets: `serverTls` and `clientTls`). */
  readonly network: Network
  readonly self: () => SelfDescription
  readonly logger?: Logger
  /** Without one whoever knows the group's name and id may join in: only where nobody else can connect. */
  readonly secret?: ClusterSecret
  readonly settings?: Partial<PeerSettings>
  /** An older minor version of the protocol than the newest, as an older version speaks it. Default: PROTOCOL_MINOR. */
  readonly protocolMinor?: number
}

type Handler = (message: RaftMessage) => void

/** The links of one node over the port `Network`. Three per peer and direction: votes and heartbeats; appends; calls. */
export class TcpPeerNetwork implements PeerNetwork {
  readonly #clock: Clock
  readonly #network: Network
  readonly #logger: Logger
  readonly #self: () => SelfDescription
  readonly #settings: PeerSettings
  readonly #handlers: CallHandlers
  readonly #refusals: RefusalLog
  readonly #handshake: HandshakeContext
  readonly #dialling: DiallerContext
  readonly #peerContext: PeerContext
  readonly #strangerContext: LinkContext
  readonly #listeners: Listener[] = []
  readonly #peers = new Map<NodeId, Peer>()
  /** Accepted connections that have not introduced themselves. */
  readonly #unknown = new Set<PeerConnection>()
  readonly #strangers = new Set<PeerLink>()
  readonly #attempts = new Set<Attempt>()
  readonly #touched = new Set<Peer>()
  #handler: Handler | undefined
  #onLink: LinkListener | undefined
  #probeTimer: Timer
  #isClosed = false

  constructor ({ clock, random, network, self, logger = silentLogger, secret, settings, protocolMinor = PROTOCOL_MINOR }: TcpPeerNetworkOptions) {
    this.#clock = clock
    this.#network = network
    this.#logger = logger
    this.#self = self
    this.#settings = { ...defaultPeerSettings, ...settings }
    this.#handlers = new CallHandlers(logger)
    this.#refusals = new RefusalLog(logger)
    this.#handshake = { clock, arena: new HeadArena(), self, secret, handshakeTimeoutMs: this.#settings.handshakeTimeoutMs, protocolMinor }
    this.#dialling = { clock, random, network, settings: this.#settings, handshake: this.#handshake }
    const links = {
      clock,
      settings: this.#settings,
      handlers: this.#handlers,
      ownId: () => self().nodeId,
      onMessage: (message: RaftMessage) => this.#handler?.(message)
    }
    this.#strangerContext = { ...links, onClosed: (link) => { this.#strangers.delete(link) } }
    this.#peerContext = {
      ...links,
      dialling: this.#dialling,
      onRefused: (nodeId, refusal) => this.#refusals.note(`the link to node ${nodeId}`, String(nodeId), refusal),
      onConnected: (peer, isConnected, reason) => this.#noteConnected(peer, isConnected, reason),
      onLink: (nodeId, event) => this.#onLink?.(nodeId, event)
    }
    this.#probeTimer = clock.setTimer(this.#settings.probeIntervalMs, this.#probe)
  }

  async listen (address: Address): Promise<Address> {
    if (this.#isClosed) throw closed()
    const listener = await this.#network.listen(address, (connection) => this.take(connection))
    this.#listeners.push(listener)
    if (this.#isClosed) await listener.close()
    return listener.address
  }

  take (bytes: ByteConnection): void {
    if (this.#isClosed) {
      bytes.stream.destroy()
      return
    }
    this.#makeWay()
    const connection = receive(bytes, this.#handshake, {
      onMet: (acquaintance) => {
        this.#unknown.delete(connection)
        this.#accept(acquaintance)
      },
      onFailed: (reason, refusal, nodeId) => {
        this.#unknown.delete(connection)
        const who = nodeId === undefined ? bytes.peer.host : String(nodeId)
        if (refusal === undefined) this.#logger.debug(`a connection from ${addressText(bytes.peer)} did not become a link: ${reason}`)
        else this.#refusals.note(nodeId === undefined ? `a connection from ${who}` : `a link of node ${who}`, who, refusal)
      }
    })
    this.#unknown.add(connection)
  }

  setPeers (addresses: ReadonlyMap<NodeId, Address>): void {
    if (this.#isClosed) return
    const own = this.#self().nodeId
    for (const peer of [...this.#peers.values()]) {
      if (addresses.has(peer.nodeId) || peer.address === undefined) continue
      peer.close('the node is no peer any more')
      this.#peers.delete(peer.nodeId)
    }
    for (const [nodeId, address] of addresses) if (nodeId !== own) this.#peer(nodeId).dial(address)
  }

  transport (): Transport {
    let own: Handler | undefined
    return {
      start: (handler, onLink) => {
        this.#handler = own = handler
        this.#onLink = onLink
      },
      send: (messages) => { if (own !== undefined && this.#handler === own) this.#send(messages) },
      close: () => {
        if (this.#handler === own) this.#handler = this.#onLink = undefined
        own = undefined
      }
    }
  }

  async call (to: NodeId, method: string, body: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const call = this.#begin(`${method} of node ${to}`, method, body, options)
    const peer = this.#peers.get(to)
    if (call.isSettled) return await call.result
    if (peer === undefined) call.unavailable('there is no link to it')
    else peer.call(call, method, body)
    return await call.result
  }

  async callAddress (address: Address, method: string, body: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const call = this.#begin(`${method} of ${addressText(address)}`, method, body, options)
    if (call.isSettled) return await call.result
    let link: PeerLink | undefined
    const attempt = new Attempt(this.#dialling, address, LinkKind.stranger, 0, (acquaintance) => {
      link = new PeerLink(acquaintance, this.#strangerContext)
      link.call(call, method, body)
    }, ({ reason, refusal }) => call.unavailable(reason, refusal === undefined ? {} : { refusal: refusal.code }))
    this.#attempts.add(attempt)
    try {
      return await call.result
    } finally {
      this.#attempts.delete(attempt)
      attempt.cancel()
      link?.connection.close('the call is over')
    }
  }

  onCall (method: string, handler: CallHandler, options?: CallHandlerOptions): void { this.#handlers.set(method, handler, options) }

  linkStats (): readonly PeerLinkStats[] {
    const nowMs = this.#clock.nowMs()
    return [...this.#peers.values()].map((peer) => peer.stats(nowMs))
  }

  async close (): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#handler = this.#onLink = undefined
      this.#probeTimer.cancel()
      const reason = 'this node closed its links'
      for (const peer of this.#peers.values()) peer.close(reason)
      for (const attempt of this.#attempts) attempt.cancel()
      for (const connection of [...this.#unknown]) connection.close(reason)
      for (const { connection } of [...this.#strangers]) connection.close(reason)
    }
    await Promise.all(this.#listeners.map((listener) => listener.close()))
  }

  [Symbol.asyncDispose] (): Promise<void> { return this.close() }

  #send (messages: readonly RaftMessage[]): void {
    const touched = this.#touched
    for (const message of messages) {
      const peer = this.#peers.get(message.to)
      if (peer === undefined) continue
      try {
        peer.send(message)
        touched.add(peer)
      } catch (error) {
        this.#logger.error(`a message to node ${message.to} could not be written`, { error, type: message.type })
      }
    }
    for (const peer of touched) peer.flush()
    touched.clear()
  }

  #begin (what: string, method: string, body: Uint8Array, options: CallOptions): PendingCall {
    if (this.#isClosed) throw closed()
    if (method.length > MAX_METHOD_LENGTH) throw new MqError('MQ_INVALID_ARGUMENT', `the name of a method has up to ${MAX_METHOD_LENGTH} letters`)
    if (body.length > MAX_CALL_BYTES) throw new MqError('MQ_MESSAGE_TOO_LARGE', `${what}: ${body.length} bytes are more than ${MAX_CALL_BYTES}`)
    return new PendingCall(what, this.#clock, options)
  }

  #peer (nodeId: NodeId): Peer {
    let peer = this.#peers.get(nodeId)
    if (peer === undefined) this.#peers.set(nodeId, peer = new Peer(nodeId, this.#peerContext))
    return peer
  }

  #accept (acquaintance: Acquaintance): void {
    const { connection, kind, peer: { nodeId } } = acquaintance
    this.#refusals.forget(String(nodeId))
    if (kind === LinkKind.stranger) {
      this.#strangers.add(new PeerLink(acquaintance, this.#strangerContext))
    } else if (this.#peers.has(nodeId) || this.#makeRoom()) {
      this.#peer(nodeId).accept(acquaintance)
    } else {
      connection.close('too many unknown nodes have links')
    }
  }

  /** Whoever has not introduced itself longest goes, then the oldest stranger: who means it needs a moment only, and gets it. */
  #makeWay (): void {
    if (this.#unknown.size + this.#strangers.size < this.#settings.maxUnknownConnections) return
    const [silent] = this.#unknown
    const [stranger] = this.#strangers
    this.#refusals.noteCrowd(silent !== undefined)
    if (silent !== undefined) silent.close('newer connections need its place')
    else stranger?.connection.close('newer connections need its place')
  }

  /** Forgets nodes without an address that have gone; false when there are too many of them all the same. */
  #makeRoom (): boolean {
    const unknown = [...this.#peers.values()].filter(({ address }) => address === undefined)
    if (unknown.length < this.#settings.maxUnknownNodes) return true
    const gone = unknown.find(({ hasLinks }) => !hasLinks)
    return gone !== undefined && this.#peers.delete(gone.nodeId)
  }

  #noteConnected ({ nodeId, address }: Peer, isConnected: boolean, reason: string | undefined): void {
    if (isConnected) this.#refusals.forget(String(nodeId))
    if (this.#isClosed) return
    const facts = { nodeId, ...(address !== undefined && { address: addressText(address) }) }
    if (isConnected) this.#logger.info(`node ${nodeId} is connected`, facts)
    else this.#logger.warn(`node ${nodeId} is not connected any more: ${reason}`, facts)
  }

  readonly #probe = (): void => {
    const nowMs = this.#clock.nowMs()
    this.#refusals.report(nowMs)
    for (const peer of this.#peers.values()) peer.probe(nowMs)
    for (const link of [...this.#strangers]) link.probe(nowMs, true)
    this.#probeTimer = this.#clock.setTimer(this.#settings.probeIntervalMs, this.#probe)
  }
}

const closed = (): MqError => new MqError('MQ_CLOSED', 'the links of this node are closed')
