import { MqError, silentLogger } from '../../lib/base/index.ts'
import type { NodeId } from '../../lib/raft/index.ts'
import { addressText, type Address } from '../../lib/remoting/index.ts'
import { numberOf, type Transport } from '../../lib/replica/index.ts'
import type { CallHandler, CallHandlerOptions, CallOptions, PeerLinkStats, PeerNetwork, SelfDescription } from '../../lib/transport/index.ts'
import { errorOf, failureOf } from '../../lib/transport/call-failure.ts'
import { CallHandlers } from '../../lib/transport/call-handlers.ts'
import { inProcessStats } from '../../lib/transport/in-process-stats.ts'
import { refusalOf, type Refusal } from '../../lib/transport/introduction.ts'
import { PendingCall } from '../../lib/transport/pending-call.ts'
import type { SimNetwork } from './network.ts'
import type { NodeClock } from './node-clock.ts'

export const addressOf = (number: number): Address => ({ host: `host${number}`, port: 40911 })

/** Where processes listen: one at each machine. */
export class Hosts {
  readonly #ends = new Map<string, SimPeerNetwork>()

  at (address: Address | undefined): SimPeerNetwork | undefined { return address === undefined ? undefined : this.#ends.get(addressText(address)) }
  get all (): Iterable<SimPeerNetwork> { return this.#ends.values() }
  add (end: SimPeerNetwork): void { this.#ends.set(addressText(end.address), end) }
  remove (end: SimPeerNetwork): void { if (this.at(end.address) === end) this.#ends.delete(addressText(end.address)) }
}

export interface SimPeerNetworkOptions {
  readonly network: SimNetwork
  readonly hosts: Hosts
  readonly clock: NodeClock
  readonly number: number
  readonly self: () => SelfDescription
}

/** One process's links, by the rules of lib/transport for who may be linked to whom, over the simulated network. */
export class SimPeerNetwork implements PeerNetwork {
  readonly address: Address
  readonly #options: SimPeerNetworkOptions
  readonly #handlers = new CallHandlers(silentLogger)
  readonly #pending = new Map<PendingCall, SimPeerNetwork>()
  readonly #transports = new Set<Transport>()
  #peers: ReadonlyMap<NodeId, Address> = new Map()
  #isClosed = false

  constructor (options: SimPeerNetworkOptions) {
    this.#options = options
    this.address = addressOf(options.number)
  }

  async listen (): Promise<Address> {
    this.#options.hosts.add(this)
    return this.address
  }

  take (): void { throw new Error('the simulation has no byte connections') }
  setPeers (peers: ReadonlyMap<NodeId, Address>): void { this.#peers = new Map(peers) }

  transport (): Transport {
    const { network, clock } = this.#options
    const own = network.transport(this.#self.nodeId, clock, (to) => this.#linkTo(to) instanceof SimPeerNetwork)
    this.#transports.add(own)
    return {
      start: (handler, onLink) => { own.start(handler, onLink) },
      send: (messages) => { own.send(messages) },
      close: () => {
        this.#transports.delete(own)
        return own.close()
      }
    }
  }

  async call (to: NodeId, method: string, body: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const call = this.#begin(`${method} of node ${to}`, options)
    const link = this.#linkTo(to)
    if (link instanceof SimPeerNetwork) this.#send(call, link, method, body, false)
    else call.unavailable(link?.reason ?? 'there is no link to it', link && { refusal: link.code })
    return await call.result
  }

  async callAddress (address: Address, method: string, body: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const call = this.#begin(`${method} of ${addressText(address)}`, options)
    const end = this.#options.hosts.at(address)
    const refusal = end === undefined ? undefined : refusalOf(end.#self, this.#self, { isStranger: true, wanted: 0 })
    if (end === undefined) call.unavailable('nobody listens there')
    else if (refusal !== undefined) call.unavailable(refusal.reason, { refusal: refusal.code })
    else this.#send(call, end, method, body, true)
    return await call.result
  }

  onCall (method: string, handler: CallHandler, options?: CallHandlerOptions): void { this.#handlers.set(method, handler, options) }

  linkStats (): readonly PeerLinkStats[] {
    const { nodeId: own } = this.#self
    const { network, number } = this.#options
    return [...this.#peers].filter(([nodeId]) => nodeId !== own).map(([nodeId, address]) => {
      const other = numberOf(nodeId)
      const link = this.#linkTo(nodeId)
      const isConnected = link instanceof SimPeerNetwork && !network.isCut(number, other) && !network.isCut(other, number)
      return inProcessStats(nodeId, address, isConnected, link instanceof SimPeerNetwork ? link.#self.formatVersion : undefined)
    })
  }

  async close (): Promise<void> {
    this.end()
    for (const transport of this.#transports) await transport.close()
    for (const call of [...this.#pending.keys()]) call.lost('this node closed its links')
  }

  /** The process is gone. */
  end (): void {
    this.#isClosed = true
    this.#options.hosts.remove(this)
    for (const other of this.#options.hosts.all) other.#lost(this)
  }

  [Symbol.asyncDispose] (): Promise<void> { return this.close() }

  #lost (end: SimPeerNetwork): void {
    const { network, number, clock } = this.#options
    for (const [call, called] of this.#pending) if (called === end) network.carry(end.#options.number, number, clock, () => { call.lost('its node is gone') })
  }

  get #self (): SelfDescription { return this.#options.self() }

  #begin (what: string, options: CallOptions): PendingCall {
    if (this.#isClosed) throw new MqError('MQ_CLOSED', 'the links of this node are closed')
    return new PendingCall(what, this.#options.clock, options)
  }

  #send (call: PendingCall, end: SimPeerNetwork, method: string, body: Uint8Array, isStranger: boolean): void {
    if (call.isSettled) return
    call.wasSent = true
    call.onSettled = () => { this.#pending.delete(call) }
    this.#pending.set(call, end)
    const { network, clock, number } = this.#options
    const other = end.#options
    const caller = { nodeId: this.#self.nodeId, address: this.address, formatVersion: this.#self.formatVersion }
    const received = body.slice()
    const answer = (settle: () => void): void => { network.carry(other.number, number, clock, settle) }
    network.carry(number, other.number, other.clock, () => {
      if (end.#isClosed) return
      end.#handlers.serve(method, received, caller, isStranger).then(
        (bytes) => { answer(() => { call.answer(bytes.slice()) }) },
        (error: unknown) => { answer(() => { call.fail(errorOf(failureOf(error))) }) })
    })
  }

  /** The other end, if one of the two knows where the other listens and nothing speaks against it. */
  #linkTo (nodeId: NodeId): SimPeerNetwork | Refusal | undefined {
    const { hosts } = this.#options
    const own = this.#self.nodeId
    if (this.#isClosed || nodeId === own) return undefined
    const end = hosts.at(this.#peers.get(nodeId)) ?? hosts.at(addressOf(numberOf(nodeId)))
    if (end === undefined || !(this.#peers.has(nodeId) || end.#peers.has(own))) return undefined
    return refusalOf(end.#self, this.#self, { isStranger: false, wanted: nodeId }) ?? end
  }
}
