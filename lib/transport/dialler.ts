import type { Clock, Random, Timer } from '../base/index.ts'
import type { NodeId } from '../raft/index.ts'
import type { Address, ByteConnection, Network } from '../remoting/index.ts'
import { introduce, type Acquaintance, type HandshakeContext } from './handshake.ts'
import type { LinkKind } from './frame.ts'
import type { Refusal } from './introduction.ts'
import type { PeerConnection } from './peer-connection.ts'
import type { PeerSettings } from './settings.ts'

export interface DiallerContext {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  readonly settings: PeerSettings
  readonly handshake: HandshakeContext
}

/** Why there is no link. `nobodyListens`: the machine is there and said so, which is what it does when a process has ended. */
export interface LinkFailure { readonly reason: string, readonly refusal?: Refusal | undefined, readonly nobodyListens?: boolean }

/** One attempt to connect and to be accepted; `cancel` gives it up. Exactly one of the two callbacks is called, once, unless cancelled. */
export class Attempt {
  readonly #onMet: (acquaintance: Acquaintance) => void
  readonly #onFailed: (failure: LinkFailure) => void
  readonly #abort = new AbortController()
  #connection: PeerConnection | undefined
  #isCancelled = false

  constructor (context: DiallerContext, address: Address, kind: LinkKind, wanted: NodeId, onMet: (acquaintance: Acquaintance) => void, onFailed: (failure: LinkFailure) => void) {
    this.#onMet = onMet
    this.#onFailed = onFailed
    this.#connect(context, address).then((bytes) => {
      if (this.#isCancelled) {
        bytes.stream.destroy()
        return
      }
      this.#connection = introduce(bytes, context.handshake, kind, wanted, {
        onMet: (acquaintance) => {
          if (this.#isCancelled) acquaintance.connection.close('given up')
          else this.#onMet(acquaintance)
        },
        onFailed: (reason, refusal) => { if (!this.#isCancelled) this.#onFailed({ reason, refusal }) }
      })
    }, ({ message, code }: Error & { readonly code?: unknown }) => { if (!this.#isCancelled) this.#onFailed({ reason: message, nobodyListens: code === 'ECONNREFUSED' }) })
  }

  cancel (): void {
    this.#isCancelled = true
    this.#abort.abort(new Error('given up'))
    this.#connection?.close('given up')
  }

  async #connect ({ clock, network, settings: { connectTimeoutMs } }: DiallerContext, address: Address): Promise<ByteConnection> {
    const { signal } = this.#abort
    const timer = clock.setTimer(connectTimeoutMs, () => this.#abort.abort(new Error(`no connection within ${connectTimeoutMs} ms`)))
    try {
      return await network.connect(address, { signal })
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      timer.cancel()
    }
  }
}

export interface DiallerEvents {
  readonly onMet: (acquaintance: Acquaintance) => void
  /** An attempt failed; the next is on its way by itself. */
  readonly onFailed: (failure: LinkFailure) => void
}

/** Makes one link of one kind to a peer, again whenever it was lost, with growing pauses between attempts that fail. */
export class Dialler {
  readonly #context: DiallerContext
  readonly #address: Address
  readonly #kind: LinkKind
  readonly #nodeId: NodeId
  readonly #events: DiallerEvents
  #attempt: Attempt | undefined
  #timer: Timer | undefined
  #pauseMs: number
  #metMs = -Infinity
  #isClosed = false

  constructor (context: DiallerContext, address: Address, kind: LinkKind, nodeId: NodeId, events: DiallerEvents) {
    this.#context = context
    this.#address = address
    this.#kind = kind
    this.#nodeId = nodeId
    this.#events = events
    this.#pauseMs = context.settings.reconnectMinMs
    this.#dial()
  }

  get isDialling (): boolean { return this.#attempt !== undefined }

  /** The link was lost: makes another. */
  redial (): void {
    if (this.#isClosed) return
    const { clock, settings } = this.#context
    // one that is taken down as soon as it stands is no better than none
    if (clock.nowMs() - this.#metMs > settings.reconnectMaxMs / 4) this.#pauseMs = settings.reconnectMinMs
    this.#wait()
  }

  /** The peer has shown that it is there: no more waiting. */
  wake (): void {
    if (this.#timer === undefined) return
    this.#timer.cancel()
    this.#dial()
  }

  close (): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#attempt?.cancel()
    this.#timer = this.#attempt = undefined
  }

  #dial (): void {
    this.#timer = undefined
    this.#attempt = new Attempt(this.#context, this.#address, this.#kind, this.#nodeId, (acquaintance) => {
      this.#attempt = undefined
      this.#metMs = this.#context.clock.nowMs()
      this.#events.onMet(acquaintance)
    }, (failure) => {
      this.#attempt = undefined
      this.#wait()
      this.#events.onFailed(failure)
    })
  }

  #wait (): void {
    const { clock, random, settings } = this.#context
    const pauseMs = this.#pauseMs * (0.5 + random.next() / 2)
    this.#pauseMs = Math.min(2 * this.#pauseMs, settings.reconnectMaxMs)
    this.#timer = clock.setTimer(pauseMs, () => this.#dial())
  }
}
