import type { Clock } from '../base/index.ts'
import type { NodeId, RaftMessage } from '../raft/index.ts'
import type { CallHandlers } from './call-handlers.ts'
import { badFrame, FrameType, LinkKind } from './frame.ts'
import type { Acquaintance } from './handshake.ts'
import type { HeaderCodecs } from './headers.ts'
import type { Refusal } from './introduction.ts'
import { LinkCalls } from './link-calls.ts'
import type { ConnectionOwner, PeerConnection } from './peer-connection.ts'
import type { PendingCall } from './pending-call.ts'
import { linkKindOf, payloadBytesOf, readRaftMessage, writeRaftMessage } from './raft-frames.ts'
import type { PeerSettings } from './settings.ts'

export interface LinkContext {
  readonly clock: Clock
  readonly settings: PeerSettings
  readonly handlers: CallHandlers
  readonly ownId: () => NodeId
  readonly onMessage: (message: RaftMessage) => void
  readonly onClosed: (link: PeerLink, reason: string) => void
}

const MAX_WAITING_BEFORE_PONG_BYTES = 64 * 1024

/** One connection between two nodes that have met; what it carries depends on its kind. */
export class PeerLink implements ConnectionOwner {
  readonly nodeId: NodeId
  readonly kind: LinkKind
  readonly connection: PeerConnection
  readonly formatVersion: number
  readonly #codecs: HeaderCodecs
  readonly #context: LinkContext
  readonly #maxWaitingBytes: number
  readonly #calls: LinkCalls | undefined
  #heardBytes = 0
  #silentProbes = 0
  /** Round trip of the last probe that was answered. */
  roundTripMs: number | undefined
  /** Raft messages and calls that were not sent because too much waited. */
  dropped = 0

  constructor ({ connection, codecs, kind, peer }: Acquaintance, context: LinkContext) {
    const { settings, handlers } = context
    this.nodeId = peer.nodeId
    this.kind = kind
    this.connection = connection
    this.formatVersion = peer.formatVersion
    this.#codecs = codecs
    this.#context = context
    this.#maxWaitingBytes = kind === LinkKind.votes ? settings.maxWaitingVoteBytes : settings.maxWaitingAppendBytes
    const isStranger = kind === LinkKind.stranger
    this.#calls = kind !== LinkKind.calls && !isStranger
      ? undefined
      : new LinkCalls({ connection, codecs, handlers, caller: { nodeId: peer.nodeId, address: connection.peer, formatVersion: peer.formatVersion }, isStranger, settings })
    connection.owner = this
  }

  /** Adds a message, which leaves with the next `flush`; drops it when too much waits. */
  send (message: RaftMessage): void {
    const { connection } = this
    const payloadBytes = payloadBytesOf(message)
    if (connection.waitingBytes + payloadBytes > this.#maxWaitingBytes && connection.waitingBytes > 0) this.dropped++
    else writeRaftMessage(connection.writer, this.#codecs, message, payloadBytes)
  }

  flush (): void { this.connection.flush() }

  call (call: PendingCall, method: string, body: Uint8Array): void {
    this.#calls!.send(call, method, body)
  }

  /**
   * Looks whether the other side is there. Called every probeIntervalMs, or later. One side of a link asks the other for a
   * sign: that shows both that they are there, and wakes each half as often.
   */
  probe (nowMs: number, asks: boolean): void {
    const { connection } = this
    const { silentProbes, writeStallTimeoutMs } = this.#context.settings
    // counted, not measured: after a pause of this process the bytes that waited must be read first
    this.#silentProbes = connection.bytesIn === this.#heardBytes && this.#calls?.isPaused !== true ? this.#silentProbes + 1 : 0
    this.#heardBytes = connection.bytesIn
    if (this.#silentProbes > silentProbes) {
      connection.close('nothing came for too long')
    } else if (nowMs - connection.writeStartedMs > writeStallTimeoutMs) {
      connection.close('it does not read')
    } else if (asks && connection.waitingBytes === 0) {
      connection.writer.add(this.#codecs, FrameType.ping, { sentUs: Math.floor(nowMs * 1000) }, undefined, 0)
      connection.flush()
    }
  }

  onFrame (type: FrameType, header: Buffer, payload: Uint8Array): void {
    if (type >= FrameType.requestVote && type < FrameType.call) this.#receive(type, header, payload)
    else if (this.#calls?.take(type, header, payload) !== true) this.#tend(type, header)
  }

  onFlush (): void { this.#calls?.flushed() }

  onWritten (): void { this.#calls?.reconsiderReading() }

  onClose (reason: string): void {
    this.#calls?.closed(reason)
    this.#context.onClosed(this, reason)
  }

  #receive (type: FrameType, header: Buffer, payload: Uint8Array): void {
    const message = readRaftMessage(this.#codecs, type, header, payload)
    if (message === undefined || linkKindOf(message.type) !== this.kind) throw badFrame(`frame of type ${type} on a link of kind ${this.kind}`)
    // a node is (number, incarnation): messages of and to others are nobody's
    if (message.from === this.nodeId && message.to === this.#context.ownId()) this.#context.onMessage(message)
  }

  #tend (type: FrameType, header: Buffer): void {
    const { connection } = this
    switch (type) {
      case FrameType.ping:
        // who asks on and on and reads no answer gets none
        if (connection.waitingBytes > MAX_WAITING_BEFORE_PONG_BYTES) return
        connection.writer.add(this.#codecs, FrameType.pong, this.#codecs.decode<{ sentUs: number }>(type, header), undefined, 0)
        connection.flush()
        return
      case FrameType.pong: {
        const { sentUs } = this.#codecs.decode<{ sentUs: number }>(type, header)
        this.roundTripMs = Math.max(0, this.#context.clock.nowMs() - sentUs / 1000)
        return
      }
      case FrameType.refused:
        connection.close(this.#codecs.decode<Refusal>(type, header).reason)
        return
      default:
        throw badFrame(`frame of type ${type} on a link of kind ${this.kind}`)
    }
  }
}
