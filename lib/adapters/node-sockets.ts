import { connect as connectTcp, createServer, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls'
import { MAX_PREFACE_BYTES, readPreface } from './proxy-protocol.ts'
import { selfSignedCertificate } from './self-signed-certificate.ts'

interface Address { readonly host: string, readonly port: number }
interface ByteConnection { readonly stream: Duplex, readonly peer: Address, readonly isEncrypted: boolean }
interface Listener { readonly address: Address, close (): Promise<void> }

/** Certificate and key in PEM. */
export interface Certificate {
  readonly cert: string | Buffer
  readonly key: string | Buffer
  readonly passphrase?: string
}

/** @see RocketMQ TlsSystemConfig */
export interface ServerTls {
  /** disabled: TLS is refused; permissive: with or without, by the first byte; enforcing: only with TLS. */
  readonly mode: 'disabled' | 'permissive' | 'enforcing'
  /** A certificate that this process makes and signs itself when the first client wants one, unless given: only good for tests. */
  readonly certificate?: Certificate
  /** Certificates that clients may be signed with; the system's unless given. */
  readonly ca?: string | Buffer
  /** Whether clients are asked for a certificate, and refused without one. */
  readonly clientAuth?: 'none' | 'optional' | 'require'
  /** With `optional`: a certificate that cannot be verified is worse than none, and its client is refused. */
  readonly verifyClients?: boolean
}

export interface ClientTls {
  /** The system's unless given. */
  readonly ca?: string | Buffer
  readonly certificate?: Certificate
  /** Takes any certificate, as RocketMQ's clients do by default. */
  readonly trustAll?: boolean
}

export interface NodeSocketsOptions {
  readonly serverTls?: ServerTls
  /** Connections are made with TLS. */
  readonly clientTls?: ClientTls
  /**
   * A connection may begin with HAProxy's PROXY line or block, version 1 or 2, that says who the client is. Whoever can
   * connect can then claim any address, so only for servers that nobody but a proxy reaches.
   */
  readonly acceptProxyProtocol?: boolean
  /** Sockets of one listener, those included that have sent nothing yet. */
  readonly maxSockets?: number
  /** Within this a new connection must have shown what it speaks. */
  readonly prefaceTimeoutMs?: number
}

const TLS_HANDSHAKE = 0x16
const HANDSHAKE_TIMEOUT_MS = 10_000
const KEEP_ALIVE_DELAY_MS = 60_000

/** TCP and TLS of this machine. Fits remoting's port `Network`. */
export class NodeSockets {
  readonly #serverTls: ServerTls
  readonly #clientTls: ClientTls | undefined
  readonly #acceptProxyProtocol: boolean
  readonly #maxSockets: number
  readonly #prefaceTimeoutMs: number

  constructor ({ serverTls = { mode: 'disabled' }, clientTls, acceptProxyProtocol = false, maxSockets = 25_000, prefaceTimeoutMs = 30_000 }: NodeSocketsOptions = {}) {
    this.#serverTls = serverTls
    this.#clientTls = clientTls
    this.#acceptProxyProtocol = acceptProxyProtocol
    this.#maxSockets = maxSockets
    this.#prefaceTimeoutMs = prefaceTimeoutMs
  }

  /** Rejects with the system's error (`EADDRINUSE`, `EACCES`, ...). */
  async listen ({ host, port }: Address, onConnection: (connection: ByteConnection) => void): Promise<Listener> {
    const entrance = new Entrance(this.#serverTls, this.#acceptProxyProtocol, this.#prefaceTimeoutMs, onConnection)
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS }, (socket) => entrance.enter(socket))
    server.maxConnections = this.#maxSockets
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port }, () => {
        server.off('error', reject)
        // what accepting one connection runs into (no file handles) concerns no other
        server.on('error', () => {})
        resolve()
      })
    })
    const bound = server.address() as { address: string, port: number }
    return {
      address: { host: bound.address, port: bound.port },
      close: async () => {
        server.close()
        entrance.close()
      }
    }
  }

  /** Rejects with the system's error, or when the signal fires. */
  async connect ({ host, port }: Address, { signal }: { readonly signal: AbortSignal }): Promise<ByteConnection> {
    const options = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS }
    const tls = this.#clientTls
    const socket = tls === undefined
      ? connectTcp(options)
      : connectTls({ ...options, ...tls.certificate, ...(tls.ca !== undefined && { ca: tls.ca }), ...(isIP(host) === 0 && { servername: host }), rejectUnauthorized: tls.trustAll !== true })
    const onAbort = (): void => { socket.destroy(signal.reason) }
    signal.addEventListener('abort', onAbort)
    try {
      if (signal.aborted) onAbort()
      await new Promise<void>((resolve, reject) => {
        socket.once(tls === undefined ? 'connect' : 'secureConnect', resolve)
        socket.once('error', reject)
        socket.once('close', () => reject(new Error(`the connection to ${host}:${port} was closed`)))
      })
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    return { stream: socket, peer: { host, port }, isEncrypted: tls !== undefined }
  }
}

/** Where new connections wait until their first bytes have shown what they are. */
class Entrance {
  readonly #tls: ServerTls
  readonly #acceptProxyProtocol: boolean
  readonly #prefaceTimeoutMs: number
  readonly #onConnection: (connection: ByteConnection) => void
  readonly #waiting = new Set<Socket>()
  /** Who is behind a socket that is in its handshake, by remote address and port. */
  readonly #handshaking = new Map<string, Address>()
  #tlsServer: TlsServer | undefined

  constructor (tls: ServerTls, acceptProxyProtocol: boolean, prefaceTimeoutMs: number, onConnection: (connection: ByteConnection) => void) {
    this.#tls = tls
    this.#acceptProxyProtocol = acceptProxyProtocol
    this.#prefaceTimeoutMs = prefaceTimeoutMs
    this.#onConnection = onConnection
  }

  enter (socket: Socket): void {
    socket.on('error', () => {})
    const peer = addressOf(socket)
    if (this.#tls.mode === 'disabled' && !this.#acceptProxyProtocol) {
      this.#onConnection({ stream: socket, peer, isEncrypted: false })
      return
    }
    this.#waiting.add(socket)
    const timer = setTimeout(() => socket.destroy(), this.#prefaceTimeoutMs).unref()
    const leave = (): void => {
      clearTimeout(timer)
      this.#waiting.delete(socket)
      socket.off('data', onData).off('close', leave)
    }
    let received: Buffer | undefined
    const onData = (chunk: Buffer): void => {
      received = received === undefined ? chunk : Buffer.concat([received, chunk])
      const preface = this.#acceptProxyProtocol ? readPreface(received) : { sizeBytes: 0 }
      if (preface === 'malformed') {
        socket.destroy()
        return
      }
      if (preface === 'incomplete' || preface.sizeBytes === received.length) {
        if (received.length > MAX_PREFACE_BYTES) socket.destroy()
        return
      }
      leave()
      socket.pause()
      this.#pass(socket, preface.peer ?? peer, received.subarray(preface.sizeBytes))
    }
    socket.on('data', onData).on('close', leave)
  }

  /** `rest` is what was read behind the preface; at least one byte. */
  #pass (socket: Socket, peer: Address, rest: Buffer): void {
    const isTls = rest[0] === TLS_HANDSHAKE
    if (this.#tls.mode === (isTls ? 'disabled' : 'enforcing')) {
      socket.destroy()
      return
    }
    socket.unshift(rest)
    if (isTls) {
      const key = textOf(addressOf(socket))
      this.#handshaking.set(key, peer)
      socket.once('close', () => this.#handshaking.delete(key))
      this.#tlsServer ??= this.#createTlsServer()
      this.#tlsServer.emit('connection', socket)
      return
    }
    this.#onConnection({ stream: socket, peer, isEncrypted: false })
    socket.resume()
  }

  /** It never listens; sockets are handed to it. */
  #createTlsServer (): TlsServer {
    const { certificate = selfSignedCertificate(new Date()), ca, clientAuth = 'none', verifyClients = false } = this.#tls
    const server = createTlsServer({
      ...certificate,
      ...(ca !== undefined && { ca }),
      requestCert: clientAuth !== 'none',
      rejectUnauthorized: clientAuth === 'require',
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      noDelay: true
    })
    server.on('secureConnection', (socket: TLSSocket) => {
      if (verifyClients && !socket.authorized && Object.keys(socket.getPeerCertificate()).length > 0) {
        socket.destroy()
        return
      }
      const peer = addressOf(socket)
      this.#onConnection({ stream: socket, peer: this.#handshaking.get(textOf(peer)) ?? peer, isEncrypted: true })
    })
    server.on('tlsClientError', (_error, socket) => { socket.destroy() })
    return server
  }

  close (): void {
    for (const socket of this.#waiting) socket.destroy()
  }
}

const addressOf = (socket: Socket): Address => ({ host: socket.remoteAddress ?? '0.0.0.0', port: socket.remotePort ?? 0 })
const textOf = ({ host, port }: Address): string => `${host}:${port}`
