import type { Clock, Timer } from '../base/index.ts'
import type { NodeId } from '../raft/index.ts'
import type { ByteConnection } from '../remoting/index.ts'
import { badFrame, FrameType, LinkKind, PEER_MAGIC } from './frame.ts'
import type { HeadArena } from './frame-writer.ts'
import { codecsOf, OLDEST_PROTOCOL_MINOR, type HeaderCodecs } from './headers.ts'
import { refusalOf, type Refusal, type RefusalCode } from './introduction.ts'
import { PeerConnection, type ConnectionOwner } from './peer-connection.ts'
import type { SelfDescription } from './peer-network.ts'
import type { ClusterSecret } from './ports.ts'

/**
 * How two nodes meet, one step after the other:
 *
 *     connecting                                                          accepting
 *     PEER_MAGIC, hello {versions, what for, whom it wants, nonce, description} ->
 *                                        <- challenge {version, nonce}, or refused
 *     proof {signature of hello and challenge} ->
 *                                        <- accepted {description, signature of all}, or refused
 *     frames of the link, or refused ->  <- frames of the link
 *
 * Who connects proves itself first, to an address that it was configured with. The signatures tell who may belong to the
 * group; they do not protect what follows against somebody in between, TLS does.
 */
export interface HandshakeContext {
  readonly clock: Clock
  readonly arena: HeadArena
  readonly self: () => SelfDescription
  readonly secret: ClusterSecret | undefined
  readonly handshakeTimeoutMs: number
  /** The highest minor version of the protocol that this node speaks. */
  readonly protocolMinor: number
}

/** Two nodes that may talk. The connection's owner is to be set at once. */
export interface Acquaintance {
  readonly connection: PeerConnection
  readonly codecs: HeaderCodecs
  readonly kind: LinkKind
  readonly peer: SelfDescription
}

export interface MetNode {
  readonly onMet: (acquaintance: Acquaintance) => void
  /** `refusal`: one of the two sides refused; undefined: the connection was lost or made no sense. `nodeId` as far as known. */
  readonly onFailed: (reason: string, refusal: Refusal | undefined, nodeId: NodeId | undefined) => void
}

interface Hello {
  minor: number
  oldestMinor: number
  kind: number
  wanted: NodeId
  hasSecret: boolean
  nonce: Uint8Array
  description: Buffer
}

const NO_BYTES = new Uint8Array(0)

/** What both sides share: a time limit, one result, and how to refuse. */
class Handshake implements ConnectionOwner {
  protected readonly context: HandshakeContext
  readonly connection: PeerConnection
  protected hello: Buffer = Buffer.alloc(0)
  protected challenge: Buffer = Buffer.alloc(0)
  protected peerId: NodeId | undefined
  readonly #result: MetNode
  readonly #timer: Timer
  #refusal: Refusal | undefined
  #isOver = false

  constructor (bytes: ByteConnection, context: HandshakeContext, result: MetNode, preface?: Uint8Array) {
    this.context = context
    this.#result = result
    this.#timer = context.clock.setTimer(context.handshakeTimeoutMs, () => this.connection.close(`no introduction within ${context.handshakeTimeoutMs} ms`))
    this.connection = new PeerConnection(bytes, context.clock, context.arena, this, preface)
  }

  onFrame (type: FrameType, header: Buffer): void {
    if (type !== FrameType.refused) throw badFrame(`frame of type ${type} in the introduction`)
    const { code, reason } = this.own.decode<{ code: RefusalCode, reason: string }>(type, header)
    this.#refusal = { code, reason }
    this.connection.close(reason)
  }

  onClose (reason: string): void {
    this.#timer.cancel()
    if (this.#isOver) return
    this.#isOver = true
    this.#result.onFailed(this.#refusal?.reason ?? reason, this.#refusal, this.peerId)
  }

  onForeign (): void { this.refuse({ code: 'protocol-version', reason: `it does not speak version ${PEER_MAGIC.at(-1)!} of the protocol between nodes` }) }

  /** Those of this node's own minor version. */
  protected get own (): HeaderCodecs { return codecsOf(this.context.protocolMinor) }

  protected send (type: FrameType, header: object): void {
    this.connection.writer.add(this.own, type, header, undefined, 0)
    this.connection.flush()
  }

  protected refuse (refusal: Refusal): void {
    this.#refusal = refusal
    this.send(FrameType.refused, refusal)
    this.connection.end(refusal.reason)
  }

  protected meet (acquaintance: Acquaintance): void {
    this.#isOver = true
    this.#timer.cancel()
    this.connection.reader.isIntroduced = true
    this.#result.onMet(acquaintance)
  }

  protected describe (minor: number): Buffer {
    const { groupName, groupId = NO_BYTES, nodeId, formatVersion, groupFormat = 1 } = this.context.self()
    return codecsOf(minor).bytesOf(FrameType.description, { groupName, groupId: Buffer.from(groupId), nodeId, formatVersion, groupFormat })
  }

  protected descriptionOf (bytes: Buffer, minor: number): SelfDescription {
    const { groupName, groupId, nodeId, formatVersion, groupFormat } = codecsOf(minor).decode<Required<SelfDescription> & { groupId: Uint8Array }>(FrameType.description, bytes)
    this.peerId = nodeId
    return { groupName, groupId: groupId.length === 0 ? undefined : groupId, nodeId, formatVersion, groupFormat }
  }

  /** What a side signs. */
  protected transcript (side: 'connecting' | 'accepting', description: Uint8Array = NO_BYTES): Buffer {
    const lengths = Buffer.alloc(8)
    lengths.writeUInt32BE(this.hello.length, 0)
    lengths.writeUInt32BE(this.challenge.length, 4)
    return Buffer.concat([Buffer.from(`peer link, ${side} side\n`), lengths, this.hello, this.challenge, description])
  }
}

class ConnectingHandshake extends Handshake {
  readonly #kind: LinkKind
  readonly #wanted: NodeId
  #step: typeof FrameType.challenge | typeof FrameType.accepted = FrameType.challenge
  #minor = 0

  constructor (bytes: ByteConnection, context: HandshakeContext, result: MetNode, kind: LinkKind, wanted: NodeId) {
    super(bytes, context, result)
    this.#kind = kind
    this.#wanted = wanted
    const { secret } = context
    const header = {
      minor: this.context.protocolMinor,
      oldestMinor: OLDEST_PROTOCOL_MINOR,
      kind,
      wanted,
      hasSecret: secret !== undefined,
      nonce: Buffer.from(secret?.nonce() ?? NO_BYTES),
      description: this.describe(this.context.protocolMinor)
    }
    this.hello = this.own.bytesOf(FrameType.hello, header)
    this.connection.writer.addRaw(PEER_MAGIC)
    this.send(FrameType.hello, header)
  }

  override onFrame (type: FrameType, header: Buffer): void {
    if (type !== this.#step) super.onFrame(type, header)
    else if (type === FrameType.challenge) this.#prove(header)
    else this.#finish(header)
  }

  #prove (header: Buffer): void {
    const { minor } = this.own.decode<{ minor: number }>(FrameType.challenge, header)
    if (minor < OLDEST_PROTOCOL_MINOR || minor > this.context.protocolMinor) throw badFrame(`challenge in minor version ${minor}`)
    this.#minor = minor
    this.challenge = Buffer.from(header)
    this.#step = FrameType.accepted
    this.send(FrameType.proof, { proof: Buffer.from(this.context.secret?.sign(this.transcript('connecting')) ?? NO_BYTES) })
  }

  #finish (header: Buffer): void {
    const { secret, self } = this.context
    const { description, proof } = this.own.decode<{ description: Buffer, proof: Buffer }>(FrameType.accepted, header)
    if (secret?.verify(this.transcript('accepting', description), proof) === false) {
      this.refuse({ code: 'secret', reason: 'the node that listens there does not know the secret of the group' })
      return
    }
    const peer = this.descriptionOf(description, this.#minor)
    const refusal = refusalOf(peer, self(), { isStranger: this.#kind === LinkKind.stranger, wanted: this.#wanted })
    if (refusal === undefined) this.meet({ connection: this.connection, codecs: codecsOf(this.#minor), kind: this.#kind, peer })
    else this.refuse(refusal)
  }
}

class AcceptingHandshake extends Handshake {
  #said: Hello | undefined
  #minor = 0

  constructor (bytes: ByteConnection, context: HandshakeContext, result: MetNode) {
    super(bytes, context, result, PEER_MAGIC)
  }

  override onFrame (type: FrameType, header: Buffer): void {
    if (type === FrameType.hello && this.#said === undefined) this.#greet(header)
    else if (type === FrameType.proof && this.#said !== undefined) this.#check(this.#said, header)
    else super.onFrame(type, header)
  }

  #greet (header: Buffer): void {
    const hello = this.#said = this.own.decode<Hello>(FrameType.hello, header)
    const { secret, protocolMinor } = this.context
    this.hello = Buffer.from(header)
    this.#minor = Math.min(hello.minor, protocolMinor)
    if (this.#minor < Math.max(hello.oldestMinor, OLDEST_PROTOCOL_MINOR)) {
      this.refuse({ code: 'protocol-version', reason: `the nodes speak minor versions ${hello.oldestMinor} to ${hello.minor} and ${OLDEST_PROTOCOL_MINOR} to ${protocolMinor} of the protocol between nodes` })
      return
    }
    if (hello.hasSecret !== (secret !== undefined)) {
      this.refuse({ code: 'secret', reason: `the node that listens there ${secret === undefined ? 'has no secret, the one that connects has' : 'has a secret, the one that connects has none'}` })
      return
    }
    const challenge = { minor: this.#minor, nonce: Buffer.from(secret?.nonce() ?? NO_BYTES) }
    this.challenge = this.own.bytesOf(FrameType.challenge, challenge)
    this.send(FrameType.challenge, challenge)
  }

  #check ({ kind, wanted, description }: Hello, header: Buffer): void {
    const { secret, self } = this.context
    const { proof } = this.own.decode<{ proof: Buffer }>(FrameType.proof, header)
    if (secret?.verify(this.transcript('connecting'), proof) === false) {
      this.refuse({ code: 'secret', reason: 'the node that connects does not know the secret of the group' })
      return
    }
    if (kind < LinkKind.votes || kind > LinkKind.stranger) throw badFrame(`link of unknown kind ${kind}`)
    const peer = this.descriptionOf(description, this.#minor)
    const refusal = refusalOf(self(), peer, { isStranger: kind === LinkKind.stranger, wanted })
    if (refusal !== undefined) {
      this.refuse(refusal)
      return
    }
    const ownDescription = this.describe(this.#minor)
    this.send(FrameType.accepted, { description: ownDescription, proof: Buffer.from(secret?.sign(this.transcript('accepting', ownDescription)) ?? NO_BYTES) })
    this.meet({ connection: this.connection, codecs: codecsOf(this.#minor), kind: kind as LinkKind, peer })
  }
}

/** Introduces this node over a connection that it made. `wanted` 0: to whoever answers. Returns the connection, to be given up if need be. */
export function introduce (bytes: ByteConnection, context: HandshakeContext, kind: LinkKind, wanted: NodeId, result: MetNode): PeerConnection {
  return new ConnectingHandshake(bytes, context, result, kind, wanted).connection
}

/** Gets to know who made a connection that was accepted. */
export function receive (bytes: ByteConnection, context: HandshakeContext, result: MetNode): PeerConnection {
  return new AcceptingHandshake(bytes, context, result).connection
}
