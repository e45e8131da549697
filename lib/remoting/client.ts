import { MqError, silentLogger, type Clock, type Logger } from '../base/index.ts'
import { parseAddress } from './address.ts'
import type { RemotingRequest } from './command.ts'
import { ConnectionSweep } from './connection-sweep.ts'
import { DEFAULT_INVOKE_TIMEOUT_MS, RemotingConnection, type InvokeOptions, type Processor } from './connection.ts'
import { HeaderType, type RemotingFrame } from './frame.ts'
import { defaultConnectionLimits, type ConnectionLimits } from './limits.ts'
import type { ByteConnection, Network } from './network.ts'
import { SlabPool } from './outbound-buffer.ts'
import { Processors } from './processors.ts'
import { ReceivedBytes } from './received-bytes.ts'

export interface RemotingClientOptions {
  readonly clock: Clock
  readonly network: Network
  readonly logger?: Logger
  readonly limits?: Partial<ConnectionLimits>
  /** Of our requests; servers take both and a frame says which it is. */
  readonly headerType?: HeaderType
  readonly connectTimeoutMs?: number
  readonly onConnection?: (connection: RemotingConnection) => void
}

interface Connecting {
  readonly promise: Promise<RemotingConnection>
  readonly abort: () => void
}

/**
 * Makes requests to any number of addresses, over one connection each, and answers what servers ask of it. A connection is
 * made when a call needs one: the first, or the next after it was lost. No request is ever sent twice, and none waits for a
 * server to come back: a call that finds no server fails at once with MQ_CONNECT_FAILED.
 */
export class RemotingClient implements AsyncDisposable {
  readonly #clock: Clock
  readonly #network: Network
  readonly #logger: Logger
  readonly #limits: ConnectionLimits
  readonly #headerType: HeaderType
  readonly #connectTimeoutMs: number
  readonly #onConnection: ((connection: RemotingConnection) => void) | undefined
  readonly #processors = new Processors()
  readonly #connected = new Map<string, RemotingConnection>()
  readonly #connecting = new Map<string, Connecting>()
  readonly #sweep: ConnectionSweep
  readonly #slabs = new SlabPool()
  readonly #received = new ReceivedBytes({ maxInflightBytes: Infinity, maxIncompleteBytes: Infinity })
  #isClosed = false

  constructor ({ clock, network, logger = silentLogger, limits, headerType = HeaderType.binary, connectTimeoutMs = 3000, onConnection }: RemotingClientOptions) {
    this.#clock = clock
    this.#network = network
    this.#logger = logger
    this.#limits = { ...defaultConnectionLimits, ...limits }
    this.#headerType = headerType
    this.#connectTimeoutMs = connectTimeoutMs
    this.#onConnection = onConnection
    this.#sweep = new ConnectionSweep(clock)
  }

  get connections (): ReadonlySet<RemotingConnection> { return this.#sweep.connections }

  /** Sets who answers what servers ask of this client; other codes are answered with REQUEST_CODE_NOT_SUPPORTED. */
  handle (code: number, processor: Processor): this {
    this.#processors.set(code, processor)
    return this
  }

  /**
   * Sends a request to `host:port` and resolves to the response, whatever its code.
   * @throws MQ_CONNECT_FAILED not-applied
   * @throws MQ_TIMEOUT not-applied when it passed before there was a connection, else unknown. Also see RemotingConnection.invoke
   */
  async invoke (address: string, request: RemotingRequest, { timeoutMs = DEFAULT_INVOKE_TIMEOUT_MS, signal }: InvokeOptions = {}): Promise<RemotingFrame> {
    const connected = this.#connected.get(address)
    if (connected !== undefined) return await connected.invoke(request, { timeoutMs, signal })
    const startMs = this.#clock.nowMs()
    const connection = await this.#connectionWithin(address, timeoutMs, signal)
    return await connection.invoke(request, { timeoutMs: timeoutMs - (this.#clock.nowMs() - startMs), signal })
  }

  /** Sends a request that gets no answer, once there is a connection. @throws MQ_CONNECT_FAILED, MQ_TIMEOUT, MQ_BUSY it was not sent */
  async invokeOneWay (address: string, request: RemotingRequest, { timeoutMs = DEFAULT_INVOKE_TIMEOUT_MS, signal }: InvokeOptions = {}): Promise<void> {
    const connection = this.#connected.get(address) ?? await this.#connectionWithin(address, timeoutMs, signal)
    connection.invokeOneWay(request)
  }

  /** The connection to `host:port`, made if there is none. @throws MQ_CONNECT_FAILED, MQ_CLOSED */
  async connect (address: string): Promise<RemotingConnection> {
    if (this.#isClosed) throw new MqError('MQ_CLOSED', 'the client is closed')
    const connected = this.#connected.get(address)
    if (connected !== undefined) return connected
    let connecting = this.#connecting.get(address)
    if (connecting === undefined) {
      const controller = new AbortController()
      const promise = this.#connect(address, controller).finally(() => this.#connecting.delete(address))
      connecting = { promise, abort: () => controller.abort() }
      this.#connecting.set(address, connecting)
    }
    return await connecting.promise
  }

  async #connect (address: string, controller: AbortController): Promise<RemotingConnection> {
    const timer = this.#clock.setTimer(this.#connectTimeoutMs, () => controller.abort(new Error(`no connection within ${this.#connectTimeoutMs} ms`)))
    let bytes: ByteConnection
    try {
      bytes = await this.#network.connect(parseAddress(address), { signal: controller.signal })
    } catch (error) {
      const cause = controller.signal.aborted ? controller.signal.reason : error
      throw new MqError('MQ_CONNECT_FAILED', `no connection to ${address}: ${(cause as Error).message}`, { address, cause })
    } finally {
      timer.cancel()
    }
    if (this.#isClosed) {
      bytes.stream.destroy()
      throw new MqError('MQ_CLOSED', 'the client is closed')
    }
    const connection = new RemotingConnection(bytes, {
      clock: this.#clock,
      logger: this.#logger,
      limits: this.#limits,
      slabs: this.#slabs,
      received: this.#received,
      process: this.#processors.process,
      onClosed: (closed) => {
        this.#sweep.remove(closed)
        if (this.#connected.get(address) === closed) this.#connected.delete(address)
      },
      headerType: this.#headerType
    })
    this.#connected.set(address, connection)
    this.#sweep.add(connection)
    this.#onConnection?.(connection)
    return connection
  }

  /** `connect` for a caller whose patience may be shorter; others go on waiting. */
  async #connectionWithin (address: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<RemotingConnection> {
    if (signal?.aborted === true) throw new MqError('MQ_ABORTED', 'the caller aborted the request', { cause: signal.reason })
    let giveUp: ((error: MqError) => void) | undefined
    const impatience = new Promise<never>((_resolve, reject) => { giveUp = reject })
    const timer = this.#clock.setTimer(timeoutMs, () => giveUp!(new MqError('MQ_TIMEOUT', `no connection to ${address} within ${timeoutMs} ms`, { outcome: 'not-applied', retryable: true, address })))
    const onAbort = (): void => giveUp!(new MqError('MQ_ABORTED', 'the caller aborted the request', { cause: signal!.reason }))
    signal?.addEventListener('abort', onAbort)
    try {
      return await Promise.race([this.connect(address), impatience])
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Closes all connections; what waits for an answer fails. */
  async close (): Promise<void> {
    this.#isClosed = true
    const connecting = [...this.#connecting.values()]
    for (const { abort } of connecting) abort()
    for (const connection of [...this.connections]) connection.close()
    await Promise.allSettled(connecting.map(({ promise }) => promise))
  }

  [Symbol.asyncDispose] (): Promise<void> { return this.close() }
}
