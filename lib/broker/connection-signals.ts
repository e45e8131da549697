import type { RemotingConnection } from '../remoting/index.ts'

export interface ConnectionSignal {
  readonly signal: AbortSignal
  /** Nobody listens any more. */
  readonly end: () => void
}

/** Tells requests that wait of the end of their connection, which is asked to tell of it once. */
export class ConnectionSignals {
  readonly #open = new Map<RemotingConnection, Set<AbortController>>()

  listen (connection: RemotingConnection): ConnectionSignal {
    const controller = new AbortController()
    let open = this.#open.get(connection)
    if (open === undefined) {
      // in it before it is asked to tell: a connection that has closed does so at once
      this.#open.set(connection, open = new Set([controller]))
      connection.onClose(() => {
        const controllers = this.#open.get(connection) ?? []
        this.#open.delete(connection)
        for (const controller of controllers) controller.abort()
      })
    }
    open.add(controller)
    return { signal: controller.signal, end: () => { open.delete(controller) } }
  }
}
