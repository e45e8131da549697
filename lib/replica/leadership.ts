import type { NodeId } from '../raft/index.ts'
import type { LeadershipEvent } from './ports.ts'

type Listener = (event: LeadershipEvent) => void

/** Who leads, and who wants to know. A listener is told the present state at once and every change after it. */
export class Leadership {
  #event: LeadershipEvent = { isLeader: false, leaderId: 0, term: 0 }
  readonly #listeners = new Set<Listener>()
  #waiters: Array<{ resolve: () => void, reject: (error: Error) => void }> = []

  get event (): LeadershipEvent { return this.#event }

  /** Returns the function that ends it. */
  listen (listener: Listener): () => void {
    this.#listeners.add(listener)
    listener(this.#event)
    return () => { this.#listeners.delete(listener) }
  }

  /** Resolves once this node leads and may take decisions. */
  whenLeader (): Promise<void> {
    if (this.#event.isLeader) return Promise.resolve()
    return new Promise((resolve, reject) => { this.#waiters.push({ resolve, reject }) })
  }

  set (isLeader: boolean, leaderId: NodeId, term: number): void {
    const { isLeader: wasLeader, leaderId: oldLeaderId, term: oldTerm } = this.#event
    if (isLeader === wasLeader && leaderId === oldLeaderId && term === oldTerm) return
    this.#event = { isLeader, leaderId, term }
    for (const listener of [...this.#listeners]) listener(this.#event)
    if (!isLeader) return
    const waiters = this.#waiters
    this.#waiters = []
    for (const { resolve } of waiters) resolve()
  }

  /** No more changes will come. */
  end (error: Error): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const { reject } of waiters) reject(error)
  }
}
