/** Everything that waits on a peer link is bounded, and each bound is one of these. */
export interface PeerSettings {
  readonly connectTimeoutMs: number
  /** A new connection must have introduced itself within this. */
  readonly handshakeTimeoutMs: number
  /** Between two attempts to connect, doubling from the one to the other, each drawn from [half of it, all of it). */
  readonly reconnectMinMs: number
  readonly reconnectMaxMs: number
  /** A node is taken for gone so long after its last link was lost, if by then nobody listens where it did. It comes back before that if it is there. */
  readonly goneAfterMs: number
  /** A probe goes over each link this often; so long after the last byte that came, times `silentProbes`, a link is given up. */
  readonly probeIntervalMs: number
  readonly silentProbes: number
  /** A write that makes no end for so long gives the link up. */
  readonly writeStallTimeoutMs: number
  /** Bytes that wait to leave: beyond it raft messages are dropped (raft repeats them) and calls fail with MQ_BUSY. */
  readonly maxWaitingVoteBytes: number
  /** More than raft has in flight to one peer (ReplicaSettings.maxInflightBytes). */
  readonly maxWaitingAppendBytes: number
  readonly maxWaitingCallBytes: number
  /** Answers to calls may be many at once: beyond this the link is given up. */
  readonly hardMaxWaitingCallBytes: number
  /** Our calls to one peer that wait for an answer: beyond it MQ_BUSY. */
  readonly maxPendingCalls: number
  /** Calls of one link that are being answered: beyond it, or beyond their bytes, no more are read until half are done. */
  readonly maxInflightCalls: number
  readonly maxInflightCallBytes: number
  /** Connections that have not introduced themselves yet, and those of strangers; for more the oldest are closed. */
  readonly maxUnknownConnections: number
  /** Nodes with links that are not in `setPeers`, as after changes of the group that this node has not heard of. */
  readonly maxUnknownNodes: number
}

const MIB = 1024 * 1024

export const defaultPeerSettings: PeerSettings = {
  connectTimeoutMs: 2000,
  handshakeTimeoutMs: 3000,
  reconnectMinMs: 50,
  reconnectMaxMs: 2000,
  goneAfterMs: 60,
  probeIntervalMs: 2500,
  silentProbes: 2,
  writeStallTimeoutMs: 15_000,
  maxWaitingVoteBytes: MIB,
  maxWaitingAppendBytes: 48 * MIB,
  maxWaitingCallBytes: 16 * MIB,
  hardMaxWaitingCallBytes: 128 * MIB,
  maxPendingCalls: 65_536,
  maxInflightCalls: 4096,
  maxInflightCallBytes: 64 * MIB,
  maxUnknownConnections: 256,
  maxUnknownNodes: 64
}
