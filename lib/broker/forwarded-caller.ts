import { MqError, type Clock } from '../base/index.ts'
import type { Host } from '../message/index.ts'
import { addressText, encodeHost, encodeResponseOrFailure, OutboundBuffer, type Address, type Answerable, type RemotingConnection, type RemotingFrame, type RemotingResponse, type SlabPool } from '../remoting/index.ts'

/** What processors use of a connection on which requests come that only the leader answers. */
type UsedByProcessors = Pick<RemotingConnection, 'peer' | 'peerText' | 'peerHost' | 'isEncrypted' | 'isClosed' | 'attributes' | 'respond' | 'beginResponse' | 'park' | 'invoke' | 'invokeOneWay' | 'close'>

/**
 * The client of another node, for one request that this one answers. To processors it is a connection; it cannot be asked
 * anything itself, and of its end nothing is heard.
 */
export class ForwardedCaller implements UsedByProcessors {
  readonly peer: Address
  readonly peerText: string
  /** As the node knows it that the client is connected to. */
  readonly clientId: string | undefined
  readonly isEncrypted = false
  readonly attributes = new Map<string, unknown>()
  /** The frame of the answer; empty for a one-way request. Rejects when the request was not carried out and should be asked of another node. */
  readonly answer: Promise<Uint8Array>
  readonly #clock: Clock
  readonly #out: OutboundBuffer
  #settle: { readonly resolve: (frame: Uint8Array) => void, readonly reject: (error: MqError) => void } | undefined
  readonly #closeListeners: Array<() => void> = []
  #isAnswered = false

  constructor (clock: Clock, slabs: SlabPool, peer: Address, clientId: string | undefined) {
    this.#clock = clock
    this.#out = new OutboundBuffer(slabs)
    this.peer = peer
    this.peerText = addressText(peer)
    this.clientId = clientId
    this.answer = new Promise((resolve, reject) => { this.#settle = { resolve, reject } })
  }

  /** To hand it to processors, which know no other type. */
  get connection (): RemotingConnection { return this as unknown as RemotingConnection }
  get isClosed (): boolean { return this.#isAnswered }
  get peerHost (): Host { return encodeHost(this.peer) }

  respond (request: Answerable, response: RemotingResponse): boolean {
    const out = this.beginResponse(request)
    if (out === undefined) return false
    encodeResponseOrFailure(out, request, response)
    return true
  }

  beginResponse (request: Answerable): OutboundBuffer | undefined {
    if (this.#isAnswered) return undefined
    this.#end()
    if (request.isOneWay) {
      this.#settle!.resolve(new Uint8Array(0))
      return undefined
    }
    // the answer is encoded in this turn
    this.#clock.defer(() => {
      const pieces = this.#out.take()
      this.#settle!.resolve(Buffer.concat(pieces))
      this.#out.release(pieces)
    })
    return this.#out
  }

  /** The request is dealt with and gets no answer. */
  done (request: RemotingFrame): void { if (request.isOneWay) this.beginResponse(request) }

  /** The request was not carried out: the node that forwarded it may ask the next leader. */
  giveBack (error: MqError): void {
    if (this.#isAnswered) return
    this.#end()
    this.#settle!.reject(error)
  }

  #end (): void {
    this.#isAnswered = true
    for (const listener of this.#closeListeners.splice(0)) listener()
  }

  park (request: Answerable): Answerable {
    return { opaque: request.opaque, headerType: request.headerType, isOneWay: request.isOneWay, inflightBytes: 0 }
  }

  /** The request is all there was of it. */
  onClose (listener: () => void): void { this.#closeListeners.push(listener) }
  close (): void {}
  invoke (): Promise<never> { return Promise.reject(this.#unreachable()) }
  invokeOneWay (): never { throw this.#unreachable() }

  #unreachable (): MqError {
    return new MqError('MQ_CONNECTION_LOST', `${this.peerText} is connected to another node of the group`, { outcome: 'not-applied' })
  }
}
