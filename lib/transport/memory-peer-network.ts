import { MqError, silentLogger, type Clock, type Logger } from '../base/index.ts'
import type { NodeId, RaftMessage } from '../raft/index.ts'
import { addressText, type Address, type ByteConnection } from '../remoting/index.ts'
import type { Transport } from '../replica/index.ts'
import { errorOf, failureOf } from './call-failure.ts'
import { CallHandlers } from './call-handlers.ts'
import { inProcessStats } from './in-process-stats.ts'
import { refusalOf, type Refusal } from './introduction.ts'
import type { MemoryNetwork } from './memory-transport.ts'
import { MAX_CALL_BYTES, type CallHandler, type CallHandlerOptions, type CallOptions, type PeerLinkStats, type PeerNetwork, type SelfDescription } from './peer-network.ts'
import { PendingCall } from './pending-call.ts'

export interface MemoryPeerNetworkOptions {
  readonly clock: Clock
  /** What the nodes share; its cuts, by node id, lose calls and answers too. */
  readonly network: MemoryNetwork
  readonly self: () => SelfDescription
  readonly secret?: string
  readonly logger?: Logger
}

/** The open ends of each network. */
const endsOf = new WeakMap<MemoryNetwork, Set<MemoryPeerNetwork>>()
let nextPort = 40_000

/** The links of one node, in one process with those it is linked to. Everything arrives in a later turn of the loop. */
export class MemoryPeerNetwork implements PeerNetwork {
  readonly #clock: Clock
  readonly #network: MemoryNetwork
  readonly #self: () => SelfDescription
  readonly #secret: string | undefined
  readonly #handlers: CallHandlers
  readonly #ends: Set<MemoryPeerNetwork>
  readonly #listening = new Map<string, Address>()
  /** Calls under way, by who is called. */
  readonly #pending = new Map<PendingCall, MemoryPeerNetwork>()
  readonly #transports = new Set<Transport>()
  #peers: ReadonlyMap<NodeId, Address> = new Map()
  #isClosed = false

  constructor ({ clock, network, self, secret, logger = silentLogger }: MemoryPeerNetworkOptions) {
    this.#clock = clock
    this.#network = network
    this.#self = self
    this.#secret = secret
    this.#handlers = new CallHandlers(logger)
    this.#ends = endsOf.get(network) ?? new Set()
    endsOf.set(network, this.#ends)
    this.#ends.add(this)
  }

  async listen ({ host, port }: Address): Promise<Address> {
    if (this.#isClosed) throw closed()
    const address = { host, port: port === 0 ? nextPort++ : port }
    if (this.#listener(address) !== undefined) throw Object.assign(new Error(`listen EADDRINUSE: ${addressText(address)}`), { code: 'EADDRINUSE' })
    this.#listening.set(addressText(address), address)
    return address
  }

  take ({ stream }: ByteConnection): void { stream.destroy() }

  setPeers (peers: ReadonlyMap<NodeId, Address>): void { this.#peers = new Map(peers) }

  transport (): Transport {
    const own = this.#network.transport(this.#self().nodeId)
    this.#transports.add(own)
    return {
      start: (handler, onLink) => {
        own.start(handler, onLink)
        this.#network.tellAll(this.#self().nodeId, 'back')
      },
      send: (messages) => own.send(messages.filter((message: RaftMessage) => this.#linkTo(message.to) instanceof MemoryPeerNetwork)),
      close: () => {
        this.#transports.delete(own)
        return own.close()
      }
    }
  }

  async call (to: NodeId, method: string, body: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const call = this.#begin(`${method} of node ${to}`, body, options)
    const link = this.#linkTo(to)
    if (link instanceof MemoryPeerNetwork) this.#send(call, link, method, body, false)
    else call.unavailable(link?.reason ?? 'there is no link to it', link && { refusal: link.code })
    return await call.result
  }

  async callAddress (address: Address, method: string, body: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const call = this.#begin(`${method} of ${addressText(address)}`, body, options)
    const end = this.#listener(address)
    const refusal = end === undefined ? undefined : this.#refusal(end, true, 0)
    if (end === undefined) call.unavailable('nobody listens there')
    else if (refusal !== undefined) call.unavailable(refusal.reason, { refusal: refusal.code })
    else this.#send(call, end, method, body, true)
    return await call.result
  }

  onCall (method: string, handler: CallHandler, options?: CallHandlerOptions): void { this.#handlers.set(method, handler, options) }

  linkStats (): readonly PeerLinkStats[] {
    const { nodeId: own } = this.#self()
    return [...this.#peers].filter(([nodeId]) => nodeId !== own).map(([nodeId, address]) => {
      const link = this.#linkTo(nodeId)
      const isConnected = link instanceof MemoryPeerNetwork && !this.#network.isCut(own, nodeId) && !this.#network.isCut(nodeId, own)
      return inProcessStats(nodeId, address, isConnected, link instanceof MemoryPeerNetwork ? link.#self().formatVersion : undefined)
    })
  }

  async close (): Promise<void> {
    if (!this.#isClosed) {
      for (const event of ['broken', 'cut', 'gone'] as const) this.#network.tellAll(this.#self().nodeId, event)
    }
    this.#isClosed = true
    this.#ends.delete(this)
    for (const transport of this.#transports) await transport.close()
    for (const call of [...this.#pending.keys()]) call.lost('this node closed its links')
    for (const other of this.#ends) {
      for (const [call, end] of other.#pending) if (end === this) call.lost('its node closed')
    }
  }

  [Symbol.asyncDispose] (): Promise<void> { return this.close() }

  #begin (what: string, body: Uint8Array, options: CallOptions): PendingCall {
    if (this.#isClosed) throw closed()
    if (body.length > MAX_CALL_BYTES) throw new MqError('MQ_MESSAGE_TOO_LARGE', `${what}: ${body.length} bytes are more than ${MAX_CALL_BYTES}`)
    return new PendingCall(what, this.#clock, options)
  }

  #send (call: PendingCall, end: MemoryPeerNetwork, method: string, body: Uint8Array, isStranger: boolean): void {
    if (call.isSettled) return
    call.wasSent = true
    call.onSettled = () => { this.#pending.delete(call) }
    this.#pending.set(call, end)
    const { nodeId, formatVersion } = this.#self()
    const other = end.#self().nodeId
    const received = new Uint8Array(body)
    const settle = (report: () => void): void => this.#clock.defer(() => {
      if (!this.#network.isCut(other, nodeId)) report()
    })
    this.#clock.defer(() => {
      if (end.#isClosed || this.#network.isCut(nodeId, other)) return
      end.#handlers.serve(method, received, { nodeId, address: [...this.#listening.values()][0] ?? { host: '127.0.0.1', port: 0 }, formatVersion }, isStranger).then(
        (answer) => settle(() => call.answer(new Uint8Array(answer))),
        (error: unknown) => settle(() => call.fail(errorOf(failureOf(error)))))
    })
  }

  #listener (address: Address): MemoryPeerNetwork | undefined {
    return [...this.#ends].find((end) => end.#listening.has(addressText(address)))
  }

  /** The other end, if one of the two knows where the other listens and nothing speaks against it. */
  #linkTo (nodeId: NodeId): MemoryPeerNetwork | Refusal | undefined {
    const own = this.#self().nodeId
    if (this.#isClosed || nodeId === own) return undefined
    const address = this.#peers.get(nodeId)
    const dialled = address === undefined ? undefined : this.#listener(address)
    const end = dialled ?? [...this.#ends].find((other) => other.#self().nodeId === nodeId && [...other.#peers].some(([peer, at]) => peer === own && this.#listening.has(addressText(at))))
    return end && (this.#refusal(end, false, nodeId) ?? end)
  }

  #refusal (end: MemoryPeerNetwork, isStranger: boolean, wanted: NodeId): Refusal | undefined {
    if (end.#secret !== this.#secret) return { code: 'secret', reason: 'the two nodes do not share a secret' }
    return refusalOf(end.#self(), this.#self(), { isStranger, wanted })
  }
}

const closed = (): MqError => new MqError('MQ_CLOSED', 'the links of this node are closed')
