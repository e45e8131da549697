import { duplexPair, type Duplex } from 'node:stream'
import type { Address, ByteConnection, Listener, Network } from '../../lib/remoting/index.ts'

/** A network in this process. The end of one side is seen by the other, as over sockets. */
export class MemoryNetwork implements Network {
  readonly #listeners = new Map<number, (connection: ByteConnection) => void>()
  #nextPort = 40_000
  /** What a connect waits for, if anything. */
  hold: Promise<void> | undefined

  async listen ({ host, port }: Address, onConnection: (connection: ByteConnection) => void): Promise<Listener> {
    const bound = { host, port: port === 0 ? this.#nextPort++ : port }
    if (this.#listeners.has(bound.port)) throw Object.assign(new Error(`listen EADDRINUSE: ${bound.port}`), { code: 'EADDRINUSE' })
    this.#listeners.set(bound.port, onConnection)
    return { address: bound, close: async () => { this.#listeners.delete(bound.port) } }
  }

  async connect (address: Address, { signal }: { readonly signal: AbortSignal }): Promise<ByteConnection> {
    if (this.hold !== undefined) {
      await Promise.race([this.hold, new Promise((_resolve, reject) => { signal.addEventListener('abort', () => reject(signal.reason)) })])
    }
    const peer = { host: '127.0.0.1', port: this.#nextPort++ }
    return { stream: this.open(address.port, peer), peer: address, isEncrypted: false }
  }

  /** A raw connection to whoever listens there. */
  open (port: number, peer: Address = { host: '127.0.0.1', port: this.#nextPort++ }): Duplex {
    const onConnection = this.#listeners.get(port)
    if (onConnection === undefined) throw Object.assign(new Error(`connect ECONNREFUSED: ${port}`), { code: 'ECONNREFUSED' })
    const [near, far] = linkedPair()
    onConnection({ stream: far, peer, isEncrypted: false })
    return near
  }
}

/** A pair of streams where destroying one side ends the other. */
export function linkedPair (): [Duplex, Duplex] {
  const [a, b] = duplexPair({ allowHalfOpen: false })
  for (const [one, other] of [[a, b], [b, a]] as const) one.once('close', () => { if (!other.destroyed) other.destroy() })
  for (const side of [a, b]) {
    side.on('error', () => {})
    // a system copies what is written: who wrote it uses the memory again
    const write = side._write.bind(side)
    side._write = (chunk: Uint8Array, encoding, written) => { write(Buffer.from(chunk), encoding, written) }
  }
  return [a, b]
}
