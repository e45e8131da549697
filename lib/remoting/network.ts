import type { Duplex } from 'node:stream'

/** The port to the network: adapters offer it over TCP and TLS, specs in memory. */
export interface Network {
  /** Rejects with the system's error (`EADDRINUSE`, `EACCES`, ...). */
  listen (address: Address, onConnection: (connection: ByteConnection) => void): Promise<Listener>
  /** Rejects with the system's error, or when the signal fires. */
  connect (address: Address, options: { readonly signal: AbortSignal }): Promise<ByteConnection>
}

export interface Address {
  readonly host: string
  readonly port: number
}

export interface Listener {
  /** What it is bound to; a real port where 0 was asked for. */
  readonly address: Address
  /** Takes no more connections; those there are stay. */
  close (): Promise<void>
}

/** Two ways of bytes, encrypted or not, at the beginning of the protocol: what came before (TLS, a proxy's preface) was dealt with. */
export interface ByteConnection {
  readonly stream: Duplex
  /** The client itself where a proxy said who it is. */
  readonly peer: Address
  readonly isEncrypted: boolean
}
