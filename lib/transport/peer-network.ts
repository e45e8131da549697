import type { NodeId } from '../raft/index.ts'
import type { Address, ByteConnection } from '../remoting/index.ts'
import type { Transport } from '../replica/index.ts'

/** What a node says of itself when it meets another. Read anew for every handshake: an empty node becomes a member. */
export interface SelfDescription {
  readonly groupName: string
  /** Undefined: an empty node, of no group yet. */
  readonly groupId: Uint8Array | undefined
  readonly nodeId: NodeId
  /** The data format it reads up to: neighbours may differ by one, so that a group can be upgraded node by node. */
  readonly formatVersion: number
  /** The data format that its group writes, as far as it knows; absent: the first one, or of no group. */
  readonly groupFormat?: number
}

export interface CallOptions {
  /** Until the answer, the wait for a link included. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export interface Caller {
  /** As it said in the handshake. */
  readonly nodeId: NodeId
  /** Where its connection comes from, which is not where it listens. */
  readonly address: Address
  /** The data format that it reads up to. */
  readonly formatVersion: number
}

/**
 * Answers calls of one method. `body` is the handler's own. The answer is not copied: leave it as it is once it was given.
 * An MqError reaches the caller with its code, outcome and plain facts; anything else as MQ_PEER_FAILED.
 */
export type CallHandler = (body: Uint8Array, caller: Caller) => Promise<Uint8Array> | Uint8Array

export interface CallHandlerOptions {
  /** Also for nodes that are of no group, or meet one that is of none: `callAddress`. Group name and secret must be right all the same. */
  readonly openToStrangers?: boolean
  /** A longer body is answered with MQ_MESSAGE_TOO_LARGE. DEFAULT_MAX_CALL_BYTES unless given. */
  readonly maxBytes?: number
}

export interface PeerLinkStats {
  readonly nodeId: NodeId
  readonly address: Address | undefined
  /** Raft messages can be sent to it and it can be called. */
  readonly isConnected: boolean
  /** Over all links to it since it was first met. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Messages and calls that were not sent because too much waited or there was no link. */
  readonly dropped: number
  /** Bytes handed to the links that the system has not taken yet. */
  readonly waitingBytes: number
  /** Since any byte came from it; Infinity: never. */
  readonly silentMs: number
  /** Of the last probe on its fastest link; undefined: none was answered yet. */
  readonly roundTripMs: number | undefined
  /** The data format it said it reads; undefined: never met. */
  readonly formatVersion: number | undefined
}

/** One call's body and one answer, unless the handler's `maxBytes` says otherwise. A chunk of a catch-up fits. */
export const DEFAULT_MAX_CALL_BYTES = 4 * 1024 * 1024
export const MAX_METHOD_LENGTH = 100
/** No call or answer is longer. */
export const MAX_CALL_BYTES = 64 * 1024 * 1024

/**
 * One node's links to the other nodes of its group: raft messages, and calls of one hop. In production TcpPeerNetwork,
 * in specs of one process MemoryPeerNetwork; both pass spec/transport/peer-network-conformance.ts.
 */
export interface PeerNetwork extends AsyncDisposable {
  /** Takes links at an address, beside earlier ones; resolves to the address as bound. Rejects with the system's error. */
  listen (address: Address): Promise<Address>
  /** Takes a connection that was accepted elsewhere and begins with PEER_MAGIC, not read from yet. */
  take (connection: ByteConnection): void
  /** Links are made to these and kept up; those to others are closed. This node itself is left out. */
  setPeers (peers: ReadonlyMap<NodeId, Address>): void
  /**
   * A port for one replica; only the one started last is served. What cannot be sent now is lost: raft repeats it.
   * A node that has no address for a peer reaches it over the links that the peer made.
   */
  transport (): Transport
  /**
   * Calls a method of a peer and resolves to its answer, which is the caller's own. `body` is not copied: leave it as it
   * is until the call is settled. Never sent twice.
   * @throws MQ_UNAVAILABLE there is no link and none is just being made: not-applied
   * @throws MQ_BUSY too much waits for the link: not-applied
   * @throws MQ_TIMEOUT, MQ_ABORTED outcome not-applied when it never left this process, else unknown
   * @throws MQ_CONNECTION_LOST after it was sent: unknown
   * @throws the handler's MqError, with its code and outcome
   * @throws MQ_INVALID_ARGUMENT the peer has no such method: not-applied
   */
  call (to: NodeId, method: string, body: Uint8Array, options: CallOptions): Promise<Uint8Array>
  /**
   * Calls a node by where it listens, whoever it is, over a connection for this call; only methods that are open to
   * strangers. A refused handshake is MQ_UNAVAILABLE with the fact `refusal`. Else as `call`.
   */
  callAddress (address: Address, method: string, body: Uint8Array, options: CallOptions): Promise<Uint8Array>
  /** Sets who answers calls of a method; the last one counts. */
  onCall (method: string, handler: CallHandler, options?: CallHandlerOptions): void
  /** One item per peer that was set or has a link. */
  linkStats (): readonly PeerLinkStats[]
  /** Closes listeners and links; calls under way fail. Idempotent. */
  close (): Promise<void>
}
