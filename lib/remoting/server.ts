import { MqError, silentLogger, type Clock, type Logger } from '../base/index.ts'
import type { RemotingResponse } from './command.ts'
import { ConnectionSweep } from './connection-sweep.ts'
import { RemotingConnection, type OtherProtocol, type Processor } from './connection.ts'
import { HeaderType, type RemotingFrame } from './frame.ts'
import { defaultConnectionLimits, defaultServerLimits, type ConnectionLimits, type ServerLimits } from './limits.ts'
import type { Address, ByteConnection, Listener, Network } from './network.ts'
import { SlabPool } from './outbound-buffer.ts'
import { Processors } from './processors.ts'
import { ReceivedBytes } from './received-bytes.ts'
import { ResponseCode } from './response-code.ts'
import { VersionGate } from './version.ts'

export interface RemotingServerOptions {
  readonly clock: Clock
  readonly network: Network
  readonly logger?: Logger
  /** For each connection; what is not given is as in `defaultConnectionLimits`. */
  readonly connectionLimits?: Partial<ConnectionLimits>
  readonly limits?: Partial<ServerLimits>
  /** Sees every connection before its first request; `connection.onClose` tells of its end. */
  readonly onConnection?: (connection: RemotingConnection) => void
  /** Spoken on the same ports. Its connections are this server's only until their first byte has come. */
  readonly otherProtocol?: OtherProtocol
}

/** Answers requests on any number of listeners, each code by its processor. */
export class RemotingServer implements AsyncDisposable {
  readonly #clock: Clock
  readonly #network: Network
  readonly #logger: Logger
  readonly #connectionLimits: ConnectionLimits
  readonly #maxConnections: number
  readonly #onConnection: ((connection: RemotingConnection) => void) | undefined
  readonly #otherProtocol: OtherProtocol | undefined
  readonly #processors = new Processors()
  readonly #listeners: Listener[] = []
  readonly #sweep: ConnectionSweep
  readonly #slabs = new SlabPool()
  readonly #received: ReceivedBytes
  #isFull = false
  #closing: Promise<void> | undefined
  #onQuiet: (() => void) | undefined

  constructor ({ clock, network, logger = silentLogger, connectionLimits, limits, onConnection, otherProtocol }: RemotingServerOptions) {
    this.#clock = clock
    this.#network = network
    this.#logger = logger
    this.#connectionLimits = { ...defaultConnectionLimits, ...connectionLimits }
    const serverLimits = { ...defaultServerLimits, ...limits }
    this.#maxConnections = serverLimits.maxConnections
    this.#received = new ReceivedBytes(serverLimits)
    this.#onConnection = onConnection
    this.#otherProtocol = otherProtocol
    this.#sweep = new ConnectionSweep(clock)
  }

  get connections (): ReadonlySet<RemotingConnection> { return this.#sweep.connections }
  /** Bytes received and not dealt with, over all connections. */
  get inflightBytes (): number { return this.#received.inflightBytes }
  get incompleteBytes (): number { return this.#received.incompleteBytes }

  /** Sets who answers a request code; codes without one are answered with REQUEST_CODE_NOT_SUPPORTED. */
  handle (code: number, processor: Processor): this {
    this.#processors.set(code, processor)
    return this
  }

  /** Takes connections at an address, beside earlier ones; resolves to the address as bound. Rejects with the system's error. */
  async listen (address: Address): Promise<Address> {
    if (this.#closing !== undefined) throw new MqError('MQ_CLOSED', 'the server is closed')
    const listener = await this.#network.listen(address, (connection) => this.accept(connection))
    this.#listeners.push(listener)
    return listener.address
  }

  /** Takes a connection that came some other way. */
  accept (bytes: ByteConnection): void {
    const isFull = this.connections.size >= this.#maxConnections
    if (isFull && !this.#isFull) this.#logger.warn('connections are refused', { maxConnections: this.#maxConnections })
    this.#isFull = isFull
    const connection = new RemotingConnection(bytes, {
      clock: this.#clock,
      logger: this.#logger,
      limits: this.#connectionLimits,
      slabs: this.#slabs,
      received: this.#received,
      process: this.#process,
      onClosed: (closed) => this.#forget(closed),
      headerType: HeaderType.json,
      otherProtocol: this.#otherProtocol
    })
    if (isFull || this.#closing !== undefined) {
      connection.close('refused')
      return
    }
    this.#sweep.add(connection)
    this.#onConnection?.(connection)
  }

  readonly #process: Processor = (request, connection) => {
    if (this.#closing !== undefined) return goAway(request)
    return this.#processors.process(request, connection)
  }

  #forget (connection: RemotingConnection): void {
    this.#sweep.remove(connection)
    const { closeReason, peerText } = connection
    if (closeReason === 'bad-frame' || closeReason === 'incomplete-frame' || closeReason === 'slow-reader') this.#logger.warn('a connection was closed', { peer: peerText, reason: closeReason })
    this.#noteQuiet()
  }

  #noteQuiet (): void {
    if (this.connections.size === 0) this.#onQuiet?.()
  }

  /**
   * Takes no more connections; answers new requests with GO_AWAY (SYSTEM_BUSY for requesters that do not know it, who then
   * turn to another broker as well); lets requests in flight finish for up to `graceMs`; then closes all connections.
   */
  close ({ graceMs = 5000 }: { readonly graceMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(graceMs)
    return this.#closing
  }

  async #close (graceMs: number): Promise<void> {
    const listenersClosed = Promise.all(this.#listeners.map((listener) => listener.close()))
    const nowMs = this.#clock.nowMs()
    for (const connection of this.connections) this.#endWhenDone(connection, nowMs + Math.min(LINGER_MS, graceMs), nowMs + graceMs)
    if (this.connections.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onQuiet = resolve
        this.#noteQuiet()
      })
    }
    await listenersClosed
  }

  /** Looks again every few ms: closing is rare, and a count at every answer would cost each of them. */
  #endWhenDone (connection: RemotingConnection, fromMs: number, untilMs: number): void {
    const nowMs = this.#clock.nowMs()
    if (connection.isClosed) return
    if (nowMs >= untilMs) {
      connection.close()
      return
    }
    if (nowMs >= fromMs && connection.inflightRequests === 0) connection.end()
    this.#clock.setTimer(Math.min(CLOSE_POLL_MS, untilMs - nowMs), () => this.#endWhenDone(connection, fromMs, untilMs))
  }

  [Symbol.asyncDispose] (): Promise<void> { return this.close() }
}

const CLOSE_POLL_MS = 20
/** Requests under way when closing begins get an answer that says they were not taken, instead of a lost connection. */
const LINGER_MS = 200

function goAway ({ version }: RemotingFrame): RemotingResponse {
  return { code: version >= VersionGate.goAway ? ResponseCode.GO_AWAY : ResponseCode.SYSTEM_BUSY, remark: 'the server is closing; use another broker, or this one after its restart' }
}
