import type { Clock } from '../base/index.ts'
import type { NodeId, RaftMessage } from '../raft/index.ts'
import type { LinkEvent, LinkListener, Transport } from '../replica/index.ts'
import { copyMessage } from './copy-message.ts'

type Handler = (message: RaftMessage) => void

/** A network of nodes in one process. Messages keep their order on each link and arrive in a later turn of the loop. */
export class MemoryNetwork {
  readonly #clock: Clock
  readonly #handlers = new Map<NodeId, Handler>()
  readonly #linkListeners = new Map<NodeId, LinkListener>()
  readonly #cut = new Set<string>()
  /** Sees every message when it is sent; returning false loses it. */
  filter: ((message: RaftMessage) => boolean) | undefined

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** The end of the network at one node. */
  transport (nodeId: NodeId): Transport {
    let own: Handler | undefined
    return {
      start: (handler, onLink = () => {}) => {
        own = handler
        this.#handlers.set(nodeId, handler)
        this.#linkListeners.set(nodeId, onLink)
      },
      send: (messages) => {
        if (own === undefined || this.#handlers.get(nodeId) !== own) return
        for (const message of messages) this.#send(nodeId, message)
      },
      close: () => {
        if (this.#handlers.get(nodeId) === own) {
          this.#handlers.delete(nodeId)
          this.#linkListeners.delete(nodeId)
        }
        own = undefined
      }
    }
  }

  /** Loses everything from `from` to `to` until `heal`, what is under way included. */
  cut (from: NodeId, to: NodeId): void { this.#cut.add(`${from}>${to}`) }

  /** Cuts a node off in both directions. */
  isolate (nodeId: NodeId, others: readonly NodeId[]): void {
    for (const other of others) {
      if (other === nodeId) continue
      this.cut(nodeId, other)
      this.cut(other, nodeId)
    }
  }

  heal (): void { this.#cut.clear() }

  /** What a node is told of its links to another one. */
  tell (nodeId: NodeId, of: NodeId, event: LinkEvent): void {
    this.#clock.defer(() => this.#linkListeners.get(nodeId)?.(of, event))
  }

  /** Tells all who are not cut off from it. */
  tellAll (of: NodeId, event: LinkEvent): void {
    for (const nodeId of this.#handlers.keys()) if (nodeId !== of && !this.isCut(of, nodeId)) this.tell(nodeId, of, event)
  }

  isCut (from: NodeId, to: NodeId): boolean { return this.#cut.has(`${from}>${to}`) }

  #send (from: NodeId, message: RaftMessage): void {
    const link = `${from}>${message.to}`
    if (this.#cut.has(link) || this.filter?.(message) === false) return
    const copy = copyMessage(message)
    this.#clock.defer(() => {
      if (!this.#cut.has(link)) this.#handlers.get(message.to)?.(copy)
    })
  }
}
