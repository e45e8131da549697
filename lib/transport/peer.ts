import { MqError } from '../base/index.ts'
import type { NodeId, RaftMessage } from '../raft/index.ts'
import type { Address } from '../remoting/index.ts'
import type { LinkListener } from '../replica/index.ts'
import { Absence } from './absence.ts'
import { Dialler, type DiallerContext, type LinkFailure } from './dialler.ts'
import { LinkKind } from './frame.ts'
import type { Acquaintance } from './handshake.ts'
import type { Refusal } from './introduction.ts'
import { PeerLink, type LinkContext } from './peer-link.ts'
import type { PeerLinkStats } from './peer-network.ts'
import type { PendingCall } from './pending-call.ts'
import { linkKindOf } from './raft-frames.ts'

const kinds = [LinkKind.votes, LinkKind.appends, LinkKind.calls] as const

export interface PeerContext extends Omit<LinkContext, 'onClosed'> {
  readonly dialling: DiallerContext
  readonly onRefused: (nodeId: NodeId, refusal: Refusal) => void
  /** All links stand, or not any more. */
  readonly onConnected: (peer: Peer, isConnected: boolean, reason: string | undefined) => void
  readonly onLink: LinkListener
}

interface WaitingCall { readonly call: PendingCall, readonly method: string, readonly body: Uint8Array }

/**
 * Everything this node has to do with another one: of each kind the link that it makes itself, where it knows the address, and
 * the one that the other has made. The own is used, the other's where there is none.
 */
export class Peer {
  readonly nodeId: NodeId
  readonly #context: PeerContext
  readonly #linkContext: LinkContext
  readonly #diallers = new Map<LinkKind, Dialler>()
  readonly #made = new Map<LinkKind, PeerLink>()
  readonly #accepted = new Map<LinkKind, PeerLink>()
  #address: Address | undefined
  /** Calls that wait for a link that is being made. */
  #waiting: WaitingCall[] = []
  #isConnected = false
  readonly #absence: Absence
  #bytesIn = 0
  #bytesOut = 0
  #dropped = 0
  #lastHeardMs = -Infinity
  #formatVersion: number | undefined

  constructor (nodeId: NodeId, context: PeerContext) {
    this.nodeId = nodeId
    this.#context = context
    this.#linkContext = { ...context, onClosed: (link, reason) => this.#lost(link, reason) }
    this.#absence = new Absence({ clock: context.clock, goneAfterMs: context.settings.goneAfterMs, onGone: () => context.onLink(nodeId, 'gone') })
  }

  get address (): Address | undefined { return this.#address }
  get hasLinks (): boolean { return this.#made.size + this.#accepted.size > 0 }

  /** Makes links to that address and keeps them up; undefined: makes none any more. */
  dial (address: Address | undefined): void {
    if (address?.host === this.#address?.host && address?.port === this.#address?.port) return
    this.#address = address
    this.#stopDialling('the peer is to be found elsewhere')
    if (address === undefined) return
    for (const kind of kinds) {
      this.#diallers.set(kind, new Dialler(this.#context.dialling, address, kind, this.nodeId, {
        onMet: (acquaintance) => {
          this.#absence.isFoundThere = true
          this.#met(this.#made, acquaintance)
        },
        onFailed: ({ reason, refusal, nobodyListens }) => {
          if (nobodyListens === true) this.#absence.nobodyListens()
          if (refusal !== undefined) this.#context.onRefused(this.nodeId, refusal)
          if (kind === LinkKind.calls) this.#failWaiting({ reason, refusal })
        }
      }))
    }
  }

  /** Takes a link that the peer has made; one of that kind that it made before is given up. */
  accept (acquaintance: Acquaintance): void {
    this.#accepted.get(acquaintance.kind)?.connection.close('the peer has made another')
    this.#met(this.#accepted, acquaintance)
    for (const dialler of this.#diallers.values()) dialler.wake()
  }

  /** Adds to its link what leaves with the next `flush`. */
  send (message: RaftMessage): void {
    const link = this.#link(linkKindOf(message.type))
    if (link === undefined) this.#dropped++
    else link.send(message)
  }

  flush (): void {
    this.#link(LinkKind.votes)?.flush()
    this.#link(LinkKind.appends)?.flush()
  }

  call (call: PendingCall, method: string, body: Uint8Array): void {
    const link = this.#link(LinkKind.calls)
    if (link !== undefined) {
      link.call(call, method, body)
    } else if (this.#diallers.get(LinkKind.calls)?.isDialling !== true) {
      call.unavailable('there is no link to it')
    } else if (this.#waiting.length >= this.#context.settings.maxPendingCalls) {
      call.fail(new MqError('MQ_BUSY', `${this.#waiting.length} calls wait for a link to node ${this.nodeId} (maxPendingCalls)`))
    } else {
      this.#waiting.push({ call, method, body })
    }
  }

  probe (nowMs: number): void {
    for (const link of [...this.#made.values()]) link.probe(nowMs, true)
    for (const link of [...this.#accepted.values()]) link.probe(nowMs, false)
  }

  stats (nowMs: number): PeerLinkStats {
    const links = [...this.#made.values(), ...this.#accepted.values()]
    const sum = (of: (link: PeerLink) => number): number => links.reduce((total, link) => total + of(link), 0)
    const roundTrips = links.flatMap(({ roundTripMs }) => roundTripMs ?? [])
    const lastHeardMs = links.reduce((latest, { connection }) => Math.max(latest, connection.lastHeardMs), this.#lastHeardMs)
    return {
      nodeId: this.nodeId,
      address: this.#address,
      isConnected: this.#isConnected,
      bytesIn: this.#bytesIn + sum(({ connection }) => connection.bytesIn),
      bytesOut: this.#bytesOut + sum(({ connection }) => connection.bytesOut),
      dropped: this.#dropped + sum(({ dropped }) => dropped),
      waitingBytes: sum(({ connection }) => connection.waitingBytes),
      silentMs: nowMs - lastHeardMs,
      roundTripMs: roundTrips.length === 0 ? undefined : Math.min(...roundTrips),
      formatVersion: this.#formatVersion
    }
  }

  close (reason: string): void {
    this.#address = undefined
    this.#stopDialling(reason)
    for (const link of [...this.#accepted.values()]) link.connection.close(reason)
  }

  #link (kind: LinkKind): PeerLink | undefined { return this.#made.get(kind) ?? this.#accepted.get(kind) }

  #met (links: Map<LinkKind, PeerLink>, acquaintance: Acquaintance): void {
    const link = new PeerLink(acquaintance, this.#linkContext)
    links.set(link.kind, link)
    this.#formatVersion = link.formatVersion
    if (this.#absence.end()) this.#context.onLink(this.nodeId, 'back')
    if (link.kind === LinkKind.calls) for (const { call, method, body } of this.#waiting.splice(0)) link.call(call, method, body)
    this.#noteConnected(undefined)
  }

  #lost (link: PeerLink, reason: string): void {
    const { connection, kind } = link
    this.#bytesIn += connection.bytesIn
    this.#bytesOut += connection.bytesOut
    this.#dropped += link.dropped
    this.#lastHeardMs = Math.max(this.#lastHeardMs, connection.lastHeardMs)
    if (this.#accepted.get(kind) === link) this.#accepted.delete(kind)
    if (this.#made.get(kind) === link) {
      this.#made.delete(kind)
      this.#diallers.get(kind)?.redial()
    }
    if (kind !== LinkKind.calls) this.#context.onLink(this.nodeId, 'broken')
    if (!this.hasLinks) {
      this.#context.onLink(this.nodeId, 'cut')
      this.#absence.begin()
    }
    this.#noteConnected(reason)
  }

  #noteConnected (reason: string | undefined): void {
    const isConnected = kinds.every((kind) => this.#link(kind) !== undefined)
    if (isConnected === this.#isConnected) return
    this.#isConnected = isConnected
    this.#context.onConnected(this, isConnected, reason)
    if (isConnected) this.#context.onLink(this.nodeId, 'back')
  }

  #stopDialling (reason: string): void {
    for (const dialler of this.#diallers.values()) dialler.close()
    this.#diallers.clear()
    for (const link of [...this.#made.values()]) link.connection.close(reason)
    this.#absence.forget()
    this.#failWaiting({ reason })
  }

  #failWaiting ({ reason, refusal }: LinkFailure): void {
    for (const { call } of this.#waiting.splice(0)) call.unavailable(reason, refusal === undefined ? {} : { refusal: refusal.code })
  }
}
