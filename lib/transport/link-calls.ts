import { MqError } from '../base/index.ts'
import { errorOf, failureOf, type CallFailure } from './call-failure.ts'
import type { CallHandlers } from './call-handlers.ts'
import { FrameType } from './frame.ts'
import type { HeaderCodecs } from './headers.ts'
import type { PeerConnection } from './peer-connection.ts'
import type { Caller } from './peer-network.ts'
import type { PendingCall } from './pending-call.ts'
import type { PeerSettings } from './settings.ts'

export interface LinkCallsOptions {
  readonly connection: PeerConnection
  readonly codecs: HeaderCodecs
  readonly handlers: CallHandlers
  readonly caller: Caller
  readonly isStranger: boolean
  readonly settings: PeerSettings
}

/** The calls of one link, in both directions; each side numbers its own. */
export class LinkCalls {
  readonly #options: LinkCallsOptions
  readonly #pending = new Map<number, PendingCall>()
  /** Calls whose bytes have not left yet. */
  #waiting: PendingCall[] = []
  #lastId = 0
  #inflightCalls = 0
  #inflightBytes = 0
  /** Nothing is read until some of what came has been answered. */
  isPaused = false
  #isClosed = false

  constructor (options: LinkCallsOptions) {
    this.#options = options
  }

  send (call: PendingCall, method: string, body: Uint8Array): void {
    const { connection, codecs, settings } = this.#options
    if (call.isSettled) return
    if (this.#pending.size >= settings.maxPendingCalls) {
      call.fail(new MqError('MQ_BUSY', `${this.#pending.size} calls of node ${this.#options.caller.nodeId} wait for their answers (maxPendingCalls)`))
      return
    }
    if (connection.waitingBytes > 0 && connection.waitingBytes + body.length > settings.maxWaitingCallBytes) {
      call.fail(new MqError('MQ_BUSY', `${connection.waitingBytes} bytes wait to leave for node ${this.#options.caller.nodeId} (maxWaitingCallBytes)`))
      return
    }
    const id = ++this.#lastId
    connection.writer.add(codecs, FrameType.call, { id, method }, body, body.length)
    connection.schedule()
    // from here on nobody takes it back
    call.wasSent = true
    call.onSettled = () => { this.#pending.delete(id) }
    this.#pending.set(id, call)
    this.#waiting.push(call)
  }

  /** What was added to the connection goes to the system. */
  flushed (): void {
    if (this.#waiting.length > 0) this.#waiting = []
  }

  /** True when the frame was one of a call. @throws MQ_BAD_FRAME */
  take (type: FrameType, header: Buffer, payload: Uint8Array): boolean {
    const { codecs } = this.#options
    if (type === FrameType.call) {
      const { id, method } = codecs.decode<{ id: number, method: string }>(type, header)
      this.#serve(id, method, payload)
    } else if (type === FrameType.answer) {
      this.#pending.get(codecs.decode<{ id: number }>(type, header).id)?.answer(payload)
    } else if (type === FrameType.failure) {
      const failure = codecs.decode<CallFailure & { id: number }>(type, header)
      this.#pending.get(failure.id)?.fail(errorOf(failure))
    } else {
      return false
    }
    return true
  }

  closed (reason: string): void {
    this.#isClosed = true
    for (const call of this.#waiting) call.wasSent = false
    this.#waiting = []
    for (const call of [...this.#pending.values()]) call.lost(`the link was lost: ${reason}`)
  }

  #serve (id: number, method: string, body: Uint8Array): void {
    const { handlers, caller, isStranger } = this.#options
    const sizeBytes = body.length
    this.#inflightCalls++
    this.#inflightBytes += sizeBytes
    this.#maybePause()
    handlers.serve(method, body, caller, isStranger).then(
      (answer) => this.#respond(sizeBytes, FrameType.answer, { id }, answer),
      (error: unknown) => this.#respond(sizeBytes, FrameType.failure, { id, ...failureOf(error) }))
  }

  #respond (callBytes: number, type: FrameType, header: object, answer?: Uint8Array): void {
    const { connection, codecs, settings } = this.#options
    this.#inflightCalls--
    this.#inflightBytes -= callBytes
    if (this.#isClosed) return
    connection.writer.add(codecs, type, header, answer, answer?.length ?? 0)
    connection.schedule()
    if (connection.waitingBytes > settings.hardMaxWaitingCallBytes) connection.close(`it does not read: ${connection.waitingBytes} bytes wait (hardMaxWaitingCallBytes)`)
    else this.reconsiderReading()
  }

  #maybePause (): void {
    const { connection, settings } = this.#options
    if (this.isPaused || (this.#inflightCalls <= settings.maxInflightCalls && this.#inflightBytes <= settings.maxInflightCallBytes && connection.waitingBytes <= settings.maxWaitingCallBytes)) return
    this.isPaused = true
    connection.pause()
  }

  /** To be asked when something has left. */
  reconsiderReading (): void {
    const { connection, settings } = this.#options
    if (!this.isPaused || this.#inflightCalls > settings.maxInflightCalls / 2 || this.#inflightBytes > settings.maxInflightCallBytes / 2 || connection.waitingBytes > settings.maxWaitingCallBytes / 2) return
    this.isPaused = false
    connection.resume()
  }
}
