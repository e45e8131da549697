import { isMqError, MqError, type Clock, type Logger } from '../base/index.ts'
import type { Host } from '../message/index.ts'
import { addressText, encodeHost } from './address.ts'
import type { RemotingRequest, RemotingResponse } from './command.ts'
import { encodeRequest, encodeResponseOrFailure } from './encode-command.ts'
import { FrameDecoder } from './frame-decoder.ts'
import { HeaderType, type Answerable, type RemotingFrame } from './frame.ts'
import { Invocations } from './invocations.ts'
import type { ConnectionLimits } from './limits.ts'
import type { Address, ByteConnection } from './network.ts'
import type { OutboundBuffer, SlabPool } from './outbound-buffer.ts'
import type { ReceivedBytes, Receiver } from './received-bytes.ts'
import { requestCodeName } from './request-code.ts'
import { ResponseCode } from './response-code.ts'
import { WriteQueue } from './write-queue.ts'

/** Default of RocketMQ's clients. */
export const DEFAULT_INVOKE_TIMEOUT_MS = 3000

/**
 * Answers requests of one code. What it returns is the answer, at once or later. `undefined` means for a one-way request
 * that it is dealt with, and for any other that the processor answers by itself, now or later, exactly once, with
 * `connection.respond` or an encoder of hot responses. Until then the request counts as in flight (see `park`).
 * What it throws or rejects with is answered as SYSTEM_ERROR with the error's text. A one-way request gets no answer in any case.
 */
export type Processor = (request: RemotingFrame, connection: RemotingConnection) => RemotingResponse | Promise<RemotingResponse | undefined> | undefined

export type CloseReason =
  'closed' | // by this side
  'peer-closed' |
  'io-error' |
  'bad-frame' |
  'incomplete-frame' | // took longer than incompleteFrameTimeoutMs, or the server's bound on such bytes
  'idle' |
  'slow-reader' | // did not take what was written
  'refused' | // too many connections
  'handed-over' // it speaks another protocol, and goes on with who does

export interface InvokeOptions {
  /** Until the answer; DEFAULT_INVOKE_TIMEOUT_MS unless given. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal | undefined
}

/** Connections that begin with this byte, which no frame of remoting begins with, are given to who speaks their protocol. */
export interface OtherProtocol {
  readonly firstByte: number
  /** Takes over a connection that is paused and as if nothing had been read from it. */
  take (connection: ByteConnection): void
}

export interface ConnectionOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: ConnectionLimits
  readonly slabs: SlabPool
  readonly received: ReceivedBytes
  readonly process: Processor
  readonly onClosed: (connection: RemotingConnection) => void
  /** In what type our own requests go until the peer has sent one: then in the peer's. */
  readonly headerType: HeaderType
  readonly otherProtocol?: OtherProtocol | undefined
}

/**
 * One connection, the same on both sides: it answers the peer's requests and makes requests of its own, each side numbering
 * its own. All that is sent in one turn of the event loop leaves with one write.
 */
export class RemotingConnection implements Receiver {
  readonly peer: Address
  /** `host:port` of the peer. */
  readonly peerText: string
  readonly isEncrypted: boolean
  /** For registries: what they know of this connection, a client id for example. */
  readonly attributes = new Map<string, unknown>()
  readonly #options: ConnectionOptions
  readonly #stream: ByteConnection['stream']
  readonly #decoder: FrameDecoder
  readonly #writes: WriteQueue
  readonly #invocations: Invocations
  readonly #closeListeners: Array<(reason: CloseReason, error: Error | undefined) => void> = []
  #headerType: HeaderType
  #peerHost: Host | undefined
  #closeReason: CloseReason | undefined
  #isEnding = false
  #isNew = true
  #isPaused = false
  #inflightRequests = 0
  #inflightBytes = 0
  #incompleteBytes = 0
  #incompleteSinceMs = Infinity
  #lastReceivedMs: number
  #lastSentMs: number

  constructor ({ stream, peer, isEncrypted }: ByteConnection, options: ConnectionOptions) {
    this.peer = peer
    this.peerText = addressText(peer)
    this.isEncrypted = isEncrypted
    this.#options = options
    this.#stream = stream
    this.#headerType = options.headerType
    this.#decoder = new FrameDecoder(options.limits.maxFrameBytes)
    this.#writes = new WriteQueue(stream, options.clock, options.slabs, () => this.#written())
    this.#invocations = new Invocations(options.clock, this.peerText)
    this.#lastReceivedMs = this.#lastSentMs = options.clock.nowMs()
    options.received.add(this)
    stream.on('data', this.#receive).on('end', this.#ended).on('close', this.#ended).on('error', this.#failed)
  }

  get isClosed (): boolean { return this.#closeReason !== undefined }
  get closeReason (): CloseReason | undefined { return this.#closeReason }
  /** Requests of the peer that are being worked on; parked ones do not count. */
  get inflightRequests (): number { return this.#inflightRequests }
  get inflightBytes (): number { return this.#inflightBytes }
  get outboundBytes (): number { return this.#writes.queuedBytes }
  get pendingInvocations (): number { return this.#invocations.count }
  get incompleteSinceMs (): number { return this.#incompleteSinceMs }
  /** False while a bound keeps it from reading. */
  get isReading (): boolean { return !this.#isPaused }
  /** The peer as records store it. */
  get peerHost (): Host {
    this.#peerHost ??= encodeHost(this.peer)
    return this.#peerHost
  }

  /** Is told once when the connection has closed; at once, if it has. */
  onClose (listener: (reason: CloseReason, error: Error | undefined) => void): void {
    if (this.#closeReason === undefined) this.#closeListeners.push(listener)
    else listener(this.#closeReason, undefined)
  }

  /** Answers a request; false when there is nobody (any more) who waits for it. */
  respond (request: Answerable, response: RemotingResponse): boolean {
    const out = this.beginResponse(request)
    if (out === undefined) return false
    encodeResponseOrFailure(out, request, response)
    return true
  }

  /**
   * Counts a request as answered and gives the buffer that its response is to be encoded into, at once (see `encodeResponse`,
   * SendResponseEncoder, PullResponseEncoder). Undefined when no answer is wanted: a one-way request, a closed connection.
   */
  beginResponse (request: Answerable): OutboundBuffer | undefined {
    if (this.#closeReason !== undefined) return undefined
    this.#release(request)
    if (request.isOneWay) return undefined
    if (this.#writes.queuedBytes > this.#options.limits.hardMaxOutboundBytes) {
      this.close('slow-reader')
      return undefined
    }
    this.#writes.schedule()
    return this.#writes.out
  }

  /**
   * For a request that waits on purpose (a long poll): it no longer counts as in flight, so that waiting requests do not keep
   * others from being read, and its frame need not be kept. Who parks requests bounds them. The result is to be answered like the request.
   */
  park (request: Answerable): Answerable {
    this.#release(request)
    return { opaque: request.opaque, headerType: request.headerType, isOneWay: request.isOneWay, inflightBytes: 0 }
  }

  /**
   * Sends a request to the peer and waits for the answer, whatever its code. Never sends it again.
   * @throws MQ_TIMEOUT, MQ_ABORTED after it was sent: outcome unknown
   * @throws MQ_CONNECTION_LOST outcome not-applied when it never left this process, else unknown
   * @throws MQ_BUSY maxPendingInvocations or maxOutboundBytes
   */
  async invoke (request: RemotingRequest, { timeoutMs = DEFAULT_INVOKE_TIMEOUT_MS, signal }: InvokeOptions = {}): Promise<RemotingFrame> {
    if (signal?.aborted === true) throw aborted(signal, 'not-applied')
    this.#assertCanSend()
    const { limits } = this.#options
    if (this.#invocations.count >= limits.maxPendingInvocations) {
      throw new MqError('MQ_BUSY', `${limits.maxPendingInvocations} requests to ${this.peerText} wait for their answers (maxPendingInvocations)`)
    }
    const opaque = this.#invocations.nextOpaque()
    encodeRequest(this.#writes.out, this.#headerType, request, opaque, false)
    this.#writes.schedule()
    let onAbort: (() => void) | undefined
    try {
      return await new Promise<RemotingFrame>((resolve, reject) => {
        this.#invocations.add(opaque, request.code, this.#writes.batch, timeoutMs, resolve, reject)
        if (signal === undefined) return
        onAbort = () => this.#invocations.fail(opaque, aborted(signal, 'unknown'))
        signal.addEventListener('abort', onAbort)
      })
    } finally {
      if (onAbort !== undefined) signal!.removeEventListener('abort', onAbort)
    }
  }

  /** Sends a request that gets no answer. That it returns says nothing of its fate. @throws MQ_CONNECTION_LOST, MQ_BUSY it was not sent */
  invokeOneWay (request: RemotingRequest): void {
    this.#assertCanSend()
    encodeRequest(this.#writes.out, this.#headerType, request, this.#invocations.nextOpaque(), true)
    this.#writes.schedule()
  }

  #assertCanSend (): void {
    const { limits } = this.#options
    if (this.#closeReason !== undefined) {
      throw new MqError('MQ_CONNECTION_LOST', `the connection to ${this.peerText} is closed: ${this.#closeReason}`, { outcome: 'not-applied', retryable: true, peer: this.peerText })
    }
    if (this.#writes.queuedBytes > limits.maxOutboundBytes) {
      throw new MqError('MQ_BUSY', `${this.peerText} does not take what is sent: ${this.#writes.queuedBytes} bytes wait (maxOutboundBytes)`)
    }
  }

  /** Sends what was answered, then closes. */
  end (): void {
    if (this.#closeReason !== undefined || this.#isEnding) return
    this.#isEnding = true
    this.#writes.end()
  }

  /** Closes at once. Our waiting requests fail, answers to the peer's are dropped. */
  close (reason: CloseReason = 'closed', error?: Error): void {
    if (this.#closeReason !== undefined) return
    this.#closeReason = reason
    this.#stream.destroy()
    this.#letGo(reason, error)
  }

  #letGo (reason: CloseReason, error?: Error): void {
    this.#writes.drop()
    const { received } = this.#options
    received.remove(this)
    received.changeInflight(-this.#inflightBytes)
    received.changeIncomplete(-this.#incompleteBytes)
    this.#inflightRequests = this.#inflightBytes = this.#incompleteBytes = 0
    this.#incompleteSinceMs = Infinity
    this.#invocations.failAll(this.#writes.batch, reason, error)
    this.#options.onClosed(this)
    for (const listener of this.#closeListeners.splice(0)) listener(reason, error)
  }

  /** Closes what has been still, incomplete or stuck for too long; called now and then. */
  checkTimeouts (nowMs: number): void {
    const { idleTimeoutMs, incompleteFrameTimeoutMs, writeStallTimeoutMs } = this.#options.limits
    if (nowMs - this.#writes.writeStartedMs >= writeStallTimeoutMs) this.close('slow-reader')
    else if (!this.#isPaused && nowMs - this.#incompleteSinceMs >= incompleteFrameTimeoutMs) this.close('incomplete-frame')
    else if (nowMs - Math.max(this.#lastReceivedMs, this.#lastSentMs) >= idleTimeoutMs) this.close('idle')
  }

  giveUpFrame (): void { this.close('incomplete-frame') }

  readonly #ended = (): void => this.close(this.#isEnding ? 'closed' : 'peer-closed')

  readonly #failed = (error: Error): void => this.close('io-error', error)

  #handOver (chunk: Uint8Array, otherProtocol: OtherProtocol): void {
    const stream = this.#stream
    this.#closeReason = 'handed-over'
    stream.off('data', this.#receive).off('end', this.#ended).off('close', this.#ended).off('error', this.#failed)
    stream.pause()
    stream.unshift(chunk)
    this.#letGo('handed-over')
    otherProtocol.take({ stream, peer: this.peer, isEncrypted: this.isEncrypted })
  }

  readonly #receive = (chunk: Uint8Array): void => {
    if (this.#closeReason !== undefined) return
    const { otherProtocol } = this.#options
    if (this.#isNew && otherProtocol !== undefined && chunk[0] === otherProtocol.firstByte) {
      this.#handOver(chunk, otherProtocol)
      return
    }
    this.#isNew = false
    const decoder = this.#decoder
    const nowMs = this.#lastReceivedMs = this.#options.clock.nowMs()
    let frames = 0
    try {
      decoder.push(chunk)
      for (let frame; (frame = decoder.next()) !== undefined;) {
        frames++
        if (frame.isResponse) this.#invocations.settle(frame)
        else this.#handle(frame)
        if (this.isClosed) return
      }
    } catch (error) {
      this.close('bad-frame', error as Error)
      return
    }
    if (!decoder.isInsideFrame) this.#incompleteSinceMs = Infinity
    else if (frames > 0 || this.#incompleteSinceMs === Infinity) this.#incompleteSinceMs = nowMs
    const heldBytes = decoder.heldBytes
    const grownBytes = heldBytes - this.#incompleteBytes
    this.#incompleteBytes = heldBytes
    this.#options.received.changeIncomplete(grownBytes)
    this.#maybePause()
  }

  #handle (request: RemotingFrame): void {
    this.#headerType = request.headerType
    const sizeBytes = request.inflightBytes = request.sizeBytes
    this.#inflightRequests++
    this.#inflightBytes += sizeBytes
    this.#options.received.changeInflight(sizeBytes)
    try {
      const result = this.#options.process(request, this)
      if (result === undefined) {
        if (request.isOneWay) this.#release(request)
      } else if (result instanceof Promise) {
        result.then(
          (response) => { if (response !== undefined || request.isOneWay) this.#answer(request, response) },
          (error: unknown) => this.#fail(request, error))
      } else {
        this.#answer(request, result)
      }
    } catch (error) {
      this.#fail(request, error)
    }
  }

  #answer (request: RemotingFrame, response: RemotingResponse | undefined): void {
    if (response === undefined) this.#release(request)
    else this.respond(request, response)
  }

  #fail (request: RemotingFrame, error: unknown): void {
    if (!isMqError(error)) this.#options.logger.error(`${requestCodeName(request.code)} from ${this.peerText} failed`, { error })
    this.respond(request, { code: ResponseCode.SYSTEM_ERROR, remark: error instanceof Error ? error.message : String(error) })
  }

  /** Counts a request as no longer in flight; once. */
  #release (request: Answerable): void {
    const { inflightBytes } = request
    if (inflightBytes === 0 || this.#closeReason !== undefined) return
    request.inflightBytes = 0
    this.#inflightRequests--
    this.#inflightBytes -= inflightBytes
    this.#options.received.changeInflight(-inflightBytes)
    if (this.#isPaused) this.reconsiderReading()
  }

  #written (): void {
    this.#lastSentMs = this.#options.clock.nowMs()
    if (this.#isPaused) this.reconsiderReading()
  }

  #maybePause (): void {
    if (this.#closeReason !== undefined) return
    const { limits, received } = this.#options
    const isOver = this.#inflightRequests > limits.maxInflightRequests || this.#inflightBytes > limits.maxInflightBytes || this.#writes.queuedBytes > limits.maxOutboundBytes
    const isOverAll = received.isOverInflight && this.#inflightRequests > 0
    if (!isOver && !isOverAll) return
    if (isOverAll) received.waitForRoom(this)
    if (this.#isPaused) return
    this.#isPaused = true
    this.#stream.pause()
  }

  reconsiderReading (): void {
    const { limits, received } = this.#options
    if (!this.#isPaused || this.#inflightRequests > limits.maxInflightRequests / 2 || this.#inflightBytes > limits.maxInflightBytes / 2 ||
      this.#writes.queuedBytes > limits.maxOutboundBytes / 2 || (received.isOverInflight && this.#inflightRequests > 0)) return
    this.#isPaused = false
    // what was incomplete could not go on
    if (this.#incompleteSinceMs !== Infinity) this.#incompleteSinceMs = this.#options.clock.nowMs()
    this.#stream.resume()
  }
}

function aborted (signal: AbortSignal, outcome: 'not-applied' | 'unknown'): MqError {
  return new MqError('MQ_ABORTED', 'the caller aborted the request', { outcome, cause: signal.reason })
}
