/** Bounds of one connection. Whatever waits is bounded by one of these. */
export interface ConnectionLimits {
  /** A longer frame closes the connection. 16 MiB, as in RocketMQ. */
  readonly maxFrameBytes: number
  /** Requests taken and not answered, parked ones apart: above it no more are read until half are answered. */
  readonly maxInflightRequests: number
  /** The same for their bytes. What one read brought is still taken, so up to 64 KiB or one frame more. */
  readonly maxInflightBytes: number
  /** Bytes waiting to be written (a slow reader): above it no requests are read until half have left, and `invoke` fails with MQ_BUSY. */
  readonly maxOutboundBytes: number
  /** Above this the connection is closed: parked requests may all be answered at once. */
  readonly hardMaxOutboundBytes: number
  /** A write that makes no end for so long closes the connection. */
  readonly writeStallTimeoutMs: number
  /** A frame must be complete so long after its first byte, or the connection is closed. */
  readonly incompleteFrameTimeoutMs: number
  /** A connection without traffic either way is closed. */
  readonly idleTimeoutMs: number
  /** Requests of ours that wait for an answer: above it `invoke` fails with MQ_BUSY. */
  readonly maxPendingInvocations: number
}

export const defaultConnectionLimits: ConnectionLimits = {
  maxFrameBytes: 16 * 1024 * 1024,
  maxInflightRequests: 4096,
  maxInflightBytes: 32 * 1024 * 1024,
  maxOutboundBytes: 4 * 1024 * 1024,
  hardMaxOutboundBytes: 64 * 1024 * 1024,
  writeStallTimeoutMs: 60_000,
  incompleteFrameTimeoutMs: 30_000,
  idleTimeoutMs: 120_000,
  maxPendingInvocations: 65_536
}

/** Bounds of a server over all its connections. */
export interface ServerLimits {
  /** More are closed as soon as they come. */
  readonly maxConnections: number
  /** Bytes of requests taken and not answered: above it nothing is read from connections that have some, until it is half. */
  readonly maxInflightBytes: number
  /** Bytes of frames that are not complete: above it the connection whose frame is oldest is closed. */
  readonly maxIncompleteBytes: number
}

export const defaultServerLimits: ServerLimits = {
  maxConnections: 20_000,
  maxInflightBytes: 256 * 1024 * 1024,
  maxIncompleteBytes: 256 * 1024 * 1024
}
